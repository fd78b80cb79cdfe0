// Philox4x32-10, a counter-based random number generator, a vector of counters at a time.
//
// Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).  Each number is a function
// of its place alone, so that threads and batches can be cut in any way and the result stays the same.
#pragma once
#include "common.h"

namespace fkp {

struct Philox {
    uint32_t key[2];
    uint32_t call[2];  // which call of the layer: the upper half of the counter
};

typedef uint64_t Longs __attribute__((vector_size(4 * LANES)));

// The lower halves of 64-bit lanes multiplied.  Where it is not told which instruction that is, GCC makes three of it.
inline Longs products(const Longs& a, const Longs& b) {
#if defined(__AVX512F__)
    return Longs(_mm512_mul_epu32(__m512i(a), __m512i(b)));
#elif defined(__AVX2__)
    return Longs(_mm256_mul_epu32(__m256i(a), __m256i(b)));
#elif defined(__SSE2__)
    return Longs(_mm_mul_epu32(__m128i(a), __m128i(b)));
#else
    return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

// 32 x 32 -> 64 bits per lane.
inline void multiply(const Words& a, uint32_t by, Words& high, Words& low) {
    const Longs factor = Longs{} + by, even = products(Longs(a), factor), odd = products(Longs(a) >> 32, factor);
    const Longs upper = Longs{} + (uint64_t(0xffffffff) << 32);
    high = Words((even >> 32) | (odd & upper));
    low = Words((even & ~upper) | (odd << 32));
}

inline void philox(Words counter[4], uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        Words high0, low0, high1, low1;
        multiply(counter[0], 0xD2511F53u, high0, low0);
        multiply(counter[2], 0xCD9E8D57u, high1, low1);
        counter[0] = high1 ^ counter[1] ^ key0;
        counter[1] = low1;
        counter[2] = high0 ^ counter[3] ^ key1;
        counter[3] = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

// 128 draws of 16 bits for every group of sixteen counters {16 group + i, row, call}.
constexpr int COUNTERS = 16, DRAWS = 8 * COUNTERS;
inline size_t drawn(size_t count) { return (count + DRAWS - 1) / DRAWS * DRAWS; }

// `count` draws, rounded up to whole groups, for one row (an image, or a row of a dense layer): the same for vectors of
// any length.
inline void draw(const Philox& state, uint32_t row, uint16_t* draws, size_t count) {
    Words first;
    for (int i = 0; i < LANES; ++i) first[i] = uint32_t(i);
    const Words zero = {};
    for (size_t group = 0; group * DRAWS < count; ++group)
        for (int part = 0; part < COUNTERS; part += LANES) {
            Words counter[4] = {first + uint32_t(group * COUNTERS + part), zero + row, zero + state.call[0],
                                zero + state.call[1]};
            philox(counter, state.key[0], state.key[1]);
            for (int word = 0; word < 4; ++word)  // each is two draws
                std::memcpy(draws + group * DRAWS + 2 * (word * COUNTERS + part), &counter[word], sizeof(Words));
        }
}

}  // namespace fkp
