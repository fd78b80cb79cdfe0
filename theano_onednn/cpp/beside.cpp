// Images beside others in their channels.
#include "images.h"

namespace fkp {

// One call; the same fields in the same order as `ops/beside.py`'s.
struct Place {
    int64_t images;
    Size size;           // of x
    int64_t strides[4];  // image, channel, row, column; in elements
    int64_t channels;    // of a pixel of `to`, which is dense and channels-last
    const float* x;
    float* to;  // at x's first channel
};

}  // namespace fkp

extern "C" {

extern const int64_t fkp_place_size = sizeof(fkp::Place);

const char* fkp_place(const fkp::Place* p) {
    using namespace fkp;
    const Images from = {p->x, p->strides, p->size};
#pragma omp parallel for schedule(static) if (p->images * p->size.numbers() > 1 << 15)
    for (int64_t image = 0; image < p->images; ++image)
        gather(from, image, p->to + image * p->size.pixels() * p->channels, p->channels);
    return nullptr;
}

}
