#include "multiply.h"
#include "tiny.h"
#include <omp.h>
#include <algorithm>
#include <cstdio>
#include <memory>
#include "signals.h"

namespace fkp {

namespace {

constexpr int64_t SUMS = 4;   // parts of a long sum, for any number of threads: the result is the same
constexpr int64_t STEP = 48;  // strips begin at multiples: with 16, oneDNN's sums depended on the threads on AVX2

// A part of a product: of the axis that is cut, `from` to `end`.
struct Strip {
    int64_t from, end;
    Strip(int64_t size, int64_t part, int64_t parts) {
        const int64_t steps = (size + STEP - 1) / STEP;
        from = steps * part / parts * STEP;
        end = std::min(steps * (part + 1) / parts * STEP, size);
    }
};

// c = beta c; what c held is not read where beta is 0.
void scale(int64_t m, int64_t n, float beta, float* c, int64_t c_row) {
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) c[i * c_row + j] = beta == 0.f ? 0.f : beta * c[i * c_row + j];
}

// c = alpha op(a) op(b) + beta c, row after row with its own row length, on strips, in threads of ours (a library's own
// would take the signals).
//
// The longest axis is cut.  For a dense layer on its way forward, for its weights' gradient and for their update, that
// is the weights' first axis: each core meets the same weights each time, and those of no other.
void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
           int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row) {
    if (!m || !n) return;
    if (!k || alpha == 0.f) return scale(m, n, beta, c, c_row);  // for no k oneDNN would leave c as it is
    if (m * n * k <= TINY)
        return tiny(transpose_a, transpose_b, m, n, k, alpha, a, a_row, b, b_row, beta, c, c_row);
    const bool large = m * n * k > SMALL_PRODUCT, by_depth = large && k > 2 * std::max(m, n), by_columns = !by_depth && n > m;
    const int64_t a_down = transpose_a ? 1 : a_row, a_along = transpose_a ? a_row : 1;
    const int64_t b_down = transpose_b ? 1 : b_row, b_along = transpose_b ? b_row : 1;
    const int64_t most = large ? omp_get_max_threads() : 1;
    const int64_t parts = by_depth ? SUMS : large ? strips(by_columns ? n : m) : 1;
    std::unique_ptr<float[]> sums(by_depth ? new float[(parts - 1) * m * n] : nullptr);
    FirstError failed;
#pragma omp parallel num_threads(most)
    {
        SignalsBlocked here;
        omp_set_num_threads(1);  // for oneDNN, in this region
#pragma omp for schedule(static)
        for (int64_t part = 0; part < parts; ++part) failed.guard([&] {
            const Strip strip(by_depth ? k : by_columns ? n : m, part, parts);
            const int64_t size = strip.end - strip.from, row = by_depth || by_columns ? 0 : strip.from;
            const int64_t column = by_columns ? strip.from : 0, depth = by_depth ? strip.from : 0;
            const bool apart = by_depth && part;  // the first part of a sum goes to its place at once
            if (size <= 0 && !apart) return;
            sgemm_here(transpose_a, transpose_b, by_depth || by_columns ? m : size, by_columns ? size : n,
                       by_depth ? size : k, alpha, a + row * a_down + depth * a_along, a_row,
                       b + depth * b_down + column * b_along, b_row, apart ? 0.f : beta,
                       apart ? &sums[(part - 1) * m * n] : c + row * c_row + column, apart ? n : c_row);
        });
        if (by_depth) {
#pragma omp for
            for (int64_t i = 0; i < m; ++i)
                for (int64_t other = 1; other < parts; ++other) {
                    const float* sum = &sums[(other - 1) * m * n + i * n];
#pragma omp simd
                    for (int64_t j = 0; j < n; ++j) c[i * c_row + j] += sum[j];
                }
        }
    }
    failed.rethrow();
}

void in_float32(const Product& p) {
    sgemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, 1.f, p.a, p.transpose_a ? p.m : p.k, p.b,
          p.transpose_b ? p.k : p.n, 0.f, p.c, p.n);
}

}  // namespace

void multiply(const Product& p) {
    if (!p.m || !p.n) return;
    if (!p.k) {
        std::fill_n(p.c, p.m * p.n, 0.f);
        return;
    }
    if (!multiply_otherwise(p)) in_float32(p);
}

}  // namespace fkp

// Fortran's sgemm_, which Theano links to.  Fortran counts columns first: the same memory, read by rows, is the
// transposed matrix, and C' = B' A'.  xerbla's part is left out: Theano's Ops check the shapes.  Nothing can be returned
// or thrown to Fortran: where there is no memory for the product the process ends with the reason.
extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc) {
    auto transposed = [](char letter) { return letter != 'N' && letter != 'n'; };
    const char* failed = fkp::reason([&] {
        fkp::sgemm(transposed(*transpose_b), transposed(*transpose_a), *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c,
                   *ldc);
    });
    if (!failed) return;
    std::fprintf(stderr, "a product of %d x %d and %d x %d numbers failed: %s\n", *m, *k, *k, *n, failed);
    std::exit(2);
}
