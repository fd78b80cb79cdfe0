"""Our Ops in place of what unmodified Lasagne layers build, chosen while the graph is built.

`get_output` walks the layers as Lasagne's own does and knows two groups:

    Conv2DLayer, MaxPool2DLayer [, DropoutLayer]    ->  Stage
    DenseLayer [, DropoutLayer]                     ->  Dense

A layer belongs to a group by its class and settings, never by its name; one
whose `get_output_for` was replaced is another layer.  Whatever does not match
builds its own graph.
"""
import weakref
from collections import Counter, OrderedDict, namedtuple

import lasagne
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer, MergeLayer
from lasagne.nonlinearities import rectify

from . import LINEAR, OURS, RECTIFIER, Dense, Nesterov, Stage

original_get_output = lasagne.layers.get_output
original_nesterov = lasagne.updates.nesterov_momentum
precision = "float32"
_draws = weakref.WeakKeyDictionary()  # how often a dropout layer was built into a graph

Group = namedtuple("Group", "build members dropout")
# A layer is what its class says as long as nobody, no subclass and no user, put another `get_output_for` in its place.
ORIGINAL = {kind: kind.get_output_for for kind in (Conv2DLayer, DenseLayer, DropoutLayer, MaxPool2DLayer)}


def get_output(layer_or_layers, inputs=None, **kwargs):
    """Lasagne's `get_output`, with our Ops where they fit; the same arguments, the same result."""
    try:
        layer_or_layers = wanted = list(layer_or_layers)
    except TypeError:
        wanted = [layer_or_layers]
    given = inputs if isinstance(inputs, dict) else {}
    layers = lasagne.layers.get_all_layers(wanted, given)
    found = known(layers, inputs)
    groups = find_groups([layer for layer in layers if layer not in found], wanted)
    if "input_shape" not in kwargs and walk(layers, found, groups, kwargs):
        return [found[layer] for layer in wanted] if wanted is layer_or_layers else found[layer_or_layers]
    return original_get_output(layer_or_layers, inputs, **kwargs)  # Lasagne's errors are Lasagne's


def known(layers, inputs):
    """Expressions that stand before the walk, as in Lasagne: the inputs' own, and those given for any layer."""
    expression = lasagne.utils.as_theano_expression
    given = inputs if isinstance(inputs, dict) else {}
    found = {layer: layer.input_var for layer in layers if isinstance(layer, InputLayer) and layer not in given}
    if inputs is not None and inputs is not given:
        return {layer: expression(inputs) for layer in found} if len(found) < 2 else {}
    found.update((layer, expression(value)) for layer, value in given.items())
    return found


def walk(layers, found, groups, kwargs):
    """Put every layer's expression into `found`; False where Lasagne would have no input for a layer."""
    inside = {layer for group in groups.values() for layer in group.members[:-1]}
    for layer in layers:
        if layer in found or layer in inside:
            continue
        group = groups.get(layer)
        members = group.members if group else [layer]
        try:
            before = ([found[other] for other in layer.input_layers] if isinstance(layer, MergeLayer)
                      else found[getattr(members[0], "input_layer", None)])
        except KeyError:
            return False
        expression = group and group.build(group, before, layers, kwargs.get("deterministic", False))
        if expression is None:
            for member in members:
                before = member.get_output_for(before, **kwargs)
            expression = before
        found[layer] = expression
    return True


def find_groups(layers, wanted):
    """{last layer: Group} for all that our Ops can compute among `layers`."""
    consumers = {}
    for layer in layers:
        for before in getattr(layer, "input_layers", [getattr(layer, "input_layer", None)]):
            consumers.setdefault(before, []).append(layer)

    def only_consumer(layer):
        found = consumers.get(layer, [])
        return found[0] if len(found) == 1 and layer not in wanted else None

    groups = [stage_group(layer, only_consumer) or dense_group(layer, only_consumer) for layer in layers]
    return {group.members[-1]: group for group in groups if group}


def untouched(layer, kind):
    """Does this layer compute what layers of Lasagne's class `kind` do?"""
    return isinstance(layer, kind) and getattr(layer.get_output_for, "__func__", None) is ORIGINAL[kind]


def stage_group(conv, only_consumer):
    """The group that begins at this layer, or None."""
    if not untouched(conv, Conv2DLayer):
        return None
    pool = only_consumer(conv)
    if not untouched(pool, MaxPool2DLayer):
        return None
    height, width = conv.input_shape[2:]
    refusals = [
        conv.nonlinearity is not rectify,
        conv.convolution is not T.nnet.conv2d,
        conv.stride != (1, 1),
        conv.pad != (0, 0),
        conv.b is None or conv.untie_biases,
        pool.pool_size != (2, 2) or pool.stride != (2, 2),
        pool.pad != (0, 0) or not pool.ignore_border or pool.mode != "max",
        height is None or width is None,
    ]
    if any(refusals):
        return None
    dropout = dropout_after(pool, only_consumer)
    return Group(build_stage, [conv, pool, *[dropout] * bool(dropout)], dropout)


def dense_group(dense, only_consumer):
    """As `stage_group`."""
    if not untouched(dense, DenseLayer) or dense.b is None:
        return None
    dropout = dropout_after(dense, only_consumer) if dense.nonlinearity is rectify else None
    return Group(build_dense, [dense, *[dropout] * bool(dropout)], dropout)


def dropout_after(layer, only_consumer):
    """The dropout layer that can join this one, or None."""
    dropout = only_consumer(layer)
    if not untouched(dropout, DropoutLayer) or not dropout.rescale:
        return None
    return dropout if isinstance(dropout.p, (float, np.floating)) and 0 < threshold(dropout) < 65536 else None


def threshold(dropout):
    """The probability in 1/65536: draws have 16 bits."""
    return round(float(dropout.p) * 65536)


def fits(arrays, dimensions):
    """Are these dense float32 expressions of so many dimensions?"""
    return all(isinstance(getattr(array, "type", None), T.TensorType) and array.dtype == "float32" and array.ndim == ndim
               for array, ndim in zip(arrays, dimensions))


def build_stage(group, before, layers, deterministic):
    """The group's expression, or None where our Op does not take what comes in."""
    conv = group.members[0]
    if not fits([before, conv.W, conv.b], [4, 4, 1]):
        return None
    drop, state = dropped(group, deterministic)
    follower = [layer for layer in layers if getattr(layer, "input_layer", None) is group.members[-1]]
    channels_last = bool(follower) and all(isinstance(layer, Conv2DLayer) for layer in follower)
    op = Stage(bf16=precision == "bfloat16", threshold=drop, channels_last=channels_last)
    return remember(op(before, conv.W, conv.b, *state), state)


def build_dense(group, before, layers, deterministic):
    """As `build_stage`; a nonlinearity other than the rectifier is Theano's own."""
    dense = group.members[0]
    if not fits([before, dense.W, dense.b], [max(2, getattr(before, "ndim", 0)), 2, 1]):
        return None
    drop, state = dropped(group, deterministic)
    rectified = dense.nonlinearity is rectify
    op = Dense(RECTIFIER if rectified else LINEAR, drop, precision == "bfloat16")
    y = remember(op(before, dense.W, dense.b, *state), state)
    return y if rectified else dense.nonlinearity(y)


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
