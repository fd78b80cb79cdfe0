// Thunks that need Python only when they meet arrays of new shapes; see `ops/replay.py`.
//
// What Python did for such arrays is kept: which functions of this library it called with which structures, and whose
// arrays' addresses stood in them.  When arrays of the same shapes come again, the addresses alone are put in.
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace {

constexpr int MOST = 64;                 // shapes that a node remembers; it asks Python for no more
constexpr npy_intp LARGE = 1 << 16;      // bytes of input from which on other threads of Python's may run meanwhile
typedef const char* (*Function)(const void*);

// A reference that we own.
class Reference {
public:
    explicit Reference(PyObject* object = nullptr) : object_(object) {}
    Reference(Reference&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Reference& operator=(Reference&& other) noexcept { std::swap(object_, other.object_); return *this; }
    ~Reference() { Py_XDECREF(object_); }
    static Reference to(PyObject* object) { Py_XINCREF(object); return Reference(object); }
    PyObject* get() const { return object_; }
    PyObject* release() { return std::exchange(object_, nullptr); }
    PyArrayObject* array() const { return reinterpret_cast<PyArrayObject*>(object_); }
    explicit operator bool() const { return object_; }
private:
    PyObject* object_;
};

PyObject* in(PyObject* cells, Py_ssize_t index) { return PyList_GET_ITEM(PyTuple_GET_ITEM(cells, index), 0); }

bool put(PyObject* cells, Py_ssize_t index, Reference object) {
    return object && !PyList_SetItem(PyTuple_GET_ITEM(cells, index), 0, object.release());
}

// An array's type, shape and strides, and, where these decide what is computed, its numbers.
class Layout {
public:
    Layout(PyArrayObject* array, bool by_value)
        : type_(Reference::to(reinterpret_cast<PyObject*>(PyArray_DESCR(array)))),
          sizes_(PyArray_DIMS(array), PyArray_DIMS(array) + PyArray_NDIM(array)),
          strides_(PyArray_STRIDES(array), PyArray_STRIDES(array) + PyArray_NDIM(array)) {
        if (by_value) numbers_.assign(PyArray_BYTES(array), PyArray_BYTES(array) + PyArray_NBYTES(array));
    }
    // The numbers, too, where they matter.
    bool fits(PyObject* object) const {
        if (!looks_like(object)) return false;
        const char* numbers = PyArray_BYTES(reinterpret_cast<PyArrayObject*>(object));
        return numbers_.empty() || !std::memcmp(numbers_.data(), numbers, numbers_.size());
    }
    bool looks_like(PyObject* object) const {
        if (!PyArray_CheckExact(object)) return false;
        auto* array = reinterpret_cast<PyArrayObject*>(object);
        const int axes = PyArray_NDIM(array);
        if (axes != int(sizes_.size()) || PyArray_TYPE(array) != descr()->type_num) return false;
        for (int axis = 0; axis < axes; ++axis)
            if (PyArray_DIM(array, axis) != sizes_[axis] ||
                (sizes_[axis] > 1 && PyArray_STRIDE(array, axis) != strides_[axis]))
                return false;
        return true;
    }
    // A new array, or a view of `owner`'s memory.
    Reference make(char* data = nullptr, PyObject* owner = nullptr) const {
        auto* type = descr();
        Py_INCREF(type);
        Reference made(PyArray_NewFromDescr(&PyArray_Type, type, int(sizes_.size()), sizes_.data(), strides_.data(),
                                            data, data ? NPY_ARRAY_WRITEABLE : 0, nullptr));
        if (made && owner && PyArray_SetBaseObject(made.array(), Reference::to(owner).release())) return Reference();
        return made;
    }
    void fill(PyObject* array) const {
        std::copy(numbers_.begin(), numbers_.end(), PyArray_BYTES(reinterpret_cast<PyArrayObject*>(array)));
    }
    bool is_view(PyObject* object, const char* data, PyObject* owner) const {
        if (!looks_like(object)) return false;
        auto* array = reinterpret_cast<PyArrayObject*>(object);
        return PyArray_BYTES(array) == data && PyArray_BASE(array) == owner;
    }
private:
    PyArray_Descr* descr() const { return reinterpret_cast<PyArray_Descr*>(type_.get()); }
    Reference type_;
    std::vector<npy_intp> sizes_, strides_;
    std::vector<char> numbers_;
};

// Where an output comes from; the same numbers as in `ops/replay.py`.
enum Source : int64_t { ROOM, INPUT, VIEW, VALUE };

struct Output {
    Source source;
    int64_t input, offset;  // INPUT: which; VIEW: of which, and how many bytes behind its first number; else 0
    Layout layout;
};

// Where in a call's structure the address of which cell's array stands, and how many bytes behind its first number.
struct Patch {
    int64_t place, cell, offset;
};

struct Call {
    Function function;
    std::vector<char> arguments;
    std::vector<Patch> patches;
};

// What was done for arrays of some shapes.
struct Recording {
    std::vector<std::unique_ptr<Layout>> inputs;  // null: may be anything
    std::vector<Output> outputs;
    std::vector<Call> calls;
    Reference instead;  // a thunk of Theano's own, a capsule, that does it all
    bool large = false;

    bool fits(PyObject* cells) const {
        for (size_t i = 0; i < inputs.size(); ++i)
            if (inputs[i] && !inputs[i]->fits(in(cells, i))) return false;
        return true;
    }
};

struct Node {
    PyObject* error;  // Theano's linker looks for a list of an exception's type, value and traceback here, at the start
    Reference inputs, outputs;  // tuples of storage cells
    Reference compute, record;  // do it in Python; `record` returns what `parsed` takes, or None
    int asked = 0;              // how often `record` was
    std::vector<std::unique_ptr<Recording>> recordings;  // the latest first
    std::vector<Reference> arrays;                       // of the call that is on its way

    ~Node() { Py_XDECREF(error); }
};

// --- what Python hands over ---

std::vector<char> bytes(PyObject* object) {
    return std::vector<char>(PyBytes_AS_STRING(object), PyBytes_AS_STRING(object) + PyBytes_GET_SIZE(object));
}

template <class Row> std::vector<Row> rows(PyObject* object) {
    std::vector<Row> found(PyBytes_GET_SIZE(object) / sizeof(Row));
    std::memcpy(found.data(), PyBytes_AS_STRING(object), found.size() * sizeof(Row));
    return found;
}

// From (per input 0: anything, 1: its shape, 2: its numbers too; per output Source, input, offset: both as bytes of
// int64; a tuple of (function, structure, patches: bytes); a thunk instead, or None); the arrays are in the cells.
std::unique_ptr<Recording> parsed(PyObject* told, const Node& node) {
    PyObject *looks, *sources, *calls, *instead;
    if (!PyArg_ParseTuple(told, "SSO!O", &looks, &sources, &PyTuple_Type, &calls, &instead)) return nullptr;
    std::unique_ptr<Recording> made(new Recording);
    npy_intp size = 0;
    for (int64_t look : rows<int64_t>(looks)) {
        auto* array = reinterpret_cast<PyArrayObject*>(in(node.inputs.get(), made->inputs.size()));
        made->inputs.emplace_back(look ? new Layout(array, look == 2) : nullptr);
        size += look ? PyArray_NBYTES(array) : 0;
    }
    made->large = size > LARGE;
    struct Row { int64_t source, input, offset; };
    for (const Row& row : rows<Row>(sources)) {
        auto* array = reinterpret_cast<PyArrayObject*>(in(node.outputs.get(), made->outputs.size()));
        made->outputs.push_back({Source(row.source), row.input, row.offset, Layout(array, row.source == VALUE)});
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(calls); ++i) {
        unsigned long long function;
        PyObject *arguments, *patches;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(calls, i), "KSS", &function, &arguments, &patches)) return nullptr;
        made->calls.push_back({reinterpret_cast<Function>(function), bytes(arguments), rows<Patch>(patches)});
    }
    if (instead != Py_None) made->instead = Reference::to(instead);
    return made;
}

// --- running ---

// The exception that Python has set, for Theano's linker.
int failed(const Node& node) {
    PyObject* parts[3];
    PyErr_Fetch(&parts[0], &parts[1], &parts[2]);
    for (int i = 0; i < 3; ++i) PyList_SetItem(node.error, i, parts[i] ? parts[i] : Reference::to(Py_None).release());
    return 1;
}

int record(Node& node) {
    Reference told(PyObject_CallObject((node.asked++ < MOST ? node.record : node.compute).get(), nullptr));
    if (!told) return failed(node);
    if (told.get() == Py_None) return 0;
    std::unique_ptr<Recording> made = parsed(told.get(), node);
    if (!made) return failed(node);
    node.recordings.insert(node.recordings.begin(), std::move(made));
    return 0;
}

int run_instead(const Node& node, const Recording& recording) {
    PyObject* capsule = recording.instead.get();
    void* data = PyCapsule_GetContext(capsule);
    const auto thunk = reinterpret_cast<int (*)(void*)>(PyCapsule_GetPointer(capsule, nullptr));
    if (!thunk(data)) return 0;
    PyObject* error = *static_cast<PyObject**>(data);
    for (int i = 0; i < 3; ++i) {
        PyList_SetItem(node.error, i, Reference::to(PyList_GetItem(error, i)).release());
        PyList_SetItem(error, i, Reference::to(Py_None).release());
    }
    return 1;
}

// Puts an output's array into its cell, if it is not there from the last time.
bool provide(const Node& node, const Output& output, Py_ssize_t index) {
    PyObject *cells = node.outputs.get(), *held = in(cells, index);
    const Reference& input = node.arrays[output.input];
    if (output.source == INPUT) return held == input.get() || put(cells, index, Reference::to(input.get()));
    if (output.source == VIEW) {
        char* data = PyArray_BYTES(input.array()) + output.offset;
        return output.layout.is_view(held, data, input.get()) ||
               put(cells, index, output.layout.make(data, input.get()));
    }
    if (!output.layout.looks_like(held) && !put(cells, index, output.layout.make())) return false;
    if (output.source == VALUE) output.layout.fill(in(cells, index));
    return true;
}

const char* call(Recording& recording, const std::vector<Reference>& arrays) {
    for (Call& call : recording.calls) {
        for (const Patch& patch : call.patches) {
            char* address = PyArray_BYTES(arrays[patch.cell].array()) + patch.offset;
            std::memcpy(&call.arguments[patch.place], &address, sizeof address);
        }
        if (const char* reason = call.function(call.arguments.data())) return reason;
    }
    return nullptr;
}

int replay(Node& node, Recording& recording) {
    for (size_t i = 0; i < recording.inputs.size(); ++i)  // held, whatever happens to the cells meanwhile
        node.arrays.push_back(Reference::to(in(node.inputs.get(), i)));
    for (size_t i = 0; i < recording.outputs.size(); ++i) {
        if (!provide(node, recording.outputs[i], i)) return failed(node);
        node.arrays.push_back(Reference::to(in(node.outputs.get(), i)));
    }
    PyThreadState* state = recording.large && !recording.calls.empty() ? PyEval_SaveThread() : nullptr;
    const char* reason = call(recording, node.arrays);
    if (state) PyEval_RestoreThread(state);
    if (!reason) return 0;
    PyErr_SetString(PyExc_RuntimeError, reason);
    return failed(node);
}

// What Theano's linker calls.
int run(void* data) {
    Node& node = *static_cast<Node*>(data);
    auto& all = node.recordings;
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) {
        return one->fits(node.inputs.get());
    });
    if (found == all.end()) return record(node);
    std::rotate(all.begin(), found, found + 1);
    if (all.front()->instead) return run_instead(node, *all.front());
    const int error = replay(node, *all.front());
    node.arrays.clear();
    return error;
}

void* import_numpy() {
    import_array1(nullptr);
    return &PyArray_API;
}

}  // namespace

// Both with Python's lock held, as ctypes.PyDLL calls.
extern "C" {

// A thunk for Theano's linker, a capsule; see Node.
PyObject* fkp_thunk(PyObject* inputs, PyObject* outputs, PyObject* compute, PyObject* record) {
    static void* numpy = import_numpy();
    if (!numpy) return nullptr;
    std::unique_ptr<Node> node(new Node{Py_BuildValue("[OOO]", Py_None, Py_None, Py_None), Reference::to(inputs),
                                        Reference::to(outputs), Reference::to(compute), Reference::to(record)});
    PyObject* capsule = PyCapsule_New(reinterpret_cast<void*>(&run), nullptr, [](PyObject* capsule) {
        delete static_cast<Node*>(PyCapsule_GetContext(capsule));
    });
    if (capsule && !PyCapsule_SetContext(capsule, node.get())) node.release();
    return capsule;
}

}
