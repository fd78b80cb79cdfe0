"""Our Ops in place of what unmodified Lasagne layers build, chosen while the graph is built.

`get_output` walks the layers as Lasagne's own does and knows two groups:

    Conv2DLayer, MaxPool2DLayer [, DropoutLayer]    ->  Stage
    DenseLayer [, DropoutLayer]                     ->  Dense

A layer belongs to a group by its class and settings, never by its name; a
subclass is another class.  Whatever does not match builds its own graph.
"""
import ctypes
import weakref
from collections import Counter, OrderedDict, namedtuple

import lasagne
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer, MergeLayer
from lasagne.nonlinearities import identity, rectify

from . import OURS, Dense, Nesterov, Stage, native

original_get_output = lasagne.layers.get_output
original_nesterov = lasagne.updates.nesterov_momentum
precision = "float32"
_draws = weakref.WeakKeyDictionary()  # how often a dropout layer was built into a graph

Group = namedtuple("Group", "build first last dropout")


def get_output(layer_or_layers, inputs=None, **kwargs):
    """Lasagne's `get_output`, with our Ops where they fit; the same arguments, the same result."""
    wanted = layer_or_layers if isinstance(layer_or_layers, (list, tuple)) else [layer_or_layers]
    layers = lasagne.layers.get_all_layers(wanted, inputs.keys() if isinstance(inputs, dict) else [])
    groups = {} if "input_shape" in kwargs else find_groups(layers, wanted)
    if not groups:
        return original_get_output(layer_or_layers, inputs, **kwargs)
    found = given(layers, inputs)
    inside = {layer for group in groups.values() for layer in members(group)} - set(groups)
    for layer in layers:
        if layer in found or layer in inside:
            continue
        group = groups.get(layer)
        source = group.first if group else layer
        if isinstance(layer, MergeLayer):
            before = [found[other] for other in layer.input_layers]
        else:
            before = found[source.input_layer]
        if group and before.dtype == "float32":
            found[layer] = group.build(group, before, layers, groups, kwargs.get("deterministic", False))
        else:
            found[layer] = plain(group, layer, before, kwargs)
    return [found[layer] for layer in wanted] if wanted is layer_or_layers else found[layer_or_layers]


def plain(group, layer, before, kwargs):
    """What Lasagne's layers build themselves."""
    for member in members(group) if group else [layer]:
        before = member.get_output_for(before, **kwargs)
    return before


def given(layers, inputs):
    """Expressions that are known before the walk, as in Lasagne."""
    expression = lasagne.utils.as_theano_expression
    sources = [layer for layer in layers if isinstance(layer, InputLayer)]
    found = {layer: layer.input_var for layer in sources}
    if isinstance(inputs, dict):
        found.update((layer, expression(value)) for layer, value in inputs.items())
    elif inputs is not None:
        if len(sources) > 1:
            raise ValueError("get_output() got one input for a net with %d input layers: pass a dictionary"
                             % len(sources))
        found = {layer: expression(inputs) for layer in sources}
    return found


def members(group):
    """A group's layers, from the first to the last."""
    layer, found = group.last, [group.last]
    while layer is not group.first:
        layer = layer.input_layer
        found.append(layer)
    return found[::-1]


def find_groups(layers, wanted):
    """{last layer: Group} for all that can be replaced among `layers`."""
    consumers = {}
    for layer in layers:
        for before in getattr(layer, "input_layers", [getattr(layer, "input_layer", None)]):
            consumers.setdefault(before, []).append(layer)

    def only_consumer(layer):
        found = consumers.get(layer, [])
        return found[0] if len(found) == 1 and layer not in wanted else None

    groups = [stage_group(layer, only_consumer) or dense_group(layer, only_consumer) for layer in layers]
    return {group.last: group for group in groups if group and getattr(group.first, "input_layer", None) is not None}


def stage_group(conv, only_consumer):
    """The group that begins at this layer, or None."""
    if type(conv) is not Conv2DLayer:
        return None
    pool = only_consumer(conv)
    if type(pool) is not MaxPool2DLayer:
        return None
    channels, height, width = conv.input_shape[1:]
    refusals = [
        conv.nonlinearity is not rectify,
        conv.convolution is not T.nnet.conv2d,
        conv.stride != (1, 1),
        conv.pad != (0, 0),
        conv.b is None or conv.untie_biases,
        conv.W.dtype != "float32",
        pool.pool_size != (2, 2) or pool.stride != (2, 2),
        pool.pad != (0, 0) or not pool.ignore_border,
        height is None or width is None,
    ]
    if any(refusals) or no_kernel(channels, height, width, conv.num_filters, *conv.filter_size):
        return None
    dropout = dropout_after(pool, only_consumer)
    return Group(build_stage, conv, dropout or pool, dropout)


def no_kernel(*shape):
    """Has oneDNN no fast kernel for this shape?"""
    call = (ctypes.c_int64 * 8)(1, *shape, precision == "bfloat16")
    return native.refused("fkp_stage_refusal", call) is not None


def dense_group(dense, only_consumer):
    if type(dense) is not DenseLayer or dense.b is None or dense.W.dtype != "float32":
        return None
    if dense.nonlinearity is rectify:
        dropout = dropout_after(dense, only_consumer)
        return Group(build_dense, dense, dropout or dense, dropout)
    return Group(build_dense, dense, dense, None) if dense.nonlinearity is identity else None


def dropout_after(layer, only_consumer):
    """The dropout layer that can join this one, or None."""
    dropout = only_consumer(layer)
    if type(dropout) is not DropoutLayer or not dropout.rescale:
        return None
    return dropout if isinstance(dropout.p, (float, np.floating)) and 0 < threshold(dropout) < 65536 else None


def threshold(dropout):
    """The probability in 1/65536: draws have 16 bits."""
    return round(float(dropout.p) * 65536)


def build_stage(group, before, layers, groups, deterministic):
    conv = group.first
    drop, state = dropped(group, deterministic)
    follower = [layer for layer in layers if getattr(layer, "input_layer", None) is group.last]
    channels_last = bool(follower) and all(type(layer) is Conv2DLayer for layer in follower)
    op = Stage(drop, channels_last, precision == "bfloat16")
    return remember(op(before, conv.W, conv.b, *state), state)


def build_dense(group, before, layers, groups, deterministic):
    dense = group.first
    drop, state = dropped(group, deterministic)
    op = Dense(dense.nonlinearity is rectify, drop, precision == "bfloat16")
    return remember(op(before, dense.W, dense.b, *state), state)


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


def nesterov_momentum(loss_or_grads, params, learning_rate, momentum=0.9):
    """Lasagne's `nesterov_momentum`, one pass over each parameter; the same arguments, the same result."""
    grads = lasagne.updates.get_or_compute_grads(loss_or_grads, params)
    if any(v.dtype != "float32" for v in list(params) + list(grads)):
        return original_nesterov(grads, params, learning_rate, momentum)
    velocities = [theano.shared(np.zeros_like(param.get_value(borrow=True)), broadcastable=param.broadcastable)
                  for param in params]
    found = [Nesterov()(*arrays, learning_rate, momentum) for arrays in zip(params, velocities, grads)]
    return OrderedDict([*zip(params, (new for new, _ in found)), *zip(velocities, (new for _, new in found))])


def replaced(function):
    """{Op's name: how often} of ours in a compiled Theano function."""
    nodes = function.maker.fgraph.toposort()
    return dict(Counter(type(node.op).__name__ for node in nodes if isinstance(node.op, OURS)))
