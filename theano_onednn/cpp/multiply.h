// Matrix products, in float32 or bfloat16: oneDNN's (onednn/), or a BLAS's in float32 (blas/).
#pragma once
#include "common.h"

namespace fkp {

// c (m x n) = a (m x k) b (k x n), dense, row after row; a transposed factor lies in memory as k x m, or n x k.
struct Product {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    const float *a, *b;
    float* c;
    bool bf16;                       // multiply in bfloat16, add in float32
    const bfloat16* half = nullptr;  // b in bfloat16, where somebody has it
};

void multiply(const Product& product);

// Multiplications below which one thread is used: on a busy machine a second one is waited for, and Theano's own
// convolutions call once per image.
constexpr int64_t SMALL_PRODUCT = 1 << 22;

// c = alpha op(a) op(b) + beta c, row after row with its own row length, in this thread alone.
void sgemm_here(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row);

// A product that is made sooner than by `sgemm_here` in each thread, or in bfloat16; false: none of these.
bool multiply_otherwise(const Product& product);

// Into how many strips `sgemm_here` gets an axis of a large product.  The result must not depend on the threads.
int64_t strips(int64_t size);

// To bfloat16.
void round(const float* from, int64_t count, bfloat16* to);

// Is there AMX, which multiplies bfloat16 many times as fast as AVX-512 does float32?
bool amx();

}  // namespace fkp
