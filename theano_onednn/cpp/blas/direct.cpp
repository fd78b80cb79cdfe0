#include "direct.h"
#include <type_traits>
#include "../frame.h"

namespace fkp {

namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int PIXELS = 8;  // at a time, by up to 3 vectors of channels: 32 registers
#else
constexpr int PIXELS = 4;  // 16 registers
#endif

template <int N> using Constant = std::integral_constant<int, N>;

// Calls work(first channel, vectors) for all output channels, up to 3 vectors (a constant) at a time.
template <class F> void channels(int64_t out, F work) {
    const int64_t all = padded(out) / LANES, parts = (all + 2) / 3;
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t from = all * part / parts, vectors = all * (part + 1) / parts - from;
        if (vectors == 3) work(from * LANES, Constant<3>());
        else if (vectors == 2) work(from * LANES, Constant<2>());
        else work(from * LANES, Constant<1>());
    }
}

// Of the vector that begins at a channel: how many lanes there are channels for.
int lanes(int64_t out, int64_t channel) { return int(std::min<int64_t>(LANES, out - channel)); }

// Where the kernel's numbers lie: rows, columns, channels in, channels out filled up to whole vectors.
template <class F> void each_weight(const Shape& s, F work) {
    for (int64_t o = 0; o < s.out; ++o)
        for (int64_t i = 0; i < s.in; ++i)
            for (int64_t p = 0; p < s.area(); ++p)
                work((p * s.in + i) * padded(s.out) + o, (o * s.in + i) * s.area() + p);
}

int64_t kernel_numbers(const Shape& s) { return s.area() * s.in * padded(s.out); }

// `RUN` neighbours of a plane in some of its channels.
template <int RUN, int VECTORS>
void sum(const Shape& s, const float* window, const float* kernel, const float* bias, int64_t channel, float* z) {
    const Frame frame(s);
    const int64_t out = padded(s.out);
    Floats sums[RUN][VECTORS];
    for (int n = 0; n < RUN; ++n)
        for (int v = 0; v < VECTORS; ++v) sums[n][v] = load<Floats>(bias + channel + v * LANES, LANES);
    kernel += channel;
    for (int64_t r = 0; r < s.rows; ++r, window += frame.down)
        for (int64_t i = 0; i < frame.row; ++i, kernel += out) {
            Floats factors[VECTORS];
            for (int v = 0; v < VECTORS; ++v) factors[v] = load<Floats>(kernel + v * LANES, LANES);
            for (int n = 0; n < RUN; ++n)
                for (int v = 0; v < VECTORS; ++v) sums[n][v] += window[n * frame.step + i] * factors[v];
        }
    for (int n = 0; n < RUN; ++n)
        for (int v = 0; v < VECTORS; ++v)
            store(z + n * s.out + channel + v * LANES, sums[n][v], lanes(s.out, channel + v * LANES));
}

// Calls work(pixel, run) for a line of a plane, `run` (a constant) neighbours at a time; the last ones may overlap.
template <class F> void runs(int64_t width, F work) {
    if (width < PIXELS) {
        for (int64_t w = 0; w < width; ++w) work(w, Constant<1>());
        return;
    }
    for (int64_t w = 0; w < width; w += PIXELS) work(std::min(w, width - PIXELS), Constant<PIXELS>());
}

class DirectPass : public Pass {
public:
    DirectPass(const Shape& s, const float* weights, const float* bias) : s_(s) {
        static thread_local Scratch room;
        kernel_ = room.of<float>(kernel_numbers(s) + padded(s.out));
        bias_ = kernel_ + kernel_numbers(s);
        std::fill_n(kernel_, kernel_numbers(s) + padded(s.out), 0.f);
        each_weight(s, [&](int64_t place, int64_t weight) { kernel_[place] = weights[weight]; });
        if (bias) std::copy_n(bias, s.out, bias_);
    }

    void run(int64_t images, const void* from, float* to) const override {
        const Frame frame(s_);
        const float* x = static_cast<const float*>(from);
        for (int64_t i = 0; i < images; ++i, x += s_.height * s_.width * s_.in) {
            const float* top = framed(s_, x);
            for (int64_t h = 0; h < s_.out_height(); ++h, top += s_.stride[0] * frame.line, to += s_.out_width() * s_.out)
                line(top, frame.step, to);
        }
    }

private:
    void line(const float* top, int64_t step, float* z) const {
        channels(s_.out, [&](int64_t channel, auto vectors) {
            runs(s_.out_width(), [&](int64_t w, auto run) {
                sum<run(), vectors()>(s_, top + w * step, kernel_, bias_, channel, z + w * s_.out);
            });
        });
    }

    const Shape s_;
    float *kernel_, *bias_;
};

// Adds a line's products of `RUN` neighbours in the kernel with some channels to `sums`.
template <int RUN, int VECTORS>
void add(const Shape& s, const float* from, int64_t step, const float* gz, int64_t channel, float* sums) {
    const int64_t out = padded(s.out);
    Floats all[RUN][VECTORS];
    for (int n = 0; n < RUN; ++n)
        for (int v = 0; v < VECTORS; ++v) all[n][v] = load<Floats>(sums + n * out + channel + v * LANES, LANES);
    for (int64_t w = 0; w < s.out_width(); ++w, from += step, gz += s.out)
        for (int v = 0; v < VECTORS; ++v) {
            const int64_t place = channel + v * LANES;
            const Floats gradient = load<Floats>(gz + place, lanes(s.out, place));
            for (int n = 0; n < RUN; ++n) all[n][v] += from[n] * gradient;
        }
    for (int n = 0; n < RUN; ++n)
        for (int v = 0; v < VECTORS; ++v) store(sums + n * out + channel + v * LANES, all[n][v], LANES);
}

class DirectSums : public KernelSums {
public:
    explicit DirectSums(const Shape& s) : s_(s) {}
    int64_t numbers() const override { return kernel_numbers(s_); }

    void add(int64_t images, const void* from, const void* gradient, float* sums, bool begin) const override {
        if (begin) std::fill_n(sums, numbers(), 0.f);
        const Frame frame(s_);
        const float *x = static_cast<const float*>(from), *gz = static_cast<const float*>(gradient);
        for (int64_t i = 0; i < images; ++i, x += s_.height * s_.width * s_.in) {
            const float* top = framed(s_, x);
            for (int64_t h = 0; h < s_.out_height(); ++h, top += s_.stride[0] * frame.line, gz += s_.out_width() * s_.out)
                for (int64_t r = 0; r < s_.rows; ++r)
                    line(top + r * frame.down, frame, gz, sums + r * frame.row * padded(s_.out));
        }
    }

    void write(const float* sums, float* gweights) const override {
        each_weight(s_, [&](int64_t place, int64_t weight) { gweights[weight] = sums[place]; });
    }

private:
    // A line of the plane with a row of the kernel, up to 4 of its numbers at a time.
    void line(const float* from, const Frame& frame, const float* gz, float* sums) const {
        channels(s_.out, [&](int64_t channel, auto vectors) {
            const auto some = [&](int64_t i, auto run) {
                fkp::add<run(), vectors()>(s_, from + i, frame.step, gz, channel, sums + i * padded(s_.out));
            };
            int64_t i = 0;
            for (; i + 4 <= frame.row; i += 4) some(i, Constant<4>());
            if (frame.row - i == 3) some(i, Constant<3>());
            if (frame.row - i == 2) some(i, Constant<2>());
            if (frame.row - i == 1) some(i, Constant<1>());
        });
    }

    const Shape s_;
};

}  // namespace

bool direct(const Shape& s) { return s.area() * s.in <= 64 && s.dilation[1] == 1 && s.out >= LANES; }

std::unique_ptr<const Pass> direct_pass(const Shape& s, const float* weights, const float* bias) {
    return std::make_unique<DirectPass>(s, weights, bias);
}

std::unique_ptr<const KernelSums> direct_sums(const Shape& s) { return std::make_unique<DirectSums>(s); }

}  // namespace fkp
