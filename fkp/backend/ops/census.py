"""Which of the layers that a script builds run on oneDNN, and why the others do not: one line."""
import weakref
from collections import Counter

from lasagne.layers import Conv1DLayer, Conv2DLayer, DenseLayer, MaxPool1DLayer, MaxPool2DLayer, Pool2DLayer

_reasons = weakref.WeakKeyDictionary()   # {layer: None, or why it is Theano's own}

KNOWN = (Conv1DLayer, Conv2DLayer, DenseLayer, MaxPool1DLayer, MaxPool2DLayer, Pool2DLayer)
ORIGINAL = {kind: kind.get_output_for for kind in KNOWN}


def note(members, before, taken):
    """Note what became of these layers, which follow each other; before: the first one's input."""
    for layer in members:
        if taken or layer.get_params() or isinstance(layer, KNOWN):  # the rest has nothing to multiply
            _reasons[layer] = None if taken else reason(layer, before)


def label(layer):
    return layer.name or type(layer).__name__


def reason(layer, before):
    """Why a layer in no group is Theano's own; None: a rewrite will serve it."""
    kind = next((kind for kind in KNOWN if isinstance(layer, kind)), None)
    if kind is None:
        return "no kernel for a %s" % type(layer).__name__
    if getattr(layer.get_output_for, "__func__", None) is not ORIGINAL[kind]:
        return "its get_output_for is not Lasagne's"
    types = {variable.dtype for variable in [before, *layer.get_params()] if hasattr(variable, "dtype")}
    if types != {"float32"}:
        return "%s instead of float32" % ", ".join(sorted(types - {"float32"}))
    return "its input has one axis" if kind is DenseLayer else None


def line():
    """What is on oneDNN and what is not; '' where there is no layer."""
    if not _reasons:
        return ""
    ours = listed(label(layer) for layer, why in _reasons.items() if why is None)
    others = listed("%s (%s)" % (label(layer), why) for layer, why in _reasons.items() if why)
    return "layers on oneDNN: %s; Theano's own: %s" % (ours or "none", others or "none")


def listed(names):
    return ", ".join("%d x %s" % (n, name) if n > 1 else name for name, n in Counter(names).items())
