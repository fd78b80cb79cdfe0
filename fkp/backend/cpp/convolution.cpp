// Convolution + bias + activation, and as one stage with 2x2 max-pool and dropout behind it, forward and backward, a few
// images at a time, so that everything between the input and the output stays in a core's cache.
#include <omp.h>
#include <vector>
#include "activation.h"
#include "kernels.h"
#include "pool.h"
#include "signals.h"

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
constexpr int GROUPS = 16;            // sums over images are cut in so many parts, for any number of threads

// Images per piece of work.  A power of two keeps the odd sizes few.
int64_t piece(const Shape& s) {
    const int64_t image = s.out * s.out_height() * s.out_width() * 4;
    int64_t images = 1;
    while (images < 8 && 2 * images * image <= CACHE) images *= 2;
    return images;
}

Shape shape_of(const Shape& whole, int64_t images) {
    Shape s = whole;
    s.images = images;
    s.bf16 = whole.bf16 && whole.in >= 8;  // bfloat16 has no fast kernel for a few channels
    return s;
}

// The pieces that a batch is cut into, with the kernel of whole pieces and the one for the tail.
struct Pieces {
    int64_t images, size, count;
    std::shared_ptr<const Kernel> whole, tail;

    Pieces(Kind kind, const Shape& s) : images(s.images), size(piece(s)) {
        count = (images + size - 1) / size;
        whole = kernel(kind, shape_of(s, std::min(images, size)));
        tail = images % size ? kernel(kind, shape_of(s, images % size)) : whole;
    }
    int64_t first(int64_t piece) const { return piece * size; }
    int64_t length(int64_t piece) const { return std::min(size, images - first(piece)); }
    const Kernel& of(int64_t piece) const { return length(piece) == size ? *whole : *tail; }
};

// What each thread keeps between calls.
struct Room {
    Scratch image, plane, output, gradient, draws, pad, weights;
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

memory::desc plain(const Shape& s) {
    return memory::desc({s.out, s.in, s.rows, s.columns}, memory::data_type::f32, memory::format_tag::oihw);
}

// The kernel's numbers in the layouts that the kernels of whole pieces and of the tail want.
struct Weights {
    memory whole, tail;

    Weights(const Pieces& pieces, const Convolution& c) {
        std::vector<float> flipped(c.shape.out * c.shape.in * c.shape.rows * c.shape.columns);
        flip(c, c.weights, flipped.data());
        dnnl::stream stream(engine());
        whole = packed(*pieces.whole, c.shape, flipped.data(), stream);
        tail = pieces.tail->weights == pieces.whole->weights ? whole
                                                             : packed(*pieces.tail, c.shape, flipped.data(), stream);
        stream.wait();
    }
    const memory& of(const Pieces& pieces, int64_t piece) const {
        return pieces.length(piece) == pieces.size ? whole : tail;
    }
private:
    static memory packed(const Kernel& k, const Shape& s, const float* flipped, const dnnl::stream& stream) {
        memory from = at(plain(s), flipped), to(k.weights, engine());
        dnnl::reorder(from, to).execute(stream, from, to);
        return to;
    }
};

// The piece's images as `k` reads them: in place where the memory is right, else a copy.
const void* images(const Convolution& c, const Kernel& k, int64_t first, int64_t count) {
    const Images from = c.input();
    const bool half = k.image.get_data_type() == memory::data_type::bf16;
    if (!half && from.dense()) return from.image(first);
    const int64_t size = from.size.numbers();
    void* copy = room().image.bytes(count * size * 4 + 64);
    for (int64_t i = 0; i < count; ++i) {
        if (half) gather(from, first + i, static_cast<bfloat16*>(copy) + i * size);
        else gather(from, first + i, static_cast<float*>(copy) + i * size);
    }
    return copy;
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

void forward_piece(const Convolution& c, const Pieces& pieces, int64_t p, const memory& weights, const memory& bias,
                   const dnnl::stream& stream) {
    const Kernel& k = pieces.of(p);
    const int64_t first = pieces.first(p), count = pieces.length(p);
    float* z = c.channels_last && !c.pool ? c.y + first * c.output().numbers()
                                          : room().plane.of<float>(k.plane.get_size() / sizeof(float));
    run(k, stream, {{DNNL_ARG_SRC, at(k.image, images(c, k, first, count))}, {DNNL_ARG_WEIGHTS, weights},
                    {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, at(k.plane, z)}});
    finish_piece(c, z, first, count);
}

void forward(const Convolution& c) {
    const Pieces pieces(FORWARD, c.shape);
    const Weights weights(pieces, c);
    const std::vector<float> zeros(c.bias ? 0 : c.shape.out);
    const memory bias = at(memory::desc({c.shape.out}, memory::data_type::f32, memory::format_tag::a),
                           c.bias ? c.bias : zeros.data());
    FirstError error;
#pragma omp parallel
    {
        SignalsBlocked here;
        error.guard([&] {
            dnnl::stream stream(engine());
#pragma omp for schedule(dynamic) nowait
            for (int64_t p = 0; p < pieces.count; ++p)
                error.guard([&] { forward_piece(c, pieces, p, weights.of(pieces, p), bias, stream); });
        });
    }
    error.rethrow();
}

// gz = gy dy/dz, and its sums.
template <class T> void activation_backward(const Convolution& c, const float* gy, const float* y, T* gz, float* gb) {
    const int64_t channels = c.shape.out;
    for (int64_t i = 0; i < c.plane().numbers(); i += channels)
        vectors(channels, [&](int64_t lane, int count) {
            Floats g = load<Floats>(gy + i + lane, count);
            if (!c.curve.linear()) g *= derivative(load<Floats>(y + i + lane, count), c.curve);
            if (static_cast<const void*>(gz) != gy) narrow(gz + i + lane, g, count);
            store(gb + lane, load<Floats>(gb + lane, count) + g, count);
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

// As `k` reads it: gy itself where that is it.
const void* plane_gradient(const Convolution& c, const Kernel& k, int64_t first, int64_t count, float* gb) {
    const Images gradient = {c.gy, c.gy_strides, c.output()};
    if (k.plane.get_data_type() == memory::data_type::bf16) {
        bfloat16* gz = room().plane.of<bfloat16>(k.plane.get_size() / sizeof(bfloat16));
        plane_gradient(c, first, count, gz, gb);
        return gz;
    }
    const bool same = !c.pool && c.curve.linear() && gradient.dense();
    if (same && !c.gbias) return gradient.image(first);
    float* gz = same ? const_cast<float*>(gradient.image(first))  // only read, for its sums
                     : room().plane.of<float>(k.plane.get_size() / sizeof(float));
    plane_gradient(c, first, count, gz, gb);
    return gz;
}

// The sums over one part of the images, the kernel's in the layout that oneDNN writes.
struct Sums {
    std::vector<float> weights, bias;
};

// Adds the parts up, always in the same order, and turns the kernel's gradient back to Theano's.
void collect(const Convolution& c, const Kernel& k, std::vector<Sums>& parts) {
    Sums& total = parts[0];
    for (size_t part = 1; part < parts.size(); ++part) {
        for (size_t i = 0; i < total.weights.size(); ++i) total.weights[i] += parts[part].weights[i];
        for (int64_t i = 0; i < c.shape.out; ++i) total.bias[i] += parts[part].bias[i];
    }
    if (c.gbias) std::copy_n(total.bias.begin(), c.shape.out, c.gbias);
    if (!c.gweights) return;
    std::vector<float> flipped(c.shape.out * c.shape.in * c.shape.rows * c.shape.columns);
    dnnl::stream stream(engine());
    memory from = at(k.weights, total.weights.data()), to = at(plain(c.shape), flipped.data());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    flip(c, flipped.data(), c.gweights);
}

// The way back with everything that is made once for it.
class Backward {
public:
    explicit Backward(const Convolution& c) : c_(c), weights_(BACKWARD_WEIGHTS, c.shape) {
        if (weights_.tail->weights != weights_.whole->weights)
            throw std::logic_error("oneDNN lays out the kernel's gradient differently for " + c.shape.text());
        if (c.gx) {
            data_.reset(new Pieces(BACKWARD_DATA, c.shape));
            packed_.reset(new Weights(*data_, c));
        }
        parts_.resize(std::min<int64_t>(GROUPS, weights_.count));
    }

    void run() {
        const int parts = int(parts_.size());
        FirstError error;
#pragma omp parallel
        {
            SignalsBlocked here;
            error.guard([&] {
                dnnl::stream stream(engine());
#pragma omp for schedule(dynamic) nowait
                for (int part = 0; part < parts; ++part) error.guard([&] { add_up(part, stream); });
            });
        }
        error.rethrow();
        collect(c_, *weights_.whole, parts_);
    }

private:
    void add_up(int part, const dnnl::stream& stream) {
        const int64_t parts = parts_.size();
        if (c_.gweights) parts_[part].weights.assign(weights_.whole->weights.get_size() / sizeof(float), 0.f);
        parts_[part].bias.assign(c_.shape.out + LANES, 0.f);
        for (int64_t p = weights_.count * part / parts; p < weights_.count * (part + 1) / parts; ++p)
            piece(p, parts_[part], stream);
    }

    void piece(int64_t p, Sums& sums, const dnnl::stream& stream) {
        const int64_t first = weights_.first(p), count = weights_.length(p);
        const void* gz = plane_gradient(c_, weights_.of(p), first, count, sums.bias.data());
        if (c_.gx) {
            const Kernel& k = data_->of(p);
            fkp::run(k, stream, {{DNNL_ARG_DIFF_DST, at(k.plane, gz)}, {DNNL_ARG_WEIGHTS, packed_->of(*data_, p)},
                                 {DNNL_ARG_DIFF_SRC, at(k.image, c_.gx + first * c_.input().size.numbers())}});
        }
        if (!c_.gweights) return;
        const Kernel& k = weights_.of(p);
        float* gw = room().weights.of<float>(sums.weights.size());
        fkp::run(k, stream, {{DNNL_ARG_SRC, at(k.image, images(c_, k, first, count))},
                             {DNNL_ARG_DIFF_DST, at(k.plane, gz)}, {DNNL_ARG_DIFF_WEIGHTS, at(k.weights, gw)}});
        for (size_t i = 0; i < sums.weights.size(); ++i) sums.weights[i] += gw[i];
    }

    const Convolution& c_;
    const Pieces weights_;
    std::unique_ptr<Pieces> data_;
    std::unique_ptr<Weights> packed_;
    std::vector<Sums> parts_;
};

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
    return fkp::reason([&] { c->shape.images ? fkp::Backward(*c).run() : fkp::empty_backward(*c); });
}

}
