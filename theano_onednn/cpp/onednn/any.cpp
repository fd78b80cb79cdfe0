// Convolutions of any shape: oneDNN's.
#include <algorithm>
#include <stdexcept>
#include <vector>
#include "../common.h"
#include "../passes.h"
#include "kernels.h"

namespace fkp {
namespace any {

namespace {

using dnnl::memory;

// For whole pieces of a batch and for its tail.
struct Kernels {
    int64_t most;
    std::shared_ptr<const Kernel> whole, tail;

    Kernels(Kind kind, Shape s, int64_t most) : most(most) {
        const int64_t images = s.images;
        s.images = std::min(images, most);
        whole = tail = kernel(kind, s);
        if (!(s.images = images % most)) return;
        tail = kernel(kind, s);
    }
    const Kernel& of(int64_t images) const { return images == most ? *whole : *tail; }
};

// What each thread keeps between calls.
struct Room {
    Scratch pad, weights;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

void run(const Kernel& k, std::unordered_map<int, memory> arguments) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(k.scratch, engine(), room().pad.bytes(k.scratch.get_size() + 64)));
    k.primitive.execute(stream(), arguments);
    stream().wait();
}

memory at(const memory::desc& description, const void* data) {
    return memory(description, engine(), const_cast<void*>(data));
}

void lay_out(const Kernel& k, memory from, memory to) {
    k.layout.execute(stream(), from, to);
    stream().wait();
}

class Through : public Pass {
public:
    Through(Kind kind, const Shape& s, int64_t most, const float* weights)
        : kernels_(kind, s, most), whole_(packed(*kernels_.whole, weights)),
          tail_(kernels_.tail->weights == kernels_.whole->weights ? whole_ : packed(*kernels_.tail, weights)) {}
protected:
    const memory& weights(const Kernel& k) const { return &k == kernels_.whole.get() ? whole_ : tail_; }
    const Kernels kernels_;
private:
    static memory packed(const Kernel& k, const float* weights) {
        memory to(k.weights, engine());
        lay_out(k, at(k.plain, weights), to);
        return to;
    }
    const memory whole_, tail_;  // the kernel in the layouts that oneDNN's kernels want
};

class Forward : public Through {
public:
    Forward(const Shape& s, int64_t most, const float* weights, const float* bias)
        : Through(FORWARD, s, most, weights), zeros_(bias ? 0 : s.out),
          bias_(at({{s.out}, memory::data_type::f32, memory::format_tag::a}, bias ? bias : zeros_.data())) {}
    void run(int64_t images, const void* from, float* to) const override {
        const Kernel& k = kernels_.of(images);
        any::run(k, {{DNNL_ARG_SRC, at(k.image, from)}, {DNNL_ARG_WEIGHTS, weights(k)}, {DNNL_ARG_BIAS, bias_},
                     {DNNL_ARG_DST, at(k.plane, to)}});
    }
private:
    const std::vector<float> zeros_;
    const memory bias_;
};

class Backward : public Through {
public:
    Backward(const Shape& s, int64_t most, const float* weights) : Through(BACKWARD_DATA, s, most, weights) {}
    void run(int64_t images, const void* from, float* to) const override {
        const Kernel& k = kernels_.of(images);
        any::run(k, {{DNNL_ARG_DIFF_DST, at(k.plane, from)}, {DNNL_ARG_WEIGHTS, weights(k)},
                     {DNNL_ARG_DIFF_SRC, at(k.image, to)}});
    }
};

class Sums : public KernelSums {
public:
    Sums(const Shape& s, int64_t most) : kernels_(BACKWARD_WEIGHTS, s, most) {
        if (kernels_.tail->weights != kernels_.whole->weights)
            throw std::logic_error("oneDNN lays out the kernel's gradient differently for " + s.text());
    }
    int64_t numbers() const override { return int64_t(kernels_.whole->weights.get_size() / sizeof(float)); }
    void add(int64_t images, const void* x, const void* gz, float* sums, bool begin) const override {
        const Kernel& k = kernels_.of(images);
        const int64_t count = numbers();
        float* gw = begin ? sums : room().weights.of<float>(count);
        run(k, {{DNNL_ARG_SRC, at(k.image, x)}, {DNNL_ARG_DIFF_DST, at(k.plane, gz)},
                {DNNL_ARG_DIFF_WEIGHTS, at(k.weights, gw)}});
        for (int64_t i = 0; !begin && i < count; ++i) sums[i] += gw[i];
    }
    void write(const float* sums, float* gweights) const override {
        const Kernel& k = *kernels_.whole;
        lay_out(k, at(k.weights, sums), at(k.plain, gweights));
    }
private:
    const Kernels kernels_;
};

}  // namespace

std::unique_ptr<const Pass> forward_pass(const Shape& s, int64_t most, const float* weights, const float* bias) {
    return std::make_unique<Forward>(s, most, weights, bias);
}

std::unique_ptr<const Pass> backward_pass(const Shape& s, int64_t most, const float* weights) {
    return std::make_unique<Backward>(s, most, weights);
}

std::unique_ptr<const KernelSums> kernel_sums(const Shape& s, int64_t most) {
    return std::make_unique<Sums>(s, most);
}

}  // namespace any
}  // namespace fkp
