"""A layer's non-linearity: "tanh", "sigmoid" or a number, the slope where the sum is negative.

1 is linear, 0 the rectifier, between them is Lasagne's `leaky_rectify`.  At
exactly 0 the derivative is the mean of both slopes, as in Lasagne's graphs.
"""
import ctypes

import theano.tensor as T

LINEAR, RECTIFIER = 1.0, 0.0
KINDS = {"tanh": 1, "sigmoid": 2}  # activation.h's `Activation`


class Curve(ctypes.Structure):
    """`struct Curve` of activation.h; raises ValueError for what is none."""
    _fields_ = [("kind", ctypes.c_int64), ("slope", ctypes.c_double)]

    def __init__(self, activation):
        if activation in KINDS:
            super().__init__(KINDS[activation])
        elif not isinstance(activation, str) and 0 <= activation <= 1:
            super().__init__(0, activation)
        else:
            raise ValueError("an activation is tanh, sigmoid or a slope from 0 to 1, not %r" % (activation,))


def expression(activation, z):
    """Theano's own expression of it."""
    if activation in KINDS:
        return {"tanh": T.tanh, "sigmoid": T.nnet.sigmoid}[activation](z)
    return z if activation == LINEAR else T.nnet.relu(z, activation)
