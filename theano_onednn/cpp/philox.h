// Philox4x32-10, a counter-based random number generator, sixteen counters at a time.
//
// Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).  Each number is a function
// of its place alone, so that threads and batches can be cut in any way and the result stays the same.
#pragma once
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#include "common.h"

namespace fkp {

struct Philox {
    uint32_t key[2];
    uint32_t call[2];  // which call of the layer: the upper half of the counter
};

// 32 x 32 -> 64 bits per lane.  The plain loop is right everywhere; GCC 12 makes a slow 64-bit product of it.
inline void multiply(const Words& a, uint32_t by, Words& high, Words& low) {
#ifdef __AVX512F__
    __m512i words = reinterpret_cast<const __m512i&>(a), factor = _mm512_set1_epi32(int(by));
    __m512i even = _mm512_mul_epu32(words, factor), odd = _mm512_mul_epu32(_mm512_srli_epi64(words, 32), factor);
    reinterpret_cast<__m512i&>(high) = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
    reinterpret_cast<__m512i&>(low) = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
#else
    for (int lane = 0; lane < LANES; ++lane) {
        uint64_t product = uint64_t(a[lane]) * by;
        high[lane] = uint32_t(product >> 32);
        low[lane] = uint32_t(product);
    }
#endif
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

// 128 draws of 16 bits for every group of sixteen counters {16 group + lane, row, call}.
constexpr int DRAWS = 8 * LANES;
inline size_t drawn(size_t count) { return (count + DRAWS - 1) / DRAWS * DRAWS; }

// `count` draws, rounded up to whole groups, for one row (an image, or a row of a dense layer).
inline void draw(const Philox& state, uint32_t row, uint16_t* draws, size_t count) {
    const Words lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Words zero = {};
    for (size_t group = 0; group * DRAWS < count; ++group) {
        Words counter[4] = {lanes + uint32_t(group * LANES), zero + row, zero + state.call[0], zero + state.call[1]};
        philox(counter, state.key[0], state.key[1]);
        std::memcpy(draws + group * DRAWS, counter, sizeof counter);
    }
}

}  // namespace fkp
