"""Groups of Lasagne's layers that one of our Ops computes.

    Conv2DLayer, MaxPool2DLayer (2x2) [, DropoutLayer]    ->  Stage
    Conv2DLayer                                           ->  Convolution
    Conv2DLayer, BatchNormLayer [, NonlinearityLayer [, MaxPool2DLayer (2x2)]]  ->  Convolution, BatchNormTrain
    DenseLayer [, DropoutLayer]                           ->  Dense

A layer belongs to a group by what it does (see released.py), never by its name.
"""
import functools
import weakref
from collections import namedtuple

import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import (ConcatLayer, Conv2DLayer, DenseLayer, DropoutLayer, ElemwiseMergeLayer, MaxPool2DLayer,
                            NonlinearityLayer, Pool2DLayer)
from lasagne.nonlinearities import LeakyRectify, identity, rectify, sigmoid, tanh

from ..layers import BatchNormLayer, UpscaleLayer
from . import LINEAR, RECTIFIER, Convolution, Dense, Geometry, Stage, loops, old_convolutions
from .normalise import batch_normalization_train
from .released import does

precision = "float32"
_draws = weakref.WeakKeyDictionary()  # how often a dropout layer was built into a graph

# build(group, what comes in, deterministic): the group's expression, or None where our Op does not take that
Group = namedtuple("Group", "build members activation dropout channels_last")
# Layers that gain by it; see layout.py.
TAKE_CHANNELS_LAST = (BatchNormLayer, ConcatLayer, Conv2DLayer, ElemwiseMergeLayer, Pool2DLayer, UpscaleLayer)


def find_groups(layers, wanted):
    """{last layer: Group} for all that our Ops can compute among `layers`; `wanted`: those that somebody asked for."""
    consumers = {}
    for layer in layers:
        for before in getattr(layer, "input_layers", [getattr(layer, "input_layer", None)]):
            consumers.setdefault(before, []).append(layer)

    groups = [find_group(layer, consumers, wanted) for layer in layers]
    return {group.members[-1]: group for group in groups if group}


def find_group(first, consumers, wanted):
    """The group that begins at this layer, or None."""
    def only_consumer(layer):
        found = consumers.get(layer, [])
        return found[0] if len(found) == 1 and layer not in wanted else None

    dropout = None
    if does(first, Conv2DLayer) and first.convolution in (T.nnet.conv2d, old_convolutions.conv2d):
        activation = activation_of(first, wanted) if first.b is None or not first.untie_biases else None
        following = only_consumer(first)
        build, members = build_convolution, [first]
        if activation == LINEAR and does(following, BatchNormLayer):
            build = build_normalised
            members, activation = normalised(first, only_consumer, wanted)
        elif not isinstance(activation, (str, type(None))) and halves(following):
            build, members, dropout = build_stage, [first, following], dropout_after(following, only_consumer)
    elif does(first, DenseLayer) and not loops.inside():
        build, members, activation = build_dense, [first], activation_of(first, wanted)
        dropout = dropout_after(first, only_consumer) if activation == RECTIFIER else None
    else:
        return None
    members += [dropout] * bool(dropout)
    followers = consumers.get(members[-1], [])
    channels_last = bool(followers) and all(isinstance(layer, TAKE_CHANNELS_LAST) for layer in followers)
    return Group(build, members, activation, dropout, channels_last)


def normalised(conv, only_consumer, wanted):
    """The group's layers that begin with this convolution and batch normalisation, and the activation."""
    members, activation = [conv, only_consumer(conv)], LINEAR
    following = only_consumer(members[-1])
    if does(following, NonlinearityLayer) and activation_of(following, wanted) is not None:
        members, activation = [*members, following], activation_of(following, wanted)
        following = only_consumer(following)
    return members + [following] * (not isinstance(activation, str) and halves(following)), activation


def activation_of(layer, wanted):
    """The layer's nonlinearity in activation.py's terms, None where it is another."""
    function = layer.nonlinearity
    if type(function) is LeakyRectify and isinstance(function.leakiness, (int, float)) and 0 <= function.leakiness <= 1:
        return float(function.leakiness)
    if function is sigmoid and layer in wanted:
        return None  # a logarithm may follow, and Theano makes log(sigmoid(z)) one stable expression
    known = [(rectify, RECTIFIER), (identity, LINEAR), (tanh, "tanh"), (sigmoid, "sigmoid")]
    return next((activation for other, activation in known if other is function), None)


def halves(pool):
    """Is this a 2x2 max-pool?"""
    return (does(pool, MaxPool2DLayer) and pool.pool_size == pool.stride == (2, 2) and pool.pad == (0, 0)
            and pool.ignore_border and pool.mode == "max")


def dropout_after(layer, only_consumer):
    """The dropout layer that can join this one, or None."""
    dropout = only_consumer(layer)
    if not does(dropout, DropoutLayer) or not dropout.rescale:
        return None
    return dropout if isinstance(dropout.p, (float, np.floating)) and 0 < threshold(dropout) < 65536 else None


def threshold(dropout):
    """The probability in 1/65536: draws have 16 bits."""
    return round(float(dropout.p) * 65536)


def geometry(conv):
    """A convolution layer's geometry; Lasagne 0.1 always flips the kernels."""
    pads = tuple((size // 2, (size - 1) // 2) for size in conv.filter_size) if conv.pad == "same" else conv.pad
    return Geometry(pads, conv.stride, flip=getattr(conv, "flip_filters", True))


def fits(*expressions):
    """Are these dense float32 expressions?"""
    return all(isinstance(getattr(one, "type", None), T.TensorType) and one.dtype == "float32" for one in expressions)


def bias_of(layer, count):
    """A layer's biases; zeros where it has none."""
    return T.zeros((count,), "float32") if layer.b is None else layer.b


def build_stage(group, before, deterministic):
    conv = group.members[0]
    bias = bias_of(conv, conv.num_filters)
    if not fits(before, conv.W, bias) or before.ndim != 4:
        return None
    drop, state = dropped(group, deterministic)
    op = Stage(geometry(conv), group.activation, precision == "bfloat16", drop, group.channels_last)
    return remember(op(before, conv.W, bias, *state), state)


def build_convolution(group, before, deterministic):
    """A nonlinearity that our Op has not, and biases that are not a channel's, are Theano's own."""
    (conv,) = group.members
    bias = [] if conv.b is None else [conv.b]
    if not fits(before, conv.W, *bias) or before.ndim != 4:
        return None
    if group.activation is not None:
        op = Convolution(geometry(conv), group.activation, precision == "bfloat16", group.channels_last)
        return op(before, conv.W, *bias)
    y = Convolution(geometry(conv), LINEAR, precision == "bfloat16", False)(before, conv.W)
    pattern = ("x", 0, 1, 2) if conv.untie_biases else ("x", 0, "x", "x")
    return conv.nonlinearity(y + conv.b.dimshuffle(*pattern) if bias else y)


def build_normalised(group, before, deterministic):
    """In prediction the running averages are numbers, and batch normalisation part of the kernel and the bias."""
    conv, norm, pool = group.members[0], group.members[1], halves(group.members[-1])
    bias = bias_of(conv, conv.num_filters)
    if not fits(before, conv.W, bias, norm.gamma, norm.beta) or before.ndim != 4:
        return None
    bf16 = precision == "bfloat16"
    if deterministic:
        scale = norm.gamma / T.sqrt(norm.variance + np.float32(norm.EPSILON))
        weights, bias = conv.W * scale.dimshuffle(0, "x", "x", "x"), norm.beta + (bias - norm.mean) * scale
        if pool:
            return Stage(geometry(conv), group.activation, bf16, 0, group.channels_last)(before, weights, bias)[0]
        return Convolution(geometry(conv), group.activation, bf16, group.channels_last)(before, weights, bias)
    z = Convolution(geometry(conv), LINEAR, bf16)(before, conv.W, *[conv.b] * (conv.b is not None))
    return norm.train(z, functools.partial(batch_normalization_train, activation=group.activation, pool=pool))


def build_dense(group, before, deterministic):
    """A nonlinearity that our Op has not is Theano's own."""
    dense = group.members[0]
    bias = bias_of(dense, dense.num_units)
    if not fits(before, dense.W, bias) or before.ndim < 2 or loops.behind(before):
        return None
    drop, state = dropped(group, deterministic)
    op = Dense(LINEAR if group.activation is None else group.activation, drop, precision == "bfloat16")
    y = remember(op(before, dense.W, bias, *state), state)
    return dense.nonlinearity(y) if group.activation is None else y


def dropped(group, deterministic):
    """(threshold, [state]) for this use of the group."""
    if group.dropout is None or deterministic:
        return 0, []
    return threshold(group.dropout), [new_state(group.dropout)]


def new_state(dropout):
    """A fresh generator state: keyed by the layer's seed, drawn from Lasagne's generator, and the use's number."""
    use = _draws[dropout] = _draws.get(dropout, -1) + 1
    state = theano.shared(np.array([dropout._srng.rstate[0], use, 0, 0], "uint32"), name="dropout state")
    state.tag.is_rng = True
    return state


def remember(outputs, state):
    """The output, with the generator's next state as the shared variable's update."""
    if not isinstance(outputs, list):
        return outputs
    for variable in state:
        variable.default_update = outputs[-1]
    return outputs[0]
