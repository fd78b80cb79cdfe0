#include "winograd.h"

namespace fkp {

namespace {

constexpr int64_t ROWS = LANES == 16 ? 8 : 4;  // of a product's block, by up to 3 vectors: 32 or 16 registers
constexpr int64_t CACHE = 640 << 10;  // bytes of transformed tiles in work at a time, within a core's L2

struct Room {
    Scratch in, out, zeros;
};

Room& room() {
    static thread_local Room mine;
    return mine;
}

// Rows filled up to whole blocks.
int64_t blocks(int64_t rows) { return (rows + ROWS - 1) / ROWS * ROWS; }

// c (ROWS rows, VECTORS x LANES columns) = or += a b; `a` lies as its transpose does where DOWN, its rows, or these, a_row
// apart.  The compiler is to know which: with a stride of any size it takes twice as long.
template <int VECTORS, bool ADD, bool DOWN>
void block(int64_t depth, const float* a, int64_t a_row, const float* b, int64_t b_row, float* c, int64_t c_row) {
    Floats sum[ROWS][VECTORS];
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < VECTORS; ++j) sum[i][j] = ADD ? load<Floats>(c + i * c_row + j * LANES, LANES) : Floats{};
    for (; depth; --depth, a += DOWN ? a_row : 1, b += b_row) {
        Floats right[VECTORS];
        for (int j = 0; j < VECTORS; ++j) right[j] = load<Floats>(b + j * LANES, LANES);
        for (int i = 0; i < ROWS; ++i)
            for (int j = 0; j < VECTORS; ++j) sum[i][j] += a[DOWN ? i : i * a_row] * right[j];
    }
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < VECTORS; ++j) store(c + i * c_row + j * LANES, sum[i][j], LANES);
}

// A whole product of `rows` and `columns`, filled up to whole blocks.
template <bool ADD, bool DOWN>
void product(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t a_row, const float* b, float* c) {
    const int64_t all = columns / LANES, parts = (all + 2) / 3;
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t from = all * part / parts, vectors = all * (part + 1) / parts - from, column = from * LANES;
        const auto run = vectors == 3 ? block<3, ADD, DOWN> : vectors == 2 ? block<2, ADD, DOWN> : block<1, ADD, DOWN>;
        for (int64_t i = 0; i < rows; i += ROWS)
            run(depth, a + (DOWN ? i : i * a_row), a_row, b + column, columns, c + i * columns + column, columns);
    }
}

// How many tiles are in work at a time, and how far their points lie apart in memory, lest all meet in one cache set.
//
// With in * out / (in + out) of them the tiles take as much memory as the kernels, which are read for each batch.
struct Batch {
    int64_t most, in, out, in_point, out_point;

    explicit Batch(const Correlation& c) : in(padded(c.in.channels)), out(padded(c.out.channels)) {
        const int64_t wanted = std::max(CACHE / (c.points() * 4 * (in + out)), in * out / (in + out));
        const int64_t batches = (c.tiles() + wanted - 1) / wanted;
        most = blocks((c.tiles() + batches - 1) / batches);
        in_point = most * in + LANES, out_point = most * out + LANES;
    }
};

// Calls work(first, count) for runs of tiles.
template <class F> void batches(const Correlation& c, const Batch& batch, F work) {
    for (int64_t first = 0; first < c.tiles(); first += batch.most) work(first, std::min(batch.most, c.tiles() - first));
}

struct Place {
    int64_t image, top, left;
    Place(const Correlation& c, int64_t tile)
        : image(tile / (c.down() * c.across())), top(tile / c.across() % c.down() * 4), left(tile % c.across() * 4) {}
};

// SIDE x SIDE pixels per tile, transformed: points, tiles, channels.  Outside the image is zero; what lies past `last` no
// pixel of the output meets, and is as the last one, so that it leaves ties as they are.  Here and in `finish` memory is
// asked for ahead: without, a third of the time would be waiting for it.
struct Source {
    const float* x;
    Size size;
    int64_t above, left, last_row, last_column;
};

template <int SIDE, int TO, class Line>
void transform(const Correlation& c, const Source& source, int64_t first, int64_t count, float* to, int64_t point,
               Line line) {
    const Size& size = source.size;
    float* zeros = room().zeros.of<float>(size.channels);
    std::fill_n(zeros, size.channels, 0.f);
    for (int64_t t = 0; t < count; ++t, to += padded(size.channels)) {
        const Place place(c, first + t);
        const float *pixels[SIDE * SIDE], *image = source.x + place.image * size.numbers();
        for (int64_t i = 0; i < SIDE; ++i)
            for (int64_t j = 0; j < SIDE; ++j) {
                const int64_t row = std::min(place.top - source.above + i, source.last_row);
                const int64_t column = std::min(place.left - source.left + j, source.last_column);
                const bool inside = row >= 0 && row < size.height && column >= 0 && column < size.width;
                pixels[i * SIDE + j] = inside ? image + (row * size.width + column) * size.channels : zeros;
            }
        vectors(size.channels, [&](int64_t channel, int lanes) {
            Floats from[SIDE * SIDE], found[TO * TO];
            for (int i = 0; i < SIDE * SIDE; ++i) {
                from[i] = load<Floats>(pixels[i] + channel, lanes);
                __builtin_prefetch(pixels[i] + channel + 8 * size.channels);  // the tile after next
            }
            winograd::square<SIDE, TO>(from, found, line);
            for (int p = 0; p < TO * TO; ++p) store(to + p * point + channel, found[p], LANES);
        });
    }
}

template <class Lines>
float* transform_images(const Correlation& c, const Batch& batch, const float* x, int64_t first, int64_t count) {
    constexpr int POINTS = Lines::POINTS;
    float* to = room().in.of<float>(POINTS * POINTS * batch.in_point);
    const Source images = {x, c.in, c.above, c.left, c.out.height + c.side - 2 - c.above,
                           c.out.width + c.side - 2 - c.left};
    transform<POINTS, POINTS>(c, images, first, count, to, batch.in_point, typename Lines::Image());
    return to;
}

// Sums of the products: tiles of z, with the bias.
template <class Lines>
void finish(const Correlation& c, const float* from, int64_t point, int64_t first, int64_t count, const float* bias,
            float* z) {
    const Size& size = c.out;
    for (int64_t t = 0; t < count; ++t, from += padded(size.channels)) {
        const Place place(c, first + t);
        const int64_t rows = std::min<int64_t>(4, size.height - place.top), line = size.width * size.channels;
        const int64_t columns = std::min<int64_t>(4, size.width - place.left);
        float* to = z + place.image * size.numbers() + place.top * line + place.left * size.channels;
        vectors(size.channels, [&](int64_t channel, int lanes) {
            constexpr int POINTS = Lines::POINTS;
            Floats points[POINTS * POINTS], found[16];
            for (int p = 0; p < POINTS * POINTS; ++p) points[p] = load<Floats>(from + p * point + channel, LANES);
            winograd::square<POINTS, 4>(points, found, typename Lines::Tile());
            for (int i = 0; i < 4; ++i)
                for (int j = 4; j < 8; ++j)  // the next tile
                    __builtin_prefetch(to + i * line + j * size.channels + channel, 1);
            const Floats more = bias ? load<Floats>(bias + channel, lanes) : Floats{};
            for (int64_t i = 0; i < rows; ++i)
                for (int64_t j = 0; j < columns; ++j)
                    store(to + i * line + j * size.channels + channel, found[i * 4 + j] + more, lanes);
        });
    }
}

template <class Lines>
void correlate(const Correlation& c, const float* x, const float* kernels, const float* bias, float* z) {
    const Batch batch(c);
    batches(c, batch, [&](int64_t first, int64_t count) {
        const float* in = transform_images<Lines>(c, batch, x, first, count);
        float* out = room().out.of<float>(c.points() * batch.out_point);
        for (int p = 0; p < c.points(); ++p)
            product<false, false>(count, batch.out, c.in.channels, in + p * batch.in_point, batch.in,
                                  kernels + p * batch.in * batch.out, out + p * batch.out_point);
        finish<Lines>(c, out, batch.out_point, first, count, bias, z);
    });
}

template <class Lines>
void correlate_weights(const Correlation& c, const float* x, const float* gz, float* sums, bool begin) {
    const Batch batch(c);
    const int64_t rows = blocks(c.in.channels);  // further rows of `sums` stay unset: nobody reads them
    batches(c, batch, [&](int64_t first, int64_t count) {
        const float* in = transform_images<Lines>(c, batch, x, first, count);
        float* out = room().out.of<float>(c.points() * batch.out_point);
        const Source planes = {gz, c.out, 0, 0, c.out.height, c.out.width};
        transform<4, Lines::POINTS>(c, planes, first, count, out, batch.out_point, typename Lines::TileBack());
        const auto multiply = begin && !first ? product<false, true> : product<true, true>;
        for (int p = 0; p < c.points(); ++p)
            multiply(rows, batch.out, count, in + p * batch.in_point, batch.in, out + p * batch.out_point,
                     sums + p * batch.in * batch.out);
    });
}

}  // namespace

void correlate(const Correlation& c, const float* x, const float* kernels, const float* bias, float* z) {
    (c.side == 3 ? correlate<winograd::Lines<3>> : correlate<winograd::Lines<2>>)(c, x, kernels, bias, z);
}

void correlate_weights(const Correlation& c, const float* x, const float* gz, float* sums, bool begin) {
    (c.side == 3 ? correlate_weights<winograd::Lines<3>> : correlate_weights<winograd::Lines<2>>)(c, x, gz, sums, begin);
}

}  // namespace fkp
