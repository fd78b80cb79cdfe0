#include "passes.h"
#include "multiply.h"
#include "one_channel.h"
#include "winograd.h"

namespace fkp {

namespace {

// Is Winograd's way sooner?  It needs whole vectors of channels, and enough tiles for the kernel's transform to pay.
// For 3x3 it is sooner than bfloat16 as well unless there is AMX, and more exact.
bool by_winograd(const Shape& s) {
    const auto all = [](const auto& some, auto is) { return std::all_of(std::begin(some), std::end(some), is); };
    const auto one = [](int64_t number) { return number == 1; };
    const bool square = s.rows == s.columns && (s.rows == 2 || s.rows == 3);
    return square && !(s.bf16 && (amx() || s.rows == 2)) && all(s.stride, one) && all(s.dilation, one) &&
           all(s.pad, [&](int64_t pad) { return pad < s.rows; }) && s.in >= LANES && s.out >= LANES &&
           s.images * s.out_height() * s.out_width() >= 4096;
}

// The kernel as a pass reads it: kept between calls.
float* kernel_room(int64_t numbers) {
    static thread_local Scratch room;
    return room.of<float>(numbers);
}

// Calls work(place, weight) for each number of a kernel with one output channel: where it lies in one_channel.h's order
// and in ours.
template <class F> void each_weight(const Shape& s, F work) {
    for (int64_t i = 0; i < s.in * s.area(); ++i) work(i % s.area() * s.in + i / s.area(), i);
}

class OneChannelPass : public Pass {
public:
    OneChannelPass(const Shape& s, const float* weights, const float* bias)
        : s_(s), bias_(bias ? *bias : 0.f), kernel_(kernel_room(s.weights())) {
        each_weight(s, [&](int64_t place, int64_t weight) { kernel_[place] = weights[weight]; });
    }
    void run(int64_t images, const void* from, float* to) const override {
        correlate_one(s_, images, static_cast<const float*>(from), kernel_, bias_, to);
    }
private:
    const Shape s_;
    const float bias_;
    float* const kernel_;
};

class OneChannelSums : public KernelSums {
public:
    explicit OneChannelSums(const Shape& s) : s_(s) {}
    int64_t numbers() const override { return s_.weights(); }
    void add(int64_t images, const void* x, const void* gz, float* sums, bool begin) const override {
        if (begin) std::fill_n(sums, numbers(), 0.f);
        correlate_weights_one(s_, images, static_cast<const float*>(x), static_cast<const float*>(gz), sums);
    }
    void write(const float* sums, float* gweights) const override {
        each_weight(s_, [&](int64_t place, int64_t weight) { gweights[weight] = sums[place]; });
    }
private:
    const Shape s_;
};

Correlation correlation(const Shape& s, int64_t images) {
    return {s.rows, images, {s.in, s.height, s.width}, {s.out, s.out_height(), s.out_width()}, s.pad[0], s.pad[2]};
}

class WinogradPass : public Pass {
public:
    WinogradPass(const Shape& s, bool back, const float* weights, const float* bias)
        : s_(s), back_(back), bias_(bias), kernel_(kernel_room(turned(1).kernel_numbers())) {
        const int64_t in = s.in, area = s.area();
        transform_kernels(turned(1), [&](int64_t from, int64_t to, int place) {
            return weights[((back ? from : to) * in + (back ? to : from)) * area + (back ? area - 1 - place : place)];
        }, kernel_);
    }
    void run(int64_t images, const void* from, float* to) const override {
        correlate(turned(images), static_cast<const float*>(from), kernel_, bias_, to);
    }
private:
    // On the way back the kernels are turned round, and the planes are what they meet.
    Correlation turned(int64_t images) const {
        const Correlation c = correlation(s_, images);
        return back_ ? Correlation{c.side, images, c.out, c.in, c.side - 1 - c.above, c.side - 1 - c.left} : c;
    }
    const Shape s_;
    const bool back_;
    const float* const bias_;
    float* const kernel_;
};

class WinogradSums : public KernelSums {
public:
    explicit WinogradSums(const Shape& s) : s_(s) {}
    int64_t numbers() const override { return correlation(s_, 1).kernel_numbers(); }
    void add(int64_t images, const void* x, const void* gz, float* sums, bool begin) const override {
        correlate_weights(correlation(s_, images), static_cast<const float*>(x), static_cast<const float*>(gz), sums,
                          begin);
    }
    void write(const float* sums, float* gweights) const override {
        kernel_gradients(correlation(s_, 1), sums, [&](int64_t i, int64_t o, int place, float g) {
            gweights[(o * s_.in + i) * s_.area() + place] = g;
        });
    }
private:
    const Shape s_;
};

// For `any`.
Shape rounded(Shape s) {
    s.bf16 = half(s);
    return s;
}

}  // namespace

// oneDNN has no fast kernel in bfloat16 for a few channels.
bool half(const Shape& s) { return s.bf16 && s.in >= 8 && !by_winograd(s) && !one_channel(s); }

std::unique_ptr<const Pass> forward_pass(const Shape& s, int64_t most, const float* weights, const float* bias) {
    if (one_channel(s)) return std::make_unique<OneChannelPass>(s, weights, bias);
    if (by_winograd(s)) return std::make_unique<WinogradPass>(s, false, weights, bias);
    return any::forward_pass(rounded(s), most, weights, bias);
}

std::unique_ptr<const Pass> backward_pass(const Shape& s, int64_t most, const float* weights) {
    if (by_winograd(s)) return std::make_unique<WinogradPass>(s, true, weights, nullptr);
    return any::backward_pass(rounded(s), most, weights);
}

std::unique_ptr<const KernelSums> kernel_sums(const Shape& s, int64_t most) {
    if (one_channel(s)) return std::make_unique<OneChannelSums>(s);
    if (by_winograd(s)) return std::make_unique<WinogradSums>(s);
    return any::kernel_sums(rounded(s), most);
}

}  // namespace fkp
