// Matrix products: oneDNN's, in float32 or bfloat16.
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

// To bfloat16.
void round(const float* from, int64_t count, bfloat16* to);

}  // namespace fkp
