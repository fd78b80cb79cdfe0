// One image's 2x2 max-pool with activation and dropout, forward and backward, at the pooled resolution.
//
// `where` keeps what the way back needs, a byte per pooled number: four bits say which of the four sums are the maximum
// (Theano gives each of them the gradient), ZERO that it is exactly 0, where the derivative is the mean of both sides'
// slopes, NEGATIVE that it is below, DROPPED that it passes 0 times its gradient.  Neither the convolution's output nor
// a mask is kept.
//
// NaN comes through.  ZERO and NEGATIVE together say that the four bits are of sums that are NaN; BORDER, that there
// is one in what lies beside this window and in none, at the end of an odd number of rows or columns.
#pragma once
#include <limits>
#include "activation.h"
#include "images.h"
#include "philox.h"

namespace fkp {

constexpr int ZERO = 16, NEGATIVE = 32, NONE = ZERO | NEGATIVE, DROPPED = 64, BORDER = 128;

struct Dropout {
    uint32_t threshold;  // a draw of 16 bits below it drops; 0: no dropout
    float scale;         // for what stays: 65536 / (65536 - threshold), so that the mean is kept exactly
};

inline Size halved(const Size& plane) { return {plane.channels, plane.height / 2, plane.width / 2}; }

// Calls work(place in the plane, place in the pooled image, channels <= LANES) for every window.
template <class F> inline void windows(const Size& plane, F work) {
    const Size pooled = halved(plane);
    for (int64_t row = 0; row < pooled.height; ++row)
        for (int64_t column = 0; column < pooled.width; ++column) {
            const int64_t in = (2 * row * plane.width + 2 * column) * plane.channels;
            const int64_t out = (row * pooled.width + column) * plane.channels;
            vectors(plane.channels, [&](int64_t c, int count) { work(in + c, out + c, count); });
        }
}

// Calls work(place in the plane, place of the next window in the pooled image, channels <= LANES) for what is in none.
template <class F> inline void border(const Size& plane, F work) {
    const Size pooled = halved(plane);
    if (!pooled.pixels()) return;
    for (int64_t row = 0; row < plane.height; ++row)
        for (int64_t column = row < 2 * pooled.height ? 2 * pooled.width : 0; column < plane.width; ++column) {
            const int64_t in = (row * plane.width + column) * plane.channels;
            const int64_t window = std::min(row / 2, pooled.height - 1) * pooled.width +
                                   std::min(column / 2, pooled.width - 1);
            vectors(plane.channels, [&](int64_t c, int count) { work(in + c, window * plane.channels + c, count); });
        }
}

struct Window {
    int64_t offsets[4];
    explicit Window(const Size& plane) {
        const int64_t right = plane.channels, down = plane.width * plane.channels;
        offsets[0] = 0, offsets[1] = right, offsets[2] = down, offsets[3] = down + right;
    }
};

// z: the plane.  y, where: pooled, channels-last; `where` may be null.  draws: one per pooled number, if dropping.
inline void pool_forward(const Size& plane, const float* z, float slope, const Dropout& dropout, const uint16_t* draws,
                         float* y, uint8_t* where) {
    const Window window(plane);
    windows(plane, [&](int64_t in, int64_t out, int count) {
        Floats sums[4];
        for (int i = 0; i < 4; ++i) sums[i] = above(load<Floats>(z + in + window.offsets[i], count));
        Floats best = sums[0];
        for (int i = 1; i < 4; ++i) best = (sums[i] > best) | (sums[i] != sums[i]) ? sums[i] : best;
        Ints kept = ~Ints{};
        if (dropout.threshold)
            kept = __builtin_convertvector(load<Halves>(draws + out, count), Ints) >= int(dropout.threshold);
        const Floats value = best < 0.f ? best * slope : best;
        store(y + out, kept ? value * dropout.scale : value - value, count);
        if (!where) return;
        Ints bits = ((best == 0.f) & ZERO) | ((best < 0.f) & NEGATIVE) | ((best != best) & NONE) | (~kept & DROPPED);
        const Ints flat = slope == 0.f ? best < 0.f : Ints{};  // behind a rectifier all four are 0
        for (int i = 0; i < 4; ++i) bits |= ((sums[i] == best) | (sums[i] != sums[i]) | flat) & (1 << i);
        store(where + out, __builtin_convertvector(bits, Bytes), count);
    });
    if (!where) return;
    border(plane, [&](int64_t in, int64_t out, int count) {
        const Floats sum = above(load<Floats>(z + in, count));
        const Ints bits = __builtin_convertvector(load<Bytes>(where + out, count), Ints) | ((sum != sum) & BORDER);
        store(where + out, __builtin_convertvector(bits, Bytes), count);
    });
}

// gy: pooled, channels-last.  gz: the plane, every element written.  gb: per channel, added to.
template <class T>
void pool_backward(const Size& plane, const float* gy, const uint8_t* where, float slope, float scale, T* gz,
                   float* gb) {
    const Window window(plane);
    const Floats nan = Floats{} + std::numeric_limits<float>::quiet_NaN();
    if (!halved(plane).pixels()) std::fill_n(gz, plane.numbers(), T(0));
    const auto add = [&](int64_t out, const Floats& sum, int count) {
        float* to = gb + out % plane.channels;
        store(to, load<Floats>(to, count) + sum, count);
    };
    windows(plane, [&](int64_t in, int64_t out, int count) {
        const Ints bits = __builtin_convertvector(load<Bytes>(where + out, count), Ints);
        const Floats scales = (bits & NONE) == NONE    ? nan
                              : (bits & ZERO) != 0     ? Floats{} + 0.5f * (1.f + slope)
                              : (bits & NEGATIVE) != 0 ? Floats{} + slope
                                                       : Floats{} + 1.f;
        const Floats kept = (bits & DROPPED) != 0 ? Floats{} : Floats{} + scale;
        const Floats g = load<Floats>(gy + out, count) * (scales * kept);
        Floats sum = {};
        for (int i = 0; i < 4; ++i) {
            const Floats part = (bits & (1 << i)) != 0 ? g : Floats{};
            narrow(gz + in + window.offsets[i], part, count);
            sum += part;
        }
        add(out, sum, count);
    });
    border(plane, [&](int64_t in, int64_t out, int count) {  // it has no gradient
        const Ints bits = __builtin_convertvector(load<Bytes>(where + out, count), Ints);
        const Floats part = (bits & BORDER) != 0 ? nan : Floats{};
        narrow(gz + in, part, count);
        add(out, part, count);
    });
}

}  // namespace fkp
