// What a convolution is of.
#pragma once
#include <cstdint>
#include <string>

namespace fkp {

struct Shape {
    int64_t images, in, height, width, out, rows, columns;  // rows x columns: the kernel
    int64_t pad[4];                                         // above, below, left, right
    int64_t stride[2], dilation[2];                         // rows, columns
    int64_t bf16;                                           // 1: multiply in bfloat16
    int64_t out_height() const { return extent(height + pad[0] + pad[1], rows, 0); }
    int64_t out_width() const { return extent(width + pad[2] + pad[3], columns, 1); }
    int64_t area() const { return rows * columns; }
    int64_t weights() const { return out * in * area(); }
    std::string text() const {
        const auto number = [](int64_t value) { return std::to_string(value); };
        return "input (" + number(images) + ", " + number(in) + ", " + number(height) + ", " + number(width) +
               "), kernel (" + number(out) + ", " + number(in) + ", " + number(rows) + ", " + number(columns) + ")" +
               (bf16 ? ", bfloat16" : "");
    }
private:
    int64_t extent(int64_t image, int64_t kernel, int axis) const {
        return (image - (kernel - 1) * dilation[axis] - 1) / stride[axis] + 1;
    }
};

}  // namespace fkp
