// A dense layer with its bias, activation and dropout, forward and backward.
#include <algorithm>
#include "activation.h"
#include "multiply.h"
#include "parallel.h"
#include "philox.h"

namespace fkp {

// One call; the same fields in the same order as `ops/dense.py`'s.  Everything is dense, row after row.
struct Dense {
    int64_t rows, in, out, threshold, bf16;
    Curve curve;
    const float *x, *weights, *bias;  // rows x in, in x out, out
    const uint32_t* state;            // Philox: key, key, call, call
    float* y;                         // rows x out; the way back reads it
    bfloat16* half;                   // the weights in bfloat16, made on the way forward; null: not wanted, not there
    const float* gy;
    float *gx, *gweights, *gbias;     // null: not wanted
};

namespace {

constexpr int64_t SMALL = 1 << 15;  // numbers below which a second thread costs more than it helps

float scale_of(const Dense& d) { return 65536.f / float(65536 - d.threshold); }

// Bias, activation, dropout in place, one pass.
void finish_row(const Dense& d, int64_t row, uint16_t* draws) {
    float* y = d.y + row * d.out;
    const float scale = scale_of(d);
    if (d.threshold) draw({{d.state[0], d.state[1]}, {d.state[2], d.state[3]}}, uint32_t(row), draws, size_t(d.out));
    for (int64_t i = 0; i < d.out; i += LANES) {
        int count = int(std::min<int64_t>(LANES, d.out - i));
        Floats z = load<Floats>(y + i, count) + load<Floats>(d.bias + i, count);
        if (!d.curve.linear()) z = activate(z, d.curve);
        if (d.threshold) {
            const Ints drawn = __builtin_convertvector(load<Halves>(draws + i, count), Ints);
            z = choose(drawn < int(d.threshold), dropped(z), z * scale);
        }
        store(y + i, z, count);
    }
}

void finish_rows(const Dense& d, int64_t from, int64_t to) {
    static thread_local Scratch scratch;
    uint16_t* draws = scratch.of<uint16_t>(d.threshold ? drawn(size_t(d.out)) : 0);
    for (int64_t row = from; row < to; ++row) finish_row(d, row, draws);
}

void forward(const Dense& d) {
    if (d.half) round(d.weights, d.in * d.out, d.half);
    multiply({false, false, d.rows, d.out, d.in, d.x, d.weights, d.y, d.bf16 != 0, d.half});
    in_parts(d.rows, d.rows * d.out > SMALL, [&](int64_t from, int64_t to) { finish_rows(d, from, to); });
}

// The gradient before the activation, from y.
const float* before_activation(const Dense& d, Scratch& scratch) {
    if (d.curve.linear()) return d.gy;
    const int64_t size = d.rows * d.out;
    float* gz = scratch.of<float>(size_t(size));
    const float scale = scale_of(d);
    in_parts((size + LANES - 1) / LANES, size > SMALL, [&](int64_t from, int64_t to) {
        for (int64_t i = from * LANES; i < std::min(size, to * LANES); i += LANES) {
            const int count = int(std::min<int64_t>(LANES, size - i));
            const Floats y = load<Floats>(d.y + i, count);
            store(gz + i, load<Floats>(d.gy + i, count) * derivative(y, d.curve) * scale, count);
        }
    });
    return gz;
}

// Row after row: always the same sum.
void sum_rows(const float* gz, int64_t rows, int64_t out, float* sum) {
    std::fill_n(sum, out, 0.f);
    for (int64_t row = 0; row < rows; ++row)
#pragma omp simd
        for (int64_t i = 0; i < out; ++i) sum[i] += gz[row * out + i];
}

void backward(const Dense& d) {
    static thread_local Scratch scratch;
    const float* gz = before_activation(d, scratch);
    if (d.gbias) sum_rows(gz, d.rows, d.out, d.gbias);
    if (d.gx) multiply({false, true, d.rows, d.in, d.out, gz, d.weights, d.gx, d.bf16 != 0, d.half});
    if (d.gweights) multiply({true, false, d.in, d.out, d.rows, d.x, gz, d.gweights, d.bf16 != 0});
}

}  // namespace
}  // namespace fkp

extern "C" {

extern const int64_t fkp_dense_size = sizeof(fkp::Dense);

int fkp_dense_takes_half() { return !fkp::amx(); }

const char* fkp_dense_forward(const fkp::Dense* d) {
    return fkp::reason([&] { fkp::forward(*d); });
}

const char* fkp_dense_backward(const fkp::Dense* d) {
    return fkp::reason([&] { fkp::backward(*d); });
}

}
