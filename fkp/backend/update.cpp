// Nesterov's momentum in one pass over a parameter, in place, and Philox for the tests.
#include "philox.h"

extern "C" {

// velocity = momentum velocity - rate gradient; parameter += momentum velocity - rate gradient.
// Lasagne 0.1's apply_nesterov_momentum, which reads and writes each array several times.
void fkp_nesterov(int64_t count, const float* gradient, float rate, float momentum, float* parameter,
                  float* velocity) {
#pragma omp parallel for simd if (count > 1 << 15)
    for (int64_t i = 0; i < count; ++i) {
        float step = rate * gradient[i], v = momentum * velocity[i] - step;
        velocity[i] = v;
        parameter[i] += momentum * v - step;
    }
}

// Four counters' words and a key in; the four random words out.
void fkp_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t random[4]) {
    fkp::Words words[4];
    for (int i = 0; i < 4; ++i) words[i] = fkp::Words{} + counter[i];
    fkp::philox(words, key[0], key[1]);
    for (int i = 0; i < 4; ++i) random[i] = words[i][5];
}

}
