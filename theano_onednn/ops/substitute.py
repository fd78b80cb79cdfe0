"""Our Ops in place of what unmodified Lasagne code builds, chosen while the graph is built.

`get_output` walks the layers as Lasagne's own does, group by group (see
groups.py); whatever is in no group builds its own graph.
"""
import contextlib
from collections import Counter, OrderedDict

import lasagne
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import InputLayer, MergeLayer

from . import OURS, Nesterov, Upscale, census, loops
from .groups import find_groups
from .pool import theanos_repeat

original_get_output = lasagne.layers.get_output
original_nesterov = lasagne.updates.nesterov_momentum

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
    if "input_shape" not in kwargs and are_heard(kwargs, layers) and walk(layers, found, groups, kwargs):
        return [found[layer] for layer in wanted] if wanted is layer_or_layers else found[layer_or_layers]
    return original_get_output(layer_or_layers, inputs, **kwargs)  # Lasagne's errors and warnings are Lasagne's


def are_heard(kwargs, layers):
    """Does Lasagne say nothing of these keyword arguments?  0.2.dev1 warns of those that no layer takes."""
    names_of = getattr(lasagne.utils, "inspect_kwargs", None)
    unheard = set(kwargs) - {"deterministic"} if names_of else set()
    for layer in layers if unheard else []:
        with contextlib.suppress(TypeError):  # Python cannot tell
            unheard -= set(names_of(layer.get_output_for))
        unheard -= set(layer.get_output_kwargs)
    return not unheard


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
        expression = group and group.build(group, before, kwargs.get("deterministic", False))
        if expression is not None:
            census.taken(members)
        else:
            for member in members:
                expression = member.get_output_for(before, **kwargs)
                census.note(member, before, expression)
                before = expression
        found[layer] = expression
    return True


def nesterov_momentum(loss_or_grads, params, learning_rate, momentum=0.9):
    """Lasagne's `nesterov_momentum`, one pass over each parameter; the same arguments, the same result."""
    grads = lasagne.updates.get_or_compute_grads(loss_or_grads, params)
    if any(v.dtype != "float32" for v in list(params) + list(grads)) or loops.behind(*grads):
        return original_nesterov(grads, params, learning_rate, momentum)
    velocities = [theano.shared(np.zeros_like(param.get_value(borrow=True)), broadcastable=param.broadcastable)
                  for param in params]
    found = [Nesterov()(*arrays, learning_rate, momentum) for arrays in zip(params, velocities, grads)]
    return OrderedDict([*zip(params, (new for new, _ in found)), *zip(velocities, (new for _, new in found))])


def repeat(x, repeats, axis=None):
    """Theano's `repeat`; rows and columns of images as our Op, both in one."""
    ours = isinstance(x, theano.Variable) and isinstance(x.type, T.TensorType) and x.ndim == 4 and x.dtype == "float32"
    if not ours or not isinstance(repeats, int) or repeats < 1 or axis not in (2, 3, -1, -2):
        return theanos_repeat(x, repeats, axis)
    factors = [repeats if axis in (2, -2) else 1, repeats if axis in (3, -1) else 1]
    if x.owner and isinstance(x.owner.op, Upscale):
        factors, (x,) = np.multiply(factors, x.owner.op.factors).tolist(), x.owner.inputs
    return Upscale(factors)(x)


def replaced(function):
    """{Op's name: how often} of ours in a compiled Theano function."""
    nodes = function.maker.fgraph.toposort()
    return dict(Counter(type(node.op).__name__ for node in nodes if isinstance(node.op, OURS)))
