// Pools of any window, stride and padding, as Theano's own: maxima, means and sums, forward and backward.
#include <omp.h>
#include <limits>
#include "images.h"

namespace fkp {

enum Mode { MAXIMUM, SUM, MEAN_WITH_PADDING, MEAN_WITHOUT_PADDING };

// One call; the same fields in the same order as `ops/pool.py`'s.  What is written is dense and channels-last.
struct Pool {
    int64_t images;
    Size in, out;
    int64_t window[2], stride[2], pad[2], mode;
    int64_t ignore_border;
    int64_t x_strides[4], y_strides[4], gy_strides[4];  // image, channel, row, column; in elements
    const float* x;
    float* y;
    const float* gy;
    float* gx;
};

namespace {

struct Room {
    Scratch x, y, gy;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

// The part of window `number` that lies in the image, along one axis.
struct Span {
    int64_t from, to;
    Span(const Pool& p, int axis, int64_t number) {
        const int64_t size = axis ? p.in.width : p.in.height, start = number * p.stride[axis] - p.pad[axis];
        from = std::max<int64_t>(start, 0);
        to = std::min(start + p.window[axis], size);
    }
    int64_t length() const { return to - from; }
};

// What a mean is divided by.  Where the border is kept, Theano counts what is there.
float divisor(const Pool& p, const Span& rows, const Span& columns) {
    if (p.mode == MAXIMUM || p.mode == SUM) return 1.f;
    if (p.mode == MEAN_WITH_PADDING && p.ignore_border) return float(p.window[0] * p.window[1]);
    return float(rows.length() * columns.length());
}

// Calls work(rows, columns, place in the output) for all windows of an image.
template <class F> void windows(const Pool& p, F work) {
    for (int64_t row = 0; row < p.out.height; ++row)
        for (int64_t column = 0; column < p.out.width; ++column)
            work(Span(p, 0, row), Span(p, 1, column), (row * p.out.width + column) * p.out.channels);
}

// Calls work(place in the input) for all pixels of a window.
template <class F> inline void pixels(const Pool& p, const Span& rows, const Span& columns, F work) {
    for (int64_t row = rows.from; row < rows.to; ++row)
        for (int64_t column = columns.from; column < columns.to; ++column)
            work((row * p.in.width + column) * p.in.channels);
}

void forward(const Pool& p, const float* x, float* y) {
    windows(p, [&](const Span& rows, const Span& columns, int64_t to) {
        const float scale = 1.f / divisor(p, rows, columns);
        vectors(p.in.channels, [&](int64_t c, int count) {
            Floats found = {};
            if (p.mode == MAXIMUM) {
                found = Floats{} - std::numeric_limits<float>::infinity();
                pixels(p, rows, columns, [&](int64_t from) {
                    const Floats next = load<Floats>(x + from + c, count);
                    found = (next > found) | (next != next) ? next : found;  // NaN comes through
                });
            } else {
                pixels(p, rows, columns, [&](int64_t from) { found += load<Floats>(x + from + c, count); });
                found *= scale;
            }
            store(y + to + c, found, count);
        });
    });
}

// The gradient goes to every maximum.
void backward(const Pool& p, const float* x, const float* y, const float* gy, float* gx) {
    std::memset(gx, 0, p.in.numbers() * sizeof(float));
    windows(p, [&](const Span& rows, const Span& columns, int64_t at) {
        const float scale = 1.f / divisor(p, rows, columns);
        vectors(p.in.channels, [&](int64_t c, int count) {
            const Floats g = load<Floats>(gy + at + c, count) * scale;
            const Floats best = p.mode == MAXIMUM ? load<Floats>(y + at + c, count) : Floats{};
            pixels(p, rows, columns, [&](int64_t from) {
                float* to = gx + from + c;
                Floats part = g;
                if (p.mode == MAXIMUM) part = load<Floats>(x + from + c, count) == best ? g : Floats{};
                store(to, load<Floats>(to, count) + part, count);
            });
        });
    });
}

template <class F> void each_image(const Pool& p, F work) {
    FirstError error;
#pragma omp parallel for schedule(static) if (p.images * p.in.numbers() > 1 << 15)
    for (int64_t image = 0; image < p.images; ++image) error.guard([&] { work(image); });
    error.rethrow();
}

}  // namespace
}  // namespace fkp

extern "C" {

extern const int64_t fkp_pool_size = sizeof(fkp::Pool);

const char* fkp_pool_forward(const fkp::Pool* p) {
    using namespace fkp;
    return reason([&] {
        each_image(*p, [&](int64_t image) {
            const Images x = {p->x, p->x_strides, p->in};
            forward(*p, straight(x, image, room().x), p->y + image * p->out.numbers());
        });
    });
}

const char* fkp_pool_backward(const fkp::Pool* p) {
    using namespace fkp;
    return reason([&] {
        each_image(*p, [&](int64_t image) {
            const Images x = {p->x, p->x_strides, p->in}, y = {p->y, p->y_strides, p->out},
                         gy = {p->gy, p->gy_strides, p->out};
            const bool values = p->mode == MAXIMUM;
            backward(*p, values ? straight(x, image, room().x) : nullptr,
                     values ? straight(y, image, room().y) : nullptr, straight(gy, image, room().gy),
                     p->gx + image * p->in.numbers());
        });
    });
}

}
