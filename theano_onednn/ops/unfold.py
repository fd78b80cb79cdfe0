"""Theano's own graph where a mode excludes "fkp": a Lasagne net's layers are our Ops before any rewrite sees them.

What dropout drops is drawn by our library all the same, so that such a
function gives the numbers of one that holds our Ops.
"""
import numpy as np
import theano.tensor as T
from theano.gof import Apply, Optimizer
from theano.gof.toolbox import ReplaceValidate
from theano.tensor.nnet.abstract_conv import AbstractConv2d_gradInputs, AbstractConv2d_gradWeights
from theano.tensor.nnet.bn import AbstractBatchNormTrain
from theano.tensor.signal.pool import pool_2d

from . import OURS, BatchNormTrain, ConvolutionInputs, ConvolutionWeights, Dense, Nesterov, Stage
from .activation import RECTIFIER, expression
from .native import Prepared
from .stage import DROPPED


class Keep(Prepared):
    """What a layer's dropout keeps.

    state: 4 uint32; shape: rows (or images), and numbers in each.  Returns (rows, numbers) float32: the scale, or 0 for
    what is dropped.
    """
    __props__ = ("threshold",)

    def __init__(self, threshold):
        self.threshold = threshold

    def make_node(self, state, shape):
        return Apply(self, [state, T.cast(T.as_tensor_variable(shape), "int64")], [T.fmatrix()])

    def compute(self, inputs, outputs, wanted):
        """As a dense layer whose sums are all 1."""
        state, (rows, numbers) = inputs
        zeros, ones = np.zeros((1, numbers), "float32"), np.ones(numbers, "float32")
        Dense(RECTIFIER, self.threshold).compute([zeros[:, :1].repeat(rows, 0), zeros, ones, state],
                                                 [outputs[0], [None]], [True, True])


def following(state):
    """The generator's state after one call: a number of 64 bits, the lower half first, counts calls."""
    low = state[2] + np.uint32(1)
    return T.stack([state[0], state[1], low, state[3] + T.cast(T.eq(low, 0), "uint32")])


def of_dense(op, x, weights, bias, *state):
    y = expression(op.activation, T.dot(x.flatten(2), weights) + bias)
    if state:
        y *= Keep(op.threshold)(state[0], y.shape)
    return [y, *[None] * op.bf16, *map(following, state)]


def of_stage(op, x, weights, bias, *state):
    z = expression(op.activation, op.geometry.expression(x, weights) + bias.dimshuffle("x", 0, "x", "x"))
    y = pool_2d(z, (2, 2), ignore_border=True)
    n, k, h, w = y.shape
    if not state:
        return [y, T.zeros((n, h, w, k), "uint8")]
    keep = Keep(op.threshold)(state[0], (n, h * w * k)).reshape((n, h, w, k))
    return [y * keep.dimshuffle(0, 3, 1, 2), T.switch(T.eq(keep, 0), DROPPED, np.uint8(0)), following(state[0])]


def of_normalise(op, *inputs):
    y, *others = AbstractBatchNormTrain(axes=(0, 2, 3))(*inputs)
    y = expression(op.activation, y)
    return [pool_2d(y, (2, 2), ignore_border=True) if op.pool else y, *others]


def of_gradient(kind):
    """The linear gradients of a convolution."""
    def expressions(op, one, gy, size):
        geometry = op.geometry
        return [kind(border_mode=geometry.border_mode, subsample=geometry.stride, filter_flip=geometry.flip,
                     filter_dilation=geometry.dilation)(one, gy, size)]

    return expressions


def of_nesterov(op, parameter, velocity, gradient, rate, momentum):
    step = momentum * velocity - rate * gradient
    return [parameter + momentum * step - rate * gradient, step]


THEANOS = {BatchNormTrain: of_normalise, ConvolutionInputs: of_gradient(AbstractConv2d_gradInputs),
           ConvolutionWeights: of_gradient(AbstractConv2d_gradWeights), Dense: of_dense, Nesterov: of_nesterov,
           Stage: of_stage}


class Allow(Optimizer):
    """Has the tag "fkp"; where it has not run, `Unfold` has work."""

    def apply(self, fgraph):
        fgraph.may_hold_ours = True


class Unfold(Optimizer):
    """Theano's own expressions in place of our Ops, before any other rewrite."""

    def add_requirements(self, fgraph):
        fgraph.attach_feature(ReplaceValidate())

    def apply(self, fgraph):
        if getattr(fgraph, "may_hold_ours", False):
            return
        for node in fgraph.toposort():
            if isinstance(node.op, OURS):
                theanos = THEANOS.get(type(node.op), lambda op, *inputs: op.in_theano(inputs))
                pairs = [(old, T.patternbroadcast(T.cast(new, old.dtype), old.broadcastable))
                         for old, new in zip(node.outputs, theanos(node.op, *node.inputs)) if new is not None]
                fgraph.replace_all_validate(pairs, reason="fkp is excluded")
