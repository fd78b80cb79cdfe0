// The ways in which a convolution is computed: those of one_channel.h and winograd.h where they are sooner, else `any`,
// which is oneDNN's (onednn/) or products of patches on a BLAS (blas/).
//
// Images and planes (a convolution's output) are dense and channels-last: so oneDNN's fast kernels like them, on AVX2,
// AVX-512 and AMX, for few channels and many.  What is written is float32, so that bfloat16 makes no ties.  Kernels are
// a correlation's: out x in x rows x columns.
#pragma once
#include <memory>
#include "shape.h"

namespace fkp {

// Images through a kernel, or the gradient of planes back through it; several threads may run one.
class Pass {
public:
    virtual ~Pass() = default;
    virtual void run(int64_t images, const void* from, float* to) const = 0;
};

// A kernel's gradient by way of sums over images, in whatever order suits; several threads may add to sums of their own.
// The first images begin them: what `sums` held before is not read.
class KernelSums {
public:
    virtual ~KernelSums() = default;
    virtual int64_t numbers() const = 0;
    virtual void add(int64_t images, const void* x, const void* gz, float* sums, bool begin) const = 0;
    virtual void write(const float* sums, float* gweights) const = 0;
};

// Are images and the gradients of planes read as bfloat16?
bool half(const Shape& s);

// `s` is of a whole batch, which comes `most` images at a time.  bias: null: none.  One pass at a time.
std::unique_ptr<const Pass> forward_pass(const Shape& s, int64_t most, const float* weights, const float* bias);
std::unique_ptr<const Pass> backward_pass(const Shape& s, int64_t most, const float* weights);
std::unique_ptr<const KernelSums> kernel_sums(const Shape& s, int64_t most);

// The same for any shape.
namespace any {
std::unique_ptr<const Pass> forward_pass(const Shape& s, int64_t most, const float* weights, const float* bias);
std::unique_ptr<const Pass> backward_pass(const Shape& s, int64_t most, const float* weights);
std::unique_ptr<const KernelSums> kernel_sums(const Shape& s, int64_t most);
}  // namespace any

}  // namespace fkp
