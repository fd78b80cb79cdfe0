"""Which of the layers that a script builds our Ops run, and why the others do not: one line."""
import weakref
from collections import Counter

import lasagne
import theano
from lasagne.layers import Conv1DLayer, Conv2DLayer, DenseLayer, MaxPool1DLayer, MaxPool2DLayer, Pool2DLayer

from . import OURS, loops, native, released, rewrites

_reasons = weakref.WeakKeyDictionary()   # {layer: None, or why it is Theano's own}

KNOWN = (Conv1DLayer, Conv2DLayer, DenseLayer, MaxPool1DLayer, MaxPool2DLayer, Pool2DLayer)


def begin():
    """Forget what was built before: in a notebook a script is not the first."""
    _reasons.clear()


def taken(members):
    """Note that these layers are one of our Ops."""
    _reasons.update((layer, None) for layer in members)


def note(layer, before, after):
    """Note a layer that built its own graph, from its input, or a list of inputs, to its output."""
    if any(map(ours, theano.gof.graph.io_toposort(variables(before), variables(after)))):
        taken([layer])
    elif layer.get_params() or isinstance(layer, KNOWN):  # the rest has nothing to multiply
        _reasons.setdefault(layer, reason(layer, before))  # in training it may be ours, in prediction not


def variables(passed):
    """Theano's variables in what one layer passes to another: usually one, but layers may pass on anything."""
    return [v for v in (passed if isinstance(passed, (list, tuple)) else [passed]) if isinstance(v, theano.Variable)]


def ours(node):
    """Is this one of our Ops, or will a rewrite make one of it?"""
    return isinstance(node.op, OURS) or any(isinstance(node.op, tuple(rewrite.tracks())) and rewrite.transform(node)
                                            for rewrite in rewrites.ALL)


def label(layer):
    return layer.name or kind_of(layer)


def kind_of(layer):
    """The class's name; with its module where Lasagne has another class of that name."""
    kind = type(layer)
    lasagnes = getattr(lasagne.layers, kind.__name__, kind)
    return kind.__name__ if kind is lasagnes else "%s.%s" % (kind.__module__, kind.__name__)


def reason(layer, before):
    """Why a layer is Theano's own."""
    kind = next((kind for kind in KNOWN if isinstance(layer, kind)), None)
    if kind is None:
        return "no kernel for a %s" % kind_of(layer)
    if released.difference(layer, kind):
        return released.difference(layer, kind)
    types = {variable.dtype for variable in [before, *layer.get_params()] if hasattr(variable, "dtype")}
    if types != {"float32"}:
        return "%s instead of float32" % ", ".join(sorted(types - {"float32"}))
    if kind is DenseLayer:
        return loops.place(before) or "its input has one axis"
    return "no kernel for a %s" % kind_of(layer)


def line():
    """What our Ops run and what not; '' where there is no layer."""
    if not _reasons:
        return ""
    ours = listed(label(layer) for layer, why in _reasons.items() if why is None)
    others = listed("%s (%s)" % (label(layer), why) for layer, why in _reasons.items() if why)
    return "layers on %s: %s; Theano's own: %s" % (native.multiplier(), ours or "none", others or "none")


def listed(names):
    return ", ".join("%d x %s" % (n, name) if n > 1 else name for name, n in Counter(names).items())
