#include "multiply.h"
#include "kernels.h"
#include "signals.h"
#include <omp.h>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace fkp {

namespace {

using dnnl::memory;

typedef memory::data_type Type;

// A dense matrix of `rows` x `columns`, or its transpose in memory.
memory::desc matrix(int64_t rows, int64_t columns, bool transposed, Type type) {
    return memory::desc({rows, columns}, type, transposed ? memory::dims{1, rows} : memory::dims{columns, 1});
}

// Multiplications below which one thread is used: on a busy machine a second one is waited for, and Theano's own
// convolutions call once per image.
constexpr int64_t SMALL = 1 << 22;
constexpr int64_t SUMS = 4;         // parts of a long sum, for any number of threads: the result is the same
constexpr int64_t STEP = 48;        // strips begin at multiples: with 16, sums depended on the threads on AVX2

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

// c = alpha op(a) op(b) + beta c, row after row with its own row length: `dnnl_sgemm` on strips, in threads of ours
// (its own would take the signals).
//
// The longest axis is cut.  For a dense layer on its way forward, for its weights' gradient and for their update, that
// is the weights' first axis: each core meets the same weights each time, and those of no other.
void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
           int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row) {
    if (!m || !n) return;
    if (!k || alpha == 0.f) return scale(m, n, beta, c, c_row);  // for no k oneDNN would leave c as it is
    const bool large = m * n * k > SMALL, by_depth = large && k > 2 * std::max(m, n), by_columns = !by_depth && n > m;
    const int64_t a_down = transpose_a ? 1 : a_row, a_along = transpose_a ? a_row : 1;
    const int64_t b_down = transpose_b ? 1 : b_row, b_along = transpose_b ? b_row : 1;
    const int64_t most = large ? omp_get_max_threads() : 1, parts = by_depth ? SUMS : most;
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
            dnnl_status_t status = size <= 0 && !apart ? dnnl_success : dnnl_sgemm(
                transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', by_depth || by_columns ? m : size,
                by_columns ? size : n, by_depth ? size : k, alpha, a + row * a_down + depth * a_along, a_row,
                b + depth * b_down + column * b_along, b_row, apart ? 0.f : beta,
                apart ? &sums[(part - 1) * m * n] : c + row * c_row + column, apart ? n : c_row);
            if (status != dnnl_success) throw dnnl::error(status, "dnnl_sgemm");
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

dnnl::matmul::primitive_desc described(const Product& p, Type factors, const dnnl::primitive_attr& attributes = {}) {
    return {engine(), matrix(p.m, p.k, p.transpose_a, factors), matrix(p.k, p.n, p.transpose_b, factors),
            matrix(p.m, p.n, false, Type::f32), attributes};
}

bool brg(const dnnl::matmul::primitive_desc& found) { return std::strstr(found.impl_info_str(), "brg"); }

// Columns `from` to `from` + `count` of a product, the second factor transposed, by way of dense memory.
void columns(const Product& p, int64_t from, int64_t count, const dnnl::stream& stream) {
    static thread_local Scratch scratch;
    float* dense = scratch.of<float>(p.m * count);
    const auto found = described({false, true, p.m, count, p.k, p.a, p.b, dense, false}, Type::f32);
    dnnl::matmul(found).execute(stream, {{DNNL_ARG_SRC, memory(found.src_desc(), engine(), const_cast<float*>(p.a))},
                                         {DNNL_ARG_WEIGHTS, memory(found.weights_desc(), engine(),
                                                                   const_cast<float*>(p.b + from * p.k))},
                                         {DNNL_ARG_DST, memory(found.dst_desc(), engine(), dense)}});
    for (int64_t i = 0; i < p.m; ++i) std::copy_n(dense + i * count, count, p.c + i * p.n + from);
}

// A product by strips of columns, each as one thread makes it; false where `dnnl_sgemm` is the better.  Where the second
// factor is transposed, as for the gradient of a dense layer's input, it takes half as long again as `brg` kernels do.
bool by_columns(const Product& p) {
    constexpr int64_t STRIP = 512;
    if (p.transpose_a || !p.transpose_b || p.n < 2 * STRIP || p.m * p.n * p.k <= SMALL ||
        !brg(described({false, true, p.m, STRIP, p.k}, Type::f32)))
        return false;
    FirstError failed;
#pragma omp parallel
    {
        SignalsBlocked here;
        omp_set_num_threads(1);  // for oneDNN, in this region
        failed.guard([&] {
            dnnl::stream stream(engine());
#pragma omp for schedule(dynamic) nowait
            for (int64_t from = 0; from < p.n; from += STRIP)
                failed.guard([&] { columns(p, from, std::min(STRIP, p.n - from), stream); });
        });
    }
    failed.rethrow();
    return true;
}

void in_float32(const Product& p) {
    if (by_columns(p)) return;
    sgemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, 1.f, p.a, p.transpose_a ? p.m : p.k, p.b,
          p.transpose_b ? p.k : p.n, 0.f, p.c, p.n);
}

// A factor as the product takes it: in place, or rounded, where nobody has it so, into `room`.
memory factor(const float* from, const bfloat16* half, const memory::desc& wanted, Scratch& room) {
    if (wanted.get_data_type() == Type::f32) return memory(wanted, engine(), const_cast<float*>(from));
    if (!half) {
        const int64_t count = wanted.get_size() / sizeof(bfloat16);
        round(from, count, room.of<bfloat16>(count));
        half = room.of<bfloat16>(count);
    }
    return memory(wanted, engine(), const_cast<bfloat16*>(half));
}

// With AMX oneDNN rounds the factors itself as it multiplies (`fpmath_mode`), sooner than a pass before; without, it
// would multiply in float32 then.
// oneDNN keeps the primitives in a cache of its own.
void in_bfloat16(const Product& p) {
    static thread_local Scratch a, b;
    dnnl::primitive_attr attributes;
    if (amx()) attributes.set_fpmath_mode(dnnl::fpmath_mode::bf16);
    const auto found = described(p, amx() ? Type::f32 : Type::bf16, attributes);
    if (!brg(found)) return in_float32(p);  // see signals.h
    dnnl::stream stream(engine());
    dnnl::matmul(found).execute(stream, {{DNNL_ARG_SRC, factor(p.a, nullptr, found.src_desc(), a)},
                                         {DNNL_ARG_WEIGHTS, factor(p.b, p.half, found.weights_desc(), b)},
                                         {DNNL_ARG_DST, memory(found.dst_desc(), engine(), p.c)}});
    stream.wait();
}

std::string shape(int64_t rows, int64_t columns) {
    return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
}

}  // namespace

void round(const float* from, int64_t count, bfloat16* to) {
    const auto all = [count](Type type) { return memory::desc({count}, type, memory::dims{1}); };
    memory exact(all(Type::f32), engine(), const_cast<float*>(from)), rounded(all(Type::bf16), engine(), to);
    dnnl::stream stream(engine());
    dnnl::reorder(exact, rounded).execute(stream, exact, rounded);
    stream.wait();
}

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
