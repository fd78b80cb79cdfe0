// Matrix products: those of the BLAS that Python hands over.
#include "../multiply.h"
#include <climits>
#include <stdexcept>

namespace fkp {

namespace {

typedef void (*Sgemm)(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                      const int*, const float*, const int*, const float*, float*, const int*);

Sgemm sgemm = nullptr;  // Fortran's

// As Fortran counts.
int whole(int64_t number) {
    if (number > INT_MAX) throw std::length_error("too long for the BLAS: " + std::to_string(number));
    return int(number);
}

}  // namespace

// Fortran counts columns first: the same memory, read by rows, is the transposed matrix, and C' = B' A'.
void sgemm_here(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row) {
    const int rows = whole(n), columns = whole(m), depth = whole(k);
    const int left = whole(b_row), right = whole(a_row), to = whole(c_row);
    sgemm(transpose_b ? "T" : "N", transpose_a ? "T" : "N", &rows, &columns, &depth, &alpha, b, &left, a, &right, &beta,
          c, &to);
}

bool multiply_otherwise(const Product& p) {
    if (p.bf16) throw std::invalid_argument("bfloat16 needs oneDNN");
    return false;
}

// The same number for any number of threads: OpenBLAS's sums depend on where a strip ends.
int64_t strips(int64_t size) {
    int64_t found = 1;
    while (found < 16 && size / found >= 384) found *= 2;
    return found;
}

void round(const float*, int64_t, bfloat16*) { throw std::invalid_argument("bfloat16 needs oneDNN"); }

bool amx() { return false; }

}  // namespace fkp

extern "C" {

// Before anything else.
void fkp_use_blas(fkp::Sgemm sgemm) { fkp::sgemm = sgemm; }

const char* fkp_version() { return ""; }

// As oneDNN names them: SSE4.1, AVX2 and AVX-512 on x86, none elsewhere.
int fkp_isa() {
#if defined(__AVX512F__)
    return 0x27;
#elif defined(__AVX2__)
    return 0x7;
#else
    return 0;
#endif
}

}
