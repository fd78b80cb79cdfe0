// Batch normalisation for training, channel by channel over images and pixels, forward and backward.
#include <omp.h>
#include <cmath>
#include <vector>
#include "images.h"

namespace fkp {

// One call; the same fields in the same order as `ops/normalise.py`'s.  Per channel: gamma and what follows it.
struct Normalise {
    int64_t images;
    Size size;
    int64_t x_strides[4], gy_strides[4];  // image, channel, row, column; in elements
    const float* x;
    const float* gy;
    float* to;  // y or x's gradient, dense and channels-last
    const float* gamma;
    const float* beta;
    const float* epsilon;  // one number
    float* mean;
    float* invstd;  // 1 / sqrt(variance + epsilon)
    float* variance;
    float* ggamma;
    float* gbeta;
    int64_t pixels() const { return images * size.pixels(); }
};

namespace {

struct Room {
    Scratch x, gy;
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
            const Images x = {p.x, p.x_strides, p.size}, gy = {p.gy, p.gy_strides, p.size};
            work(image, straight(x, image, room().x), p.gy ? straight(gy, image, room().gy) : nullptr);
        });
    error.rethrow();
}

// Two sums per channel over all pixels.  A row's in float32, the rest in double and in order: the same for any
// number of threads.
struct Sums {
    std::vector<double> first, second;

    template <class F> Sums(const Normalise& p, F terms) : first(p.size.channels), second(p.size.channels) {
        const int64_t channels = p.size.channels;
        std::vector<double> parts(2 * p.images * channels);
        each_image(p, [&](int64_t image, const float* x, const float* gy) {
            double* part = parts.data() + 2 * image * channels;
            vectors(channels, [&](int64_t c, int count) {
                for (int64_t row = 0; row < p.size.height; ++row) {
                    Floats one = {}, two = {};
                    for (int64_t at = row * p.size.width; at < (row + 1) * p.size.width; ++at)
                        terms(load<Floats>(x + at * channels + c, count),
                              gy ? load<Floats>(gy + at * channels + c, count) : Floats{}, c, count, one, two);
                    for (int lane = 0; lane < count; ++lane) {
                        part[c + lane] += one[lane];
                        part[channels + c + lane] += two[lane];
                    }
                }
            });
        });
        for (int64_t image = 0; image < p.images; ++image)
            for (int64_t c = 0; c < channels; ++c) {
                first[c] += parts[2 * image * channels + c];
                second[c] += parts[(2 * image + 1) * channels + c];
            }
    }
};

// Writes work(x, gy, channel, count) for every number.
template <class F> void write(const Normalise& p, F work) {
    const int64_t channels = p.size.channels;
    each_image(p, [&](int64_t image, const float* x, const float* gy) {
        float* to = p.to + image * p.size.numbers();
        for (int64_t at = 0; at < p.size.numbers(); at += channels)
            vectors(channels, [&](int64_t c, int count) {
                const Floats g = gy ? load<Floats>(gy + at + c, count) : Floats{};
                store(to + at + c, work(load<Floats>(x + at + c, count), g, c, count), count);
            });
    });
}

void forward(const Normalise& p) {
    const int64_t channels = p.size.channels;
    std::vector<float> pivot(channels), scale(channels);
    for (int64_t c = 0; c < channels; ++c) pivot[c] = p.x[c * p.x_strides[1]];  // near the mean: squares stay small
    const Sums sums(p, [&](Floats x, Floats, int64_t c, int count, Floats& one, Floats& two) {
        const Floats d = x - load<Floats>(pivot.data() + c, count);
        one += d;
        two += d * d;
    });
    for (int64_t c = 0; c < channels; ++c) {
        const double off = sums.first[c] / p.pixels(), square = sums.second[c] / p.pixels();
        p.mean[c] = float(pivot[c] + off);
        p.variance[c] = float(std::max(square - off * off, 0.));
        p.invstd[c] = float(1 / std::sqrt(double(p.variance[c]) + *p.epsilon));
        scale[c] = p.gamma[c] * p.invstd[c];
    }
    write(p, [&](Floats x, Floats, int64_t c, int count) {
        return (x - load<Floats>(p.mean + c, count)) * load<Floats>(scale.data() + c, count) +
               load<Floats>(p.beta + c, count);
    });
}

void backward(const Normalise& p) {
    const int64_t channels = p.size.channels;
    std::vector<float> scale(channels), constant(channels), slope(channels);
    const Sums sums(p, [&](Floats x, Floats gy, int64_t c, int count, Floats& one, Floats& two) {
        one += gy;
        two += gy * (x - load<Floats>(p.mean + c, count));
    });
    for (int64_t c = 0; c < channels; ++c) {
        p.gbeta[c] = float(sums.first[c]);
        p.ggamma[c] = float(sums.second[c] * p.invstd[c]);
        scale[c] = p.gamma[c] * p.invstd[c];
        constant[c] = p.gbeta[c] / p.pixels();
        slope[c] = p.ggamma[c] * p.invstd[c] / p.pixels();
    }
    write(p, [&](Floats x, Floats gy, int64_t c, int count) {
        return load<Floats>(scale.data() + c, count) *
               (gy - load<Floats>(constant.data() + c, count) -
                (x - load<Floats>(p.mean + c, count)) * load<Floats>(slope.data() + c, count));
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
