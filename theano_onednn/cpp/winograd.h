// 3x3 convolutions of float32 images with a quarter of the multiplications: Winograd's F(4x4, 3x3), as in Lavin and Gray,
// "Fast algorithms for convolutional neural networks" (CVPR 2016).
//
// The output is cut into tiles of 4x4 pixels.  Each needs 6x6 pixels of the input, whose 36 sums and differences are
// multiplied by 36 of the kernel's, each a matrix product over all channels; sums of these are the tile.
#pragma once
#include "images.h"

namespace fkp {

// Kernels of 3x3 correlated with dense channels-last images, one pixel after the other.
struct Correlation {
    int64_t images;
    Size in, out;
    int64_t above, left;  // padding

    int64_t down() const { return (out.height + 3) / 4; }
    int64_t across() const { return (out.width + 3) / 4; }
    int64_t tiles() const { return images * down() * across(); }
};

constexpr int POINTS = 36;

inline int64_t padded(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }

// Numbers in a transformed kernel: points, channels in, channels out, both filled up to whole vectors.
inline int64_t kernel_numbers(int64_t in, int64_t out) { return POINTS * padded(in) * padded(out); }

// Transforms kernels; weights(in, out, place) is a number, place from 0 to 8.
template <class F> void transform_kernels(int64_t in, int64_t out, F weights, float* to);

// z = correlation + bias (null: none), from transformed kernels.
void correlate(const Correlation& c, const float* x, const float* kernels, const float* bias, float* z);

// Adds the transformed kernels' gradient to `sums`.
void correlate_weights(const Correlation& c, const float* x, const float* gz, float* sums);

namespace winograd {

// One line of a transform: numbers `step` apart become others `apart` apart; those named Back are transposes.  Six equal
// pixels leave exact zeros but for one number, so that what is constant stays constant, and ties in a pool stay ties.
struct Image {  // 6 -> 6
    void operator()(const Floats* d, int step, Floats* to, int apart) const {
        const Floats d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
        const Floats even = d4 - 4 * d2, odd = d3 - 4 * d1, less = d4 - d2, twice = 2 * (d3 - d1);
        to[0] = 4 * (d[0] - d2) + less;
        to[apart] = even + odd;
        to[2 * apart] = even - odd;
        to[3 * apart] = less + twice;
        to[4 * apart] = less - twice;
        to[5 * apart] = 4 * (d1 - d3) + (d[5 * step] - d3);
    }
};

struct Tile {  // 6 -> 4
    void operator()(const Floats* m, int step, Floats* to, int apart) const {
        const Floats ones = m[step] + m[2 * step], one = m[step] - m[2 * step];
        const Floats twos = m[3 * step] + m[4 * step], two = m[3 * step] - m[4 * step];
        to[0] = m[0] + ones + twos;
        to[apart] = one + 2 * two;
        to[2 * apart] = ones + 4 * twos;
        to[3 * apart] = one + 8 * two + m[5 * step];
    }
};

struct TileBack {  // 4 -> 6
    void operator()(const Floats* g, int step, Floats* to, int apart) const {
        const Floats g1 = g[step], g3 = g[3 * step], ones = g[0] + g[2 * step], twos = g[0] + 4 * g[2 * step];
        to[0] = g[0];
        to[apart] = ones + (g1 + g3);
        to[2 * apart] = ones - (g1 + g3);
        to[3 * apart] = twos + (2 * g1 + 8 * g3);
        to[4 * apart] = twos - (2 * g1 + 8 * g3);
        to[5 * apart] = g3;
    }
};

struct Kernel {  // 3 -> 6
    void operator()(const Floats* w, int step, Floats* to, int apart) const {
        const Floats w1 = w[step], w2 = w[2 * step], ones = (w[0] + w2) / 6, twos = (w[0] + 4 * w2) / 24;
        to[0] = w[0] / 4;
        to[apart] = -ones - w1 / 6;
        to[2 * apart] = -ones + w1 / 6;
        to[3 * apart] = twos + w1 / 12;
        to[4 * apart] = twos - w1 / 12;
        to[5 * apart] = w2;
    }
};

struct KernelBack {  // 6 -> 3
    void operator()(const Floats* u, int step, Floats* to, int apart) const {
        const Floats ones = u[step] + u[2 * step], twos = u[3 * step] + u[4 * step];
        to[0] = u[0] / 4 - ones / 6 + twos / 24;
        to[apart] = (u[2 * step] - u[step]) / 6 + (u[3 * step] - u[4 * step]) / 12;
        to[2 * apart] = (twos - ones) / 6 + u[5 * step];
    }
};

// A square of FROM x FROM numbers to TO x TO: line by line down, then across.
template <int FROM, int TO, class Line> inline void square(const Floats* from, Floats* to, Line line) {
    Floats half[TO * FROM];
    for (int i = 0; i < FROM; ++i) line(from + i, FROM, half + i, FROM);
    for (int i = 0; i < TO; ++i) line(half + i * FROM, 1, to + i * TO, 1);
}

}  // namespace winograd

template <class F> void transform_kernels(int64_t in, int64_t out, F weights, float* to) {
    const int64_t row = padded(out), point = padded(in) * row;
#pragma omp parallel for schedule(static) if (in * out > 1 << 10)
    for (int64_t i = 0; i < in; ++i)
        vectors(out, [&](int64_t o, int count) {
            Floats from[9] = {}, found[POINTS];
            for (int place = 0; place < 9; ++place)
                for (int lane = 0; lane < count; ++lane) from[place][lane] = weights(i, o + lane, place);
            winograd::square<3, 6>(from, found, winograd::Kernel());
            for (int p = 0; p < POINTS; ++p) store(to + p * point + i * row + o, found[p], LANES);
        });
}

// The kernels' gradient from the sums; gradient(in, out, place, number) takes it.
template <class F> void kernel_gradients(int64_t in, int64_t out, const float* sums, F gradient) {
    const int64_t row = padded(out), point = padded(in) * row;
#pragma omp parallel for schedule(static) if (in * out > 1 << 10)
    for (int64_t i = 0; i < in; ++i)
        vectors(out, [&](int64_t o, int count) {
            Floats from[POINTS], found[9];
            for (int p = 0; p < POINTS; ++p) from[p] = load<Floats>(sums + p * point + i * row + o, LANES);
            winograd::square<6, 3>(from, found, winograd::KernelBack());
            for (int place = 0; place < 9; ++place)
                for (int lane = 0; lane < count; ++lane) gradient(i, o + lane, place, found[place][lane]);
        });
}

}  // namespace fkp
