"""Convolutions of any geometry on our C++ library, with bias and activation where asked for."""
from collections import namedtuple

import theano.tensor as T
from theano.gof import Apply
from theano.gradient import DisconnectedType

from .activation import LINEAR, Curve, expression
from .derivatives import ByTheano, GradientByTheano
from .native import (NUMBER, POINTER, STRIDES, Call, Prepared, address, call, channels_last_room, dense_array, elements,
                     float32, nothing, room)


class ConvolutionCall(Call):
    """`struct Convolution` of convolution.cpp."""
    size_name = "fkp_convolution_size"
    _fields_ = ([(name, NUMBER) for name in ["images", "in_", "height", "width", "out", "rows", "columns"]]
                + [("pad", NUMBER * 4), ("stride", NUMBER * 2), ("dilation", NUMBER * 2), ("bf16", NUMBER)]
                + [(name, STRIDES) for name in ["x_strides", "y_strides", "gy_strides"]]
                + [(name, NUMBER) for name in ["flip", "pool", "channels_last", "threshold"]]
                + [("curve", Curve)]
                + [(name, POINTER) for name in ["x", "weights", "bias", "state", "y", "where", "gy", "gx", "gweights",
                                              "gbias"]])


class Geometry(namedtuple("Geometry", "border_mode stride dilation flip")):
    """Where a kernel lies on an image, in the terms of Theano's `conv2d`.

    border_mode: "valid", "half", "full", a number, or per axis a number or a
    pair (before, behind); stride (`subsample`) and dilation
    (`filter_dilation`): rows and columns; flip (`filter_flip`): the kernel is
    reversed.
    """

    def __new__(cls, border_mode="valid", stride=(1, 1), dilation=(1, 1), flip=True):
        return super().__new__(cls, border_mode, tuple(stride), tuple(dilation), bool(flip))

    def pads(self, kernel):
        """((above, below), (left, right)) for a kernel of so many rows and columns."""
        mode = self.border_mode
        if mode in ("half", "full"):
            spans = [(size - 1) * step + 1 for size, step in zip(kernel, self.dilation)]
            mode = [span // 2 if mode == "half" else span - 1 for span in spans]
        elif mode == "valid" or not isinstance(mode, tuple):
            mode = [0 if mode == "valid" else mode] * 2
        return tuple(pad if isinstance(pad, tuple) else (pad, pad) for pad in mode)

    def output(self, image, kernel):
        """Rows and columns of the output; numbers or symbols."""
        return tuple((size + sum(pad) - (points - 1) * dilation - 1) // stride + 1
                     for size, points, pad, stride, dilation in zip(
                         image, kernel, self.pads(kernel), self.stride, self.dilation))

    def expression(self, x, weights):
        """Theano's own convolution."""
        return T.nnet.conv2d(x, weights, border_mode=self.border_mode, subsample=self.stride, filter_flip=self.flip,
                             filter_dilation=self.dilation)


class Convolved(Prepared):
    """What the Ops here have in common.

    geometry: see Geometry.  activation: see activation.py.  bf16: multiply in bfloat16.
    """
    __props__ = ("geometry", "activation", "bf16")

    def __init__(self, geometry=Geometry(), activation=LINEAR, bf16=False):
        self.geometry, self.activation, self.bf16 = geometry, activation, bf16

    def prepare(self, x_shape, weights_shape):
        """The call with everything but the arrays, and the plane's shape; raises ValueError where they do not fit."""
        (n, c, h, w), (k, channels, rows, columns) = x_shape, weights_shape
        height, width = self.geometry.output((h, w), (rows, columns))
        if channels != c or height < 1 or width < 1:
            raise ValueError("a kernel of shape %s does not fit an input of shape %s" % (weights_shape, x_shape))
        pads = [number for pad in self.geometry.pads((rows, columns)) for number in pad]
        s = ConvolutionCall(n, c, h, w, k, rows, columns, (NUMBER * 4)(*pads), (NUMBER * 2)(*self.geometry.stride),
                            (NUMBER * 2)(*self.geometry.dilation), self.bf16)
        s.flip, s.curve = self.geometry.flip, Curve(self.activation)
        return s, (n, k, height, width)


def set_gradient(s, gy, shape):
    """Point the call to y's gradient; raises ValueError unless it has y's shape."""
    if gy.shape != shape:
        raise ValueError("the gradient's shape is %s, the output's is %s" % (gy.shape, shape))
    s.gy_strides, s.gy = elements(gy), address(gy)


def set_outputs(s, cells, shapes, wanted):
    """Provide memory for the gradients that somebody wants: x's, the kernel's and the bias's."""
    for name, cell, shape, want in zip(("gx", "gweights", "gbias"), cells, shapes, wanted):
        if want:
            setattr(s, name, address((channels_last_room if name == "gx" else room)(cell, shape)))
        else:
            nothing(cell, len(shape))


class Convolution(ByTheano, Convolved):
    """activation(conv(x, W) + b).

    x: (n, c, h, w) with any strides, W: (k, c, rows, columns), b (may be left
    out): (k,).  Returns y: (n, k, height, width), channels-last in memory
    unless channels_last is False.
    """
    __props__ = ("geometry", "activation", "bf16", "channels_last")

    def __init__(self, geometry=Geometry(), activation=LINEAR, bf16=False, channels_last=True):
        super().__init__(geometry, activation, bf16)
        self.channels_last = channels_last

    def make_node(self, x, weights, *bias):
        inputs = float32(self, [T.as_tensor_variable(v) for v in (x, weights, *bias)], 4, 4, *[1] * len(bias))
        pattern = [inputs[0].broadcastable[0], inputs[1].broadcastable[0], False, False]
        return Apply(self, inputs, [T.TensorType("float32", pattern)()])

    def infer_shape(self, node, shapes):
        x, weights = shapes[:2]
        return [(x[0], weights[0], *self.geometry.output(x[2:], weights[2:]))]

    def compute(self, inputs, outputs, wanted):
        x, weights, *bias = inputs[0], *map(dense_array, inputs[1:])
        s, shape = self.prepare(x.shape, weights.shape)
        if bias and bias[0].shape != shape[1:2]:
            raise ValueError("a bias of shape %s does not fit a kernel of shape %s" % (bias[0].shape, weights.shape))
        y = (channels_last_room if self.channels_last else room)(outputs[0], shape)
        s.x_strides, s.x, s.weights = elements(x), address(x), address(weights)
        s.bias = address(bias[0]) if bias else None
        s.channels_last, s.y = self.channels_last, address(y)
        call("fkp_convolution_forward", s, x, weights)

    def L_op(self, inputs, outputs, gradients):
        gradient = ConvolutionGradient(self.geometry, self.activation, self.bf16)
        return gradient(*inputs, outputs[0], gradients[0], return_list=True)

    def in_theano(self, inputs):
        return [in_theano(self, *inputs)]


class ConvolutionGradient(GradientByTheano, Convolved):
    """Convolution's gradients for its inputs, each only where somebody wants it, from x, W, b if it has one, y and gy.

    b is for the gradients' own derivatives alone.
    """

    def make_node(self, *inputs):
        inputs = [T.as_tensor_variable(v) for v in inputs]
        float32(self, inputs, 4, 4, *[1] * (len(inputs) - 4), 4, 4)
        return Apply(self, inputs, [v.type() for v in inputs[:-2]])

    def infer_shape(self, node, shapes):
        return shapes[:-2]

    def compute(self, inputs, outputs, wanted):
        x, weights, *_, y, gy = inputs
        weights = dense_array(weights)
        s, shape = self.prepare(x.shape, weights.shape)
        set_gradient(s, gy, shape)
        if y.shape != shape:
            raise ValueError("the output's shape is %s, not %s" % (y.shape, shape))
        set_outputs(s, outputs, [x.shape, weights.shape, weights.shape[:1]], wanted)
        s.x_strides, s.x, s.weights = elements(x), address(x), address(weights)
        s.y_strides, s.y = elements(y), address(y)
        call("fkp_convolution_backward", s, x, weights, gy)

    def in_theano(self, inputs):
        *inputs, _, gy = inputs
        return T.grad(None, inputs, known_grads={in_theano(self, *inputs): gy})


def in_theano(op, x, weights, *bias):
    """Convolution's output as Theano's own expression."""
    z = op.geometry.expression(x, weights)
    return expression(op.activation, z + bias[0].dimshuffle("x", 0, "x", "x") if bias else z)


class ConvolutionWeights(Convolved):
    """The kernel's gradient, linear, without a bias: Theano's AbstractConv2d_gradWeights.

    x: (n, c, h, w), gy: (n, k, height, width), size: rows and columns of the
    kernel (two int64).  Returns (k, c, rows, columns).
    """

    def make_node(self, x, gy, size):
        inputs = float32(self, [T.as_tensor_variable(v) for v in (x, gy)], 4, 4)
        pattern = [inputs[1].broadcastable[1], inputs[0].broadcastable[1], False, False]
        return Apply(self, [*inputs, T.cast(size, "int64")], [T.TensorType("float32", pattern)()])

    def infer_shape(self, node, shapes):
        size = node.inputs[2]
        return [(shapes[1][1], shapes[0][1], size[0], size[1])]

    def compute(self, inputs, outputs, wanted):
        x, gy, size = inputs
        weights = (gy.shape[1], x.shape[1], int(size[0]), int(size[1]))
        s, shape = self.prepare(x.shape, weights)
        set_gradient(s, gy, shape)
        s.x_strides, s.x, s.gweights = elements(x), address(x), address(room(outputs[0], weights))
        call("fkp_convolution_backward", s, x, gy)

    def L_op(self, inputs, outputs, gradients):
        x, gy, size = inputs
        gx = ConvolutionInputs(self.geometry, self.activation, self.bf16)(gradients[0], gy, x.shape[2:])
        ggy = Convolution(self.geometry, self.activation, self.bf16)(x, gradients[0])
        return [gx, ggy, DisconnectedType()()]

    def connection_pattern(self, node):
        return [[True], [True], [False]]


class ConvolutionInputs(Convolved):
    """The input's gradient, linear: Theano's AbstractConv2d_gradInputs, a transposed convolution.

    W: (k, c, rows, columns), gy: (n, k, height, width), size: rows and columns
    of the input (two int64).  Returns (n, c, h, w), channels-last in memory.
    """

    def make_node(self, weights, gy, size):
        inputs = float32(self, [T.as_tensor_variable(v) for v in (weights, gy)], 4, 4)
        pattern = [inputs[1].broadcastable[0], inputs[0].broadcastable[1], False, False]
        return Apply(self, [*inputs, T.cast(size, "int64")], [T.TensorType("float32", pattern)()])

    def infer_shape(self, node, shapes):
        size = node.inputs[2]
        return [(shapes[1][0], shapes[0][1], size[0], size[1])]

    def compute(self, inputs, outputs, wanted):
        weights, gy, size = dense_array(inputs[0]), *inputs[1:]
        x = (gy.shape[0], weights.shape[1], int(size[0]), int(size[1]))
        s, shape = self.prepare(x, weights.shape)
        set_gradient(s, gy, shape)
        s.weights, s.gx = address(weights), address(channels_last_room(outputs[0], x))
        call("fkp_convolution_backward", s, weights, gy)

    def L_op(self, inputs, outputs, gradients):
        weights, gy, size = inputs
        gw = ConvolutionWeights(self.geometry, self.activation, self.bf16)(gradients[0], gy, weights.shape[2:])
        ggy = Convolution(self.geometry, self.activation, self.bf16)(gradients[0], weights)
        return [gw, ggy, DisconnectedType()()]

    def connection_pattern(self, node):
        return [[True], [True], [False]]
