#include "kernels.h"
#include <omp.h>
#include <array>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
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

dnnl::stream& stream() {
    static thread_local dnnl::stream& mine = *new dnnl::stream(engine());
    return mine;
}

namespace {

typedef dnnl::convolution_forward Forward;
typedef dnnl::convolution_backward_data BackwardData;
typedef dnnl::convolution_backward_weights BackwardWeights;
constexpr auto DIRECT = dnnl::algorithm::convolution_direct;

template <class Primitive, class Description>
Kernel finish(const Description& found, memory::desc image, memory::desc weights, memory::desc plane) {
    return {Primitive(found), image, weights, plane, found.scratchpad_desc(), {}, {}};
}

Kernel make(Kind kind, const Shape& s) {
    const Type factor = s.bf16 ? Type::bf16 : Type::f32;
    const memory::dims images{s.images, s.in, s.height, s.width}, kernels{s.out, s.in, s.rows, s.columns},
        planes{s.images, s.out, s.out_height(), s.out_width()}, stride{s.stride[0], s.stride[1]},
        dilation{s.dilation[0] - 1, s.dilation[1] - 1}, before{s.pad[0], s.pad[2]}, behind{s.pad[1], s.pad[3]};
    const memory::desc image(images, factor, Tag::nhwc), weights(kernels, factor, Tag::any),
        bias({s.out}, Type::f32, Tag::a), plane(planes, Type::f32, Tag::nhwc), gradient(planes, factor, Tag::nhwc);
    dnnl::primitive_attr user;
    user.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const Forward::primitive_desc forward(engine(), dnnl::prop_kind::forward_training, DIRECT, image, weights, bias,
                                          plane, stride, dilation, before, behind, user);
    if (kind == FORWARD)
        return finish<Forward>(forward, forward.src_desc(), forward.weights_desc(), forward.dst_desc());
    if (kind == BACKWARD_DATA) {
        const memory::desc out(images, Type::f32, Tag::nhwc);
        const BackwardData::primitive_desc found(engine(), DIRECT, out, weights, gradient, stride, dilation, before,
                                                 behind, forward, user);
        return finish<BackwardData>(found, found.diff_src_desc(), found.weights_desc(), found.diff_dst_desc());
    }
    const BackwardWeights::primitive_desc found(engine(), DIRECT, image, memory::desc(kernels, Type::f32, Tag::any),
                                                gradient, stride, dilation, before, behind, forward, user);
    return finish<BackwardWeights>(found, found.src_desc(), found.diff_weights_desc(), found.diff_dst_desc());
}

Kernel make_for_one_thread(Kind kind, const Shape& s) {
    struct Threads {  // oneDNN lays a primitive out for the threads that it sees
        int before = omp_get_max_threads();
        Threads() { omp_set_num_threads(1); }
        ~Threads() { omp_set_num_threads(before); }
    } one;
    return make(kind, s);
}

// And how its weights are laid out, which may take all threads.
Kernel make_whole(Kind kind, const Shape& s) {
    try {
        Kernel made = make_for_one_thread(kind, s);
        made.plain = memory::desc({s.out, s.in, s.rows, s.columns}, Type::f32, Tag::oihw);
        const bool back = kind == BACKWARD_WEIGHTS;
        const memory::desc &from = back ? made.weights : made.plain, &to = back ? made.plain : made.weights;
        made.layout = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
        return made;
    } catch (const dnnl::error& error) {
        throw std::invalid_argument("oneDNN (" + std::string(error.what()) + ") refused " + s.text());
    }
}

}  // namespace

std::shared_ptr<const Kernel> kernel(Kind kind, const Shape& s) {
    typedef std::array<int64_t, 1 + sizeof(Shape) / sizeof(int64_t)> Key;
    typedef std::pair<Key, std::shared_ptr<const Kernel>> Entry;
    constexpr size_t KEPT = 256;  // a net and its tails need some 30
    static std::mutex mutex;
    static std::list<Entry>& recent = *new std::list<Entry>;
    static auto& known = *new std::map<Key, std::list<Entry>::iterator>;
    Key key = {kind};
    std::memcpy(&key[1], &s, sizeof s);
    std::lock_guard<std::mutex> lock(mutex);
    auto found = known.find(key);
    if (found == known.end()) {
        recent.emplace_front(key, std::make_shared<const Kernel>(make_whole(kind, s)));
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
