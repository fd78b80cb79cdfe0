// One image's 2x2 max-pool with rectifier and dropout, forward and backward, at the pooled resolution.
//
// `where` keeps what the way back needs, a byte per pooled number: which of the four was largest (0-3), or DEAD
// where the rectifier or dropout made a zero.  Neither the convolution's output nor a mask is kept.
//
// Ties: the gradient goes to the first of equal maxima, as in cuDNN and oneDNN (Theano's own Op gives it to each),
// and the rectifier's slope at exactly 0 is 0 (Lasagne's 0.5 (x + |x|) has 0.5).  Both need exactly equal sums:
// constant areas of an image, or a layer whose weights are all zero.
#pragma once
#include "philox.h"

namespace fkp {

constexpr uint8_t DEAD = 4;

// The convolution's output: `height` x `width` pixels of `block` channels, block after block.
struct Plane {
    int channels, height, width, block;
    int pooled_height() const { return height / 2; }
    int pooled_width() const { return width / 2; }
    size_t size() const { return size_t(channels) * height * width; }
    size_t pooled() const { return size_t(channels) * pooled_height() * pooled_width(); }
};

// Calls work(place in the plane, place in the pooled image, first channel, channels <= LANES) for every window;
// pooled images are channels-last.
template <class F> inline void windows(const Plane& plane, F work) {
    const int rows = plane.pooled_height(), columns = plane.pooled_width();
    for (int row = 0; row < rows; ++row)
        for (int first = 0; first < plane.channels; first += plane.block) {
            size_t in = (size_t(first / plane.block) * plane.height + 2 * row) * plane.width * plane.block;
            size_t out = size_t(row) * columns * plane.channels + first;
            for (int column = 0; column < columns; ++column) {
                for (int c = 0; c < plane.block; c += LANES) {
                    int count = plane.block - c < LANES ? plane.block - c : LANES;
                    work(in + c, out + c, first + c, count);
                }
                in += 2 * plane.block;
                out += plane.channels;
            }
        }
}

struct Dropout {
    uint32_t threshold;  // a draw of 16 bits below it drops; 0: no dropout
    float scale;         // for what stays: 65536 / (65536 - threshold), so that the mean is kept exactly
};

// z: the plane.  y, where: pooled, channels-last; `where` may be null.  draws: one per pooled number, if dropping.
template <class T>
void pool_forward(const Plane& plane, const T* z, const Dropout& dropout, const uint16_t* draws, float* y,
                  uint8_t* where) {
    const size_t right = plane.block, down = size_t(plane.width) * plane.block;
    windows(plane, [&](size_t in, size_t out, int, int count) {
        Floats best = widen(z + in, count);
        Ints place = {};
        auto meet = [&](size_t offset, int number) {
            Floats next = widen(z + in + offset, count);
            Ints larger = (next > best) | (next != next);  // NaN must come through, as in Theano
            best = larger ? next : best;
            place = larger ? number - Ints{} : place;
        };
        meet(right, 1);
        meet(down, 2);
        meet(down + right, 3);
        Ints dead = best <= 0.f;
        if (dropout.threshold)
            dead |= __builtin_convertvector(load<Halves>(draws + out, count), Ints) < int(dropout.threshold);
        narrow(y + out, dead ? Floats{} : best * dropout.scale, count);
        if (where) store(where + out, __builtin_convertvector(dead ? DEAD - Ints{} : place, Bytes), count);
    });
}

// gy: pooled, channels-last.  gz: the plane, every element written.  gb: per channel, added to.
template <class T>
void pool_backward(const Plane& plane, const float* gy, const uint8_t* where, float scale, T* gz, float* gb) {
    const size_t right = plane.block, down = size_t(plane.width) * plane.block;
    if (plane.height % 2 || plane.width % 2) std::memset(gz, 0, plane.size() * sizeof(T));  // the border has none
    windows(plane, [&](size_t in, size_t out, int channel, int count) {
        Ints place = __builtin_convertvector(load<Bytes>(where + out, count), Ints);
        Floats g = place == int(DEAD) ? Floats{} : load<Floats>(gy + out, count) * scale;
        store(gb + channel, load<Floats>(gb + channel, count) + g, count);
        const size_t offsets[4] = {0, right, down, down + right};
        for (int number = 0; number < 4; ++number)
            narrow(gz + in + offsets[number], place == number ? g : Floats{}, count);
    });
}

}  // namespace fkp
