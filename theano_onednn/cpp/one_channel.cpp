#include "one_channel.h"
#include <type_traits>
#include "frame.h"
#include "images.h"

namespace fkp {

namespace {

// Calls work(window, pixel, run) for all pixels of the output, `run` neighbours at a time (a constant): where the first
// one's window begins in the framed image, and the pixel's number.
template <class F> void runs(const Shape& s, int64_t images, const float* x, F work) {
    constexpr int MOST = 4;
    const Frame frame(s);
    int64_t pixel = 0;
    for (int64_t image = 0; image < images; ++image) {
        const float* top = framed(s, x + image * s.height * s.width * s.in);
        for (int64_t h = 0; h < s.out_height(); ++h, top += s.stride[0] * frame.line) {
            int64_t w = 0;
            for (; w + MOST <= s.out_width(); w += MOST, pixel += MOST)
                work(top + w * frame.step, pixel, std::integral_constant<int, MOST>());
            for (; w < s.out_width(); ++w, ++pixel) work(top + w * frame.step, pixel, std::integral_constant<int, 1>());
        }
    }
}

template <int RUN> void sum(const Shape& s, const float* window, const float* weights, float bias, float* z) {
    const Frame frame(s);
    Floats sums[RUN] = {};
    for (int64_t r = 0; r < s.rows; ++r, window += frame.down, weights += frame.row)
        vectors(frame.row, [&](int64_t i, int lanes) __attribute__((always_inline)) {  // else the sums lie in memory
            const Floats factor = load<Floats>(weights + i, lanes);
            for (int n = 0; n < RUN; ++n) sums[n] += factor * load<Floats>(window + n * frame.step + i, lanes);
        });
    for (int n = 0; n < RUN; ++n) z[n] = total(sums[n]) + bias;
}

template <int RUN> void add(const Shape& s, const float* window, const float* gz, float* sums) {
    const Frame frame(s);
    for (int64_t r = 0; r < s.rows; ++r, window += frame.down, sums += frame.row)
        vectors(frame.row, [&](int64_t i, int lanes) {
            Floats sum = load<Floats>(sums + i, lanes);
            for (int n = 0; n < RUN; ++n) sum += gz[n] * load<Floats>(window + n * frame.step + i, lanes);
            store(sums + i, sum, lanes);
        });
}

}  // namespace

void correlate_one(const Shape& s, int64_t images, const float* x, const float* weights, float bias, float* z) {
    runs(s, images, x, [&](const float* window, int64_t pixel, auto run) {
        sum<decltype(run)::value>(s, window, weights, bias, z + pixel);
    });
}

void correlate_weights_one(const Shape& s, int64_t images, const float* x, const float* gz, float* sums) {
    runs(s, images, x, [&](const float* window, int64_t pixel, auto run) {
        add<decltype(run)::value>(s, window, gz + pixel, sums);
    });
}

}  // namespace fkp
