// oneDNN's convolutions for one shape, made once and kept: forward, for the input's and for the kernel's gradient.
#pragma once
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include "pool.h"

namespace fkp {

struct Shape {
    int64_t images, in, height, width, out, rows, columns;  // rows x columns: the kernel
    int64_t bf16;                                           // 1: multiply in bfloat16
    int64_t out_height() const { return height - rows + 1; }
    int64_t out_width() const { return width - columns + 1; }
    std::string text() const;
};

enum Kind { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

struct Kernel {
    dnnl::primitive primitive;
    dnnl::memory::desc image, weights, plane, scratch;
    int block;  // channels per block of the plane
};

// Made for one thread; kept for the shapes used last.  Throws std::invalid_argument where oneDNN has no fast kernel.
std::shared_ptr<const Kernel> kernel(Kind kind, const Shape& shape);

const dnnl::engine& engine();

}  // namespace fkp
