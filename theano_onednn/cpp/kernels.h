// oneDNN's convolutions for one shape, made once and kept: forward, for the input's and for the kernel's gradient.
#pragma once
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include "common.h"

namespace fkp {

struct Shape {
    int64_t images, in, height, width, out, rows, columns;  // rows x columns: the kernel
    int64_t pad[4];                                         // above, below, left, right
    int64_t stride[2], dilation[2];                         // rows, columns
    int64_t bf16;                                           // 1: multiply in bfloat16
    int64_t out_height() const { return extent(height + pad[0] + pad[1], rows, 0); }
    int64_t out_width() const { return extent(width + pad[2] + pad[3], columns, 1); }
    std::string text() const;
private:
    int64_t extent(int64_t image, int64_t kernel, int axis) const {
        return (image - (kernel - 1) * dilation[axis] - 1) / stride[axis] + 1;
    }
};

enum Kind { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

// Images and planes (the convolution's output) are channels-last: so oneDNN's fast kernels like them, on AVX2, AVX-512
// and AMX, for few channels and many.  What a convolution writes is float32, so that bfloat16 makes no ties.
struct Kernel {
    dnnl::primitive primitive;
    dnnl::memory::desc image, weights, plane, scratch;
};

// Made for one thread; kept for the shapes used last.
std::shared_ptr<const Kernel> kernel(Kind kind, const Shape& shape);

const dnnl::engine& engine();

// Has the processor AMX, which multiplies bfloat16 many times as fast as AVX-512 does float32?
bool amx();

}  // namespace fkp
