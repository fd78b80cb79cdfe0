"""Batch normalisation for training on our C++ library, with the activation and the pool behind it."""
import numpy as np
import theano.tensor as T
from theano.gof import Apply
from theano.gradient import DisconnectedType
from theano.tensor.signal.pool import pool_2d

from .activation import KINDS, LINEAR, Curve, expression
from .derivatives import ByTheano, GradientByTheano
from .native import NUMBER, POINTER, STRIDES, Call, Prepared, address, call, channels_last_room, elements, float32, room


class NormaliseCall(Call):
    """`struct Normalise` of normalise.cpp."""
    size_name = "fkp_normalise_size"
    _fields_ = ([("images", NUMBER), ("size", NUMBER * 3)] + [(name, STRIDES) for name in ["x_strides", "gy_strides"]]
                + [("pool", NUMBER), ("curve", Curve)]
                + [(name, POINTER) for name in ["x", "gy", "to", "gamma", "beta", "epsilon", "mean", "invstd",
                                                "variance", "ggamma", "gbeta"]])

    def take(self, **arrays):
        """Point at these arrays, which the caller keeps."""
        for name, array in arrays.items():
            setattr(self, name, address(array))


def of_channels(op, *variables):
    """Per channel: (1, c, 1, 1) and float32; raises TypeError."""
    return float32(op, [T.as_tensor_variable(v) for v in variables], *[4] * len(variables))


class Normalised(Prepared):
    """What both Ops share.  activation: see activation.py.  pool: a 2x2 max-pool follows a slope."""
    __props__ = ("activation", "pool")

    def __init__(self, activation=LINEAR, pool=False):
        if pool and activation in KINDS:
            raise ValueError("a pool follows a slope, not %s" % activation)
        self.activation, self.pool = activation, pool

    def output(self, shape):
        """y's shape; numbers or symbols."""
        n, c, h, w = shape
        return (n, c, h // 2, w // 2) if self.pool else (n, c, h, w)

    def prepare(self, x, *gy):
        n, c, h, w = x.shape
        p = NormaliseCall(n, (NUMBER * 3)(c, h, w), elements(x), *map(elements, gy))
        p.pool, p.curve = self.pool, Curve(self.activation)
        return p


class BatchNormTrain(ByTheano, Normalised):
    """Theano's AbstractBatchNormTrain over the axes 0, 2 and 3: the same inputs and outputs.

    x: (n, c, h, w) with any strides; gamma, beta and the running averages (1,
    c, 1, 1); epsilon and factor one number each.  Returns y, channels-last in
    memory, the batch's mean and 1 / sqrt(variance + epsilon), and, where the
    running averages are given, their new values.  y is normalised, activated
    and, if asked for, pooled; it alone has a gradient.
    """

    def make_node(self, x, gamma, beta, epsilon, factor, *averages):
        (x,) = of_channels(self, x)
        gamma, beta, *averages = of_channels(self, gamma, beta, *averages)
        numbers = [T.as_tensor_variable(v) for v in (epsilon, factor)]
        y = T.TensorType("float32", [*x.broadcastable[:2], False, False])() if self.pool else x.type()
        return Apply(self, [x, gamma, beta, *numbers, *averages], [y] + [gamma.type() for _ in [0, 0, *averages]])

    def infer_shape(self, node, shapes):
        return [self.output(shapes[0])] + [shapes[1]] * (len(node.outputs) - 1)

    def compute(self, inputs, outputs, wanted):
        x, gamma, beta, epsilon, factor, *averages = inputs
        n, c, h, w = x.shape
        arrays = dict(gamma=np.ascontiguousarray(gamma), beta=np.ascontiguousarray(beta),
                      epsilon=np.float32(epsilon).reshape(1), variance=np.empty(gamma.shape, np.float32),
                      mean=room(outputs[1], gamma.shape), invstd=room(outputs[2], gamma.shape),
                      x=x, to=channels_last_room(outputs[0], self.output(x.shape)))
        if gamma.size != c or beta.size != c:
            raise ValueError("gamma and beta have %d and %d numbers, x has %d channels" % (gamma.size, beta.size, c))
        p = self.prepare(x)
        p.take(**arrays)
        call("fkp_normalise_forward", p, x)
        if averages:
            pixels = n * h * w
            now = arrays["mean"], arrays["variance"] * np.float32(pixels / max(pixels - 1, 1))
            for cell, average, newest in zip(outputs[3:], averages, now):
                cell[0] = average + np.float32(factor) * (newest - average)

    def connection_pattern(self, node):
        return [[i < 3] + [False] * (len(node.outputs) - 1) for i in range(len(node.inputs))]

    def L_op(self, inputs, outputs, gradients):
        x, gamma, beta, epsilon, *rest = inputs
        gradient = BatchNormTrainGradient(self.activation, self.pool)
        found = gradient(x, gradients[0], gamma, outputs[1], outputs[2], epsilon, beta)
        return list(found[:3]) + [DisconnectedType()() for _ in [epsilon, *rest]]

    def in_theano(self, inputs):
        return [in_theano(self, *inputs[:4]), *[None] * (2 + len(inputs[5:]))]


class BatchNormTrainGradient(GradientByTheano, Normalised):
    """Theano's AbstractBatchNormTrainGrad over the axes 0, 2 and 3: the same inputs and outputs.

    x, gy: (n, c, h, w) with any strides; gamma, and mean and 1 / sqrt(variance
    + epsilon) as BatchNormTrain returned them, and beta (which only activation
    and pool need), (1, c, 1, 1); epsilon is for the gradients' own derivatives
    alone.  Returns the gradients of x, channels-last in memory, gamma and beta.
    """

    def make_node(self, x, gy, gamma, mean, invstd, epsilon, *beta):
        x, gy = of_channels(self, x, gy)
        gamma, mean, invstd, *beta = of_channels(self, gamma, mean, invstd, *beta)
        return Apply(self, [x, gy, gamma, mean, invstd, T.as_tensor_variable(epsilon), *beta],
                     [x.type(), gamma.type(), gamma.type()])

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[2], shapes[2]]

    def compute(self, inputs, outputs, wanted):
        x, gy, gamma, mean, invstd, _, *beta = inputs
        if gy.shape != self.output(x.shape) or any(v.size != x.shape[1] for v in (gamma, mean, invstd, *beta)):
            raise ValueError("x and its output's gradient have shapes %s and %s" % (x.shape, gy.shape))
        gamma, mean, invstd, *beta = map(np.ascontiguousarray, (gamma, mean, invstd, *beta))
        p = self.prepare(x, gy)
        p.take(x=x, gy=gy, gamma=gamma, mean=mean, invstd=invstd, to=channels_last_room(outputs[0], x.shape),
               ggamma=room(outputs[1], gamma.shape), gbeta=room(outputs[2], gamma.shape), **dict(zip(["beta"], beta)))
        call("fkp_normalise_backward", p, x, gy)

    def in_theano(self, inputs):
        x, gy, gamma, _, _, epsilon, beta = inputs
        return T.grad(None, [x, gamma, beta], known_grads={in_theano(self, x, gamma, beta, epsilon): gy})


def in_theano(op, x, gamma, beta, epsilon):
    """BatchNormTrain's y as Theano's own expression."""
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    y = expression(op.activation, (x - mean) * gamma / T.sqrt(variance + epsilon) + beta)
    return pool_2d(y, (2, 2), ignore_border=True) if op.pool else y


def batch_normalization_train(x, gamma, beta, axes, epsilon, factor, mean, variance, activation=LINEAR, pool=False):
    """Theano's, for "spatial" axes and with running averages, but activated and pooled."""
    of_channel = [v.dimshuffle("x", 0, "x", "x") for v in (gamma, beta, mean, variance)]
    y, *others = BatchNormTrain(activation, pool)(x, *of_channel[:2], epsilon, factor, *of_channel[2:])
    return [y, *(v.dimshuffle(1) for v in others)]
