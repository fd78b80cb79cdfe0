"""Convolutions, pools, batch normalisation and upscaling."""
import numpy as np
from theano.tensor.nnet import abstract_conv as conv
from theano.tensor.nnet.bn import AbstractBatchNormInference
from theano.tensor.signal.pool import Pool

from fkp.onnx.expressions import converts
from fkp.onnx.graph import NoMeaning
from theano_onednn.ops import Upscale


# --- convolutions ---

def reversed_in_space(kernels):
    """Theano convolves, ONNX correlates: kernels (filters, channels, ...) turned around."""
    return kernels[(slice(None), slice(None)) + (slice(None, None, -1),) * (kernels.ndim - 2)]


def kernels_of(expressions, op, kernels):
    """The tensor of a convolution's kernels as ONNX takes them."""
    if op.unshared:
        raise NoMeaning("a convolution with kernels of its own at every place has no ONNX form")
    if expressions.is_fixed(kernels):
        return expressions.parameter(kernels, reversed_in_space if op.filter_flip else None)
    tensor = expressions.tensor(kernels)
    return turned_around(expressions.graph, tensor, op.convdim) if op.filter_flip else tensor


def turned_around(graph, x, spatial):
    """A tensor whose last `spatial` axes run backwards."""
    ends = [np.full(spatial, end) for end in (-1, np.iinfo(np.int64).min, -1)]
    ends.insert(2, np.arange(2, 2 + spatial))
    return graph.add("Slice", x, *map(graph.constant, ends))


def pads_of(expressions, op, kernels):
    """Begins, then ends, of the padding that a convolution's `border_mode` means."""
    if isinstance(op.border_mode, tuple):
        pairs = [each if isinstance(each, tuple) else (each, each) for each in op.border_mode]
        return [begin for begin, _ in pairs] + [end for _, end in pairs]
    if op.border_mode == "valid":
        return [0] * 2 * op.convdim
    sizes = expressions.fixed(kernels).shape if expressions.is_fixed(kernels) else op.kshp
    if None in sizes[2:]:
        raise NoMeaning(f"the padding {op.border_mode!r} of kernels whose size is not known before the net runs")
    reach = [(int(size) - 1) * dilation for size, dilation in zip(sizes[2:], op.filter_dilation)]
    return 2 * [each if op.border_mode == "full" else each // 2 for each in reach]


@converts(conv.AbstractConv2d, conv.AbstractConv3d)
def convolution(expressions, node, x, _):
    op, kernels = node.op, node.inputs[1]
    return expressions.graph.add("Conv", x, kernels_of(expressions, op, kernels), strides=op.subsample,
                                 pads=pads_of(expressions, op, kernels), dilations=op.filter_dilation,
                                 group=op.num_groups)


@converts(conv.AbstractConv2d_gradInputs, conv.AbstractConv3d_gradInputs)
def transposed_convolution(expressions, node, _, x, sizes):
    """With strides, several sizes lead to the same one: as many rows as there may be, cut to those that are asked."""
    graph, op, kernels = expressions.graph, node.op, node.inputs[0]
    more = [stride - 1 for stride in op.subsample]
    made = graph.add("ConvTranspose", x, kernels_of(expressions, op, kernels), strides=op.subsample,
                     pads=pads_of(expressions, op, kernels), dilations=op.filter_dilation, group=op.num_groups,
                     output_padding=more)
    if not any(more):
        return made
    axes = np.arange(2, 2 + op.convdim)
    return graph.add("Slice", made, graph.constant(0 * axes), expressions.tensor(node.inputs[2], "int64"),
                     graph.constant(axes))


@converts(conv.AbstractConv2d_gradWeights, conv.AbstractConv3d_gradWeights)
def convolution_with_steps(expressions, node, x, kernels, _):
    """Of weights: the places of `kernels` lie a stride apart.  So do Lasagne's dilated convolutions."""
    graph, op = expressions.graph, node.op
    if op.num_groups != 1 or op.unshared or op.filter_dilation != (1,) * op.convdim:
        raise NoMeaning(f"Theano's {op} has no ONNX form here")
    swap = [1, 0, *range(2, 2 + op.convdim)]  # batch and channels change places
    x = graph.add("Transpose", x, perm=swap)
    if expressions.is_fixed(node.inputs[1]):
        kernels = expressions.parameter(node.inputs[1], lambda value: value.swapaxes(0, 1))
    else:
        kernels = graph.add("Transpose", kernels, perm=swap)
    made = graph.add("Conv", x, kernels, dilations=op.subsample, pads=pads_of(expressions, op, node.outputs[0]))
    made = turned_around(graph, made, op.convdim) if op.filter_flip else made
    return graph.add("Transpose", made, perm=swap)


# --- pools ---

@converts(Pool)
def pool(expressions, node, x, *_):
    graph, op, ndim = expressions.graph, node.op, node.inputs[0].ndim
    window, stride, pad = ([int(each) for each in expressions.fixed(given)] for given in node.inputs[1:])
    missing = op.ndim + 2 - ndim
    if missing < 0:
        raise NoMeaning(f"a pool over the last {op.ndim} of {ndim} axes has no ONNX form; reshape it first")
    front = graph.constant(np.arange(missing)) if missing else None
    x = graph.add("Unsqueeze", x, front) if missing else x
    for axes in [range(op.ndim)] if op.ignore_border else alike(window, stride):
        x = one_pool(graph, x, op, *([each[i] if i in axes else other for i in range(op.ndim)]
                                     for each, other in ((window, 1), (stride, 1), (pad, 0))))
    return graph.add("Squeeze", x, front) if missing else x


def alike(window, stride):
    """Axes that one ONNX pool can take together without `ignore_border`: windows overlap, or they do not."""
    overlap = [axis for axis, (size, step) in enumerate(zip(window, stride)) if step < size]
    return [axes for axes in (overlap, [axis for axis in range(len(window)) if axis not in overlap]) if axes]


def one_pool(graph, x, op, window, stride, pad):
    """A pool over all axes.  Windows over the border are whole numbers of steps from the first, as Theano's."""
    border = {"pads": pad * 2}
    if not op.ignore_border:
        overlap = any(step < size for size, step in zip(window, stride))
        border = {"ceil_mode": 1} if overlap else {"pads": [0] * len(window) + [size - 1 for size in window]}
    if op.mode == "max":
        return graph.add("MaxPool", x, kernel_shape=window, strides=stride, **border)
    if op.mode == "sum" and "ceil_mode" in border:
        raise NoMeaning("a pool of sums over the picture's border has no ONNX form here; use ignore_border=True")
    with_pad = int(op.mode == "sum" or op.mode == "average_inc_pad" and op.ignore_border)
    made = graph.add("AveragePool", x, kernel_shape=window, strides=stride, count_include_pad=with_pad, **border)
    return graph.add("Mul", made, graph.constant(np.float32(np.prod(window)))) if op.mode == "sum" else made


# --- the rest ---

@converts(AbstractBatchNormInference)
def batch_normalisation(expressions, node, x, gamma, beta, mean, variance, epsilon):
    graph, ndim = expressions.graph, node.inputs[0].ndim
    per_channel = sorted(node.op.axes) == [0, *range(2, ndim)]
    if per_channel and all(map(expressions.is_fixed, node.inputs[1:])):
        flat = [expressions.parameter(each, np.ravel) for each in node.inputs[1:5]]
        return graph.add("BatchNormalization", x, *flat, epsilon=float(expressions.value(node.inputs[5])))
    epsilon = expressions.tensor(node.inputs[5], "float32")
    deviation = graph.add("Sqrt", graph.add("Add", variance, epsilon))
    steps = (("Sub", mean), ("Div", deviation), ("Mul", gamma), ("Add", beta))
    for kind, by in steps:
        x = graph.add(kind, x, by)
    return x


@converts(Upscale)
def upscale(expressions, node, x):
    """Every pixel several times."""
    return nearest(expressions.graph, x, node.op.factors)


def nearest(graph, x, factors):
    scales = graph.constant(np.array([1, 1, *factors], np.float32))
    return graph.add("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                     nearest_mode="floor")
