#include "kernels.h"
#include <omp.h>
#include <array>
#include <list>
#include <map>
#include <stdexcept>

namespace fkp {

using dnnl::memory;
typedef memory::format_tag Tag;
typedef memory::data_type Type;

// Statics that hold oneDNN's objects are never destroyed: at the process's end oneDNN's own may be gone before them.
const dnnl::engine& engine() {
    static const dnnl::engine& cpu = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
    return cpu;
}

std::string Shape::text() const {
    auto number = [](int64_t value) { return std::to_string(value); };
    return "input (" + number(images) + ", " + number(in) + ", " + number(height) + ", " + number(width) +
           "), kernel (" + number(out) + ", " + number(in) + ", " + number(rows) + ", " + number(columns) + ")" +
           (bf16 ? ", bfloat16" : "");
}

namespace {

struct Descriptions {
    memory::desc image, weights, bias, plane, gradient;
    memory::dims one{1, 1}, none{0, 0};
    dnnl::primitive_attr user;

    Descriptions(const Shape& s, Tag image_tag, Tag plane_tag) {
        Type type = s.bf16 ? Type::bf16 : Type::f32;
        image = memory::desc({s.images, s.in, s.height, s.width}, type, image_tag);
        weights = memory::desc({s.out, s.in, s.rows, s.columns}, type, Tag::any);
        gradient = memory::desc({s.out, s.in, s.rows, s.columns}, Type::f32, Tag::any);
        bias = memory::desc({s.out}, Type::f32, Tag::a);
        plane = memory::desc({s.images, s.out, s.out_height(), s.out_width()}, type, plane_tag);
        user.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    }
};

typedef dnnl::convolution_forward Forward;
typedef dnnl::convolution_backward_data BackwardData;
typedef dnnl::convolution_backward_weights BackwardWeights;
constexpr auto DIRECT = dnnl::algorithm::convolution_direct;

// Channels per block of a dense layout that `Plane` can walk, or 0.
int block(const memory::desc& plane, const Shape& s) {
    if (plane == memory::desc(plane.get_dims(), plane.get_data_type(), Tag::nhwc)) return int(s.out);
    if (s.out % 16 == 0 && plane == memory::desc(plane.get_dims(), plane.get_data_type(), Tag::nChw16c)) return 16;
    if (s.out % 8 == 0 && plane == memory::desc(plane.get_dims(), plane.get_data_type(), Tag::nChw8c)) return 8;
    if (plane == memory::desc(plane.get_dims(), plane.get_data_type(), Tag::nchw)) return 1;
    return 0;
}

template <class Primitive, class Description>
Kernel finish(const Description& found, memory::desc image, memory::desc weights, memory::desc plane,
              const Shape& s) {
    Kernel made{Primitive(found), image, weights, plane, found.scratchpad_desc(), block(plane, s)};
    if (std::strstr(found.impl_info_str(), "ref") || !made.block)
        throw std::invalid_argument("oneDNN has no fast convolution for " + s.text());
    return made;
}

Kernel make(Kind kind, const Shape& s, Tag image, Tag plane) {
    Descriptions d(s, image, plane);
    Forward::primitive_desc forward(engine(), dnnl::prop_kind::forward_training, DIRECT, d.image, d.weights, d.bias,
                                    d.plane, d.one, d.none, d.none, d.user);
    if (kind == FORWARD)
        return finish<Forward>(forward, forward.src_desc(), forward.weights_desc(), forward.dst_desc(), s);
    if (kind == BACKWARD_DATA) {
        // The input's gradient leaves as float32: nothing to convert afterwards.
        memory::desc f32({s.images, s.in, s.height, s.width}, Type::f32, image);
        BackwardData::primitive_desc data(engine(), DIRECT, f32, d.weights, d.plane, d.one, d.none, d.none, forward,
                                          d.user);
        return finish<BackwardData>(data, data.diff_src_desc(), data.weights_desc(), data.diff_dst_desc(), s);
    }
    BackwardWeights::primitive_desc weights(engine(), DIRECT, d.image, d.gradient, d.plane, d.one, d.none, d.none,
                                            forward, d.user);
    return finish<BackwardWeights>(weights, weights.src_desc(), weights.diff_weights_desc(), weights.diff_dst_desc(),
                                   s);
}

// Channels-last is what oneDNN's matrix kernels like; a single channel has a kernel of its own, blocked on one side.
Kernel make(Kind kind, const Shape& s) {
    try {
        if (s.in > 1) return make(kind, s, Tag::nhwc, Tag::nhwc);
        return make(kind, s, Tag::nchw, Tag::any);
    } catch (const dnnl::error& error) {
        throw std::invalid_argument("oneDNN (" + std::string(error.what()) + ") refused " + s.text());
    }
}

}  // namespace

std::shared_ptr<const Kernel> kernel(Kind kind, const Shape& s) {
    typedef std::array<int64_t, 9> Key;
    typedef std::pair<Key, std::shared_ptr<const Kernel>> Entry;
    constexpr size_t KEPT = 128;  // a net and its tails need some 30
    static std::mutex mutex;
    static std::list<Entry>& recent = *new std::list<Entry>;
    static auto& known = *new std::map<Key, std::list<Entry>::iterator>;
    const Key key = {kind, s.images, s.in, s.height, s.width, s.out, s.rows, s.columns, s.bf16};
    std::lock_guard<std::mutex> lock(mutex);
    auto found = known.find(key);
    if (found == known.end()) {
        int threads = omp_get_max_threads();
        omp_set_num_threads(1);  // oneDNN lays a primitive out for the threads that it sees
        struct Restore { int threads; ~Restore() { omp_set_num_threads(threads); } } restore{threads};
        recent.emplace_front(key, std::make_shared<const Kernel>(make(kind, s)));
        found = known.emplace(key, recent.begin()).first;
        if (recent.size() > KEPT) {
            known.erase(recent.back().first);
            recent.pop_back();
        }
    } else {
        recent.splice(recent.begin(), recent, found->second);
    }
    return found->second->second;
}

}  // namespace fkp

extern "C" {

const char* fkp_version() {
    static const std::string text = [] {
        const dnnl_version_t* v = dnnl_version();
        return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    }();
    return text.c_str();
}

int fkp_isa() { return int(dnnl::get_effective_cpu_isa()); }

int fkp_threads() { return omp_get_max_threads(); }

}
