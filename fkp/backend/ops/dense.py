"""The fused dense layer on our C++ library."""
import ctypes
import math

import theano
import theano.tensor as T
from theano.gof import Apply
from theano.gradient import DisconnectedType

from .derivatives import ByTheano, GradientByTheano
from .native import NUMBER, POINTER, Prepared, address, call, dense_array, next_state, room, scale_of


class DenseCall(ctypes.Structure):
    """`struct Dense` of dense.cpp."""
    _fields_ = ([(name, NUMBER) for name in ["rows", "in_", "out", "rectify", "threshold", "bf16"]]
                + [(name, POINTER) for name in ["x", "weights", "bias", "state", "y", "gy", "gx", "gweights", "gbias"]])


class Dense(ByTheano, Prepared):
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
        y = T.TensorType("float32", [inputs[0].broadcastable[0], inputs[1].broadcastable[1]])
        return Apply(self, inputs + list(state), [y()] + [v.type() for v in state])

    def infer_shape(self, node, shapes):
        return [(shapes[0][0], shapes[1][1])] + list(shapes[3:])

    def compute(self, inputs, outputs, wanted):
        x, weights, bias = [dense_array(v) for v in inputs[:3]]
        d = dense_call(self, x, weights)
        d.bias, d.y = address(bias), address(room(outputs[0], (d.rows, d.out)))
        if self.threshold:
            d.state = address(inputs[3])
            outputs[1][0] = next_state(inputs[3])
        call("fkp_dense_forward", d, x, weights)

    def connection_pattern(self, node):
        return [[True] + [False] * (len(node.outputs) - 1)] * 3 + [[False] * len(node.outputs)] * (len(node.inputs) - 3)

    def L_op(self, inputs, outputs, gradients):
        gradient = DenseGradient(self.rectify, self.threshold, self.bf16)
        found = gradient(*inputs[:3], outputs[0], gradients[0])
        return list(found) + [DisconnectedType()() for _ in inputs[3:]]

    def in_theano(self, inputs):
        x, weights, bias = inputs[:3]
        return [in_theano(self, x, weights, bias, self(*inputs, return_list=True)[0]), *[None] * len(inputs[3:])]


class DenseGradient(GradientByTheano, Prepared):
    """Dense's gradients for x, W and b, each only where somebody wants it, from x, W, b, y and y's gradient.

    b is for the gradients' own derivatives alone.
    """
    __props__ = ("rectify", "threshold", "bf16")

    def __init__(self, rectify=True, threshold=0, bf16=False):
        self.rectify, self.threshold, self.bf16 = rectify, threshold, bf16

    def make_node(self, *inputs):
        inputs = [T.as_tensor_variable(v) for v in inputs]
        return Apply(self, inputs, [v.type() for v in inputs[:3]])

    def infer_shape(self, node, shapes):
        return shapes[:3]

    def compute(self, inputs, outputs, wanted):
        x, weights, _, y, gy = [dense_array(v) for v in inputs]
        d = dense_call(self, x, weights)
        if gy.shape != y.shape or gy.dtype != "float32":
            raise ValueError("the gradient's shape is %s, the layer's output has %s" % (gy.shape, y.shape))
        shapes = [x.shape, weights.shape, (d.out,)]
        for name, cell, shape, want in zip(("gx", "gweights", "gbias"), outputs, shapes, wanted):
            array = room(cell, shape if want else (0,) * len(shape))
            setattr(d, name, address(array) if want else None)
        d.y, d.gy = address(y), address(gy)
        call("fkp_dense_backward", d, x, weights, gy)

    def in_theano(self, inputs):
        x, weights, bias, y, gy = inputs
        return T.grad(None, [x, weights, bias], known_grads={in_theano(self, x, weights, bias, y): gy})


def in_theano(op, x, weights, bias, y):
    """Dense's output as Theano's own expression; y, the Op's, says what dropout left."""
    z = T.dot(x.flatten(2), weights) + bias
    if op.rectify:
        z = T.nnet.relu(z)
    return z * T.neq(theano.gradient.disconnected_grad(y), 0) * scale_of(op.threshold) if op.threshold else z


def dense_call(op, x, weights):
    """What forward and backward have in common; raises ValueError for shapes that do not fit."""
    inputs = math.prod(x.shape[1:])
    if weights.shape[0] != inputs:
        raise ValueError("weights of shape %s do not fit an input of shape %s" % (weights.shape, x.shape))
    d = DenseCall(x.shape[0], inputs, weights.shape[1], op.rectify, op.threshold, op.bf16)
    d.x, d.weights = address(x), address(weights)
    return d
