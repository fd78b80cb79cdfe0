"""How an Op calls our C++ library, and the memory that it gives it."""
import ctypes
import functools

import numpy as np
from theano.gof import Op

from ..errors import Problem
from . import replay

LIBRARY = None  # set by `use` where our Ops run
POINTER = ctypes.c_void_p
NUMBER = ctypes.c_int64
STRIDES = NUMBER * 4  # of an image, a channel, a row and a column; counted in float32 numbers


class Call(ctypes.Structure):
    """A structure of C++, filled by name.  The library says how large `size_name` must be."""
    size_name = None


def use(library):
    """Let the Ops call this library, a ctypes.CDLL; raises RuntimeError where its structures are not ours."""
    global LIBRARY
    for structure in Call.__subclasses__():
        size = NUMBER.in_dll(library, structure.size_name).value
        if size != ctypes.sizeof(structure):
            raise RuntimeError("%s has %d bytes in Python and %d in C++" % (
                structure.__name__, ctypes.sizeof(structure), size))
    replay.use(library)
    library.fkp_version.restype = ctypes.c_char_p
    LIBRARY = library


def multiplier():
    """What multiplies: "oneDNN", or "SciPy's BLAS"."""
    return "oneDNN" if LIBRARY.fkp_version() else "SciPy's BLAS"


def need_library(op):
    """Raise Problem where there is none: the function was compiled elsewhere, and pickled."""
    if LIBRARY is None:
        raise Problem("%s needs our C++ library, which does not run here" % op)


def call(name, arguments, *arrays):
    """Call the library's function `name`; its reason becomes an exception that names the arrays' shapes."""
    replay.called(function(LIBRARY, name), arguments)
    reason = function(LIBRARY, name)(ctypes.byref(arguments))
    if reason:
        raise RuntimeError("%s (shapes %s)" % (reason.decode(), ", ".join(str(array.shape) for array in arrays)))


@functools.lru_cache(None)
def function(library, name):
    found = getattr(library, name)
    found.argtypes, found.restype = [POINTER], ctypes.c_char_p
    return found


def address(array):
    """Where an array's first number lies."""
    if array.flags.c_contiguous:
        try:
            return ctypes.addressof(ctypes.c_char.from_buffer(array))  # four times as quick
        except (TypeError, ValueError):  # it is read-only, or empty
            pass
    return array.__array_interface__["data"][0]


def dense_array(array):
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def room(cell, shape, dtype="float32"):
    """The array in Theano's storage cell if it fits, else a new one."""
    array = cell[0]
    if array is None or array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        array = cell[0] = np.empty(shape, dtype)
    return array


def channels_last_room(cell, shape):
    """As `room`, (n, c, h, w) for Theano and n, h, w, c in memory."""
    n, c, h, w = shape
    array = cell[0]
    if array is None or array.shape != shape or array.strides != (4 * h * w * c, 4, 4 * w * c, 4 * c):
        array = cell[0] = np.empty((n, h, w, c), "float32").transpose(0, 3, 1, 2)
    return array


def nothing(cell, ndim):
    """An empty array for an output that nobody wants."""
    cell[0] = np.empty((0,) * ndim, "float32")


def elements(array):
    """Strides counted in float32 numbers."""
    return STRIDES(*[stride // 4 for stride in array.strides])


def scale_of(threshold):
    """What dropout multiplies with what stays."""
    return 65536 / (65536 - threshold)


class StateCall(Call):
    """`struct State` of update.cpp."""
    size_name = "fkp_state_size"
    _fields_ = [("now", POINTER), ("next", POINTER)]


def next_state(state, cell):
    """Put the generator's state after one call into Theano's storage cell."""
    call("fkp_next_state", StateCall(address(state), address(room(cell, state.shape, "uint32"))), state)


def float32(op, variables, *dimensions):
    """The variables, if they are float32 with so many dimensions; raises TypeError."""
    if [(v.dtype, v.ndim) for v in variables] != [("float32", ndim) for ndim in dimensions]:
        raise TypeError("%s takes float32 with %s dimensions, not %s" % (
            type(op).__name__, ", ".join(map(str, dimensions)), [v.type for v in variables]))
    return variables


def wanted(node):
    """Which of the node's outputs anybody wants."""
    return [bool(getattr(variable, "clients", True)) for variable in node.outputs]


class Prepared(Op):
    """An Op whose thunk knows which of its outputs anybody wants."""

    def compute(self, inputs, outputs, wanted):
        raise NotImplementedError

    def perform(self, node, inputs, outputs):
        self.compute(inputs, outputs, wanted(node) if node else [True] * len(outputs))

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        need_library(type(self).__name__)
        inputs = [storage_map[variable] for variable in node.inputs]
        outputs = [storage_map[variable] for variable in node.outputs]
        compute, used = self.compute, wanted(node)

        def run():
            compute([cell[0] for cell in inputs], outputs, used)

        return replay.thunk(run, node, storage_map, compute_map)
