"""Whether a layer does what Lasagne's own layer of its class does, as far as our Ops know it.

Known are the released Lasagne 0.1 and 0.2.dev1, which is on GitHub alone.  A
layer is Lasagne's own as long as nobody, no subclass and no user, put another
method in place of those that make its output.
"""
import inspect

from lasagne.layers import (Conv1DLayer, Conv2DLayer, DenseLayer, DropoutLayer, Layer, MaxPool1DLayer, MaxPool2DLayer,
                            NonlinearityLayer, Pool2DLayer)

from ..layers import BatchNormLayer

# What their constructors take in both.  A later Lasagne that takes more may do what nobody here knows.
POOL = "pool_size stride pad ignore_border mode"
CONVOLUTION = "num_filters filter_size stride pad untie_biases W b nonlinearity convolution flip_filters num_groups n"
KNOWN = {BatchNormLayer: "", Conv1DLayer: CONVOLUTION, Conv2DLayer: CONVOLUTION,
         DenseLayer: "num_units W b nonlinearity num_leading_axes", DropoutLayer: "p rescale shared_axes",
         MaxPool1DLayer: POOL, MaxPool2DLayer: POOL, NonlinearityLayer: "nonlinearity", Pool2DLayer: POOL}
# Settings that 0.1 has not, and the value with which a layer does what 0.1's does.
PLAIN = {"flip_filters": True, "num_groups": 1, "num_leading_axes": 1, "shared_axes": ()}
SILENT = {"__init__", "get_output_shape_for"}  # methods that make no output


def own(kind):
    """The classes between Lasagne's Layer and this one of its classes."""
    return kind.__mro__[:kind.__mro__.index(Layer)]


def parameters(kind):
    """What the constructor takes, without the layer itself and the one before it."""
    names = {name for base in own(kind) if "__init__" in vars(base)
             for name, parameter in inspect.signature(base.__init__).parameters.items()
             if parameter.kind is not parameter.VAR_KEYWORD}
    return names - {"self", "incoming"}


PARAMETERS = {kind: parameters(kind) for kind in KNOWN}
METHODS = {kind: {name: getattr(kind, name) for base in own(kind) for name, found in vars(base).items()
                  if inspect.isfunction(found) and name not in SILENT} for kind in KNOWN}


def does(layer, kind):
    """Does this layer compute what layers of Lasagne's class `kind` do?"""
    return isinstance(layer, kind) and difference(layer, kind) is None


def difference(layer, kind):
    """What sets a layer apart from Lasagne's own of its class `kind`, in words; None where nothing does."""
    unknown = PARAMETERS[kind].difference(KNOWN[kind].split())
    if unknown:
        return "this Lasagne's %s has a %s" % (kind.__name__, min(unknown))
    for name, method in METHODS[kind].items():
        if getattr(getattr(layer, name), "__func__", None) is not method:
            return "its %s is not Lasagne's" % name
    for name, plain in PLAIN.items():
        value = getattr(layer, name, plain)
        if (type(value) is not type(plain) or value != plain) and not (name == "flip_filters" and flips(kind)):
            return "its %s is %r" % (name, value)
    return None


def flips(kind):
    """Do this class's layers read the setting `flip_filters`?"""
    return "flip_filters" in PARAMETERS[kind]
