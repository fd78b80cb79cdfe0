// Theano's element-wise Ops and sums on a few thousand numbers, without a compiler; see `ops/formula.py`.
//
// A formula is a list of steps that a loop interprets, a chunk of numbers at a time.  What a step takes and gives is in
// registers: chunks of float, double or int64, the last for truths and whole numbers of any size.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include "common.h"

namespace fkp {

constexpr int CHUNK = 256, MOST = 32, AXES = 2;

// NumPy's names, which Theano's scalar Ops know, and what they do; the position is the step's code.
#define BINARY(X) \
    X(add, a + b) X(subtract, a - b) X(multiply, a * b) X(true_divide, a / b) X(power, std::pow(a, b)) \
    X(arctan2, std::atan2(a, b)) X(maximum, b > a ? b : a >= b ? a : a + b) X(minimum, b < a ? b : a <= b ? a : a + b) \
    X(floor_divide, !b ? T() : down(a, b)) X(mod, !b ? T() : a - down(a, b) * b) \
    X(bitwise_and, int64_t(a) & int64_t(b)) X(bitwise_or, int64_t(a) | int64_t(b)) \
    X(bitwise_xor, int64_t(a) ^ int64_t(b))
#define UNARY(X) \
    X(abs, a < T() ? -a : a + T()) X(negative, -a) X(square, a * a) X(sqrt, std::sqrt(a)) X(exp, std::exp(a)) \
    X(exp2, std::exp2(a)) X(expm1, std::expm1(a)) X(log, std::log(a)) X(log2, std::log2(a)) X(log10, std::log10(a)) \
    X(log1p, std::log1p(a)) X(sin, std::sin(a)) X(cos, std::cos(a)) X(tan, std::tan(a)) X(arcsin, std::asin(a)) \
    X(arccos, std::acos(a)) X(arctan, std::atan(a)) X(sinh, std::sinh(a)) X(cosh, std::cosh(a)) X(tanh, std::tanh(a)) \
    X(arcsinh, std::asinh(a)) X(arccosh, std::acosh(a)) X(arctanh, std::atanh(a)) X(floor, std::floor(a)) \
    X(ceil, std::ceil(a)) X(trunc, std::trunc(a)) X(around, std::nearbyint(a)) X(sign, a > 0 ? 1 : a < 0 ? -1 : a) \
    X(invert, ~int64_t(a)) X(logical_not, !a)
#define TRUTH(X) \
    X(equal, a == b) X(not_equal, a != b) X(less, a < b) X(less_equal, a <= b) X(greater, a > b) \
    X(greater_equal, a >= b) X(isnan, a != a) X(isinf, a == a && a - a != a - a)
#define NAME(name, expression) #name " "
#define CODE(name, expression) name,
namespace codes { enum Code : int32_t { BINARY(CODE) UNARY(CODE) TRUTH(CODE) where, load, constant, store, cast }; }
constexpr char NAMES[] = BINARY(NAME) UNARY(NAME) TRUTH(NAME) "where load constant store cast";

// Types in memory.
constexpr char TYPES[] = "bool int8 int16 int32 int64 uint8 uint16 uint32 float32 float64";

struct Step {
    int32_t code;
    int32_t type;     // of what it takes; of `cast` and `constant` of what it gives
    int32_t to;       // register, or array where it stores
    int32_t from[3];  // registers, or the array that it loads; behind those of `cast` stands what it takes
    double real;      // a constant
    int64_t whole;
};

// One call; the same fields in the same order as `ops/formula.py`'s.
struct Formula {
    int64_t sizes[AXES], steps, registers;
    const Step* program;
    int64_t strides[MOST][AXES];  // in bytes
    char* arrays[MOST];
};

// The same: sums along some axes, each number added in double or int64 one after the other.
struct Total {
    int64_t sizes[AXES], numbers, type, to_type;  // numbers: of the sums
    int64_t strides[AXES], to_strides[AXES];      // bytes; numbers, 0 where it is summed
    const char* from;
    char* to;
};

namespace {

template <class Memory> struct Kept { typedef int64_t Type; };
template <> struct Kept<float> { typedef float Type; };
template <> struct Kept<double> { typedef double Type; };

// Calls work(number of the type).
template <class F> void by_type(int64_t type, F work) {
    switch (type) {
        case 0: return work(bool());
        case 1: return work(int8_t());
        case 2: return work(int16_t());
        case 3: return work(int32_t());
        case 4: return work(int64_t());
        case 5: return work(uint8_t());
        case 6: return work(uint16_t());
        case 7: return work(uint32_t());
        case 8: return work(float());
        case 9: return work(double());
        default: throw std::runtime_error("a formula on an unknown type");
    }
}

// Whole numbers divided, rounded down.
template <class T> T down(T a, T b) {
    const int64_t x = int64_t(a), y = int64_t(b);
    if (y == -1) return T(-x);  // the smallest has no quotient
    return T(x / y - (x % y && (x < 0) != (y < 0)));
}

// A chunk of an array of two axes: calls work(pointer, stride, first, count) for each piece of a row.
template <class F> void pieces(const Formula& f, int array, int64_t start, int64_t count, F work) {
    const int64_t columns = f.sizes[1], *strides = f.strides[array];
    for (int64_t done = 0; done < count;) {
        const int64_t row = (start + done) / columns, column = (start + done) % columns;
        const int64_t piece = std::min(count - done, columns - column);
        work(f.arrays[array] + row * strides[0] + column * strides[1], strides[1], done, piece);
        done += piece;
    }
}

class Machine {
public:
    Machine(const Formula& formula, char* registers) : f_(formula), registers_(registers) {}

    void run() {
        const int64_t numbers = f_.sizes[0] * f_.sizes[1];
        for (start_ = 0; start_ < numbers; start_ += CHUNK) {
            count_ = std::min<int64_t>(CHUNK, numbers - start_);
            for (int64_t i = 0; i < f_.steps; ++i)
                by_type(f_.program[i].type, [&](auto number) { step<decltype(number)>(f_.program[i]); });
        }
    }

private:
    template <class T> T* at(int32_t index) const { return reinterpret_cast<T*>(registers_ + index * 8 * CHUNK); }

    template <class Memory> void step(const Step& s) {
        typedef typename Kept<Memory>::Type T;
        switch (s.code) {
            case codes::load: return load<Memory>(s);
            case codes::store: return store<Memory>(s);
            case codes::constant: {
                std::fill_n(at<T>(s.to), count_, std::is_same<T, int64_t>::value ? T(s.whole) : T(s.real));
                return;
            }
            case codes::cast: return by_type(s.from[1], [&](auto taken) {
                const auto* from = at<typename Kept<decltype(taken)>::Type>(s.from[0]);
                each(at<T>(s.to), from, [](auto x) { return T(Memory(x)); });
            });
            case codes::where: return choose<T>(s);
            default: return compute<T>(s);
        }
    }

    template <class Memory> void load(const Step& s) {
        auto* to = at<typename Kept<Memory>::Type>(s.to);
        pieces(f_, s.from[0], start_, count_, [to](const char* from, int64_t stride, int64_t first, int64_t count) {
            if (stride == sizeof(Memory)) std::copy_n(reinterpret_cast<const Memory*>(from), count, to + first);
            else
                for (int64_t i = 0; i < count; ++i, from += stride)
                    to[first + i] = *reinterpret_cast<const Memory*>(from);
        });
    }

    template <class Memory> void store(const Step& s) {
        const auto* from = at<typename Kept<Memory>::Type>(s.from[0]);
        pieces(f_, s.to, start_, count_, [from](char* to, int64_t stride, int64_t first, int64_t count) {
            for (int64_t i = 0; i < count; ++i) *reinterpret_cast<Memory*>(to + i * stride) = Memory(from[first + i]);
        });
    }

    template <class T> void choose(const Step& s) {
        const auto* condition = at<int64_t>(s.from[0]);
        const T *yes = at<T>(s.from[1]), *no = at<T>(s.from[2]);
        T* to = at<T>(s.to);
        for (int64_t i = 0; i < count_; ++i) to[i] = condition[i] ? yes[i] : no[i];
    }

    template <class T> void compute(const Step& s) {
        const T *left = at<T>(s.from[0]), *right = at<T>(s.from[1]);
#define TWO(name, expression) case codes::name: \
    return each(at<T>(s.to), left, right, [](T a, T b) { return T(expression); });
#define ONE(name, expression) case codes::name: \
    return each(at<T>(s.to), left, [](T a) { return T(expression); });
#define ASK(name, expression) case codes::name: \
    return each(at<int64_t>(s.to), left, right, [](T a, [[maybe_unused]] T b) { return int64_t(expression); });
        switch (s.code) { BINARY(TWO) UNARY(ONE) TRUTH(ASK) }
#undef TWO
#undef ONE
#undef ASK
    }

    template <class To, class T, class F> void each(To* to, const T* a, F work) const {
        for (int64_t i = 0; i < count_; ++i) to[i] = work(a[i]);
    }

    template <class To, class T, class F> void each(To* to, const T* a, const T* b, F work) const {
        for (int64_t i = 0; i < count_; ++i) to[i] = work(a[i], b[i]);
    }

    const Formula& f_;
    char* registers_;
    int64_t start_ = 0, count_ = 0;
};

template <class Memory> void sum(const Total& t) {
    typedef std::conditional_t<std::is_floating_point<Memory>::value, double, int64_t> Sum;
    static thread_local Scratch scratch;
    Sum* sums = scratch.of<Sum>(size_t(t.numbers));
    std::fill_n(sums, t.numbers, Sum());
    for (int64_t row = 0; row < t.sizes[0]; ++row)
        for (int64_t column = 0; column < t.sizes[1]; ++column)
            sums[row * t.to_strides[0] + column * t.to_strides[1]] +=
                *reinterpret_cast<const Memory*>(t.from + row * t.strides[0] + column * t.strides[1]);
    by_type(t.to_type, [&](auto number) {
        std::copy_n(sums, t.numbers, reinterpret_cast<decltype(number)*>(t.to));
    });
}

}  // namespace
}  // namespace fkp

extern "C" {

extern const int64_t fkp_formula_size = sizeof(fkp::Formula), fkp_total_size = sizeof(fkp::Total);
extern const char* const fkp_formula_names = fkp::NAMES;
extern const char* const fkp_formula_types = fkp::TYPES;

const char* fkp_formula(const fkp::Formula* f) {
    static thread_local fkp::Scratch scratch;
    return fkp::reason([&] { fkp::Machine(*f, scratch.of<char>(size_t(f->registers) * 8 * fkp::CHUNK)).run(); });
}

const char* fkp_total(const fkp::Total* t) {
    return fkp::reason([&] { fkp::by_type(t->type, [&](auto number) { fkp::sum<decltype(number)>(*t); }); });
}

}
