"""Batch normalisation for training on our C++ library."""

import numpy as np
import theano.tensor as T
from theano.gof import Apply

from .native import NUMBER, POINTER, STRIDES, Call, Prepared, address, call, channels_last_room, elements, float32, room


class NormaliseCall(Call):
    """`struct Normalise` of normalise.cpp."""
    size_name = "fkp_normalise_size"
    _fields_ = ([("images", NUMBER), ("size", NUMBER * 3)] + [(name, STRIDES) for name in ["x_strides", "gy_strides"]]
                + [(name, POINTER) for name in ["x", "gy", "to", "gamma", "beta", "epsilon", "mean", "invstd",
                                                "variance", "ggamma", "gbeta"]])

    def take(self, **arrays):
        """Point at these arrays, which the caller keeps."""
        for name, array in arrays.items():
            setattr(self, name, address(array))


def of_channels(op, *variables):
    """Per channel: (1, c, 1, 1) and float32; raises TypeError."""
    return float32(op, [T.as_tensor_variable(v) for v in variables], *[4] * len(variables))


class BatchNormTrain(Prepared):
    """Theano's AbstractBatchNormTrain over the axes 0, 2 and 3: the same inputs and outputs.

    x: (n, c, h, w) with any strides; gamma, beta and the running averages (1,
    c, 1, 1); epsilon and factor one number each.  Returns y, channels-last in
    memory, the batch's mean and 1 / sqrt(variance + epsilon), and, where the
    running averages are given, their new values.
    """
    __props__ = ()

    def make_node(self, x, gamma, beta, epsilon, factor, *averages):
        (x,) = of_channels(self, x)
        gamma, beta, *averages = of_channels(self, gamma, beta, *averages)
        numbers = [T.as_tensor_variable(v) for v in (epsilon, factor)]
        return Apply(self, [x, gamma, beta, *numbers, *averages], [x.type()] + [gamma.type() for _ in [0, 0, *averages]])

    def infer_shape(self, node, shapes):
        return [shapes[0]] + [shapes[1]] * (len(node.outputs) - 1)

    def compute(self, inputs, outputs, wanted):
        x, gamma, beta, epsilon, factor, *averages = inputs
        n, c, h, w = x.shape
        arrays = dict(gamma=np.ascontiguousarray(gamma), beta=np.ascontiguousarray(beta),
                      epsilon=np.float32(epsilon).reshape(1), variance=np.empty(gamma.shape, np.float32),
                      mean=room(outputs[1], gamma.shape), invstd=room(outputs[2], gamma.shape),
                      x=x, to=channels_last_room(outputs[0], x.shape))
        if gamma.size != c or beta.size != c:
            raise ValueError("gamma and beta have %d and %d numbers, x has %d channels" % (gamma.size, beta.size, c))
        p = NormaliseCall(n, (NUMBER * 3)(c, h, w), elements(x))
        p.take(**arrays)
        call("fkp_normalise_forward", p, x)
        if averages:
            pixels = n * h * w
            now = arrays["mean"], arrays["variance"] * np.float32(pixels / max(pixels - 1, 1))
            for cell, average, newest in zip(outputs[3:], averages, now):
                cell[0] = average + np.float32(factor) * (newest - average)


class BatchNormTrainGradient(Prepared):
    """Theano's AbstractBatchNormTrainGrad over the axes 0, 2 and 3: the same inputs and outputs.

    x, gy: (n, c, h, w) with any strides; gamma, and mean and 1 / sqrt(variance
    + epsilon) as BatchNormTrain returned them, (1, c, 1, 1); epsilon is not
    read.  Returns the gradients of x, channels-last in memory, gamma and beta.
    """
    __props__ = ()

    def make_node(self, x, gy, gamma, mean, invstd, epsilon):
        x, gy = of_channels(self, x, gy)
        gamma, mean, invstd = of_channels(self, gamma, mean, invstd)
        return Apply(self, [x, gy, gamma, mean, invstd, T.as_tensor_variable(epsilon)],
                     [x.type(), gamma.type(), gamma.type()])

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[2], shapes[2]]

    def compute(self, inputs, outputs, wanted):
        x, gy, *of_channel, _ = inputs
        n, c, h, w = x.shape
        if gy.shape != x.shape or any(array.size != c for array in of_channel):
            raise ValueError("x and its gradient have shapes %s and %s" % (x.shape, gy.shape))
        gamma, mean, invstd = map(np.ascontiguousarray, of_channel)
        p = NormaliseCall(n, (NUMBER * 3)(c, h, w), elements(x), elements(gy))
        p.take(x=x, gy=gy, gamma=gamma, mean=mean, invstd=invstd, to=channels_last_room(outputs[0], x.shape),
               ggamma=room(outputs[1], gamma.shape), gbeta=room(outputs[2], gamma.shape))
        call("fkp_normalise_backward", p, x, gy)
