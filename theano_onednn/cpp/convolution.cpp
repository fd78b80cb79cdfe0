// Convolution + bias + activation, and as one stage with 2x2 max-pool and dropout behind it, forward and backward, a
// few images at a time, so that everything between the input and the output stays in a core's cache.
#include <omp.h>
#include <vector>
#include "activation.h"
#include "kernels.h"
#include "one_channel.h"
#include "pool.h"
#include "signals.h"
#include "winograd.h"

namespace fkp {

// One call; the same fields in the same order as `ops/convolution.py`'s.  Null: not there, or not wanted.
struct Convolution {
    Shape shape;
    int64_t x_strides[4], y_strides[4], gy_strides[4];  // image, channel, row, column; in elements
    int64_t flip;           // 1: Theano's convolution, 0: its correlation (`filter_flip=False`)
    int64_t pool;           // 1: 2x2 max-pool and dropout follow
    int64_t channels_last;  // y's memory on the way forward: 1: n, h, w, c; 0: n, c, h, w
    int64_t threshold;      // of 65536: how many are dropped
    Curve curve;
    const float *x, *weights, *bias;
    const uint32_t* state;  // Philox: key, key, call, call
    float* y;
    uint8_t* where;  // with `pool`; see pool.h
    const float* gy;
    float *gx, *gweights, *gbias;

    Images input() const { return {x, x_strides, {shape.in, shape.height, shape.width}}; }
    Size plane() const { return {shape.out, shape.out_height(), shape.out_width()}; }
    Size output() const { return pool ? halved(plane()) : plane(); }
    Dropout dropout() const { return {uint32_t(threshold), 65536.f / float(65536 - threshold)}; }
};

namespace {

using dnnl::memory;
constexpr int64_t CACHE = 512 << 10;  // bytes of convolution output in work at a time, well within a core's L2
constexpr int64_t GROUPS = 16;        // sums over images are cut in so many parts, for any number of threads
constexpr int64_t SUMS = 16 << 20;    // bytes that they take, unless that leaves fewer than 4

// Images per piece of work.  A power of two keeps the odd sizes few.
int64_t piece(const Shape& s) {
    const int64_t image = s.out * s.out_height() * s.out_width() * 4;
    int64_t images = 1;
    while (images < 8 && 2 * images * image <= CACHE) images *= 2;
    return images;
}

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

// Are images and planes read as bfloat16?  It has no fast kernel for a few channels.
bool half(const Shape& s) { return s.bf16 && s.in >= 8 && !by_winograd(s) && !one_channel(s); }

// The pieces that a batch is cut into.
struct Pieces {
    int64_t images, size, count;

    explicit Pieces(const Shape& s) : images(s.images), size(piece(s)), count((images + size - 1) / size) {}
    int64_t first(int64_t piece) const { return piece * size; }
    int64_t length(int64_t piece) const { return std::min(size, images - first(piece)); }
};

// oneDNN's kernels for whole pieces and for the tail.
struct Kernels {
    std::shared_ptr<const Kernel> whole, tail;

    Kernels(Kind kind, Shape s, const Pieces& pieces) {
        s.bf16 = half(s);
        s.images = std::min(pieces.images, pieces.size);
        whole = tail = kernel(kind, s);
        if (!(s.images = pieces.images % pieces.size)) return;
        tail = kernel(kind, s);
    }
    const Kernel& of(int64_t images, const Pieces& pieces) const { return images == pieces.size ? *whole : *tail; }
};

// What each thread keeps between calls.
struct Room {
    Scratch image, plane, output, gradient, draws, pad, weights, kernel, sums;
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
void flip(const Convolution& c, const float* from, float* to) {
    const int64_t area = c.shape.rows * c.shape.columns;
    for (int64_t k = 0; k < c.shape.out * c.shape.in; ++k)
        for (int64_t i = 0; i < area; ++i) to[k * area + i] = from[k * area + (c.flip ? area - 1 - i : i)];
}

// Calls work(place, weight) for each number of a kernel with one output channel: where it lies in one_channel.h's order
// and in Theano's.
template <class F> void each_weight(const Convolution& c, F work) {
    const int64_t in = c.shape.in, area = c.shape.rows * c.shape.columns;
    for (int64_t i = 0; i < in * area; ++i) work((c.flip ? area - 1 - i % area : i % area) * in + i / area, i);
}

memory::desc plain(const Shape& s) {
    return memory::desc({s.out, s.in, s.rows, s.columns}, memory::data_type::f32, memory::format_tag::oihw);
}

Correlation correlation(const Shape& s, int64_t images) {
    return {s.rows, images, {s.in, s.height, s.width}, {s.out, s.out_height(), s.out_width()}, s.pad[0], s.pad[2]};
}

// What a piece's images become with the kernel (FORWARD), or the gradient of its planes (BACKWARD_DATA).
class Through {
public:
    Through(Kind kind, const Convolution& c, const Pieces& pieces)
        : c_(c), pieces_(pieces), back_(kind == BACKWARD_DATA) {
        if (kind == FORWARD && one_channel(c.shape)) turn();
        else if (by_winograd(c.shape)) transform();
        else pack(kind);
    }

    void run(int64_t images, const void* from, float* to, const dnnl::stream& stream) const {
        if (!kernels_) return by_own(images, static_cast<const float*>(from), to);
        const Kernel& k = kernels_->of(images, pieces_);
        const memory& weights = &k == kernels_->whole.get() ? whole_ : tail_;
        if (back_)
            fkp::run(k, stream, {{DNNL_ARG_DIFF_DST, at(k.plane, from)}, {DNNL_ARG_WEIGHTS, weights},
                                 {DNNL_ARG_DIFF_SRC, at(k.image, to)}});
        else
            fkp::run(k, stream, {{DNNL_ARG_SRC, at(k.image, from)}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias_},
                                 {DNNL_ARG_DST, at(k.plane, to)}});
    }

private:
    void by_own(int64_t images, const float* from, float* to) const {
        if (one_channel(c_.shape))
            return correlate_one(c_.shape, images, from, kernel_, c_.bias ? *c_.bias : 0.f, to);
        correlate(turned(images), from, kernel_, back_ ? nullptr : c_.bias, to);
    }

    // On the way back the kernels are turned round, and the planes are what they meet.
    Correlation turned(int64_t images) const {
        const Correlation c = correlation(c_.shape, images);
        return back_ ? Correlation{c.side, images, c.out, c.in, c.side - 1 - c.above, c.side - 1 - c.left} : c;
    }

    void turn() {
        kernel_ = room().kernel.of<float>(c_.shape.in * c_.shape.rows * c_.shape.columns);
        each_weight(c_, [&](int64_t place, int64_t weight) { kernel_[place] = c_.weights[weight]; });
    }

    void transform() {
        const Correlation c = turned(pieces_.size);
        const int64_t in = c_.shape.in, area = c_.shape.rows * c_.shape.columns;
        const bool reversed = back_ != (c_.flip != 0);
        kernel_ = room().kernel.of<float>(c.kernel_numbers());
        transform_kernels(c, [&](int64_t from, int64_t to, int place) {
            return c_.weights[((back_ ? from : to) * in + (back_ ? to : from)) * area +
                              (reversed ? area - 1 - place : place)];
        }, kernel_);
    }

    void pack(Kind kind) {
        kernels_.reset(new Kernels(kind, c_.shape, pieces_));
        std::vector<float> flipped(c_.shape.out * c_.shape.in * c_.shape.rows * c_.shape.columns);
        flip(c_, c_.weights, flipped.data());
        dnnl::stream stream(engine());
        whole_ = packed(*kernels_->whole, flipped.data(), stream);
        tail_ = kernels_->tail->weights == kernels_->whole->weights ? whole_
                                                                   : packed(*kernels_->tail, flipped.data(), stream);
        stream.wait();
        zeros_.resize(c_.bias ? 0 : c_.shape.out);
        bias_ = at(memory::desc({c_.shape.out}, memory::data_type::f32, memory::format_tag::a),
                   c_.bias ? c_.bias : zeros_.data());
    }

    memory packed(const Kernel& k, const float* flipped, const dnnl::stream& stream) const {
        memory from = at(plain(c_.shape), flipped), to(k.weights, engine());
        dnnl::reorder(from, to).execute(stream, from, to);
        return to;
    }

    const Convolution& c_;
    const Pieces& pieces_;
    const bool back_;
    std::unique_ptr<Kernels> kernels_;  // null: not oneDNN's way
    memory whole_, tail_, bias_;        // the kernel in the layouts that oneDNN's kernels want
    float* kernel_;                     // or as the other ways do
    std::vector<float> zeros_;
};

// The piece's images as they are multiplied: in place where the memory is right, else a copy.
const void* images(const Convolution& c, int64_t first, int64_t count) {
    const Images from = c.input();
    if (!half(c.shape) && from.dense()) return from.image(first);
    const int64_t size = from.size.numbers();
    void* copy = room().image.bytes(count * size * 4 + 64);
    for (int64_t i = 0; i < count; ++i) {
        if (half(c.shape)) gather(from, first + i, static_cast<bfloat16*>(copy) + i * size);
        else gather(from, first + i, static_cast<float*>(copy) + i * size);
    }
    return copy;
}

// Calls work(number, stream) for 0 to count - 1, in threads that no signal reaches.
template <class F> void in_parallel(int64_t count, F work) {
    FirstError error;
#pragma omp parallel
    {
        SignalsBlocked here;
        error.guard([&] {
            dnnl::stream stream(engine());
#pragma omp for schedule(dynamic) nowait
            for (int64_t i = 0; i < count; ++i) error.guard([&] { work(i, stream); });
        });
    }
    error.rethrow();
}

// From the convolution's output to y, image `image` of the batch.
void pool_image(const Convolution& c, const float* z, int64_t image, float* y) {
    const Dropout dropout = c.dropout();
    const size_t numbers = c.output().numbers();
    uint16_t* draws = room().draws.of<uint16_t>(drawn(numbers));
    if (dropout.threshold)
        draw({{c.state[0], c.state[1]}, {c.state[2], c.state[3]}}, uint32_t(image), draws, numbers);
    pool_forward(c.plane(), z, float(c.curve.slope), dropout, draws, y, c.where ? c.where + image * numbers : nullptr);
}

void activate_image(const Convolution& c, float* z) {
    if (c.curve.linear()) return;
    vectors(c.plane().numbers(), [&](int64_t i, int count) {
        store(z + i, activate(load<Floats>(z + i, count), c.curve), count);
    });
}

void finish_piece(const Convolution& c, float* z, int64_t first, int64_t count) {
    const Size output = c.output();
    for (int64_t image = first; image < first + count; ++image, z += c.plane().numbers()) {
        float *to = c.y + image * output.numbers(), *y = z;
        if (c.pool) pool_image(c, z, image, y = c.channels_last ? to : room().output.of<float>(output.numbers()));
        else activate_image(c, z);
        if (!c.channels_last) spread(y, output, to);
    }
}

void forward(const Convolution& c) {
    const Pieces pieces(c.shape);
    const Through kernel(FORWARD, c, pieces);
    in_parallel(pieces.count, [&](int64_t p, const dnnl::stream& stream) {
        const int64_t first = pieces.first(p), count = pieces.length(p);
        float* z = c.channels_last && !c.pool ? c.y + first * c.output().numbers()
                                              : room().plane.of<float>(count * c.plane().numbers());
        kernel.run(count, images(c, first, count), z, stream);
        finish_piece(c, z, first, count);
    });
}

// gz = gy dy/dz, and its sums.
template <class T> void activation_backward(const Convolution& c, const float* gy, const float* y, T* gz, float* gb) {
    const int64_t channels = c.shape.out, numbers = c.plane().numbers();
    const auto gradient = [&](int64_t i, int count) {
        Floats g = load<Floats>(gy + i, count);
        if (!c.curve.linear()) g *= derivative(load<Floats>(y + i, count), c.curve);
        if (static_cast<const void*>(gz) != gy) narrow(gz + i, g, count);
        return g;
    };
    if (channels == 1) {  // the lanes are pixels
        Floats sum = {};
        vectors(numbers, [&](int64_t i, int count) { sum += gradient(i, count); });
        *gb += total(sum);
        return;
    }
    for (int64_t i = 0; i < numbers; i += channels)
        vectors(channels, [&](int64_t lane, int count) {
            store(gb + lane, load<Floats>(gb + lane, count) + gradient(i + lane, count), count);
        });
}

// From gy to the gradient of the piece's convolution output; adds to the bias's.
template <class T>
void plane_gradient(const Convolution& c, int64_t first, int64_t count, T* gz, float* gb) {
    const Images gradient = {c.gy, c.gy_strides, c.output()}, output = {c.y, c.y_strides, c.output()};
    for (int64_t image = first; image < first + count; ++image, gz += c.plane().numbers()) {
        const float* gy = straight(gradient, image, room().gradient);
        if (c.pool)
            pool_backward(c.plane(), gy, c.where + image * c.output().numbers(), float(c.curve.slope),
                          c.dropout().scale, gz, gb);
        else
            activation_backward(c, gy, c.curve.linear() ? nullptr : straight(output, image, room().output), gz, gb);
    }
}

// As it is multiplied: gy itself where that is it.
const void* plane_gradient(const Convolution& c, int64_t first, int64_t count, float* gb) {
    const Images gradient = {c.gy, c.gy_strides, c.output()};
    const int64_t numbers = count * c.plane().numbers();
    if (half(c.shape)) {
        bfloat16* gz = room().plane.of<bfloat16>(numbers);
        plane_gradient(c, first, count, gz, gb);
        return gz;
    }
    const bool same = !c.pool && c.curve.linear() && gradient.dense();
    if (same && !c.gbias) return gradient.image(first);
    float* gz = same ? const_cast<float*>(gradient.image(first))  // only read, for its sums
                     : room().plane.of<float>(numbers);
    plane_gradient(c, first, count, gz, gb);
    return gz;
}

// The kernel's gradient, summed up over pieces: in the layout that oneDNN writes, or as the other ways have it.
class KernelGradient {
public:
    KernelGradient(const Convolution& c, const Pieces& pieces) : c_(c), pieces_(pieces) {
        if (one_channel(c.shape) || by_winograd(c.shape)) return;
        kernels_.reset(new Kernels(BACKWARD_WEIGHTS, c.shape, pieces));
        if (kernels_->tail->weights != kernels_->whole->weights)
            throw std::logic_error("oneDNN lays out the kernel's gradient differently for " + c.shape.text());
    }

    int64_t numbers() const {
        const Shape& s = c_.shape;
        if (kernels_) return int64_t(kernels_->whole->weights.get_size() / sizeof(float));
        return one_channel(s) ? s.in * s.rows * s.columns : correlation(s, 1).kernel_numbers();
    }

    void add(int64_t images, const void* x, const void* gz, float* sums, const dnnl::stream& stream) const {
        const float *from = static_cast<const float*>(x), *gradient = static_cast<const float*>(gz);
        if (one_channel(c_.shape)) return correlate_weights_one(c_.shape, images, from, gradient, sums);
        if (!kernels_) return correlate_weights(correlation(c_.shape, images), from, gradient, sums);
        const Kernel& k = kernels_->of(images, pieces_);
        const int64_t count = numbers();
        float* gw = room().weights.of<float>(count);
        run(k, stream, {{DNNL_ARG_SRC, at(k.image, x)}, {DNNL_ARG_DIFF_DST, at(k.plane, gz)},
                        {DNNL_ARG_DIFF_WEIGHTS, at(k.weights, gw)}});
        for (int64_t i = 0; i < count; ++i) sums[i] += gw[i];
    }

    // Turns the sums back to Theano's kernel.
    void write(const float* sums) const {
        const int64_t area = c_.shape.rows * c_.shape.columns;
        if (one_channel(c_.shape))
            return each_weight(c_, [&](int64_t place, int64_t weight) { c_.gweights[weight] = sums[place]; });
        if (!kernels_)
            return kernel_gradients(correlation(c_.shape, 1), sums, [&](int64_t i, int64_t o, int place, float g) {
                c_.gweights[(o * c_.shape.in + i) * area + (c_.flip ? area - 1 - place : place)] = g;
            });
        std::vector<float> flipped(c_.shape.out * c_.shape.in * c_.shape.rows * c_.shape.columns);
        dnnl::stream stream(engine());
        memory from = at(kernels_->whole->weights, sums), to = at(plain(c_.shape), flipped.data());
        dnnl::reorder(from, to).execute(stream, from, to);
        stream.wait();
        flip(c_, flipped.data(), c_.gweights);
    }

private:
    const Convolution& c_;
    const Pieces& pieces_;
    std::unique_ptr<Kernels> kernels_;  // null: not oneDNN's way
};

// Adds parts of `numbers` sums up, always in the same order, into the first.
void collect(float* sums, int64_t parts, int64_t numbers) {
#pragma omp parallel for schedule(static) if (numbers > 1 << 15)
    for (int64_t i = 0; i < numbers; ++i)
        for (int64_t part = 1; part < parts; ++part) sums[i] += sums[part * numbers + i];
}

void backward(const Convolution& c) {
    const Pieces pieces(c.shape);
    const KernelGradient gradient(c, pieces);
    const std::unique_ptr<Through> kernel(c.gx ? new Through(BACKWARD_DATA, c, pieces) : nullptr);
    const int64_t weights = c.gweights ? gradient.numbers() : 0, numbers = padded(weights + c.shape.out + LANES);
    const int64_t fit = SUMS / int64_t(numbers * sizeof(float));
    const int64_t parts = std::min({GROUPS, pieces.count, std::max(fit, int64_t(4))});
    float* const all = room().sums.of<float>(parts * numbers);  // of each part of the images: the kernel's, the bias's
    in_parallel(parts, [&](int64_t part, const dnnl::stream& stream) {
        float *sums = all + part * numbers, *bias = sums + weights;
        std::fill_n(sums, numbers, 0.f);
        for (int64_t p = pieces.count * part / parts; p < pieces.count * (part + 1) / parts; ++p) {
            const int64_t first = pieces.first(p), count = pieces.length(p);
            const void* gz = plane_gradient(c, first, count, bias);
            if (kernel) kernel->run(count, gz, c.gx + first * c.input().size.numbers(), stream);
            if (c.gweights) gradient.add(count, images(c, first, count), gz, sums, stream);
        }
    });
    collect(all, parts, numbers);
    if (c.gbias) std::copy_n(all + weights, c.shape.out, c.gbias);
    if (c.gweights) gradient.write(all);
}

void empty_backward(const Convolution& c) {
    const Shape& s = c.shape;
    if (c.gweights) std::fill_n(c.gweights, s.out * s.in * s.rows * s.columns, 0.f);
    if (c.gbias) std::fill_n(c.gbias, s.out, 0.f);
}

}  // namespace
}  // namespace fkp

extern "C" {

extern const int64_t fkp_convolution_size = sizeof(fkp::Convolution);

const char* fkp_convolution_forward(const fkp::Convolution* c) {
    return fkp::reason([&] { if (c->shape.images) fkp::forward(*c); });
}

const char* fkp_convolution_backward(const fkp::Convolution* c) {
    return fkp::reason([&] { c->shape.images ? fkp::backward(*c) : fkp::empty_backward(*c); });
}

}
