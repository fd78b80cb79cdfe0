#include "multiply.h"
#include <algorithm>
#include <stdexcept>
#include <string>
#include <oneapi/dnnl/dnnl.h>

namespace fkp {

void multiply(const Product& p) {
    if (!p.m || !p.n) return;
    if (!p.k) { std::fill_n(p.c, p.m * p.n, 0.f); return; }
    dnnl_status_t status = dnnl_sgemm(
        p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1.f, p.a, p.transpose_a ? p.m : p.k, p.b,
        p.transpose_b ? p.k : p.n, 0.f, p.c, p.n);
    if (status != dnnl_success)
        throw std::runtime_error("oneDNN failed (status " + std::to_string(status) + ") to multiply (" +
                                 std::to_string(p.m) + ", " + std::to_string(p.k) + ") by (" + std::to_string(p.k) +
                                 ", " + std::to_string(p.n) + ")");
}

}  // namespace fkp

// Fortran's sgemm_, which Theano links to.  Fortran counts columns first: the same memory, read by rows, is the
// transposed matrix, and C' = B' A'.  xerbla's part is left out: Theano's Ops check the shapes.
extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc) {
    dnnl_sgemm(*transpose_b, *transpose_a, *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c, *ldc);
}
