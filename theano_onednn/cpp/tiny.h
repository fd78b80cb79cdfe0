// Products so small that to call oneDNN takes longer than to compute them.
#pragma once
#include <algorithm>
#include "common.h"

namespace fkp {

// Multiplications.
constexpr int64_t TINY = 1 << 14;

// C = alpha op(A) op(B) + beta C, as `sgemm`; C is not read where beta is 0.
//
// Where B's rows are dense, a vector of sums is made at a time, else a sum of vectors.
class TinyProduct {
public:
    TinyProduct(bool transpose_a, bool transpose_b, int64_t n, int64_t k, const float* a, int64_t a_row, const float* b,
                int64_t b_row)
        : a_down_(transpose_a ? 1 : a_row), a_along_(transpose_a ? a_row : 1), b_down_(transpose_b ? 1 : b_row),
          b_along_(transpose_b ? b_row : 1), n_(n), k_(k), a_(a), b_(b) {}

    void run(int64_t m, float alpha, float beta, float* c, int64_t c_row) {
        if (b_along_ != 1 && (m > 2 || k_ < LANES)) turn();
        for (int64_t row = 0; row < m; ++row) {
            const float* a = a_ + row * a_down_;
            float* to = c + row * c_row;
            if (b_along_ == 1)
                for (int64_t j = 0; j < n_; j += LANES) {
                    const int count = int(std::min<int64_t>(LANES, n_ - j));
                    Floats sums = across(a, b_ + j, count) * alpha;
                    if (beta != 0.f) sums += load<Floats>(to + j, count) * beta;
                    store(to + j, sums, count);
                }
            else
                for (int64_t j = 0; j < n_; ++j)
                    to[j] = along(a, b_ + j * b_along_) * alpha + (beta == 0.f ? 0.f : to[j] * beta);
        }
    }

private:
    // Makes B's rows dense.
    void turn() {
        static thread_local Scratch scratch;
        float* dense = scratch.of<float>(size_t(k_ * n_));
        for (int64_t j = 0; j < n_; ++j)
            for (int64_t i = 0; i < k_; ++i) dense[i * n_ + j] = b_[i * b_down_ + j * b_along_];
        b_ = dense, b_down_ = n_, b_along_ = 1;
    }

    // `count` neighbouring sums.
    Floats across(const float* a, const float* b, int count) const {
        Floats sums = {};
        for (int64_t i = 0; i < k_; ++i) sums += a[i * a_along_] * load<Floats>(b + i * b_down_, count);
        return sums;
    }

    // One sum.
    float along(const float* a, const float* b) const {
        float sum = 0;
        int64_t i = 0;
        if (a_along_ == 1 && b_down_ == 1) {
            Floats sums = {};
            for (; i < k_; i += LANES) {
                const int count = int(std::min<int64_t>(LANES, k_ - i));
                sums += load<Floats>(a + i, count) * load<Floats>(b + i, count);
            }
            sum = total(sums);
        }
        for (; i < k_; ++i) sum += a[i * a_along_] * b[i * b_down_];
        return sum;
    }

    const int64_t a_down_, a_along_;
    int64_t b_down_, b_along_;
    const int64_t n_, k_;
    const float *a_, *b_;
};

inline void tiny(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                 int64_t a_row, const float* b, int64_t b_row, float beta, float* c, int64_t c_row) {
    if (n == 1 && c_row == 1)  // a dense column: C' = B' A'
        TinyProduct(!transpose_b, !transpose_a, m, k, b, b_row, a, a_row).run(1, alpha, beta, c, m);
    else
        TinyProduct(transpose_a, transpose_b, n, k, a, a_row, b, b_row).run(m, alpha, beta, c, c_row);
}

}  // namespace fkp
