#include "one_channel.h"
#include <type_traits>
#include "images.h"

namespace fkp {

namespace {

// Numbers in a line of an image with its padding.
int64_t line(const Shape& s) { return (s.pad[2] + s.width + s.pad[3]) * s.in; }

// An image with its padding: in place where there is none.
const float* framed(const Shape& s, const float* x) {
    static thread_local Scratch scratch;
    if (std::all_of(s.pad, s.pad + 4, [](int64_t pad) { return pad == 0; })) return x;
    const int64_t numbers = (s.pad[0] + s.height + s.pad[1]) * line(s), row = s.width * s.in;
    float *frame = scratch.of<float>(numbers), *inside = frame + s.pad[0] * line(s) + s.pad[2] * s.in;
    std::fill_n(frame, numbers, 0.f);
    for (int64_t h = 0; h < s.height; ++h) std::copy_n(x + h * row, row, inside + h * line(s));
    return frame;
}

// Calls work(window, pixel, run) for all pixels of the output, `run` neighbours at a time (a constant): where the first
// one's window begins in the framed image, and the pixel's number.
template <class F> void runs(const Shape& s, int64_t images, const float* x, F work) {
    constexpr int MOST = 4;
    const int64_t step = s.stride[1] * s.in;
    int64_t pixel = 0;
    for (int64_t image = 0; image < images; ++image) {
        const float* top = framed(s, x + image * s.height * s.width * s.in);
        for (int64_t h = 0; h < s.out_height(); ++h, top += s.stride[0] * line(s)) {
            int64_t w = 0;
            for (; w + MOST <= s.out_width(); w += MOST, pixel += MOST)
                work(top + w * step, pixel, std::integral_constant<int, MOST>());
            for (; w < s.out_width(); ++w, ++pixel) work(top + w * step, pixel, std::integral_constant<int, 1>());
        }
    }
}

// The window's numbers lie in `rows` rows of memory, `down` apart, and `step` away from the next window's.
struct Steps {
    int64_t row, down, step;
    explicit Steps(const Shape& s) : row(s.columns * s.in), down(s.dilation[0] * line(s)), step(s.stride[1] * s.in) {}
};

template <int RUN> void sum(const Shape& s, const float* window, const float* weights, float bias, float* z) {
    const Steps steps(s);
    Floats sums[RUN] = {};
    for (int64_t r = 0; r < s.rows; ++r, window += steps.down, weights += steps.row)
        vectors(steps.row, [&](int64_t i, int lanes) __attribute__((always_inline)) {  // else the sums lie in memory
            const Floats factor = load<Floats>(weights + i, lanes);
            for (int n = 0; n < RUN; ++n) sums[n] += factor * load<Floats>(window + n * steps.step + i, lanes);
        });
    for (int n = 0; n < RUN; ++n) z[n] = total(sums[n]) + bias;
}

template <int RUN> void add(const Shape& s, const float* window, const float* gz, float* sums) {
    const Steps steps(s);
    for (int64_t r = 0; r < s.rows; ++r, window += steps.down, sums += steps.row)
        vectors(steps.row, [&](int64_t i, int lanes) {
            Floats sum = load<Floats>(sums + i, lanes);
            for (int n = 0; n < RUN; ++n) sum += gz[n] * load<Floats>(window + n * steps.step + i, lanes);
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
