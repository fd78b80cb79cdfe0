// Convolutions whose patches hold few numbers, without patches: the lanes are output channels, and each number that the
// kernel meets is multiplied by a row of the kernel.  A BLAS takes longer to arrange such products than to compute them.
#pragma once
#include "../passes.h"

namespace fkp {

// Is this way the sooner?
bool direct(const Shape& s);

std::unique_ptr<const Pass> direct_pass(const Shape& s, const float* weights, const float* bias);
std::unique_ptr<const KernelSums> direct_sums(const Shape& s);

}  // namespace fkp
