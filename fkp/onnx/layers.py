"""Lasagne's layers that ONNX has as such.  Any other is read from the Theano expression that it builds.

A converter takes (expressions, layer, x, ndim), x being the name of the tensor
that the layer sees and ndim how many axes that has.  It returns the name of the
tensor that it makes, or None for a form that ONNX does not have as such.
"""
import numpy as np
import theano.tensor as T
from lasagne import layers, nonlinearities
from lasagne.theano_extensions import conv as conv1d

from fkp.maps import SoftArgmaxLayer
from fkp.onnx.arrays import flat, vector
from fkp.onnx.images import nearest, reversed_in_space
from theano_onednn.layers import UpscaleLayer

CONVOLUTIONS = (T.nnet.conv2d, conv1d.conv1d_sc, conv1d.conv1d_mc0, conv1d.conv1d_mc1, conv1d.conv1d_unstrided)


def converter(layer):
    """The converter for this layer, or None where its expression is read.

    A layer counts by what it does: one whose `get_output_for` is its own, or
    that has settings which Lasagne 0.1 does not know, is read.
    """
    own = type(layer).get_output_for
    if "get_output_for" in vars(layer) or hasattr(layer, "convolve") or getattr(layer, "num_leading_axes", 1) != 1:
        return None
    if getattr(layer, "convolution", T.nnet.conv2d) not in CONVOLUTIONS:
        return None
    return next((convert for kind, convert in KNOWN.items()
                 if isinstance(layer, kind) and own is kind.get_output_for), None)


def activated(expressions, layer, x, ndim):
    """The layer's nonlinearity of `x`."""
    graph, function = expressions.graph, layer.nonlinearity
    if function is None or function is nonlinearities.linear:
        return x
    if function in (nonlinearities.rectify, T.nnet.relu):
        return graph.add("Relu", x)
    if type(function) is nonlinearities.LeakyRectify:
        return graph.add("LeakyRelu", x, alpha=float(function.leakiness))
    return expressions.applied(function, x, "float32", ndim)


def dense(expressions, layer, x, ndim):
    graph = expressions.graph
    x = flat(graph, x, 2, ndim)
    weights = [expressions.parameter(each) for each in (layer.W, layer.b) if each is not None]
    return activated(expressions, layer, graph.add("Gemm", x, *weights), 2)


def convolution(expressions, layer, x, ndim):
    """Conv1DLayer and Conv2DLayer."""
    pads = {"full": [size - 1 for size in layer.filter_size] * 2,
            "same": [size // 2 for size in layer.filter_size] + [(size - 1) // 2 for size in layer.filter_size]}
    pads = pads[layer.pad] if isinstance(layer.pad, str) else list(layer.pad) * 2
    kernels = expressions.parameter(layer.W, reversed_in_space)
    return convolved(expressions, layer, x, ndim, kernels, strides=layer.stride, pads=pads)


def network_in_network(expressions, layer, x, ndim):
    """NINLayer: a convolution whose kernels are of size 1."""
    spatial = ndim - 2
    if not 1 <= spatial <= 3:
        return None
    kernels = expressions.parameter(layer.W, lambda W: W.T.reshape(W.shape[::-1] + (1,) * spatial))
    return convolved(expressions, layer, x, ndim, kernels)


def convolved(expressions, layer, x, ndim, kernels, **geometry):
    """Convolution, bias and nonlinearity."""
    graph, bias, later = expressions.graph, [], layer.b is not None and layer.untie_biases
    if layer.b is not None and not later:
        bias = [expressions.parameter(layer.b)]
    made = graph.add("Conv", x, kernels, *bias, **geometry)
    made = graph.add("Add", made, expressions.parameter(layer.b)) if later else made
    return activated(expressions, layer, made, ndim)


def flatten(expressions, layer, x, ndim):
    return flat(expressions.graph, x, layer.outdim, ndim)


def reshape(expressions, layer, x, ndim):
    """A list stands for a size of the input; 0 is what ONNX calls the one at the same place."""
    if any(isinstance(size, list) and size != [i] for i, size in enumerate(layer.shape)):
        return None
    sizes = [T.as_tensor_variable(0 if isinstance(size, list) else size) for size in layer.shape]
    return expressions.graph.add("Reshape", x, vector(expressions, sizes))


def pad(expressions, layer, x, ndim):
    first = layer.batch_ndim
    widths = [layer.width] * (ndim - first) if isinstance(layer.width, int) else layer.width
    pairs = [(0, 0)] * first + [(each, each) if isinstance(each, int) else tuple(each) for each in widths]
    pairs += [(0, 0)] * (ndim - len(pairs))
    graph = expressions.graph
    return graph.add("Pad", x, graph.constant(np.array(pairs).T.ravel()), graph.constant(np.float32(layer.val)))


def local_response(expressions, layer, x, ndim):
    """ONNX divides alpha by the number of channels that are added up."""
    return expressions.graph.add("LRN", x, alpha=float(layer.alpha * layer.n), beta=float(layer.beta),
                                 bias=float(layer.k), size=layer.n)


def upscale(expressions, layer, x, ndim):
    return nearest(expressions.graph, x, (2, 2))


def soft_argmax(expressions, layer, x, ndim):
    """A softmax over every map, and the mean place by it."""
    graph = expressions.graph
    maps = graph.add("Reshape", x, graph.constant(np.array([0, 0, -1])))
    places = graph.add("MatMul", graph.add("Softmax", maps, axis=-1), graph.constant(layer.places()))
    return graph.add("Flatten", places, axis=1)


KNOWN = {
    layers.DenseLayer: dense,
    layers.Conv1DLayer: convolution,
    layers.Conv2DLayer: convolution,
    layers.NINLayer: network_in_network,
    layers.NonlinearityLayer: activated,
    layers.FlattenLayer: flatten,
    layers.ReshapeLayer: reshape,
    layers.PadLayer: pad,
    layers.LocalResponseNormalization2DLayer: local_response,
    UpscaleLayer: upscale,
    SoftArgmaxLayer: soft_argmax,
}
