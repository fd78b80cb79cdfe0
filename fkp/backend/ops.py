"""Theano Ops on our C++ library: a convolution stage, a dense layer, Nesterov's update.

The Ops are thin: they check shapes, provide memory and call the library, so
that Theano has nothing to compile for them.  Everything is float32.
"""
import ctypes
import math

import numpy as np
import theano
import theano.tensor as T
from theano.gof import Apply, Op
from theano.gradient import DisconnectedType

LIBRARY = None  # set by `fkp.backend` where oneDNN is available
POINTER = ctypes.c_void_p
NUMBER = ctypes.c_int64


class StageCall(ctypes.Structure):
    """`struct Stage` of stage.cpp."""
    _fields_ = ([(name, NUMBER) for name in ["images", "in_", "height", "width", "out", "rows", "columns", "bf16"]]
                + [("x_strides", NUMBER * 4), ("gy_strides", NUMBER * 4), ("channels_last", NUMBER),
                   ("threshold", NUMBER)]
                + [(name, POINTER) for name in ["x", "weights", "bias", "state", "y", "where", "gy", "gx", "gweights",
                                              "gbias"]])


class DenseCall(ctypes.Structure):
    """`struct Dense` of dense.cpp."""
    _fields_ = ([(name, NUMBER) for name in ["rows", "in_", "out", "rectify", "threshold", "bf16"]]
                + [(name, POINTER) for name in ["x", "weights", "bias", "state", "y", "gy", "gx", "gweights", "gbias"]])


def use(library):
    """Declare the library's functions.  Those that can fail return None or the reason."""
    global LIBRARY
    for name in ("fkp_stage_forward", "fkp_stage_backward", "fkp_dense_forward", "fkp_dense_backward",
                 "fkp_stage_refusal"):
        function = getattr(library, name)
        function.argtypes, function.restype = [POINTER], ctypes.c_char_p
    library.fkp_nesterov.argtypes = [NUMBER, POINTER, ctypes.c_float, ctypes.c_float, POINTER, POINTER]
    library.fkp_nesterov.restype = None
    library.fkp_philox.argtypes = [POINTER] * 3
    library.fkp_version.restype = ctypes.c_char_p
    LIBRARY = library


def address(array):
    return array.__array_interface__["data"][0]


def call(function, arguments, *arrays):
    """Call the library; its reason becomes an exception that names the shapes."""
    failed = function(ctypes.byref(arguments))
    if failed:
        raise RuntimeError("%s (shapes %s)" % (failed.decode(), ", ".join(str(array.shape) for array in arrays)))


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


def elements(array):
    """Strides counted in float32 numbers."""
    return (NUMBER * 4)(*[stride // 4 for stride in array.strides])


def next_state(state):
    """The generator's state after one call: the counter's upper 64 bits count calls."""
    following = state.copy()
    following[2:].view("<u8")[0] += np.uint64(1)
    return following


class Prepared(Op):
    """An Op whose thunk knows which of its outputs anybody wants."""

    def compute(self, inputs, outputs, wanted):
        raise NotImplementedError

    def perform(self, node, inputs, outputs):
        self.compute(inputs, outputs, [True] * len(outputs))

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        inputs = [storage_map[variable] for variable in node.inputs]
        outputs = [storage_map[variable] for variable in node.outputs]
        done = [compute_map[variable] for variable in node.outputs]
        wanted = [bool(getattr(variable, "clients", True)) for variable in node.outputs]
        compute = self.compute

        def thunk():
            compute([cell[0] for cell in inputs], outputs, wanted)
            for flag in done:
                flag[0] = True

        thunk.inputs, thunk.outputs, thunk.lazy = inputs, outputs, False
        return thunk


class Stage(Prepared):
    """Convolution, bias, rectifier, 2x2 max-pool, dropout: pool(max(conv(x, W) + b, 0)) * mask.

    x: (n, c, h, w) with any strides, W: (k, c, rows, columns), b: (k,),
    state (with dropout): 4 uint32.  Returns y: (n, k, (h - rows + 1) // 2,
    (w - columns + 1) // 2), `where` for the gradient (see pool.h) and, with
    dropout, the generator's next state.

    threshold: 65536 times the probability of dropping, rounded; 0: none.
    channels_last: y's order in memory; its shape is the same.
    """
    __props__ = ("threshold", "channels_last", "bf16")

    def __init__(self, threshold=0, channels_last=False, bf16=False):
        self.threshold, self.channels_last, self.bf16 = threshold, channels_last, bf16

    def make_node(self, x, weights, bias, *state):
        inputs = [T.as_tensor_variable(v) for v in (x, weights, bias)]
        for variable, ndim in zip(inputs, (4, 4, 1)):
            if variable.ndim != ndim or variable.dtype != "float32":
                raise TypeError("Stage takes float32 with 4, 4 and 1 dimensions, not %s" % [v.type for v in inputs])
        return Apply(self, inputs + list(state), [T.ftensor4(), T.TensorType("uint8", [False] * 4)()]
                     + [v.type() for v in state])

    def infer_shape(self, node, shapes):
        (n, _, h, w), (k, _, rows, columns) = shapes[:2]
        height, width = (h - rows + 1) // 2, (w - columns + 1) // 2
        return [(n, k, height, width), (n, height, width, k)] + list(shapes[3:])

    def compute(self, inputs, outputs, wanted):
        x, weights, bias = inputs[0], dense_array(inputs[1]), dense_array(inputs[2])
        s, pooled = stage_call(self, x, weights)
        n, k, h, w = pooled
        y = (channels_last_room if self.channels_last else room)(outputs[0], pooled)
        where = room(outputs[1], (n, h, w, k) if wanted[1] else (0, 0, 0, 0), "uint8")
        s.bias, s.y, s.where = address(bias), address(y), address(where) if wanted[1] else None
        if self.threshold:
            s.state = address(inputs[3])
            outputs[2][0] = next_state(inputs[3])
        call(LIBRARY.fkp_stage_forward, s, x, weights)

    def connection_pattern(self, node):
        return [[True] + [False] * (len(node.outputs) - 1)] * 3 + [[False] * len(node.outputs)] * (len(node.inputs) - 3)

    def L_op(self, inputs, outputs, gradients):
        gradient = StageGradient(self.threshold, self.bf16)
        found = gradient(inputs[0], inputs[1], outputs[1], gradients[0])
        return list(found) + [DisconnectedType()() for _ in inputs[3:]]


class StageGradient(Prepared):
    """Stage's gradients for x (only where somebody wants it), W and b, from x, W, `where` and y's gradient."""
    __props__ = ("threshold", "bf16")

    def __init__(self, threshold=0, bf16=False):
        self.threshold, self.bf16, self.channels_last = threshold, bf16, True

    def make_node(self, x, weights, where, gy):
        inputs = [T.as_tensor_variable(v) for v in (x, weights, where, gy)]
        return Apply(self, inputs, [inputs[0].type(), inputs[1].type(), T.fvector()])

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[1], (shapes[1][0],)]

    def compute(self, inputs, outputs, wanted):
        x, weights, where, gy = inputs
        weights = dense_array(weights)
        s, pooled = stage_call(self, x, weights)
        if gy.shape != pooled or gy.dtype != "float32":
            raise ValueError("the gradient's shape is %s, the stage's output has %s" % (gy.shape, pooled))
        s.gy_strides, s.gy, s.where = elements(gy), address(gy), address(where)
        s.gx = address(channels_last_room(outputs[0], x.shape)) if wanted[0] else None
        s.gweights = address(room(outputs[1], weights.shape))
        s.gbias = address(room(outputs[2], weights.shape[:1]))
        call(LIBRARY.fkp_stage_backward, s, x, weights, gy)
        if not wanted[0]:
            outputs[0][0] = np.empty((0, 0, 0, 0), "float32")


def stage_call(op, x, weights):
    """What forward and backward have in common, and y's shape; raises ValueError for shapes that do not fit."""
    (n, c, h, w), (k, channels, rows, columns) = x.shape, weights.shape
    if channels != c or rows > h or columns > w:
        raise ValueError("a kernel of shape %s does not fit an input of shape %s" % (weights.shape, x.shape))
    s = StageCall(n, c, h, w, k, rows, columns, op.bf16, elements(x))
    s.channels_last, s.threshold, s.x, s.weights = op.channels_last, op.threshold, address(x), address(weights)
    return s, (n, k, (h - rows + 1) // 2, (w - columns + 1) // 2)


class Dense(Prepared):
    """x W + b, with rectifier and dropout if asked for.

    x: (n, ...), flattened behind the first axis, W: (d, k), b: (k,), state
    (with dropout): 4 uint32.  Returns y: (n, k) and, with dropout, the
    generator's next state.
    """
    __props__ = ("rectify", "threshold", "bf16")

    def __init__(self, rectify=True, threshold=0, bf16=False):
        if threshold and not rectify:
            raise ValueError("dropout without a rectifier leaves no trace of what was dropped")
        self.rectify, self.threshold, self.bf16 = rectify, threshold, bf16

    def make_node(self, x, weights, bias, *state):
        inputs = [T.as_tensor_variable(v) for v in (x, weights, bias)]
        if [v.dtype for v in inputs] != ["float32"] * 3 or inputs[0].ndim < 2 or inputs[1].ndim != 2:
            raise TypeError("Dense takes float32 with 2 or more, 2 and 1 dimensions, not %s" % [v.type for v in inputs])
        return Apply(self, inputs + list(state), [T.fmatrix()] + [v.type() for v in state])

    def infer_shape(self, node, shapes):
        return [(shapes[0][0], shapes[1][1])] + list(shapes[3:])

    def compute(self, inputs, outputs, wanted):
        x, weights, bias = [dense_array(v) for v in inputs[:3]]
        d = dense_call(self, x, weights)
        d.bias, d.y = address(bias), address(room(outputs[0], (d.rows, d.out)))
        if self.threshold:
            d.state = address(inputs[3])
            outputs[1][0] = next_state(inputs[3])
        call(LIBRARY.fkp_dense_forward, d, x, weights)

    def connection_pattern(self, node):
        return [[True] + [False] * (len(node.outputs) - 1)] * 3 + [[False] * len(node.outputs)] * (len(node.inputs) - 3)

    def L_op(self, inputs, outputs, gradients):
        gradient = DenseGradient(self.rectify, self.threshold, self.bf16)
        found = gradient(inputs[0], inputs[1], outputs[0], gradients[0])
        return list(found) + [DisconnectedType()() for _ in inputs[3:]]


class DenseGradient(Prepared):
    """Dense's gradients for x, W and b, each only where somebody wants it, from x, W, y and y's gradient."""
    __props__ = ("rectify", "threshold", "bf16")

    def __init__(self, rectify=True, threshold=0, bf16=False):
        self.rectify, self.threshold, self.bf16 = rectify, threshold, bf16

    def make_node(self, x, weights, y, gy):
        inputs = [T.as_tensor_variable(v) for v in (x, weights, y, gy)]
        return Apply(self, inputs, [inputs[0].type(), inputs[1].type(), T.fvector()])

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[1], (shapes[1][1],)]

    def compute(self, inputs, outputs, wanted):
        x, weights, y, gy = [dense_array(v) for v in inputs]
        d = dense_call(self, x, weights)
        if gy.shape != y.shape or gy.dtype != "float32":
            raise ValueError("the gradient's shape is %s, the layer's output has %s" % (gy.shape, y.shape))
        shapes = [x.shape, weights.shape, (d.out,)]
        for name, cell, shape, want in zip(("gx", "gweights", "gbias"), outputs, shapes, wanted):
            array = room(cell, shape if want else (0,) * len(shape))
            setattr(d, name, address(array) if want else None)
        d.y, d.gy = address(y), address(gy)
        call(LIBRARY.fkp_dense_backward, d, x, weights, gy)


def dense_call(op, x, weights):
    """What forward and backward have in common; raises ValueError for shapes that do not fit."""
    inputs = math.prod(x.shape[1:])
    if weights.shape[0] != inputs:
        raise ValueError("weights of shape %s do not fit an input of shape %s" % (weights.shape, x.shape))
    d = DenseCall(x.shape[0], inputs, weights.shape[1], op.rectify, op.threshold, op.bf16)
    d.x, d.weights = address(x), address(weights)
    return d


class Nesterov(Op):
    """Lasagne's Nesterov momentum in one pass: a parameter's and its velocity's next values.

    parameter, velocity, gradient: one shape, float32; rate, momentum: scalars.
    """
    __props__ = ("inplace",)

    def __init__(self, inplace=False):
        self.inplace = inplace
        if inplace:
            self.destroy_map = {0: [0], 1: [1]}

    def make_node(self, parameter, velocity, gradient, rate, momentum):
        arrays = [T.as_tensor_variable(v) for v in (parameter, velocity, gradient)]
        scalars = [T.cast(T.as_tensor_variable(v), "float32") for v in (rate, momentum)]
        if any(v.dtype != "float32" or v.ndim != arrays[0].ndim for v in arrays) or any(v.ndim for v in scalars):
            raise TypeError("Nesterov takes three float32 arrays and two scalars, not %s" % [v.type for v in arrays])
        return Apply(self, arrays + scalars, [arrays[0].type(), arrays[1].type()])

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[1]]

    def perform(self, node, inputs, outputs):
        parameter, velocity, gradient, rate, momentum = inputs
        gradient = dense_array(gradient)  # a name for it: a copy must outlive the call
        if not parameter.shape == velocity.shape == gradient.shape:
            raise ValueError("parameter, velocity and gradient have shapes %s, %s and %s"
                             % (parameter.shape, velocity.shape, gradient.shape))
        parameter, velocity = [own(array, self.inplace) for array in (parameter, velocity)]
        LIBRARY.fkp_nesterov(parameter.size, address(gradient), float(rate), float(momentum), address(parameter),
                             address(velocity))
        outputs[0][0], outputs[1][0] = parameter, velocity


def own(array, inplace):
    """The array itself where it may be overwritten and is dense, else a copy."""
    return array if inplace and array.flags.c_contiguous else array.copy(order="C")


@theano.gof.local_optimizer([Nesterov], inplace=True)
def nesterov_inplace(node):
    """As Theano does for its own Ops, once everything else is settled."""
    if isinstance(node.op, Nesterov) and not node.op.inplace:
        return Nesterov(inplace=True)(*node.inputs, return_list=True)
    return False
