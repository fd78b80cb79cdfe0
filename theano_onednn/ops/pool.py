"""Pools of any window, stride and padding on our C++ library."""
import theano.tensor as T
from theano.gof import Apply
from theano.tensor.signal.pool import Pool as TheanoPool
from theano.tensor.signal.pool import pool_2d

from .derivatives import ByTheano, GradientByTheano
from .native import NUMBER, POINTER, STRIDES, Call, Prepared, address, call, channels_last_room, elements, float32

theanos_repeat = T.extra_ops.repeat
MODES = {"max": 0, "sum": 1, "average_inc_pad": 2, "average_exc_pad": 3}  # pools.cpp's `Mode`


class PoolCall(Call):
    """`struct Pool` of pools.cpp."""
    size_name = "fkp_pool_size"
    _fields_ = ([("images", NUMBER), ("in_", NUMBER * 3), ("out", NUMBER * 3)]
                + [(name, NUMBER * 2) for name in ["window", "stride", "pad"]]
                + [(name, NUMBER) for name in ["mode", "ignore_border"]]
                + [(name, STRIDES) for name in ["x_strides", "y_strides", "gy_strides"]]
                + [(name, POINTER) for name in ["x", "y", "gy", "gx"]])


class Pooled(Prepared):
    """What the Ops here have in common, in the terms of Theano's `Pool`.

    window (`ws`), stride, pad: rows and columns.  mode: "max", "sum",
    "average_inc_pad" or "average_exc_pad".
    """
    __props__ = ("window", "stride", "pad", "mode", "ignore_border")

    def __init__(self, window, stride=None, pad=(0, 0), mode="max", ignore_border=True):
        self.window, self.stride, self.pad = tuple(window), tuple(stride or window), tuple(pad)
        self.mode, self.ignore_border = mode, ignore_border
        if mode not in MODES or any(p >= size for p, size in zip(self.pad, self.window)) or (
                any(self.pad) and not ignore_border):
            raise ValueError("no pool with window %s, stride %s, pad %s, mode %r and ignore_border=%s"
                             % (window, stride, pad, mode, ignore_border))

    def output(self, shape):
        """The pooled shape, as Theano computes it; numbers or symbols."""
        return TheanoPool.out_shape(shape, self.window, self.ignore_border, self.stride, self.pad, 2)

    def prepare(self, shape, pooled):
        pair = NUMBER * 2
        return PoolCall(shape[0], (NUMBER * 3)(*shape[1:]), (NUMBER * 3)(*pooled[1:]), pair(*self.window),
                        pair(*self.stride), pair(*self.pad), MODES[self.mode], self.ignore_border)


class Pool(ByTheano, Pooled):
    """Maxima, sums or means of windows.

    x: (n, c, h, w) with any strides.  Returns (n, c, height, width), channels-last in memory.
    """

    def make_node(self, x):
        (x,) = float32(self, [T.as_tensor_variable(x)], 4)
        return Apply(self, [x], [T.TensorType("float32", [*x.broadcastable[:2], False, False])()])

    def infer_shape(self, node, shapes):
        return [self.output(shapes[0])]

    def compute(self, inputs, outputs, wanted):
        x = inputs[0]
        pooled = tuple(int(size) for size in self.output(x.shape))
        p = self.prepare(x.shape, pooled)
        p.x_strides, p.x, p.y = elements(x), address(x), address(channels_last_room(outputs[0], pooled))
        call("fkp_pool_forward", p, x)

    def L_op(self, inputs, outputs, gradients):
        gradient = PoolGradient(self.window, self.stride, self.pad, self.mode, self.ignore_border)
        return [gradient(inputs[0], outputs[0], gradients[0])]

    def in_theano(self, inputs):
        return [in_theano(self, *inputs)]


class PoolGradient(GradientByTheano, Pooled):
    """x's gradient, from x, y and y's gradient; a maximum's goes to all that are equal to it.

    Theano's MaxPoolGrad(x, y, gy) and AveragePoolGrad(x, gy); for sums and means y is not read (pass gy).
    """

    def make_node(self, x, y, gy):
        inputs = float32(self, [T.as_tensor_variable(v) for v in (x, y, gy)], 4, 4, 4)
        return Apply(self, inputs, [inputs[0].type()])

    def infer_shape(self, node, shapes):
        return [shapes[0]]

    def compute(self, inputs, outputs, wanted):
        x, y, gy = inputs
        pooled = tuple(int(size) for size in self.output(x.shape))
        if not y.shape == gy.shape == pooled:
            raise ValueError("output and gradient have shapes %s and %s, the pool of %s has %s"
                             % (y.shape, gy.shape, x.shape, pooled))
        p = self.prepare(x.shape, pooled)
        for name, array in (("x", x), ("y", y), ("gy", gy)):
            setattr(p, name, address(array))
            setattr(p, name + "_strides", elements(array))
        p.gx = address(channels_last_room(outputs[0], x.shape))
        call("fkp_pool_backward", p, x)

    def in_theano(self, inputs):
        x, _, gy = inputs
        return T.grad(None, [x], known_grads={in_theano(self, x): gy})


def in_theano(op, x):
    """A pool as Theano's own expression."""
    return pool_2d(x, op.window, op.ignore_border, op.stride, op.pad, op.mode)


class Upscale(ByTheano, Prepared):
    """Every pixel `rows` times `columns` times: `T.extra_ops.repeat` over both axes, Lasagne's Upscale2DLayer.

    x: (n, c, h, w) with any strides.  Returns (n, c, h rows, w columns), channels-last in memory.
    """
    __props__ = ("factors",)

    def __init__(self, factors):
        self.factors = tuple(factors)

    def make_node(self, x):
        (x,) = float32(self, [T.as_tensor_variable(x)], 4)
        return Apply(self, [x], [T.TensorType("float32", [*x.broadcastable[:2], False, False])()])

    def infer_shape(self, node, shapes):
        n, c, h, w = shapes[0]
        return [(n, c, h * self.factors[0], w * self.factors[1])]

    def compute(self, inputs, outputs, wanted):
        x = inputs[0]  # upscaling is what a sum's gradient does
        (shape,) = self.infer_shape(None, [x.shape])
        p = Pool(self.factors, mode="sum").prepare(shape, x.shape)
        p.gy_strides, p.gy, p.gx = elements(x), address(x), address(channels_last_room(outputs[0], shape))
        call("fkp_pool_backward", p, x)

    def L_op(self, inputs, outputs, gradients):
        return [Pool(self.factors, mode="sum")(gradients[0])]

    def in_theano(self, inputs):
        rows, columns = self.factors
        return [theanos_repeat(theanos_repeat(inputs[0], rows, 2), columns, 3)]
