// Convolution + bias + activation, and as one stage with 2x2 max-pool and dropout behind it, forward and backward, a
// few images at a time, so that everything between the input and the output stays in a core's cache.
#include <omp.h>
#include <vector>
#include "activation.h"
#include "passes.h"
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

constexpr int64_t CACHE = 512 << 10;  // bytes of convolution output in work at a time, well within a core's L2
constexpr int64_t GROUPS = 16;        // sums over images are cut in so many parts, for any number of threads

// Images per piece of work.  A power of two keeps the odd sizes few.
int64_t piece(const Shape& s) {
    const int64_t image = s.out * s.out_height() * s.out_width() * 4;
    int64_t images = 1;
    while (images < 8 && 2 * images * image <= CACHE) images *= 2;
    return images;
}

// The pieces that a batch is cut into.
struct Pieces {
    int64_t images, size, count;

    explicit Pieces(const Shape& s) : images(s.images), size(piece(s)), count((images + size - 1) / size) {}
    int64_t first(int64_t piece) const { return piece * size; }
    int64_t length(int64_t piece) const { return std::min(size, images - first(piece)); }
};

// What each thread keeps between calls.
struct Room {
    Scratch image, plane, output, gradient, draws, kernel, sums, total;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

// Theano convolves, we correlate: the kernel's rows and columns are reversed.  Its own inverse.
void flip(const Convolution& c, const float* from, float* to) {
    const int64_t area = c.shape.area();
    for (int64_t k = 0; k < c.shape.out * c.shape.in; ++k)
        for (int64_t i = 0; i < area; ++i) to[k * area + i] = from[k * area + area - 1 - i];
}

// The kernel as a correlation's: in place, or reversed.
const float* correlated(const Convolution& c) {
    if (!c.flip) return c.weights;
    float* flipped = room().kernel.of<float>(c.shape.weights());
    flip(c, c.weights, flipped);
    return flipped;
}

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

// Calls work(number) for 0 to count - 1, in threads that no signal reaches.
template <class F> void in_parallel(int64_t count, F work) {
    FirstError error;
#pragma omp parallel
    {
        SignalsBlocked here;
#pragma omp for schedule(dynamic) nowait
        for (int64_t i = 0; i < count; ++i) error.guard([&] { work(i); });
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
    const auto kernel = forward_pass(c.shape, pieces.size, correlated(c), c.bias);
    in_parallel(pieces.count, [&](int64_t p) {
        const int64_t first = pieces.first(p), count = pieces.length(p);
        float* z = c.channels_last && !c.pool ? c.y + first * c.output().numbers()
                                              : room().plane.of<float>(count * c.plane().numbers());
        kernel->run(count, images(c, first, count), z);
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

// Calls work(part, sums) for each of `parts`, in threads that no signal reaches, and adds their `numbers` sums up to
// `total`, always in the same order.  What a thread works on it keeps, so that memory for few parts is in use at a time.
template <class F> void add_up(int64_t parts, int64_t numbers, float* total, F work) {
    FirstError error;
#pragma omp parallel num_threads(std::min<int64_t>(parts, omp_get_max_threads()))
    {
        SignalsBlocked here;
#pragma omp for schedule(dynamic) ordered
        for (int64_t part = 0; part < parts; ++part) {
            float* sums = total;
            error.guard([&] { work(part, sums = part ? room().sums.of<float>(numbers) : total); });
#pragma omp ordered
            for (int64_t i = 0; part && i < numbers; ++i) total[i] += sums[i];
        }
    }
    error.rethrow();
}

// Theano's kernel gradient, from the sums.
void write(const Convolution& c, const KernelSums& gradient, const float* sums) {
    if (!c.flip) return gradient.write(sums, c.gweights);
    float* found = room().kernel.of<float>(c.shape.weights());
    gradient.write(sums, found);
    flip(c, found, c.gweights);
}

void backward(const Convolution& c) {
    const Pieces pieces(c.shape);
    const auto kernel = c.gx ? backward_pass(c.shape, pieces.size, correlated(c)) : nullptr;
    const auto gradient = c.gweights ? kernel_sums(c.shape, pieces.size) : nullptr;
    const int64_t weights = gradient ? gradient->numbers() : 0, numbers = weights + c.shape.out + LANES;
    const int64_t parts = std::min(GROUPS, pieces.count);
    float* const all = room().total.of<float>(numbers);  // the kernel's, the bias's
    add_up(parts, numbers, all, [&](int64_t part, float* sums) {
        float* bias = sums + weights;
        std::fill_n(bias, c.shape.out, 0.f);
        const int64_t from = pieces.count * part / parts, end = pieces.count * (part + 1) / parts;
        for (int64_t p = from; p < end; ++p) {
            const int64_t first = pieces.first(p), count = pieces.length(p);
            const void* gz = plane_gradient(c, first, count, bias);
            if (kernel) kernel->run(count, gz, c.gx + first * c.input().size.numbers());
            if (gradient) gradient->add(count, images(c, first, count), gz, sums, p == from);
        }
    });
    if (c.gbias) std::copy_n(all + weights, c.shape.out, c.gbias);
    if (gradient) write(c, *gradient, all);
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
