// Convolutions of any shape as matrix products: the numbers that the kernel meets around a pixel are copied into a row,
// its patch; a plane is patches times kernel, the patches' gradient is the plane's times the kernel's transpose, the
// kernel's the patches' transpose times the plane's.  Some lines of the planes at a time, counted through all images, so
// that the patches stay in a core's cache.
#include <algorithm>
#include <stdexcept>
#include "../common.h"
#include "../multiply.h"
#include "../passes.h"
#include "direct.h"

namespace fkp {
namespace any {

namespace {

constexpr int64_t CACHE = 512 << 10;  // bytes of patches in work at a time

class Patches {
public:
    explicit Patches(const Shape& s) : s(s) {
        if (s.bf16) throw std::invalid_argument("bfloat16 needs oneDNN");
    }
    int64_t numbers() const { return s.area() * s.in; }
    int64_t image() const { return s.height * s.width * s.in; }
    int64_t line() const { return s.out_width() * s.out; }

    // Calls work(first line, lines) for the planes of all images.
    template <class F> void strips(int64_t images, F work) const {
        const int64_t all = images * s.out_height(), bytes = s.out_width() * numbers() * int64_t(sizeof(float));
        const int64_t most = pixels() ? all : std::max(int64_t(1), CACHE / bytes);
        for (int64_t first = 0; first < all; first += most) work(first, std::min(most, all - first));
    }

    // The patches of some lines: copied, or in place where the kernel meets one pixel.
    const float* gather(const float* images, int64_t first, int64_t lines) const {
        if (pixels()) return images + first * s.width * s.in;
        float* patches = room(lines);
        if (framed()) std::fill_n(patches, lines * s.out_width() * numbers(), 0.f);
        runs(first, lines, [&](int64_t patch, int64_t pixel, int64_t count) {
            const float* from = images + pixel;
            for (int64_t i = 0; i < count; ++i) patches[patch + i] = from[i];
        });
        return patches;
    }

    // Adds some lines' patches to the images.
    void scatter(const float* patches, int64_t first, int64_t lines, float* images) const {
        runs(first, lines, [&](int64_t patch, int64_t pixel, int64_t count) {
            float* to = images + pixel;
            for (int64_t i = 0; i < count; ++i) to[i] += patches[patch + i];
        });
    }

    float* room(int64_t lines) const {
        static thread_local Scratch scratch;
        return scratch.of<float>(lines * s.out_width() * numbers());
    }

    // Is an image its own patches?
    bool pixels() const { return s.area() == 1 && s.stride[0] == 1 && s.stride[1] == 1 && !framed(); }

    const Shape s;

private:
    bool framed() const { return s.pad[0] || s.pad[1] || s.pad[2] || s.pad[3]; }

    // Calls work(place in the patches, place in the images, count) for all runs of numbers that lie inside an image.
    template <class F> void runs(int64_t first, int64_t lines, F work) const {
        const int64_t together = s.dilation[1] == 1 ? s.columns : 1;
        int64_t patch = 0;
        for (int64_t h = first; h < first + lines; ++h) {
            const int64_t top = h % s.out_height() * s.stride[0] - s.pad[0], start = h / s.out_height() * image();
            for (int64_t w = 0; w < s.out_width(); ++w)
                for (int64_t r = 0; r < s.rows; ++r) {
                    const int64_t y = top + r * s.dilation[0];
                    for (int64_t c = 0; c < s.columns; c += together, patch += together * s.in) {
                        const int64_t x = w * s.stride[1] - s.pad[2] + c * s.dilation[1];
                        const int64_t skip = std::max(int64_t(0), -x), count = std::min(together, s.width - x) - skip;
                        if (y >= 0 && y < s.height && count > 0)
                            work(patch + skip * s.in, start + (y * s.width + x + skip) * s.in, count * s.in);
                    }
                }
        }
    }
};

// The kernel as products take it: a row for each number of a patch, a column for each channel of the plane.
template <class F> void each_weight(const Shape& s, F work) {
    for (int64_t o = 0; o < s.out; ++o)
        for (int64_t i = 0; i < s.in; ++i)
            for (int64_t p = 0; p < s.area(); ++p) work((p * s.in + i) * s.out + o, (o * s.in + i) * s.area() + p);
}

class Through : public Pass {
public:
    Through(const Shape& s, const float* weights) : patches_(s), kernel_(room(s)) {
        each_weight(s, [&](int64_t place, int64_t weight) { kernel_[place] = weights[weight]; });
    }
protected:
    const Patches patches_;
    float* const kernel_;
private:
    static float* room(const Shape& s) {
        static thread_local Scratch scratch;
        return scratch.of<float>(s.weights());
    }
};

class Forward : public Through {
public:
    Forward(const Shape& s, const float* weights, const float* bias) : Through(s, weights), bias_(bias) {}

    void run(int64_t images, const void* from, float* to) const override {
        const Shape& s = patches_.s;
        const float* x = static_cast<const float*>(from);
        patches_.strips(images, [&](int64_t first, int64_t lines) {
            const int64_t pixels = lines * s.out_width(), depth = patches_.numbers();
            const float* patches = patches_.gather(x, first, lines);
            float* z = to + first * patches_.line();
            if (bias_)
                for (int64_t p = 0; p < pixels; ++p) std::copy_n(bias_, s.out, z + p * s.out);
            sgemm_here(false, false, pixels, s.out, depth, 1.f, patches, depth, kernel_, s.out, bias_ ? 1.f : 0.f, z,
                       s.out);
        });
    }
private:
    const float* const bias_;
};

class Backward : public Through {
public:
    using Through::Through;

    void run(int64_t images, const void* from, float* to) const override {
        const Shape& s = patches_.s;
        const float* gz = static_cast<const float*>(from);
        if (!patches_.pixels()) std::fill_n(to, images * patches_.image(), 0.f);
        patches_.strips(images, [&](int64_t first, int64_t lines) {
            const int64_t pixels = lines * s.out_width(), depth = patches_.numbers();
            float* patches = patches_.pixels() ? to : patches_.room(lines);
            sgemm_here(false, true, pixels, depth, s.out, 1.f, gz + first * patches_.line(), s.out, kernel_, s.out, 0.f,
                       patches, depth);
            if (!patches_.pixels()) patches_.scatter(patches, first, lines, to);
        });
    }
};

class Sums : public KernelSums {
public:
    explicit Sums(const Shape& s) : patches_(s) {}
    int64_t numbers() const override { return patches_.s.weights(); }

    void add(int64_t images, const void* from, const void* gradient, float* sums, bool begin) const override {
        if (begin) std::fill_n(sums, numbers(), 0.f);
        const Shape& s = patches_.s;
        const float *x = static_cast<const float*>(from), *gz = static_cast<const float*>(gradient);
        patches_.strips(images, [&](int64_t first, int64_t lines) {
            const int64_t pixels = lines * s.out_width(), depth = patches_.numbers();
            sgemm_here(true, false, depth, s.out, pixels, 1.f, patches_.gather(x, first, lines), depth,
                       gz + first * patches_.line(), s.out, 1.f, sums, s.out);
        });
    }

    void write(const float* sums, float* gweights) const override {
        each_weight(patches_.s, [&](int64_t place, int64_t weight) { gweights[weight] = sums[place]; });
    }

private:
    const Patches patches_;
};

}  // namespace

std::unique_ptr<const Pass> forward_pass(const Shape& s, int64_t, const float* weights, const float* bias) {
    if (direct(s)) return direct_pass(s, weights, bias);
    return std::make_unique<Forward>(s, weights, bias);
}

std::unique_ptr<const Pass> backward_pass(const Shape& s, int64_t, const float* weights) {
    return std::make_unique<Backward>(s, weights);
}

std::unique_ptr<const KernelSums> kernel_sums(const Shape& s, int64_t) {
    if (direct(s)) return direct_sums(s);
    return std::make_unique<Sums>(s);
}

}  // namespace any
}  // namespace fkp
