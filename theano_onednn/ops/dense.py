"""The fused dense layer on our C++ library."""
import math

import theano
import theano.tensor as T
from theano.gof import Apply
from theano.gradient import DisconnectedType

from . import native
from .activation import RECTIFIER, Curve, expression
from .derivatives import ByTheano, GradientByTheano
from .native import NUMBER, POINTER, Call, Prepared, address, call, dense_array, next_state, room, scale_of


class DenseCall(Call):
    """`struct Dense` of dense.cpp."""
    size_name = "fkp_dense_size"
    _fields_ = ([(name, NUMBER) for name in ["rows", "in_", "out", "threshold", "bf16"]] + [("curve", Curve)]
                + [(name, POINTER) for name in ["x", "weights", "bias", "state", "y", "half", "gy", "gx", "gweights",
                                              "gbias"]])


class Layered(Prepared):
    """What Dense and its gradient share.

    activation: see activation.py.  threshold: 65536 times the probability of
    dropping, rounded; 0: none.  bf16: multiply in bfloat16.
    """
    __props__ = ("activation", "threshold", "bf16")

    def __init__(self, activation=RECTIFIER, threshold=0, bf16=False):
        if threshold and activation != RECTIFIER:
            raise ValueError("dropout without a rectifier leaves no trace of what was dropped")
        self.activation, self.threshold, self.bf16 = activation, threshold, bf16

    def prepare(self, x, weights):
        """The call with x and W set; raises ValueError for shapes that do not fit."""
        inputs = math.prod(x.shape[1:])
        if weights.shape[0] != inputs:
            raise ValueError("weights of shape %s do not fit an input of shape %s" % (weights.shape, x.shape))
        d = DenseCall(x.shape[0], inputs, weights.shape[1], self.threshold, self.bf16, Curve(self.activation))
        d.x, d.weights = address(x), address(weights)
        return d


class Dense(ByTheano, Layered):
    """activation(x W + b), with dropout if asked for.

    x: (n, ...), flattened behind the first axis, W: (d, k), b: (k,), state
    (with dropout): 4 uint32.  Returns y: (n, k); with bf16, W in bfloat16, for
    the gradient (empty where nobody wants it, and with AMX, where products take
    float32 and round it themselves); with dropout, the generator's next state.
    """

    def make_node(self, x, weights, bias, *state):
        inputs = [T.as_tensor_variable(v) for v in (x, weights, bias)]
        if [v.dtype for v in inputs] != ["float32"] * 3 or inputs[0].ndim < 2 or [v.ndim for v in inputs[1:]] != [2, 1]:
            raise TypeError("Dense takes float32 with 2 or more, 2 and 1 dimensions, not %s" % [v.type for v in inputs])
        pattern = [inputs[0].broadcastable[0], inputs[1].broadcastable[1]]
        half = [T.TensorType("uint16", [False, False])()] * self.bf16
        return Apply(self, [*inputs, *state], [T.TensorType("float32", pattern)(), *half, *(v.type() for v in state)])

    def infer_shape(self, node, shapes):
        return [(shapes[0][0], shapes[1][1]), *[shapes[1]] * self.bf16, *shapes[3:]]

    def compute(self, inputs, outputs, wanted):
        x, weights, bias = [dense_array(v) for v in inputs[:3]]
        d = self.prepare(x, weights)
        if bias.shape != weights.shape[1:]:
            raise ValueError("a bias of shape %s does not fit weights of shape %s" % (bias.shape, weights.shape))
        d.bias, d.y = address(bias), address(room(outputs[0], (d.rows, d.out)))
        if self.bf16:
            takes = wanted[1] and native.LIBRARY.fkp_dense_takes_half()
            half = room(outputs[1], weights.shape if takes else (0, 0), "uint16")
            d.half = address(half) if half.size else None
        if self.threshold:
            d.state = address(inputs[3])
            next_state(inputs[3], outputs[-1])
        call("fkp_dense_forward", d, x, weights)

    def connection_pattern(self, node):
        return [[True] + [False] * (len(node.outputs) - 1)] * 3 + [[False] * len(node.outputs)] * (len(node.inputs) - 3)

    def L_op(self, inputs, outputs, gradients):
        gradient = DenseGradient(self.activation, self.threshold, self.bf16)
        found = gradient(*inputs[:3], outputs[0], gradients[0], *outputs[1:1 + self.bf16])
        return list(found) + [DisconnectedType()() for _ in inputs[3:]]

    def in_theano(self, inputs):
        x, weights, bias = inputs[:3]
        y, *others = self(*inputs, return_list=True)
        return [in_theano(self, x, weights, bias, y), *[None] * len(others)]


class DenseGradient(GradientByTheano, Layered):
    """Dense's gradients for x, W and b, each only where somebody wants it, from x, W, b, y and y's gradient.

    With bf16 also from W in bfloat16, or an empty matrix.  b is for the gradients' own derivatives alone.
    """

    def make_node(self, *inputs):
        inputs = [T.as_tensor_variable(v) for v in inputs]
        return Apply(self, inputs, [v.type() for v in inputs[:3]])

    def infer_shape(self, node, shapes):
        return shapes[:3]

    def compute(self, inputs, outputs, wanted):
        x, weights, _, y, gy, *half = [dense_array(v) for v in inputs]
        d = self.prepare(x, weights)
        if not gy.shape == y.shape == (d.rows, d.out) or gy.dtype != "float32":
            raise ValueError("output and gradient have shapes %s and %s, the layer's output has %s"
                             % (y.shape, gy.shape, (d.rows, d.out)))
        shapes = [x.shape, weights.shape, (d.out,)]
        for name, cell, shape, want in zip(("gx", "gweights", "gbias"), outputs, shapes, wanted):
            array = room(cell, shape if want else (0,) * len(shape))
            setattr(d, name, address(array) if want else None)
        d.y, d.gy = address(y), address(gy)
        if half and half[0].shape == weights.shape:
            d.half = address(half[0])
        call("fkp_dense_backward", d, x, weights, gy)

    def in_theano(self, inputs):
        x, weights, bias, y, gy = inputs[:5]
        return T.grad(None, [x, weights, bias], known_grads={in_theano(self, x, weights, bias, y): gy})


def in_theano(op, x, weights, bias, y):
    """Dense's output as Theano's own expression; y, the Op's, says what dropout left."""
    z = expression(op.activation, T.dot(x.flatten(2), weights) + bias)
    return z * T.neq(theano.gradient.disconnected_grad(y), 0) * scale_of(op.threshold) if op.threshold else z
