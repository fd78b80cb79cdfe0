#include "multiply.h"
#include "kernels.h"
#include "signals.h"
#include <omp.h>
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

constexpr int64_t SMALL = 1 << 20;  // multiplications below which a second thread costs more than it helps

// op(a) op(b) = c, each dense row after row with its own row length: `dnnl_sgemm` on a strip of c in every thread of
// ours: its own would take the signals.
void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
           int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row) {
    constexpr int64_t STEP = 16;  // strips begin at multiples, where a vector begins
    const bool by_columns = n > m;
    const int64_t steps = ((by_columns ? n : m) + STEP - 1) / STEP;
    FirstError failed;
#pragma omp parallel if (m * n * k > SMALL)
    {
        SignalsBlocked here;
        const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        const int64_t from = steps * thread / threads * STEP, end = steps * (thread + 1) / threads * STEP;
        const int64_t row = by_columns ? 0 : from, rows = by_columns ? m : std::min(end, m) - from;
        const int64_t column = by_columns ? from : 0, columns = by_columns ? std::min(end, n) - from : n;
        omp_set_num_threads(1);  // for oneDNN, in this region
        failed.guard([&] {
            dnnl_status_t status = rows <= 0 || columns <= 0 ? dnnl_success : dnnl_sgemm(
                transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', rows, columns, k, alpha,
                a + (transpose_a ? row : row * a_row), a_row, b + (transpose_b ? column * b_row : column), b_row, beta,
                c + row * c_row + column, c_row);
            if (status != dnnl_success) throw dnnl::error(status, "dnnl_sgemm");
        });
    }
    failed.rethrow();
}

void in_float32(const Product& p) {
    sgemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, 1.f, p.a, p.transpose_a ? p.m : p.k, p.b,
          p.transpose_b ? p.k : p.n, 0.f, p.c, p.n);
}

// oneDNN rounds the factors to bfloat16 itself (`fpmath_mode`) and keeps its primitives in a cache of its own.
void in_bfloat16(const Product& p) {
    dnnl::primitive_attr attributes;
    attributes.set_fpmath_mode(dnnl::fpmath_mode::bf16);
    const memory::desc a = matrix(p.m, p.k, p.transpose_a), b = matrix(p.k, p.n, p.transpose_b),
                       c = matrix(p.m, p.n, false);
    const dnnl::matmul::primitive_desc found(engine(), a, b, c, attributes);
    if (!std::strstr(found.impl_info_str(), "brg")) return in_float32(p);  // see signals.h
    dnnl::stream stream(engine());
    dnnl::matmul(found).execute(stream, {{DNNL_ARG_SRC, memory(a, engine(), const_cast<float*>(p.a))},
                                         {DNNL_ARG_WEIGHTS, memory(b, engine(), const_cast<float*>(p.b))},
                                         {DNNL_ARG_DST, memory(c, engine(), p.c)}});
    stream.wait();
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
    auto transposed = [](char letter) { return letter != 'N' && letter != 'n'; };
    fkp::sgemm(transposed(*transpose_b), transposed(*transpose_a), *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c,
               *ldc);
}
