// A layer's non-linearity and its derivative, as Lasagne's graphs have them.
//
// SLOPE is z where z is positive and slope * z where it is negative: 0 is the rectifier, 1 is linear.  Lasagne writes it
// as f1 z + f2 |z|, so that its derivative at exactly 0 is the mean of both slopes.
//
// What a rectifier or dropout turned into a zero must pass no gradient, while a sum of exactly 0 has that mean slope.
// The zero's sign tells them apart on the way back: -0 is dead, +0 is a sum that was 0.
//
// NaN comes through, both ways: a training that has gone wrong shows it.  f1 z + f2 |z| is NaN at minus infinity, too.
#pragma once
#include "common.h"

namespace fkp {

enum Activation { SLOPE, TANH, SIGMOID };

struct Curve {
    int64_t kind;  // Activation
    double slope;
    bool linear() const { return kind == SLOPE && slope == 1; }
};

inline Floats choose(const Ints& condition, const Floats& yes, const Floats& no) { return condition ? yes : no; }

inline Floats dead() { return -Floats{}; }

// What dropout leaves of a number that it drops, as 0 times the number: NaN where that is not finite.
inline Floats dropped(const Floats& y) { return choose(y - y == 0.f, dead(), y - y); }

// What a slope takes: NaN for minus infinity.
inline Floats above(const Floats& z) { return choose(z < -3.4028234e38f, z - z, z); }

// e to the x: 2 to the n times a polynomial of the rest, within 2 units in the last place (Cephes' coefficients).
inline Floats exponential(Floats x) {
    x = choose(x > 88.f, Floats{} + 88.f, choose(x < -87.f, Floats{} - 87.f, x));
    const Floats shifted = x * 1.44269504f + 12582912.f;  // adding 1.5 times 2 to the 23 rounds to whole numbers
    const Floats n = shifted - 12582912.f;
    const Floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    for (float next : {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = p * r + next;
    return (p * r * r + r + 1.f) * Floats((__builtin_convertvector(n, Ints) + 127) << 23);
}

inline Floats tanh(const Floats& z) {
    const Floats small = z * z * (z * z * 0.13333333f - 0.33333333f) * z + z;  // 1 - 2 / (e + 1) has no digits there
    return choose((z < 0.1f) & (z > -0.1f), small, 1.f - 2.f / (exponential(z + z) + 1.f));
}

template <int KIND> inline Floats activate(const Floats& z, float slope) {
    if (KIND == TANH) return choose(z == z, tanh(z), z);
    if (KIND == SIGMOID) return choose(z == z, 1.f / (1.f + exponential(-z)), z);
    return choose(z == 0.f, Floats{}, choose(z < 0.f, above(z) * slope, z));  // negative * 0.f is -0.f
}

// dy/dz from y.
template <int KIND> inline Floats derivative(const Floats& y, float slope) {
    if (KIND == TANH) return 1.f - y * y;
    if (KIND == SIGMOID) return y * (1.f - y);
    const Ints negative = Ints(y) < 0, zero = (y == 0.f) & ~negative;
    const Floats side = choose(negative, Floats{} + slope, Floats{} + 1.f);
    return choose(y == y, choose(zero, Floats{} + 0.5f * (1.f + slope), side), y);
}

inline Floats activate(const Floats& z, const Curve& curve) {
    const float slope = float(curve.slope);
    return curve.kind == TANH      ? activate<TANH>(z, slope)
           : curve.kind == SIGMOID ? activate<SIGMOID>(z, slope)
                                   : activate<SLOPE>(z, slope);
}

inline Floats derivative(const Floats& y, const Curve& curve) {
    const float slope = float(curve.slope);
    return curve.kind == TANH      ? derivative<TANH>(y, slope)
           : curve.kind == SIGMOID ? derivative<SIGMOID>(y, slope)
                                   : derivative<SLOPE>(y, slope);
}

}  // namespace fkp
