// Batch normalisation for training, channel by channel over images and pixels, with the activation and the 2x2 max-pool
// behind it, forward and backward.
#include <omp.h>
#include <cmath>
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
    Scratch x, gy, gradient;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

// Calls work(image, x, gy) with dense channels-last images; gy is null where there is none.
template <class F> void each_image(const Normalise& p, F work) {
    FirstError error;
#pragma omp parallel for schedule(static) if (p.images * p.size.numbers() > 1 << 15)
    for (int64_t image = 0; image < p.images; ++image)
        error.guard([&] {
            const Images x = {p.x, p.x_strides, p.size}, gy = {p.gy, p.gy_strides, p.output()};
            work(image, straight(x, image, room().x), p.gy ? straight(gy, image, room().gy) : nullptr);
        });
    error.rethrow();
}

// Some channels' numbers, kept in registers: what the activation takes, from x.
struct Affine {
    Floats mean, scale, beta;

    Affine(const Normalise& p, int64_t c, int count)
        : mean(load<Floats>(p.mean + c, count)),
          scale(load<Floats>(p.gamma + c, count) * load<Floats>(p.invstd + c, count)),
          beta(p.beta ? load<Floats>(p.beta + c, count) : Floats{}) {}
    Floats operator()(const float* x, int count) const { return (load<Floats>(x, count) - mean) * scale + beta; }
};

// Asks for the numbers from `from` on before they are wanted: the processor itself does not foresee the steps from pixel
// to pixel.
inline void fetch(const float* from, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) __builtin_prefetch(from + i);
}

// An image in strips of one row, or of the two that a pool takes.  Calls work(place, pixels, channel, channels <= LANES)
// for every strip; `x` and, where the strips are as large, `gy` are about to be read.
template <class F> void strips(const Normalise& p, const float* x, const float* gy, F work) {
    const int64_t most = p.pool ? 2 : 1, row = p.size.width * p.size.channels;
    for (int64_t h = 0; h < p.size.height; h += most) {
        const int64_t rows = std::min(most, p.size.height - h);
        fetch(x + (h + rows) * row, most * row);
        if (gy && !p.pool) fetch(gy + (h + rows) * row, most * row);
        vectors(p.size.channels, [&](int64_t c, int count) { work(h * row + c, rows * p.size.width, c, count); });
    }
}

// The four numbers that a pool's window takes.
struct Four {
    Floats z[4], best;

    Four(const Affine& affine, const float* x, const Window& window, int count) {
        for (int i = 0; i < 4; ++i) z[i] = affine(x + window.offsets[i], count);
        best = z[0];
        for (int i = 1; i < 4; ++i) best = (z[i] > best) | (z[i] != z[i]) ? z[i] : best;  // NaN comes through
    }
};

void forward_image(const Normalise& p, const float* x, float* y) {
    const int64_t channels = p.size.channels;
    const Window window(p.size);
    strips(p, x, nullptr, [&](int64_t at, int64_t pixels, int64_t c, int count) {
        const Affine affine(p, c, count);
        const float* from = x + at;
        if (!p.pool) {
            for (int64_t i = 0; i < pixels; ++i)
                store(y + at + i * channels, activate(affine(from + i * channels, count), p.curve), count);
            return;
        }
        if (pixels < 2 * p.size.width) return;
        float* to = y + at / (2 * p.size.width * channels) * p.output().width * channels + c;
        for (int64_t i = 0; i < p.output().width; ++i)
            store(to + i * channels, activate(Four(affine, from + 2 * i * channels, window, count).best, p.curve), count);
    });
}

// A strip's gradient before the activation and the pool, one channel vector after the other as x has them, into `g`.
void strip_gradient(const Normalise& p, const float* x, const float* gy, int64_t at, int64_t pixels, int64_t c, int count,
                    Floats* g) {
    const int64_t channels = p.size.channels, width = p.size.width;
    const Affine affine(p, c, count);
    auto back = [&](const Floats& z, const Floats& g) { return g * derivative(activate(z, p.curve), p.curve); };
    if (!p.pool) {
        for (int64_t i = 0; i < pixels; ++i) {
            g[i] = load<Floats>(gy + at + i * channels, count);
            if (!p.curve.linear()) g[i] = back(affine(x + at + i * channels, count), g[i]);
        }
        return;
    }
    if (pixels < 2 * width || width % 2) std::fill_n(g, pixels, Floats{});  // the border has none
    if (pixels < 2 * width) return;
    const Window window(p.size);
    const float* from = gy + at / (2 * width * channels) * p.output().width * channels + c;
    for (int64_t i = 0; i < p.output().width; ++i) {
        const Four four(affine, x + at + 2 * i * channels, window, count);
        const Floats part = back(four.best, load<Floats>(from + i * channels, count));
        for (int k = 0; k < 4; ++k) g[2 * i + k % 2 + k / 2 * width] = four.z[k] == four.best ? part : Floats{};
    }
}

// Two sums per channel over all pixels.  A strip's in float32, the rest in double and in order: the same for any
// number of threads.
struct Sums {
    std::vector<double> first, second;

    // terms(image's x, gy, place, pixels, channel, channels, one, two) adds a strip's up.
    template <class F> Sums(const Normalise& p, F terms) : first(p.size.channels), second(p.size.channels) {
        const int64_t channels = p.size.channels;
        std::vector<double> parts(2 * p.images * channels);
        each_image(p, [&](int64_t image, const float* x, const float* gy) {
            double *part = parts.data() + 2 * image * channels, *other = part + channels;
            strips(p, x, gy, [&](int64_t at, int64_t pixels, int64_t c, int count) {
                Floats one = {}, two = {};
                terms(x, gy, at, pixels, c, count, one, two);
                add(part + c, one, count);
                add(other + c, two, count);
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
    const Sums sums(p, [&](const float* x, const float*, int64_t at, int64_t pixels, int64_t c, int count, Floats& one,
                           Floats& two) {
        const Floats middle = load<Floats>(pivot.data() + c, count);
        for (int64_t i = 0; i < pixels; ++i) {
            const Floats d = load<Floats>(x + at + i * channels, count) - middle;
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
    each_image(p, [&](int64_t image, const float* x, const float*) {
        forward_image(p, x, p.to + image * p.output().numbers());
    });
}

void backward(const Normalise& p) {
    const int64_t channels = p.size.channels;
    auto gradient = [&] { return room().gradient.of<Floats>(2 * p.size.width); };
    const Sums sums(p, [&](const float* x, const float* gy, int64_t at, int64_t pixels, int64_t c, int count, Floats& one,
                           Floats& two) {
        Floats* g = gradient();
        strip_gradient(p, x, gy, at, pixels, c, count, g);
        const Floats mean = load<Floats>(p.mean + c, count);
        for (int64_t i = 0; i < pixels; ++i) {
            one += g[i];
            two += g[i] * (load<Floats>(x + at + i * channels, count) - mean);
        }
    });
    std::vector<float> constant(channels), slope(channels);
    for (int64_t c = 0; c < channels; ++c) {
        p.gbeta[c] = float(sums.first[c]);
        p.ggamma[c] = float(sums.second[c] * p.invstd[c]);
        constant[c] = p.gbeta[c] / p.pixels();
        slope[c] = p.ggamma[c] * p.invstd[c] / p.pixels();
    }
    each_image(p, [&](int64_t image, const float* x, const float* gy) {
        float* to = p.to + image * p.size.numbers();
        strips(p, x, gy, [&](int64_t at, int64_t pixels, int64_t c, int count) {
            Floats* g = gradient();
            strip_gradient(p, x, gy, at, pixels, c, count, g);
            const Affine affine(p, c, count);
            const Floats less = load<Floats>(constant.data() + c, count), tilt = load<Floats>(slope.data() + c, count);
            for (int64_t i = 0, place = at; i < pixels; ++i, place += channels)
                store(to + place, affine.scale * (g[i] - less - (load<Floats>(x + place, count) - affine.mean) * tilt),
                      count);
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
    return fkp::reason([&] { if (p->pixels()) fkp::backward(*p); });
}

}
