// Nesterov's momentum in one pass over a parameter, in place.
#include <cstdint>

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

}
