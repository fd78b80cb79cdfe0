#include "multiply.h"
#include "kernels.h"
#include <algorithm>
#include <stdexcept>
#include <string>

namespace fkp {

namespace {

using dnnl::memory;

// A dense matrix of `rows` x `columns`, or its transpose in memory.
memory::desc matrix(int64_t rows, int64_t columns, bool transposed) {
    return memory::desc({rows, columns}, memory::data_type::f32,
                        transposed ? memory::dims{1, rows} : memory::dims{columns, 1});
}

// oneDNN rounds the factors to bfloat16 itself (`fpmath_mode`) and keeps its primitives in a cache of its own.
void in_bfloat16(const Product& p) {
    dnnl::primitive_attr attributes;
    attributes.set_fpmath_mode(dnnl::fpmath_mode::bf16);
    const memory::desc a = matrix(p.m, p.k, p.transpose_a), b = matrix(p.k, p.n, p.transpose_b),
                       c = matrix(p.m, p.n, false);
    const dnnl::matmul product(dnnl::matmul::primitive_desc(engine(), a, b, c, attributes));
    dnnl::stream stream(engine());
    product.execute(stream, {{DNNL_ARG_SRC, memory(a, engine(), const_cast<float*>(p.a))},
                             {DNNL_ARG_WEIGHTS, memory(b, engine(), const_cast<float*>(p.b))},
                             {DNNL_ARG_DST, memory(c, engine(), p.c)}});
    stream.wait();
}

void in_float32(const Product& p) {
    dnnl_status_t status = dnnl_sgemm(
        p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1.f, p.a, p.transpose_a ? p.m : p.k, p.b,
        p.transpose_b ? p.k : p.n, 0.f, p.c, p.n);
    if (status != dnnl_success) throw dnnl::error(status, "dnnl_sgemm");
}

std::string shape(int64_t rows, int64_t columns) {
    return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
}

}  // namespace

void multiply(const Product& p) {
    if (!p.m || !p.n) return;
    if (!p.k) {
        std::fill_n(p.c, p.m * p.n, 0.f);
        return;
    }
    try {
        p.bf16 ? in_bfloat16(p) : in_float32(p);
    } catch (const dnnl::error& error) {
        throw std::runtime_error("oneDNN (" + std::string(error.what()) + ", status " + std::to_string(error.status) +
                                 ") failed to multiply " + shape(p.m, p.k) + " by " + shape(p.k, p.n));
    }
}

}  // namespace fkp

// Fortran's sgemm_, which Theano links to.  Fortran counts columns first: the same memory, read by rows, is the
// transposed matrix, and C' = B' A'.  xerbla's part is left out: Theano's Ops check the shapes.
extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc) {
    dnnl_sgemm(*transpose_b, *transpose_a, *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c, *ldc);
}
