// Checks the kernels against plain loops, without Python: for processors that this machine only emulates.
//
// Built with the sources of the way without oneDNN by tests/theano_onednn/test_self_check.py.  Prints what differs; the
// exit code is 1 where anything does.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>
#include "multiply.h"
#include "passes.h"
#include "philox.h"
#include "pool.h"

using namespace fkp;
typedef std::vector<float> Numbers;

extern "C" {
void fkp_use_blas(void (*)(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                           const int*, const float*, const int*, const float*, float*, const int*));
}

namespace {

int failures = 0;

// From -1 to 1, the same everywhere.
Numbers numbers(int64_t count, uint32_t seed) {
    Numbers found(count);
    for (float& number : found) number = float(int32_t(seed = seed * 1664525 + 1013904223) / 2147483648.);
    return found;
}

void compare(const std::string& name, const Numbers& found, const Numbers& expected) {
    float largest = 0, error = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::fabs(expected[i]));
        error = std::max(error, std::isnan(found[i]) ? INFINITY : std::fabs(found[i] - expected[i]));
    }
    if (error <= 2e-5f * largest) return;
    std::printf("%s: off by %g, the largest number is %g\n", name.c_str(), error, largest);
    ++failures;
}

// Fortran's, as a BLAS brings it.
void sgemm(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
           const float* alpha, const float* a, const int* lda, const float* b, const int* ldb, const float* beta,
           float* c, const int* ldc) {
    for (int i = 0; i < *m; ++i)
        for (int j = 0; j < *n; ++j) {
            float sum = 0;
            for (int l = 0; l < *k; ++l)
                sum += (*transpose_a == 'T' ? a[l + int64_t(i) * *lda] : a[i + int64_t(l) * *lda]) *
                       (*transpose_b == 'T' ? b[j + int64_t(l) * *ldb] : b[l + int64_t(j) * *ldb]);
            float& to = c[i + int64_t(j) * *ldc];
            to = *alpha * sum + (*beta == 0 ? 0 : *beta * to);
        }
}

// Calls work(place in the image, place in the plane, place in the kernel) for all products of a correlation.
void products(const Shape& s, const std::function<void(int64_t, int64_t, int64_t)>& work) {
    for (int64_t n = 0; n < s.images; ++n)
        for (int64_t p = 0; p < s.out_height() * s.out_width(); ++p)
            for (int64_t k = 0; k < s.area(); ++k) {
                const int64_t y = p / s.out_width() * s.stride[0] - s.pad[0] + k / s.columns * s.dilation[0];
                const int64_t x = p % s.out_width() * s.stride[1] - s.pad[2] + k % s.columns * s.dilation[1];
                if (y < 0 || y >= s.height || x < 0 || x >= s.width) continue;
                const int64_t image = ((n * s.height + y) * s.width + x) * s.in;
                const int64_t plane = (n * s.out_height() * s.out_width() + p) * s.out;
                for (int64_t i = 0; i < s.in; ++i)
                    for (int64_t o = 0; o < s.out; ++o) work(image + i, plane + o, (o * s.in + i) * s.area() + k);
            }
}

void check_convolution(const Shape& s) {
    const Numbers x = numbers(s.images * s.height * s.width * s.in, 1), weights = numbers(s.weights(), 2);
    const Numbers bias = numbers(s.out, 3), gz = numbers(s.images * s.out_height() * s.out_width() * s.out, 4);
    Numbers z(gz.size(), NAN), gx(x.size(), NAN), gw(weights.size(), NAN);
    Numbers z2(z.size()), gx2(gx.size()), gw2(gw.size());
    for (size_t i = 0; i < z2.size(); ++i) z2[i] = bias[i % s.out];
    products(s, [&](int64_t image, int64_t plane, int64_t weight) {
        z2[plane] += x[image] * weights[weight];
        gx2[image] += gz[plane] * weights[weight];
        gw2[weight] += gz[plane] * x[image];
    });
    forward_pass(s, s.images, weights.data(), bias.data())->run(s.images, x.data(), z.data());
    backward_pass(s, s.images, weights.data())->run(s.images, gz.data(), gx.data());
    const auto gradient = kernel_sums(s, s.images);
    Numbers sums(gradient->numbers(), NAN);
    for (int64_t i = 0; i < s.images; ++i)
        gradient->add(1, x.data() + i * x.size() / s.images, gz.data() + i * gz.size() / s.images, sums.data(), i == 0);
    gradient->write(sums.data(), gw.data());
    compare(s.text(), z, z2);
    compare(s.text() + ", the input's gradient", gx, gx2);
    compare(s.text() + ", the kernel's gradient", gw, gw2);
}

void check_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k) {
    const Numbers a = numbers(m * k, 5), b = numbers(k * n, 6);
    Numbers found(m * n, NAN), expected(m * n);
    multiply({transpose_a, transpose_b, m, n, k, a.data(), b.data(), found.data(), false});
    for (int64_t i = 0; i < m; ++i)
        for (int64_t l = 0; l < k; ++l)
            for (int64_t j = 0; j < n; ++j)
                expected[i * n + j] += a[transpose_a ? l * m + i : i * k + l] * b[transpose_b ? j * k + l : l * n + j];
    compare("product of " + std::to_string(m) + " x " + std::to_string(k) + " x " + std::to_string(n), found, expected);
}

// Random123's test record.
void check_random() {
    Words counter[4] = {Words{} + 0x243f6a88, Words{} + 0x85a308d3, Words{} + 0x13198a2e, Words{} + 0x03707344};
    const uint32_t expected[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    philox(counter, 0xa4093822, 0x299f31d0);
    for (int word = 0; word < 4; ++word)
        for (int lane = 0; lane < LANES; ++lane)
            if (counter[word][lane] != expected[word]) {
                std::printf("random number %d, lane %d: %x, not %x\n", word, lane, counter[word][lane], expected[word]);
                ++failures;
            }
}

void check_pool(const Size& plane) {
    const Numbers z = numbers(plane.numbers(), 7);
    const Size pooled = halved(plane);
    Numbers found(pooled.numbers(), NAN), expected(pooled.numbers());
    std::vector<uint8_t> where(pooled.numbers());
    pool_forward(plane, z.data(), 0.f, {0, 1.f}, nullptr, found.data(), where.data());
    for (int64_t i = 0; i < pooled.numbers(); ++i) {
        const int64_t c = i % plane.channels, p = i / plane.channels, line = plane.width * plane.channels;
        const float* first = &z[p / pooled.width * 2 * line + p % pooled.width * 2 * plane.channels + c];
        for (int64_t other : {int64_t(0), plane.channels, line, line + plane.channels})
            expected[i] = std::max(expected[i], first[other]);
    }
    compare("pool of " + std::to_string(plane.channels) + " channels", found, expected);
}

}  // namespace

int main() {
    fkp_use_blas(sgemm);
    const Shape shapes[] = {
        // images, in, height, width, out, rows, columns, pads, strides, dilations
        {2, 1, 11, 12, 32, 3, 3, {0, 0, 0, 0}, {1, 1}, {1, 1}, 0},     // few channels in
        {2, 3, 9, 10, 21, 4, 3, {1, 2, 0, 1}, {2, 1}, {2, 1}, 0},
        {2, 16, 9, 8, 19, 3, 3, {1, 1, 1, 1}, {1, 1}, {1, 1}, 0},      // patches
        {2, 20, 9, 8, 5, 3, 2, {2, 0, 1, 3}, {2, 3}, {1, 2}, 0},
        {3, 20, 7, 6, 18, 1, 1, {0, 0, 0, 0}, {1, 1}, {1, 1}, 0},      // pixels are patches
        {2, 16, 9, 8, 1, 3, 3, {1, 1, 1, 1}, {1, 1}, {1, 1}, 0},       // one channel out
        {10, 16, 23, 22, 20, 3, 3, {1, 1, 1, 1}, {1, 1}, {1, 1}, 0},   // Winograd's way
        {10, 20, 23, 22, 16, 2, 2, {0, 0, 0, 0}, {1, 1}, {1, 1}, 0},
    };
    for (const Shape& s : shapes) check_convolution(s);
    for (int transposed = 0; transposed < 4; ++transposed)
        for (auto size : {Shape{5, 7, 3}, Shape{600, 70, 130}, Shape{70, 600, 130}, Shape{20, 30, 9000}})
            check_product(transposed & 1, transposed & 2, size.images, size.in, size.height);
    check_random();
    for (int64_t channels : {1, 3, 16, 37}) check_pool({channels, 9, 12});
    std::printf("%d differences\n", failures);
    return failures != 0;
}
