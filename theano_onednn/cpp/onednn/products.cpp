// Matrix products: oneDNN's.
#include "../multiply.h"
#include <omp.h>
#include <algorithm>
#include <stdexcept>
#include "../signals.h"
#include "kernels.h"

namespace fkp {

namespace {

using dnnl::memory;

typedef memory::data_type Type;

// A dense matrix of `rows` x `columns`, or its transpose in memory.
memory::desc matrix(int64_t rows, int64_t columns, bool transposed, Type type) {
    return memory::desc({rows, columns}, type, transposed ? memory::dims{1, rows} : memory::dims{columns, 1});
}

dnnl::matmul::primitive_desc described(const Product& p, Type factors, const dnnl::primitive_attr& attributes = {}) {
    return {engine(), matrix(p.m, p.k, p.transpose_a, factors), matrix(p.k, p.n, p.transpose_b, factors),
            matrix(p.m, p.n, false, Type::f32), attributes};
}

bool brg(const dnnl::matmul::primitive_desc& found) { return std::strstr(found.impl_info_str(), "brg"); }

// Columns `from` to `from` + `count` of a product, the second factor transposed, by way of dense memory.
void columns(const Product& p, int64_t from, int64_t count) {
    static thread_local Scratch scratch;
    float* dense = scratch.of<float>(p.m * count);
    const auto found = described({false, true, p.m, count, p.k, p.a, p.b, dense, false}, Type::f32);
    dnnl::matmul(found).execute(stream(), {{DNNL_ARG_SRC, memory(found.src_desc(), engine(), const_cast<float*>(p.a))},
                                         {DNNL_ARG_WEIGHTS, memory(found.weights_desc(), engine(),
                                                                   const_cast<float*>(p.b + from * p.k))},
                                         {DNNL_ARG_DST, memory(found.dst_desc(), engine(), dense)}});
    for (int64_t i = 0; i < p.m; ++i) std::copy_n(dense + i * count, count, p.c + i * p.n + from);
}

// A product by strips of columns, each as one thread makes it; false where `dnnl_sgemm` is the better.  Where the second
// factor is transposed, as for the gradient of a dense layer's input, it takes half as long again as `brg` kernels do.
bool by_columns(const Product& p) {
    constexpr int64_t STRIP = 512;
    if (p.transpose_a || !p.transpose_b || p.n < 2 * STRIP || p.m * p.n * p.k <= SMALL_PRODUCT ||
        !brg(described({false, true, p.m, STRIP, p.k}, Type::f32)))
        return false;
    FirstError failed;
#pragma omp parallel
    {
        SignalsBlocked here;
        omp_set_num_threads(1);  // for oneDNN, in this region
#pragma omp for schedule(dynamic) nowait
        for (int64_t from = 0; from < p.n; from += STRIP)
            failed.guard([&] { columns(p, from, std::min(STRIP, p.n - from)); });
    }
    failed.rethrow();
    return true;
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
bool in_bfloat16(const Product& p) {
    static thread_local Scratch a, b;
    dnnl::primitive_attr attributes;
    if (amx()) attributes.set_fpmath_mode(dnnl::fpmath_mode::bf16);
    const auto found = described(p, amx() ? Type::f32 : Type::bf16, attributes);
    if (!brg(found)) return false;  // see signals.h
    dnnl::matmul(found).execute(stream(), {{DNNL_ARG_SRC, factor(p.a, nullptr, found.src_desc(), a)},
                                         {DNNL_ARG_WEIGHTS, factor(p.b, p.half, found.weights_desc(), b)},
                                         {DNNL_ARG_DST, memory(found.dst_desc(), engine(), p.c)}});
    stream().wait();
    return true;
}

std::string shape(int64_t rows, int64_t columns) {
    return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
}

}  // namespace

void sgemm_here(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row) {
    const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, a_row,
                                            b, b_row, beta, c, c_row);
    if (status != dnnl_success)
        throw std::runtime_error("oneDNN (dnnl_sgemm, status " + std::to_string(status) + ") failed to multiply " +
                                 shape(m, k) + " by " + shape(k, n));
}

bool multiply_otherwise(const Product& p) {
    try {
        return (p.bf16 && in_bfloat16(p)) || by_columns(p);
    } catch (const dnnl::error& error) {
        throw std::runtime_error("oneDNN (" + std::string(error.what()) + ", status " + std::to_string(error.status) +
                                 ") failed to multiply " + shape(p.m, p.k) + " by " + shape(p.k, p.n));
    }
}

int64_t strips(int64_t) { return omp_get_max_threads(); }

void round(const float* from, int64_t count, bfloat16* to) {
    const auto all = [count](Type type) { return memory::desc({count}, type, memory::dims{1}); };
    memory exact(all(Type::f32), engine(), const_cast<float*>(from)), rounded(all(Type::bf16), engine(), to);
    dnnl::reorder(exact, rounded).execute(stream(), exact, rounded);
    stream().wait();
}

bool amx() {
    constexpr int wanted = int(dnnl::cpu_isa::avx512_core_amx);
    static const bool found = (int(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
    return found;
}

}  // namespace fkp

extern "C" {

const char* fkp_version() {
    static const std::string text = [] {
        const dnnl_version_t* v = dnnl_version();
        return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    }();
    return text.c_str();
}

int fkp_isa() { return int(dnnl::get_effective_cpu_isa()); }

}
