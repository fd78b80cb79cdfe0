// What an update changes: parameters, by Nesterov's momentum, and the states of random generators.
#include <algorithm>
#include "parallel.h"

namespace fkp {

// One call; the same fields in the same order as `ops/nesterov.py`'s.
struct Nesterov {
    int64_t count;
    const float *gradient, *rate, *momentum;  // `count` numbers, one, one
    float *parameter, *velocity;              // `count` numbers, changed in place
};

// The same for `ops/native.py`'s.
struct State {
    const uint32_t* now;  // Philox: key, key, call, call
    uint32_t* next;
};

}  // namespace fkp

extern "C" {

extern const int64_t fkp_nesterov_size = sizeof(fkp::Nesterov), fkp_state_size = sizeof(fkp::State);

// velocity = momentum velocity - rate gradient; parameter += momentum velocity - rate gradient.
// Lasagne 0.1's apply_nesterov_momentum, which reads and writes each array several times.
const char* fkp_nesterov(const fkp::Nesterov* call) {
    const float *gradient = call->gradient, rate = *call->rate, momentum = *call->momentum;
    float *parameter = call->parameter, *velocity = call->velocity;
    return fkp::reason([=] {
        fkp::in_parts(call->count, call->count > 1 << 15, [=](int64_t from, int64_t to) {
#pragma omp simd
            for (int64_t i = from; i < to; ++i) {
                const float step = rate * gradient[i], v = momentum * velocity[i] - step;
                velocity[i] = v;
                parameter[i] += momentum * v - step;
            }
        });
    });
}

// The counter's upper half, 64 bits, counts calls.
const char* fkp_next_state(const fkp::State* state) {
    std::copy_n(state->now, 4, state->next);
    if (!++state->next[2]) ++state->next[3];
    return nullptr;
}

}
