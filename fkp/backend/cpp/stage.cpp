// Convolution + bias + rectifier + 2x2 max-pool + dropout as one stage, a few images at a time, so that everything
// between the stage's input and its output stays in a core's cache.
#include <omp.h>
#include <algorithm>
#include <stdexcept>
#include <vector>
#include "kernels.h"
#include "signals.h"

namespace fkp {

// One call; the same fields in the same order as `ops/stage.py`'s.  Strides count elements; gradients may be null.
struct Stage {
    Shape shape;
    int64_t x_strides[4], gy_strides[4];  // image, channel, row, column
    int64_t channels_last;                // y's memory: 1: n, h, w, c; 0: n, c, h, w
    int64_t threshold;
    const float *x, *weights, *bias;
    const uint32_t* state;  // Philox: key, key, call, call
    float* y;
    uint8_t* where;
    const float* gy;
    float *gx, *gweights, *gbias;
};

namespace {

using dnnl::memory;
constexpr int64_t CACHE = 512 << 10;  // bytes of convolution output in work at a time, well within a core's L2
constexpr int GROUPS = 16;            // sums over images are cut in so many parts, for any number of threads

Dropout dropout_of(const Stage& s) {
    return {uint32_t(s.threshold), 65536.f / float(65536 - s.threshold)};
}

// Images per piece of work.  A power of two keeps the odd sizes few.
int64_t piece(const Shape& s) {
    int64_t image = s.out * s.out_height() * s.out_width() * 4, images = 1;
    while (images < 8 && 2 * images * image <= CACHE) images *= 2;
    return images;
}

Shape shape_of(const Shape& whole, int64_t images) {
    Shape s = whole;
    s.images = images;
    s.bf16 = whole.bf16 && whole.in >= 8;  // bfloat16 has no fast kernel for a few channels
    return s;
}

// The kernel of whole pieces and the one for the tail.
struct Kernels {
    std::shared_ptr<const Kernel> whole, tail;
    Kernels(Kind kind, const Shape& s, int64_t images) {
        whole = kernel(kind, shape_of(s, std::min(images, s.images)));
        if (s.images % images) tail = kernel(kind, shape_of(s, s.images % images));
    }
    const Kernel& of(int64_t count, int64_t images) const { return count == images || !tail ? *whole : *tail; }
};

// Strided image -> dense channels-last, float32 or bfloat16.
template <class T>
void gather(const float* from, const int64_t* strides, int64_t channels, int64_t height, int64_t width, T* to) {
    if (strides[1] == 1) {
        for (int64_t h = 0; h < height; ++h)
            for (int64_t w = 0; w < width; ++w)
                for (int64_t c = 0; c < channels; c += LANES) {
                    int count = int(std::min<int64_t>(LANES, channels - c));
                    narrow(to + (h * width + w) * channels + c,
                           load<Floats>(from + h * strides[2] + w * strides[3] + c, count), count);
                }
        return;
    }
    for (int64_t h = 0; h < height; ++h)
        for (int64_t w = 0; w < width; ++w)
            for (int64_t c = 0; c < channels; c += LANES) {
                int count = int(std::min<int64_t>(LANES, channels - c));
                Floats lanes = {};
                for (int lane = 0; lane < count; ++lane)
                    lanes[lane] = from[(c + lane) * strides[1] + h * strides[2] + w * strides[3]];
                narrow(to + (h * width + w) * channels + c, lanes, count);
            }
}

// Dense channels-last image -> dense channels-first.
void spread(const float* from, int64_t channels, int64_t pixels, float* to) {
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t p = 0; p < pixels; ++p) to[c * pixels + p] = from[p * channels + c];
}

// `n, h, w, c` in memory, image after image?
bool dense(const int64_t* strides, int64_t channels, int64_t height, int64_t width) {
    return (strides[1] == 1 || channels == 1) && strides[3] == channels && strides[2] == channels * width &&
           strides[0] == channels * width * height;
}

// What each thread keeps between calls.
struct Room {
    Scratch image, plane, pooled, where, draws, pad, weights;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

void run(const Kernel& k, const dnnl::stream& stream, std::unordered_map<int, memory> arguments) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(k.scratch, engine(), room().pad.bytes(k.scratch.get_size() + 64)));
    k.primitive.execute(stream, arguments);
}

memory at(const memory::desc& description, const void* data) {
    return memory(description, engine(), const_cast<void*>(data));
}

// Theano convolves, oneDNN correlates: the kernel's rows and columns are reversed.  Its own inverse.
void flip(const float* from, const Shape& s, float* to) {
    int64_t area = s.rows * s.columns;
    for (int64_t k = 0; k < s.out * s.in; ++k)
        for (int64_t i = 0; i < area; ++i) to[k * area + i] = from[k * area + area - 1 - i];
}

memory::desc plain(const Shape& s) {
    return memory::desc({s.out, s.in, s.rows, s.columns}, memory::data_type::f32, memory::format_tag::oihw);
}

// The flipped kernel in the layout that `k` wants.
memory packed(const Kernel& k, const Shape& s, const float* flipped, const dnnl::stream& stream) {
    memory from = at(plain(s), flipped), to(k.weights, engine());
    dnnl::reorder(from, to).execute(stream, from, to);
    return to;
}

struct Weights {
    memory whole, tail;
    Weights(const Kernels& kernels, const Shape& s, const float* weights) {
        std::vector<float> flipped(s.out * s.in * s.rows * s.columns);
        flip(weights, s, flipped.data());
        dnnl::stream stream(engine());
        whole = packed(*kernels.whole, s, flipped.data(), stream);
        tail = kernels.tail ? packed(*kernels.tail, s, flipped.data(), stream) : whole;
        stream.wait();
    }
};

// The piece's images as `k` reads them: in place where the memory is right, else a copy.
const void* images(const Stage& s, const Kernel& k, int64_t first, int64_t count) {
    const Shape& shape = s.shape;
    const float* from = s.x + first * s.x_strides[0];
    const int64_t size = shape.in * shape.height * shape.width;
    const bool half = k.image.get_data_type() == memory::data_type::bf16;
    if (!half && dense(s.x_strides, shape.in, shape.height, shape.width)) return from;
    float* copy = room().image.of<float>(count * size);
    for (int64_t i = 0; i < count; ++i, from += s.x_strides[0]) {
        if (half) gather(from, s.x_strides, shape.in, shape.height, shape.width,
                         reinterpret_cast<bfloat16*>(copy) + i * size);
        else gather(from, s.x_strides, shape.in, shape.height, shape.width, copy + i * size);
    }
    return copy;
}

Plane plane_of(const Shape& s, int block) {
    return {int(s.out), int(s.out_height()), int(s.out_width()), block};
}

// From the piece's convolution output to y and `where`.
template <class T> void finish_forward(const Stage& s, const Plane& plane, const T* z, int64_t first, int64_t count) {
    const size_t pooled = plane.pooled();
    const Dropout dropout = dropout_of(s);
    uint16_t* draws = room().draws.of<uint16_t>(drawn(pooled));
    for (int64_t image = first; image < first + count; ++image, z += plane.size()) {
        if (dropout.threshold)
            draw({{s.state[0], s.state[1]}, {s.state[2], s.state[3]}}, uint32_t(image), draws, pooled);
        float* y = s.channels_last ? s.y + image * pooled : room().pooled.of<float>(pooled);
        pool_forward(plane, z, dropout, draws, y, s.where ? s.where + image * pooled : nullptr);
        if (!s.channels_last)
            spread(y, plane.channels, plane.pooled_height() * plane.pooled_width(), s.y + image * pooled);
    }
}

void forward(const Stage& s) {
    const Shape& shape = s.shape;
    const int64_t size = piece(shape), pieces = (shape.images + size - 1) / size;
    const Kernels kernels(FORWARD, shape, size);
    const Weights weights(kernels, shape, s.weights);
    FirstError error;
#pragma omp parallel
    {
        SignalsBlocked here;
        error.guard([&] {
            dnnl::stream stream(engine());
            memory bias = at(memory::desc({shape.out}, memory::data_type::f32, memory::format_tag::a), s.bias);
#pragma omp for schedule(dynamic) nowait
            for (int64_t p = 0; p < pieces; ++p) error.guard([&] {
                const int64_t first = p * size, count = std::min(size, shape.images - first);
                const Kernel& k = kernels.of(count, size);
                void* z = room().plane.bytes(k.plane.get_size() + 64);
                run(k, stream, {{DNNL_ARG_SRC, at(k.image, images(s, k, first, count))},
                                {DNNL_ARG_WEIGHTS, &k == kernels.whole.get() ? weights.whole : weights.tail},
                                {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, at(k.plane, z)}});
                const Plane plane = plane_of(shape, k.block);
                if (k.plane.get_data_type() == memory::data_type::bf16)
                    finish_forward(s, plane, static_cast<const bfloat16*>(z), first, count);
                else finish_forward(s, plane, static_cast<const float*>(z), first, count);
            });
        });
    }
    error.rethrow();
}

// From gy to the gradient of the piece's convolution output; adds to the bias's.
template <class T>
void start_backward(const Stage& s, const Plane& plane, T* gz, int64_t first, int64_t count, float* gbias) {
    const size_t pooled = plane.pooled();
    const float scale = dropout_of(s).scale;
    const int height = plane.pooled_height(), width = plane.pooled_width();
    const bool straight = dense(s.gy_strides, plane.channels, height, width);
    for (int64_t image = first; image < first + count; ++image, gz += plane.size()) {
        const float* gy = s.gy + image * s.gy_strides[0];
        if (!straight) {
            float* copy = room().pooled.of<float>(pooled);
            gather(gy, s.gy_strides, plane.channels, height, width, copy);
            gy = copy;
        }
        pool_backward(plane, gy, s.where + image * pooled, scale, gz, gbias);
    }
}

// As `k` reads it.
const void* plane_gradient(const Stage& s, const Kernel& k, int64_t first, int64_t count, float* gbias) {
    void* gz = room().plane.bytes(k.plane.get_size() + 64);
    const Plane plane = plane_of(s.shape, k.block);
    if (k.plane.get_data_type() == memory::data_type::bf16)
        start_backward(s, plane, static_cast<bfloat16*>(gz), first, count, gbias);
    else start_backward(s, plane, static_cast<float*>(gz), first, count, gbias);
    return gz;
}

// The sums over one part of the images, in the layout that oneDNN writes.
struct Sums {
    std::vector<float> weights, bias, again;  // again: where the bias's is not to be counted twice
};

void backward_piece(const Stage& s, const Kernel& weights, const Kernel* data, const memory& packed, int64_t first,
                    int64_t count, Sums& sums, const dnnl::stream& stream) {
    const Shape& shape = s.shape;
    const void* gz = nullptr;
    if (data) {
        gz = plane_gradient(s, *data, first, count, sums.bias.data());
        float* gx = s.gx + first * shape.in * shape.height * shape.width;
        run(*data, stream, {{DNNL_ARG_DIFF_DST, at(data->plane, gz)}, {DNNL_ARG_WEIGHTS, packed},
                            {DNNL_ARG_DIFF_SRC, at(data->image, gx)}});
    }
    if (!data || data->block != weights.block) {  // a single channel's kernels want two layouts
        gz = plane_gradient(s, weights, first, count, data ? sums.again.data() : sums.bias.data());
    }
    float* gw = room().weights.of<float>(sums.weights.size());
    run(weights, stream, {{DNNL_ARG_SRC, at(weights.image, images(s, weights, first, count))},
                          {DNNL_ARG_DIFF_DST, at(weights.plane, gz)},
                          {DNNL_ARG_DIFF_WEIGHTS, at(weights.weights, gw)}});
    for (size_t i = 0; i < sums.weights.size(); ++i) sums.weights[i] += gw[i];
}

// Adds the parts up, always in the same order, and turns the kernel's gradient back to Theano's.
void collect(const Stage& s, const Kernel& k, std::vector<Sums>& parts) {
    Sums& total = parts[0];
    for (size_t part = 1; part < parts.size(); ++part) {
        for (size_t i = 0; i < total.weights.size(); ++i) total.weights[i] += parts[part].weights[i];
        for (int64_t i = 0; i < s.shape.out; ++i) total.bias[i] += parts[part].bias[i];
    }
    std::copy_n(total.bias.begin(), s.shape.out, s.gbias);
    std::vector<float> flipped(s.shape.out * s.shape.in * s.shape.rows * s.shape.columns);
    dnnl::stream stream(engine());
    memory from = at(k.weights, total.weights.data()), to = at(plain(s.shape), flipped.data());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    flip(flipped.data(), s.shape, s.gweights);
}

void backward(const Stage& s) {
    const Shape& shape = s.shape;
    const int64_t size = piece(shape), pieces = (shape.images + size - 1) / size;
    const Kernels kernels(BACKWARD_WEIGHTS, shape, size);
    std::unique_ptr<Kernels> data;
    std::unique_ptr<Weights> weights;
    if (s.gx) {
        data.reset(new Kernels(BACKWARD_DATA, shape, size));
        weights.reset(new Weights(*data, shape, s.weights));
    }
    const int parts = int(std::min<int64_t>(GROUPS, pieces));
    std::vector<Sums> sums(parts);
    FirstError error;
#pragma omp parallel
    {
        SignalsBlocked here;
        error.guard([&] {
            dnnl::stream stream(engine());
#pragma omp for schedule(dynamic) nowait
            for (int part = 0; part < parts; ++part) error.guard([&] {
                sums[part].weights.assign(kernels.whole->weights.get_size() / sizeof(float), 0.f);
                sums[part].bias.assign(shape.out + LANES, 0.f);
                sums[part].again.assign(shape.out + LANES, 0.f);
                for (int64_t p = pieces * part / parts; p < pieces * (part + 1) / parts; ++p) {
                    const int64_t first = p * size, count = std::min(size, shape.images - first);
                    const Kernel& k = kernels.of(count, size);
                    const bool whole = &k == kernels.whole.get();
                    backward_piece(s, k, data ? &data->of(count, size) : nullptr,
                                   !weights ? memory() : whole ? weights->whole : weights->tail, first, count,
                                   sums[part], stream);
                }
            });
        });
    }
    error.rethrow();
    if (kernels.tail && kernels.tail->weights != kernels.whole->weights)
        throw std::logic_error("oneDNN lays out the kernel's gradient differently for " + shape.text());
    collect(s, *kernels.whole, sums);
}

void empty_backward(const Stage& s) {
    const Shape& k = s.shape;
    std::fill_n(s.gweights, k.out * k.in * k.rows * k.columns, 0.f);
    std::fill_n(s.gbias, k.out, 0.f);
}

}  // namespace
}  // namespace fkp

extern "C" {

const char* fkp_stage_forward(const fkp::Stage* s) {
    return fkp::reason([&] { if (s->shape.images) fkp::forward(*s); });
}

const char* fkp_stage_backward(const fkp::Stage* s) {
    return fkp::reason([&] { s->shape.images ? fkp::backward(*s) : fkp::empty_backward(*s); });
}

// Null where all three convolutions of this shape have a fast kernel, else why not.
const char* fkp_stage_refusal(const fkp::Shape* whole) {
    return fkp::reason([&] {
        fkp::Shape s = fkp::shape_of(*whole, 1);
        for (fkp::Kind kind : {fkp::FORWARD, fkp::BACKWARD_DATA, fkp::BACKWARD_WEIGHTS}) fkp::kernel(kind, s);
    });
}

}
