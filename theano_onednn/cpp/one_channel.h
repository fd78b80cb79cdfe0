// Convolutions with one output channel, and their kernel's gradient.  oneDNN's kernels have a lane for each output
// channel, so that all but one would idle; here the lanes are the numbers that a row of the kernel meets, neighbours in
// channels-last memory.  (For the input's gradient oneDNN's lanes are the input's channels.)
//
// Images, planes and the kernel (rows, columns, channels) are dense; all is float32.
#pragma once
#include "common.h"
#include "shape.h"

namespace fkp {

// Is this way the sooner?
inline bool one_channel(const Shape& s) {
    return s.out == 1 && s.dilation[1] == 1 && s.columns * s.in >= LANES;
}

// z = correlation + bias.
void correlate_one(const Shape& s, int64_t images, const float* x, const float* weights, float bias, float* z);

// Adds the kernel's gradient to `sums`.
void correlate_weights_one(const Shape& s, int64_t images, const float* x, const float* gz, float* sums);

}  // namespace fkp
