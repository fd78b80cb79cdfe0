// One image's 2x2 max-pool with activation and dropout, forward and backward, at the pooled resolution.
//
// `where` keeps what the way back needs, a byte per pooled number: four bits say which of the four sums are the maximum
// (Theano gives each of them the gradient), ZERO that it is exactly 0, where the derivative is the mean of both sides'
// slopes, NEGATIVE that it is below.  A byte of 0 passes nothing: dropped.  Neither the convolution's output nor a mask
// is kept.
#pragma once
#include "images.h"
#include "philox.h"

namespace fkp {

constexpr int ZERO = 16, NEGATIVE = 32;

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
        for (int i = 0; i < 4; ++i) sums[i] = load<Floats>(z + in + window.offsets[i], count);
        Floats best = sums[0];
        for (int i = 1; i < 4; ++i)  // NaN must come through
            best = (sums[i] > best) | (sums[i] != sums[i]) ? sums[i] : best;
        Ints kept = ~Ints{};
        if (dropout.threshold)
            kept = __builtin_convertvector(load<Halves>(draws + out, count), Ints) >= int(dropout.threshold);
        const Floats value = best < 0.f ? best * slope : best;
        store(y + out, kept ? value * dropout.scale : Floats{}, count);
        if (!where) return;
        Ints bits = ((best == 0.f) & ZERO) | ((best < 0.f) & NEGATIVE);
        for (int i = 0; i < 4; ++i) bits |= (sums[i] == best) & (1 << i);
        store(where + out, __builtin_convertvector(bits & kept, Bytes), count);
    });
}

// gy: pooled, channels-last.  gz: the plane, every element written.  gb: per channel, added to.
template <class T>
void pool_backward(const Size& plane, const float* gy, const uint8_t* where, float slope, float scale, T* gz,
                   float* gb) {
    const Window window(plane);
    if (plane.height % 2 || plane.width % 2) std::memset(gz, 0, plane.numbers() * sizeof(T));  // the border has none
    windows(plane, [&](int64_t in, int64_t out, int count) {
        const Ints bits = __builtin_convertvector(load<Bytes>(where + out, count), Ints);
        const Floats scales = (bits & ZERO) != 0       ? Floats{} + 0.5f * (1.f + slope) * scale
                              : (bits & NEGATIVE) != 0 ? Floats{} + slope * scale
                                                       : Floats{} + scale;
        const Floats g = load<Floats>(gy + out, count) * scales;
        Floats sum = {};
        for (int i = 0; i < 4; ++i) {
            const Floats part = (bits & (1 << i)) != 0 ? g : Floats{};
            narrow(gz + in + window.offsets[i], part, count);
            sum += part;
        }
        float* to = gb + out % plane.channels;
        store(to, load<Floats>(to, count) + sum, count);
    });
}

}  // namespace fkp
