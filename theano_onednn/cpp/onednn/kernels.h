// oneDNN's convolutions for one shape, made once and kept: forward, for the input's and for the kernel's gradient.
#pragma once
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include "../shape.h"

namespace fkp {

enum Kind { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

struct Kernel {
    dnnl::primitive primitive;
    dnnl::memory::desc image, weights, plane, scratch;
    dnnl::memory::desc plain;  // the weights as Theano has them
    dnnl::reorder layout;      // from these to `weights`; of BACKWARD_WEIGHTS the other way
};

// Made for one thread; kept for the shapes used last.
std::shared_ptr<const Kernel> kernel(Kind kind, const Shape& shape);

const dnnl::engine& engine();

// This thread's.
dnnl::stream& stream();

}  // namespace fkp
