// The transforms of winograd.h, a line at a time.
//
// Each is the matrix of Cook and Toom's interpolation, here at 0, 1, -1, 2, -2 (for 3 numbers) or at 0, 1, -1, 2 (for 2)
// and at infinity.  Equal pixels leave exact zeros but for one number, so that what is constant stays constant, and ties
// in a pool stay ties.
#pragma once
#include "images.h"

namespace fkp {

namespace winograd {

// One line of a transform: numbers `step` apart become others `apart` apart; those named Back are transposes.
template <int SIDE> struct Lines;

template <> struct Lines<3> {
    static constexpr int POINTS = 6;

    struct Image {  // 6 -> 6
        void operator()(const Floats* d, int step, Floats* to, int apart) const {
            const Floats d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
            const Floats even = d4 - 4 * d2, odd = d3 - 4 * d1, less = d4 - d2, twice = 2 * (d3 - d1);
            to[0] = 4 * (d[0] - d2) + less;
            to[apart] = even + odd;
            to[2 * apart] = even - odd;
            to[3 * apart] = less + twice;
            to[4 * apart] = less - twice;
            to[5 * apart] = 4 * (d1 - d3) + (d[5 * step] - d3);
        }
    };

    struct Tile {  // 6 -> 4
        void operator()(const Floats* m, int step, Floats* to, int apart) const {
            const Floats ones = m[step] + m[2 * step], one = m[step] - m[2 * step];
            const Floats twos = m[3 * step] + m[4 * step], two = m[3 * step] - m[4 * step];
            to[0] = m[0] + ones + twos;
            to[apart] = one + 2 * two;
            to[2 * apart] = ones + 4 * twos;
            to[3 * apart] = one + 8 * two + m[5 * step];
        }
    };

    struct TileBack {  // 4 -> 6
        void operator()(const Floats* g, int step, Floats* to, int apart) const {
            const Floats g1 = g[step], g3 = g[3 * step], ones = g[0] + g[2 * step], twos = g[0] + 4 * g[2 * step];
            to[0] = g[0];
            to[apart] = ones + (g1 + g3);
            to[2 * apart] = ones - (g1 + g3);
            to[3 * apart] = twos + (2 * g1 + 8 * g3);
            to[4 * apart] = twos - (2 * g1 + 8 * g3);
            to[5 * apart] = g3;
        }
    };

    struct Kernel {  // 3 -> 6
        void operator()(const Floats* w, int step, Floats* to, int apart) const {
            const Floats w1 = w[step], w2 = w[2 * step], ones = (w[0] + w2) / 6, twos = (w[0] + 4 * w2) / 24;
            to[0] = w[0] / 4;
            to[apart] = -ones - w1 / 6;
            to[2 * apart] = -ones + w1 / 6;
            to[3 * apart] = twos + w1 / 12;
            to[4 * apart] = twos - w1 / 12;
            to[5 * apart] = w2;
        }
    };

    struct KernelBack {  // 6 -> 3
        void operator()(const Floats* u, int step, Floats* to, int apart) const {
            const Floats ones = u[step] + u[2 * step], twos = u[3 * step] + u[4 * step];
            to[0] = u[0] / 4 - ones / 6 + twos / 24;
            to[apart] = (u[2 * step] - u[step]) / 6 + (u[3 * step] - u[4 * step]) / 12;
            to[2 * apart] = (twos - ones) / 6 + u[5 * step];
        }
    };
};

template <> struct Lines<2> {
    static constexpr int POINTS = 5;

    struct Image {  // 5 -> 5
        void operator()(const Floats* d, int step, Floats* to, int apart) const {
            const Floats d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], up = d3 - d1, next = d3 - d2;
            to[0] = 2 * (d[0] - d2) + up;
            to[apart] = next - 2 * d1;
            to[2 * apart] = next + 2 * (d1 - d2);
            to[3 * apart] = up;
            to[4 * apart] = (d[4 * step] - d2) - 2 * up;
        }
    };

    struct Tile {  // 5 -> 4
        void operator()(const Floats* m, int step, Floats* to, int apart) const {
            const Floats ones = m[step] + m[2 * step], one = m[step] - m[2 * step], two = m[3 * step];
            to[0] = m[0] + ones + two;
            to[apart] = one + 2 * two;
            to[2 * apart] = ones + 4 * two;
            to[3 * apart] = one + 8 * two + m[4 * step];
        }
    };

    struct TileBack {  // 4 -> 5
        void operator()(const Floats* g, int step, Floats* to, int apart) const {
            const Floats g1 = g[step], g3 = g[3 * step], even = g[0] + g[2 * step];
            to[0] = g[0];
            to[apart] = even + (g1 + g3);
            to[2 * apart] = even - (g1 + g3);
            to[3 * apart] = (g[0] + 4 * g[2 * step]) + (2 * g1 + 8 * g3);
            to[4 * apart] = g3;
        }
    };

    struct Kernel {  // 2 -> 5
        void operator()(const Floats* w, int step, Floats* to, int apart) const {
            const Floats w0 = w[0], w1 = w[step];
            to[0] = w0 / 2;
            to[apart] = -(w0 + w1) / 2;
            to[2 * apart] = (w1 - w0) / 6;
            to[3 * apart] = (w0 + 2 * w1) / 6;
            to[4 * apart] = w1;
        }
    };

    struct KernelBack {  // 5 -> 2
        void operator()(const Floats* u, int step, Floats* to, int apart) const {
            const Floats u1 = u[step], u2 = u[2 * step], u3 = u[3 * step];
            to[0] = (u[0] - u1) / 2 + (u3 - u2) / 6;
            to[apart] = (u2 + 2 * u3) / 6 - u1 / 2 + u[4 * step];
        }
    };
};

// A square of FROM x FROM numbers to TO x TO: line by line down, then across.
template <int FROM, int TO, class Line> inline void square(const Floats* from, Floats* to, Line line) {
    Floats half[TO * FROM];
    for (int i = 0; i < FROM; ++i) line(from + i, FROM, half + i, FROM);
    for (int i = 0; i < TO; ++i) line(half + i * FROM, 1, to + i * TO, 1);
}

}  // namespace winograd
}  // namespace fkp
