"""The fused convolution stage on our C++ library."""
import numpy as np
import theano.tensor as T
from theano.gof import Apply
from theano.gradient import DisconnectedType
from theano.tensor.signal.pool import pool_2d

from .activation import RECTIFIER, expression
from .convolution import Convolved, Geometry, set_gradient, set_outputs
from .derivatives import ByTheano, GradientByTheano
from .native import address, call, channels_last_room, dense_array, elements, float32, next_state, room, scale_of

DROPPED = np.uint8(64)  # pool.h's: a bit of `where`


class Staged(Convolved):
    """What Stage and its gradient share.  activation: a slope, see Convolved."""
    __props__ = ("geometry", "activation", "bf16", "threshold")

    def __init__(self, geometry=Geometry(), activation=RECTIFIER, bf16=False, threshold=0):
        super().__init__(geometry, activation, bf16)
        self.threshold = threshold

    def prepare(self, x, weights):
        """As Convolved's, with x, W and dropout set, and y's shape."""
        s, (n, k, height, width) = super().prepare(x.shape, weights.shape)
        s.pool, s.threshold = True, self.threshold
        s.x_strides, s.x, s.weights = elements(x), address(x), address(weights)
        return s, (n, k, height // 2, width // 2)


class Stage(ByTheano, Staged):
    """Convolution, bias, activation, 2x2 max-pool, dropout: pool(activation(conv(x, W) + b)) * mask.

    x: (n, c, h, w) with any strides, W: (k, c, rows, columns), b: (k,),
    state (with dropout): 4 uint32.  Returns y: (n, k, height // 2, width // 2),
    `where` for the gradient (see pool.h) and, with dropout, the generator's
    next state.

    activation: a slope, from 0 (rectifier) to 1 (none).
    threshold: 65536 times the probability of dropping, rounded; 0: none.
    channels_last: y's order in memory; its shape is the same.
    """
    __props__ = ("geometry", "activation", "bf16", "threshold", "channels_last")

    def __init__(self, geometry=Geometry(), activation=RECTIFIER, bf16=False, threshold=0, channels_last=False):
        super().__init__(geometry, activation, bf16, threshold)
        self.channels_last = channels_last

    def make_node(self, x, weights, bias, *state):
        inputs = float32(self, [T.as_tensor_variable(v) for v in (x, weights, bias)], 4, 4, 1)
        pattern = [inputs[0].broadcastable[0], inputs[1].broadcastable[0], False, False]
        return Apply(self, [*inputs, *state], [T.TensorType("float32", pattern)(), T.TensorType("uint8", [False] * 4)(),
                                               *(v.type() for v in state)])

    def infer_shape(self, node, shapes):
        x, weights = shapes[:2]
        height, width = [size // 2 for size in self.geometry.output(x[2:], weights[2:])]
        return [(x[0], weights[0], height, width), (x[0], height, width, weights[0])] + list(shapes[3:])

    def compute(self, inputs, outputs, wanted):
        x, weights, bias = inputs[0], dense_array(inputs[1]), dense_array(inputs[2])
        s, shape = self.prepare(x, weights)
        n, k, h, w = shape
        if bias.shape != (k,):
            raise ValueError("a bias of shape %s does not fit a kernel of shape %s" % (bias.shape, weights.shape))
        y = (channels_last_room if self.channels_last else room)(outputs[0], shape)
        where = room(outputs[1], (n, h, w, k) if wanted[1] else (0, 0, 0, 0), "uint8")
        s.channels_last, s.bias, s.y = self.channels_last, address(bias), address(y)
        s.where = address(where) if wanted[1] else None
        if self.threshold:
            s.state = address(inputs[3])
            next_state(inputs[3], outputs[2])
        call("fkp_convolution_forward", s, x, weights)

    def connection_pattern(self, node):
        return [[True] + [False] * (len(node.outputs) - 1)] * 3 + [[False] * len(node.outputs)] * (len(node.inputs) - 3)

    def L_op(self, inputs, outputs, gradients):
        gradient = StageGradient(self.geometry, self.activation, self.bf16, self.threshold)
        found = gradient(*inputs[:3], outputs[1], gradients[0])
        return list(found) + [DisconnectedType()() for _ in inputs[3:]]

    def in_theano(self, inputs):
        where = self(*inputs, return_list=True)[1]
        return [in_theano(self, *inputs[:3], where), None, *[None] * len(inputs[3:])]


class StageGradient(GradientByTheano, Staged):
    """Stage's gradients for x, W and b, each only where somebody wants it, from x, W, b, `where` and y's gradient.

    b is for the gradients' own derivatives alone.
    """

    def make_node(self, *inputs):
        inputs = [T.as_tensor_variable(v) for v in inputs]
        float32(self, inputs[:3] + inputs[4:], 4, 4, 1, 4)
        return Apply(self, inputs, [v.type() for v in inputs[:3]])

    def infer_shape(self, node, shapes):
        return shapes[:3]

    def compute(self, inputs, outputs, wanted):
        x, weights, _, where, gy = inputs
        weights, where = dense_array(weights), dense_array(where)
        s, shape = self.prepare(x, weights)
        set_gradient(s, gy, shape)
        n, k, h, w = shape
        if where.shape != (n, h, w, k):
            raise ValueError("`where` has shape %s, the layer's output %s" % (where.shape, shape))
        set_outputs(s, outputs, [x.shape, weights.shape, weights.shape[:1]], wanted)
        s.where = address(where)
        call("fkp_convolution_backward", s, x, weights, gy)

    def in_theano(self, inputs):
        x, weights, bias, where, gy = inputs
        return T.grad(None, [x, weights, bias], known_grads={in_theano(self, x, weights, bias, where): gy})


def in_theano(op, x, weights, bias, where):
    """Stage's output as Theano's own expression; `where` says what dropout left."""
    z = expression(op.activation, op.geometry.expression(x, weights) + bias.dimshuffle("x", 0, "x", "x"))
    y = pool_2d(z, (2, 2), ignore_border=True)
    return y * T.eq(where & DROPPED, 0).dimshuffle(0, 3, 1, 2) * scale_of(op.threshold) if op.threshold else y
