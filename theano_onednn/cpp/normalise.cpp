// Batch normalisation for training, channel by channel over images and pixels, with the activation and the 2x2 max-pool
// behind it, forward and backward.
#include <omp.h>
#include <cmath>
#include <type_traits>
#include <vector>
#include "activation.h"
#include "pool.h"

namespace fkp {

// One call; the same fields in the same order as `ops/normalise.py`'s.  Per channel: gamma and what follows it.
struct Normalise {
    int64_t images;
    Size size;                            // of x
    int64_t x_strides[4], gy_strides[4];  // image, channel, row, column; in elements
    int64_t pool;                         // 1: a 2x2 max-pool follows; the activation is a slope then
    Curve curve;
    const float* x;
    const float* gy;
    float* to;  // y or x's gradient, dense and channels-last
    const float* gamma;
    const float* beta;     // on the way back null, where neither activation nor pool follows
    const float* epsilon;  // one number
    float* mean;
    float* invstd;  // 1 / sqrt(variance + epsilon)
    float* variance;
    float* ggamma;
    float* gbeta;
    int64_t pixels() const { return images * size.pixels(); }
    Size output() const { return pool ? halved(size) : size; }
};

namespace {

typedef double Doubles __attribute__((vector_size(8 * LANES)));

struct Room {
    Scratch x, gy;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

enum Order { FORWARDS, BACKWARDS };

// Calls work(image, x, gy) with dense channels-last images; gy is null where there is none.
template <class F> void each_image(const Normalise& p, Order order, F work) {
    FirstError error;
#pragma omp parallel for schedule(static) if (p.images * p.size.numbers() > 1 << 15)
    for (int64_t i = 0; i < p.images; ++i)
        error.guard([&] {
            const int64_t image = order == FORWARDS ? i : p.images - 1 - i;
            const Images x = {p.x, p.x_strides, p.size}, gy = {p.gy, p.gy_strides, p.output()};
            work(image, straight(x, image, room().x), p.gy ? straight(gy, image, room().gy) : nullptr);
        });
    error.rethrow();
}

// What follows the normalisation, known when this is compiled: loops over pixels hold no branch for it.
template <int KIND_, bool POOL_> struct Then {
    static constexpr int KIND = KIND_;
    static constexpr bool POOL = POOL_;
};

// Calls work(then).
template <class F> void then(const Normalise& p, F work) {
    if (p.pool) work(Then<SLOPE, true>());
    else if (p.curve.kind == TANH) work(Then<TANH, false>());
    else if (p.curve.kind == SIGMOID) work(Then<SIGMOID, false>());
    else work(Then<SLOPE, false>());
}

// Asks for the numbers from `from` on before they are wanted: the processor itself does not foresee the steps from pixel
// to pixel.
inline void fetch(const float* from, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) __builtin_prefetch(from + i);
}

// Some channels of one row of an image, or of the two that a pool takes: where they lie, and where they lie pooled.
struct Strip {
    int64_t at, pooled, pixels, channel;
};

// Calls work(strip, channels <= LANES) for all strips of an image; the number of channels is a constant for all but the
// last ones.  `x` and, where the strips are as large, `gy` are about to be read.
template <class F> void strips(const Normalise& p, const float* x, const float* gy, F work) {
    const int64_t most = p.pool ? 2 : 1, channels = p.size.channels, row = p.size.width * channels;
    for (int64_t h = 0; h < p.size.height; h += most) {
        const int64_t rows = std::min(most, p.size.height - h), pixels = rows * p.size.width;
        fetch(x + (h + rows) * row, most * row);
        if (gy && !p.pool) fetch(gy + (h + rows) * row, most * row);
        const int64_t at = h * row, pooled = h / 2 * p.output().width * channels;
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES)
            work(Strip{at + c, pooled + c, pixels, c}, std::integral_constant<int, LANES>());
        if (c < channels) work(Strip{at + c, pooled + c, pixels, c}, int(channels - c));
    }
}

// Some channels' numbers, kept in registers: what the activation takes, from x.
struct Affine {
    Floats mean, scale, beta;

    Affine(const Normalise& p, int64_t c, int count)
        : mean(load<Floats>(p.mean + c, count)),
          scale(load<Floats>(p.gamma + c, count) * load<Floats>(p.invstd + c, count)),
          beta(p.beta ? load<Floats>(p.beta + c, count) : Floats{}) {}
    Floats operator()(const Floats& off) const { return off * scale + beta; }  // off: x - mean
};

// The four numbers that a pool's window takes.
struct Four {
    Floats off[4], z[4], best;

    Four(const Affine& affine, const float* x, const Window& window, int count) {
        for (int i = 0; i < 4; ++i) z[i] = affine(off[i] = load<Floats>(x + window.offsets[i], count) - affine.mean);
        best = z[0];
        for (int i = 1; i < 4; ++i) best = (z[i] > best) | (z[i] != z[i]) ? z[i] : best;  // NaN comes through
    }
};

template <class Then> void forward_image(const Normalise& p, const float* x, float* y) {
    const int64_t channels = p.size.channels;
    const float slope = float(p.curve.slope);
    const Window window(p.size);
    strips(p, x, nullptr, [&](const Strip& s, auto count) {
        const Affine affine(p, s.channel, count);
        const float* from = x + s.at;
        if (!Then::POOL) {
            for (int64_t i = 0; i < s.pixels * channels; i += channels)
                store(y + s.at + i, activate<Then::KIND>(affine(load<Floats>(from + i, count) - affine.mean), slope),
                      count);
        } else if (s.pixels == 2 * p.size.width) {
            for (int64_t i = 0; i < p.output().width * channels; i += channels)
                store(y + s.pooled + i, activate<Then::KIND>(Four(affine, from + 2 * i, window, count).best, slope),
                      count);
        }
    });
}

// Calls use(place in x, x - mean, the gradient before the activation and the pool) for a strip's pixels.
template <class Then, class F>
void gradients(const Normalise& p, const float* x, const float* gy, const Strip& s, int count, F use) {
    const int64_t channels = p.size.channels, width = p.size.width;
    const float slope = float(p.curve.slope);
    const Affine affine(p, s.channel, count);
    const auto back = [&](const Floats& z, const Floats& g) {
        return g * derivative<Then::KIND>(activate<Then::KIND>(z, slope), slope);
    };
    const auto off = [&](int64_t place) { return load<Floats>(x + place, count) - affine.mean; };
    if (!Then::POOL) {
        const bool linear = p.curve.linear();
        for (int64_t place = s.at; place < s.at + s.pixels * channels; place += channels) {
            const Floats d = off(place), g = load<Floats>(gy + place, count);
            use(place, d, linear ? g : back(affine(d), g));
        }
        return;
    }
    const auto border = [&](int64_t place) { use(place, off(place), Floats{}); };  // no window has it
    if (s.pixels < 2 * width) {
        for (int64_t i = 0; i < s.pixels; ++i) border(s.at + i * channels);
        return;
    }
    const Window window(p.size);
    for (int64_t i = 0, place = s.at; i < width / 2; ++i, place += 2 * channels) {
        const Four four(affine, x + place, window, count);
        const Floats part = back(four.best, load<Floats>(gy + s.pooled + i * channels, count));
        for (int k = 0; k < 4; ++k) {
            const Ints taken = (four.z[k] == four.best) | (four.z[k] != four.z[k]);
            use(place + window.offsets[k], four.off[k], taken ? part : Floats{});
        }
    }
    if (width % 2)
        for (int row = 1; row <= 2; ++row) border(s.at + (row * width - 1) * channels);
}

// Two sums per channel over all pixels.  A strip's in float32, the rest in double and in order: the same for any
// number of threads.  From the last image to the first: of what was written last, some is still in a cache, and of what is
// read last here, some will be when the images are read again.
struct Sums {
    std::vector<double> first, second;

    // terms(image's x, gy, strip, channels, one, two) adds a strip's up.
    template <class F> Sums(const Normalise& p, F terms) : first(p.size.channels), second(p.size.channels) {
        const int64_t channels = p.size.channels;
        std::vector<double> parts(2 * p.images * channels);
        each_image(p, BACKWARDS, [&](int64_t image, const float* x, const float* gy) {
            double *part = parts.data() + 2 * image * channels, *other = part + channels;
            strips(p, x, gy, [&](const Strip& s, auto count) {
                Floats one = {}, two = {};
                terms(x, gy, s, count, one, two);
                add(part + s.channel, one, count);
                add(other + s.channel, two, count);
            });
        });
        for (int64_t image = 0; image < p.images; ++image)
            for (int64_t c = 0; c < channels; ++c) {
                first[c] += parts[2 * image * channels + c];
                second[c] += parts[(2 * image + 1) * channels + c];
            }
    }

private:
    static void add(double* sum, const Floats& part, int count) {
        const Doubles exact = __builtin_convertvector(part, Doubles);
        for (int lane = 0; lane < count; ++lane) sum[lane] += exact[lane];
    }
};

void forward(const Normalise& p) {
    const int64_t channels = p.size.channels;
    std::vector<float> pivot(channels);
    for (int64_t c = 0; c < channels; ++c) pivot[c] = p.x[c * p.x_strides[1]];  // near the mean: squares stay small
    const Sums sums(p, [&](const float* x, const float*, const Strip& s, auto count, Floats& one, Floats& two) {
        const Floats middle = load<Floats>(pivot.data() + s.channel, count);
        for (int64_t i = 0; i < s.pixels * channels; i += channels) {
            const Floats d = load<Floats>(x + s.at + i, count) - middle;
            one += d;
            two += d * d;
        }
    });
    for (int64_t c = 0; c < channels; ++c) {
        const double off = sums.first[c] / p.pixels(), square = sums.second[c] / p.pixels();
        p.mean[c] = float(pivot[c] + off);
        p.variance[c] = float(std::max(square - off * off, 0.));
        p.invstd[c] = float(1 / std::sqrt(double(p.variance[c]) + *p.epsilon));
    }
    then(p, [&](auto then) {
        each_image(p, FORWARDS, [&](int64_t image, const float* x, const float*) {
            forward_image<decltype(then)>(p, x, p.to + image * p.output().numbers());
        });
    });
}

template <class Then> void backward(const Normalise& p) {
    const int64_t channels = p.size.channels;
    const Sums sums(p, [&](const float* x, const float* gy, const Strip& s, auto count, Floats& one, Floats& two) {
        gradients<Then>(p, x, gy, s, count, [&](int64_t, const Floats& off, const Floats& g) {
            one += g;
            two += g * off;
        });
    });
    std::vector<float> constant(channels), slope(channels);
    for (int64_t c = 0; c < channels; ++c) {
        p.gbeta[c] = float(sums.first[c]);
        p.ggamma[c] = float(sums.second[c] * p.invstd[c]);
        constant[c] = p.gbeta[c] / p.pixels();
        slope[c] = p.ggamma[c] * p.invstd[c] / p.pixels();
    }
    each_image(p, FORWARDS, [&](int64_t image, const float* x, const float* gy) {
        float* to = p.to + image * p.size.numbers();
        strips(p, x, gy, [&](const Strip& s, auto count) {
            const Floats scale = Affine(p, s.channel, count).scale;
            const Floats less = load<Floats>(constant.data() + s.channel, count);
            const Floats tilt = load<Floats>(slope.data() + s.channel, count);
            gradients<Then>(p, x, gy, s, count, [&](int64_t place, const Floats& off, const Floats& g) {
                store(to + place, scale * (g - less - off * tilt), count);
            });
        });
    });
}

}  // namespace
}  // namespace fkp

extern "C" {

extern const int64_t fkp_normalise_size = sizeof(fkp::Normalise);

const char* fkp_normalise_forward(const fkp::Normalise* p) {
    return fkp::reason([&] { if (p->pixels()) fkp::forward(*p); });
}

const char* fkp_normalise_backward(const fkp::Normalise* p) {
    return fkp::reason([&] { if (p->pixels()) fkp::then(*p, [&](auto then) { fkp::backward<decltype(then)>(*p); }); });
}

}
