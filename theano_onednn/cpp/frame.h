// Dense channels-last images with their padding around them, as kernels of ours read them.
#pragma once
#include <algorithm>
#include "common.h"
#include "shape.h"

namespace fkp {

// The numbers that a kernel meets lie in `rows` runs of `row` numbers, `down` apart, and `step` away from the next
// pixel's; `line` numbers are a line of the image.  A kernel that is dilated along its rows has no such runs.
struct Frame {
    int64_t line, row, down, step;
    explicit Frame(const Shape& s)
        : line((s.pad[2] + s.width + s.pad[3]) * s.in), row(s.columns * s.in), down(s.dilation[0] * line),
          step(s.stride[1] * s.in) {}
};

// An image with its padding: in place where there is none, else valid until this thread's next call.
inline const float* framed(const Shape& s, const float* x) {
    static thread_local Scratch scratch;
    if (std::all_of(s.pad, s.pad + 4, [](int64_t pad) { return pad == 0; })) return x;
    const int64_t line = Frame(s).line, numbers = (s.pad[0] + s.height + s.pad[1]) * line, row = s.width * s.in;
    float *frame = scratch.of<float>(numbers), *inside = frame + s.pad[0] * line + s.pad[2] * s.in;
    std::fill_n(frame, numbers, 0.f);
    for (int64_t h = 0; h < s.height; ++h) std::copy_n(x + h * row, row, inside + h * line);
    return frame;
}

}  // namespace fkp
