// What the kernels share: vectors, scratch memory, errors for Python.
#pragma once
#ifdef __SSE2__
#include <immintrin.h>
#endif
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <string>

namespace fkp {

// A vector is one register.  In one that fills several GCC would compare and choose number by number.
#ifdef __AVX512F__
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));

// Filled up to whole vectors.
inline int64_t padded(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }

// Some lanes, neither all nor none.  A copy of any length is a call, so that 24 channels take longer than 48.
#ifdef __AVX512VL__
template <class Vector, class Element> inline Vector load_some(const Element* from, int count) {
    const __mmask16 lanes = __mmask16((1 << count) - 1);
    if constexpr (sizeof(Element) == 4) return Vector(_mm512_maskz_loadu_epi32(lanes, from));
    else if constexpr (sizeof(Element) == 2) return Vector(_mm256_maskz_loadu_epi16(lanes, from));
    else return Vector(_mm_maskz_loadu_epi8(lanes, from));
}

template <class Vector, class Element> inline void store_some(Element* to, const Vector& vector, int count) {
    const __mmask16 lanes = __mmask16((1 << count) - 1);
    if constexpr (sizeof(Element) == 4) _mm512_mask_storeu_epi32(to, lanes, __m512i(vector));
    else if constexpr (sizeof(Element) == 2) _mm256_mask_storeu_epi16(to, lanes, __m256i(vector));
    else _mm_mask_storeu_epi8(to, lanes, __m128i(vector));
}
#else
// Copies `count` elements, by powers of two: each copy is an instruction.
template <class Element> inline void copy_some(const Element* from, int count, Element* to) {
    for (int part = LANES / 2; part; part /= 2)
        if (count & part) {
            std::memcpy(to, from, part * sizeof(Element));
            from += part, to += part;
        }
}

template <class Vector, class Element> inline Vector load_some(const Element* from, int count) {
    Element lanes[LANES] = {};
    copy_some(from, count, lanes);
    Vector found;
    std::memcpy(&found, lanes, sizeof found);
    return found;
}

template <class Vector, class Element> inline void store_some(Element* to, const Vector& vector, int count) {
    Element lanes[LANES];
    std::memcpy(lanes, &vector, sizeof lanes);
    copy_some(lanes, count, to);
}
#endif

// `count` lanes from memory, the rest zero: the last channels of a layer need not fill a vector.
template <class Vector, class Element> inline Vector load(const Element* from, int count) {
    if (count != LANES) return load_some<Vector>(from, count);
    Vector lanes;
    std::memcpy(&lanes, from, sizeof lanes);  // one instruction; memory need not be aligned
    return lanes;
}

template <class Vector, class Element> inline void store(Element* to, const Vector& lanes, int count) {
    if (count == LANES) std::memcpy(to, &lanes, sizeof lanes);
    else store_some(to, lanes, count);
}

// The sum of all lanes, by halves.
inline float total(const Floats& lanes) {
    float parts[LANES];
    std::memcpy(parts, &lanes, sizeof parts);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; ++i) parts[i] += parts[half + i];
    return parts[0];
}

// bfloat16 is the upper half of a float32; rounding is to nearest, ties to even, and NaN stays NaN.
typedef uint16_t bfloat16;

inline Floats widen(const float* from, int count) { return load<Floats>(from, count); }

inline Floats widen(const bfloat16* from, int count) {
    Words bits = __builtin_convertvector(load<Halves>(from, count), Words) << 16;
    return Floats(bits);
}

inline void narrow(float* to, const Floats& lanes, int count) { store(to, lanes, count); }

inline void narrow(bfloat16* to, const Floats& lanes, int count) {
    Words bits = Words(lanes);
    Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    Words quiet = (bits >> 16) | 0x40;
    Words chosen = lanes == lanes ? rounded : quiet;
    store(to, __builtin_convertvector(chosen, Halves), count);
}

// Memory that grows and is kept, one per thread and purpose.
class Scratch {
public:
    ~Scratch() { std::free(data_); }
    void* bytes(size_t wanted) {
        if (wanted > size_) {
            std::free(data_);
            size_ = (wanted + 4095) & ~size_t(4095);
            data_ = std::aligned_alloc(4096, size_);
            if (!data_) { size_ = 0; throw std::bad_alloc(); }
        }
        return data_;
    }
    template <class T> T* of(size_t count) { return static_cast<T*>(bytes(count * sizeof(T) + 64)); }
private:
    void* data_ = nullptr;
    size_t size_ = 0;
};

// The first exception of a parallel region: OpenMP lets none out.
class FirstError {
public:
    template <class F> void guard(F work) {
        try { work(); } catch (...) {
            std::lock_guard<std::mutex> lock(mutex_);
            if (!error_) error_ = std::current_exception();
        }
    }
    void rethrow() { if (error_) std::rethrow_exception(error_); }
private:
    std::mutex mutex_;
    std::exception_ptr error_;
};

// What C can return: nullptr, or the reason, valid until this thread's next call.
template <class F> const char* reason(F work) {
    static thread_local std::string text;
    try { work(); return nullptr; }
    catch (const std::exception& error) { text = error.what(); }
    catch (...) { text = "unknown error"; }
    return text.c_str();
}

}  // namespace fkp
