// Convolutions of float32 images with few multiplications: Winograd's F(4x4, 3x3) takes a quarter of them, F(4x4, 2x2)
// two fifths.  As in Lavin and Gray, "Fast algorithms for convolutional neural networks" (CVPR 2016).
//
// The output is cut into tiles of 4x4 pixels.  For a kernel of 3x3 each needs 6x6 pixels of the input, whose 36 sums and
// differences are multiplied by 36 of the kernel's, each a matrix product over all channels; sums of these are the tile.
// For a kernel of 2x2 it is 5x5 pixels, and 25 products.
#pragma once
#include "winograd_lines.h"

namespace fkp {

// Kernels of side x side numbers (2 or 3) correlated with dense channels-last images, one pixel after the other.
struct Correlation {
    int64_t side, images;
    Size in, out;
    int64_t above, left;  // padding

    int64_t down() const { return (out.height + 3) / 4; }
    int64_t across() const { return (out.width + 3) / 4; }
    int64_t tiles() const { return images * down() * across(); }
    int64_t points() const { return (side + 3) * (side + 3); }
    // Numbers in the transformed kernels: points, channels in, channels out, both filled up to whole vectors.
    int64_t kernel_numbers() const { return points() * padded(in.channels) * padded(out.channels); }
};

namespace winograd {

// Transforms kernels; weights(in, out, place) is a number, place from 0 to side * side - 1.
template <int SIDE, class F> void transform_kernels(int64_t in, int64_t out, F weights, float* to) {
    typedef Lines<SIDE> Line;
    constexpr int PLACES = SIDE * SIDE, POINTS = Line::POINTS * Line::POINTS;
    const int64_t row = padded(out), point = padded(in) * row;
#pragma omp parallel for schedule(static) if (in * out > 1 << 10)
    for (int64_t i = 0; i < in; ++i)
        vectors(out, [&](int64_t o, int count) {
            Floats from[PLACES] = {}, found[POINTS];
            for (int place = 0; place < PLACES; ++place)
                for (int lane = 0; lane < count; ++lane) from[place][lane] = weights(i, o + lane, place);
            square<SIDE, Line::POINTS>(from, found, typename Line::Kernel());
            for (int p = 0; p < POINTS; ++p) store(to + p * point + i * row + o, found[p], LANES);
        });
}

// The kernels' gradient from the sums; gradient(in, out, place, number) takes it.
template <int SIDE, class F> void kernel_gradients(int64_t in, int64_t out, const float* sums, F gradient) {
    typedef Lines<SIDE> Line;
    constexpr int PLACES = SIDE * SIDE, POINTS = Line::POINTS * Line::POINTS;
    const int64_t row = padded(out), point = padded(in) * row;
#pragma omp parallel for schedule(static) if (in * out > 1 << 10)
    for (int64_t i = 0; i < in; ++i)
        vectors(out, [&](int64_t o, int count) {
            Floats from[POINTS], found[PLACES];
            for (int p = 0; p < POINTS; ++p) from[p] = load<Floats>(sums + p * point + i * row + o, LANES);
            square<Line::POINTS, SIDE>(from, found, typename Line::KernelBack());
            for (int place = 0; place < PLACES; ++place)
                for (int lane = 0; lane < count; ++lane) gradient(i, o + lane, place, found[place][lane]);
        });
}

}  // namespace winograd

template <class F> void transform_kernels(const Correlation& c, F weights, float* to) {
    const auto transform = c.side == 3 ? winograd::transform_kernels<3, F> : winograd::transform_kernels<2, F>;
    transform(c.in.channels, c.out.channels, weights, to);
}

template <class F> void kernel_gradients(const Correlation& c, const float* sums, F gradient) {
    const auto transform = c.side == 3 ? winograd::kernel_gradients<3, F> : winograd::kernel_gradients<2, F>;
    transform(c.in.channels, c.out.channels, sums, gradient);
}

// z = correlation + bias (null: none), from transformed kernels.
void correlate(const Correlation& c, const float* x, const float* kernels, const float* bias, float* z);

// Adds the transformed kernels' gradient to `sums`, or begins them.
void correlate_weights(const Correlation& c, const float* x, const float* gz, float* sums, bool begin);

}  // namespace fkp
