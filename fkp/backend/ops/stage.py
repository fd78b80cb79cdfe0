"""The fused convolution stage on our C++ library."""
import ctypes

import numpy as np
import theano.tensor as T
from theano.gof import Apply
from theano.gradient import DisconnectedType
from theano.tensor.signal.pool import pool_2d

from .derivatives import ByTheano, GradientByTheano
from .native import (
    NUMBER,
    POINTER,
    Prepared,
    address,
    call,
    channels_last_room,
    dense_array,
    elements,
    next_state,
    room,
    scale_of,
)

DEAD = 4  # in `where`: see pool.h


class StageCall(ctypes.Structure):
    """`struct Stage` of stage.cpp."""
    _fields_ = ([(name, NUMBER) for name in ["images", "in_", "height", "width", "out", "rows", "columns", "bf16"]]
                + [("x_strides", NUMBER * 4), ("gy_strides", NUMBER * 4), ("channels_last", NUMBER),
                   ("threshold", NUMBER)]
                + [(name, POINTER) for name in ["x", "weights", "bias", "state", "y", "where", "gy", "gx", "gweights",
                                              "gbias"]])


class Stage(ByTheano, Prepared):
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
        y = T.TensorType("float32", [inputs[0].broadcastable[0], inputs[1].broadcastable[0], False, False])
        return Apply(self, inputs + list(state), [y(), T.TensorType("uint8", [False] * 4)()]
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
        call("fkp_stage_forward", s, x, weights)

    def connection_pattern(self, node):
        return [[True] + [False] * (len(node.outputs) - 1)] * 3 + [[False] * len(node.outputs)] * (len(node.inputs) - 3)

    def L_op(self, inputs, outputs, gradients):
        gradient = StageGradient(self.threshold, self.bf16)
        found = gradient(*inputs[:3], outputs[1], gradients[0])
        return list(found) + [DisconnectedType()() for _ in inputs[3:]]

    def in_theano(self, inputs):
        where = self(*inputs, return_list=True)[1]
        return [in_theano(self, *inputs[:3], where), None, *[None] * len(inputs[3:])]


class StageGradient(GradientByTheano, Prepared):
    """Stage's gradients for x (only where somebody wants it), W and b, from x, W, b, `where` and y's gradient.

    b is for the gradients' own derivatives alone.
    """
    __props__ = ("threshold", "bf16")

    def __init__(self, threshold=0, bf16=False):
        self.threshold, self.bf16, self.channels_last = threshold, bf16, True

    def make_node(self, *inputs):
        inputs = [T.as_tensor_variable(v) for v in inputs]
        return Apply(self, inputs, [v.type() for v in inputs[:3]])

    def infer_shape(self, node, shapes):
        return shapes[:3]

    def compute(self, inputs, outputs, wanted):
        x, weights, _, where, gy = inputs
        weights = dense_array(weights)
        s, pooled = stage_call(self, x, weights)
        if gy.shape != pooled or gy.dtype != "float32":
            raise ValueError("the gradient's shape is %s, the stage's output has %s" % (gy.shape, pooled))
        s.gy_strides, s.gy, s.where = elements(gy), address(gy), address(where)
        s.gx = address(channels_last_room(outputs[0], x.shape)) if wanted[0] else None
        s.gweights = address(room(outputs[1], weights.shape))
        s.gbias = address(room(outputs[2], weights.shape[:1]))
        call("fkp_stage_backward", s, x, weights, gy)
        if not wanted[0]:
            outputs[0][0] = np.empty((0, 0, 0, 0), "float32")

    def in_theano(self, inputs):
        x, weights, bias, where, gy = inputs
        return T.grad(None, [x, weights, bias], known_grads={in_theano(self, x, weights, bias, where): gy})


def in_theano(op, x, weights, bias, where):
    """Stage's output as Theano's own expression; `where` says what dropout left."""
    z = T.nnet.relu(T.nnet.conv2d(x, weights) + bias.dimshuffle("x", 0, "x", "x"))
    y = pool_2d(z, (2, 2), ignore_border=True)
    return y * T.neq(where, DEAD).dimshuffle(0, 3, 1, 2) * scale_of(op.threshold) if op.threshold else y


def stage_call(op, x, weights):
    """What forward and backward have in common, and y's shape; raises ValueError for shapes that do not fit."""
    (n, c, h, w), (k, channels, rows, columns) = x.shape, weights.shape
    if channels != c or rows > h or columns > w:
        raise ValueError("a kernel of shape %s does not fit an input of shape %s" % (weights.shape, x.shape))
    s = StageCall(n, c, h, w, k, rows, columns, op.bf16, elements(x))
    s.channels_last, s.threshold, s.x, s.weights = op.channels_last, op.threshold, address(x), address(weights)
    return s, (n, k, (h - rows + 1) // 2, (w - columns + 1) // 2)
