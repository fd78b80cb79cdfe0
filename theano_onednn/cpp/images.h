// Images of any strides, read as dense channels-last ones.
#pragma once
#include <algorithm>
#include "common.h"

namespace fkp {

struct Size {
    int64_t channels, height, width;
    int64_t pixels() const { return height * width; }
    int64_t numbers() const { return channels * height * width; }
};

// A batch as Theano hands it over.  Strides count elements: image, channel, row, column.
struct Images {
    const float* data;
    const int64_t* strides;
    Size size;

    const float* image(int64_t number) const { return data + number * strides[0]; }

    // Is each image dense and channels-last?
    bool channels_last() const {
        return (strides[1] == 1 || size.channels == 1) && strides[3] == size.channels &&
               strides[2] == size.channels * size.width;
    }
    // And image after image?
    bool dense() const { return channels_last() && strides[0] == size.numbers(); }
};

// Calls work(place, channels <= LANES) for all numbers of a pixel.
template <class F> inline void vectors(int64_t channels, F work) {
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES) work(c, LANES);
    if (c < channels) work(c, int(channels - c));
}

// Image `number` -> channels-last, float32 or bfloat16, its pixels `apart` numbers apart.
template <class T> void gather(const Images& from, int64_t number, T* to, int64_t apart) {
    const int64_t *s = from.strides, channels = from.size.channels;
    for (int64_t h = 0; h < from.size.height; ++h)
        for (int64_t w = 0; w < from.size.width; ++w, to += apart) {
            const float* pixel = from.image(number) + h * s[2] + w * s[3];
            if (s[1] == 1) {
                vectors(channels, [&](int64_t c, int count) { narrow(to + c, load<Floats>(pixel + c, count), count); });
            } else {
                vectors(channels, [&](int64_t c, int count) {
                    Floats lanes = {};
                    for (int lane = 0; lane < count; ++lane) lanes[lane] = pixel[(c + lane) * s[1]];
                    narrow(to + c, lanes, count);
                });
            }
        }
}

template <class T> void gather(const Images& from, int64_t number, T* to) {
    gather(from, number, to, from.size.channels);
}

// Image `number`, dense and channels-last: in place, or copied to `scratch`.
inline const float* straight(const Images& from, int64_t number, Scratch& scratch) {
    if (from.channels_last()) return from.image(number);
    float* copy = scratch.of<float>(from.size.numbers());
    gather(from, number, copy);
    return copy;
}

// Dense channels-last -> dense channels-first.
inline void spread(const float* from, const Size& size, float* to) {
    for (int64_t c = 0; c < size.channels; ++c)
        for (int64_t p = 0; p < size.pixels(); ++p) to[c * size.pixels() + p] = from[p * size.channels + c];
}

}  // namespace fkp
