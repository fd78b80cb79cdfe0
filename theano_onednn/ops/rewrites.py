"""Theano's abstract convolutions, pools and batch normalisation become our Ops, whoever built them; cuDNN's, on a GPU.

What our Ops do not take (another type than float32, groups, three dimensions,
pools whose window is not a constant) stays Theano's own.
"""
import theano.tensor as T
from theano.gof import local_optimizer
from theano.gof.opt import copy_stack_trace
from theano.tensor.nnet.abstract_conv import AbstractConv2d, AbstractConv2d_gradInputs, AbstractConv2d_gradWeights
from theano.tensor.nnet.bn import AbstractBatchNormTrain, AbstractBatchNormTrainGrad, bn_groupopt
from theano.tensor.nnet.opt import conv_groupopt
from theano.tensor.opt import register_specialize_device
from theano.tensor.signal.pool import AveragePoolGrad, MaxPoolGrad
from theano.tensor.signal.pool import Pool as TheanoPool

from . import (LINEAR, BatchNormTrain, BatchNormTrainGradient, Convolution, ConvolutionInputs, ConvolutionWeights,
               Geometry, Pool, PoolGradient, groups)

CONVOLUTIONS = {AbstractConv2d: Convolution, AbstractConv2d_gradWeights: ConvolutionWeights,
                AbstractConv2d_gradInputs: ConvolutionInputs}
NORMALISATIONS = {AbstractBatchNormTrain: BatchNormTrain, AbstractBatchNormTrainGrad: BatchNormTrainGradient}


def register():
    """Let every function that is compiled from now on have them; 'excluding=fkp' in a mode's name turns them off."""
    tags = ("fkp", "fast_compile", "fast_run")
    conv_groupopt.register("fkp_convolution", convolution, *tags, position=-1)  # Theano's own begin at 0
    bn_groupopt.register("fkp_normalise", normalise, *tags, position=-1)  # Theano's own stand at 30
    register_specialize_device(pool, *tags, name="fkp_pool")


def fits(*variables):
    """Are these dense float32 expressions of four dimensions?"""
    return all(isinstance(v.type, T.TensorType) and v.dtype == "float32" and v.ndim == 4 for v in variables)


def in_place_of(node, output):
    """What a rewrite returns: the output with the type of the old one."""
    output = T.patternbroadcast(output, node.outputs[0].broadcastable)
    copy_stack_trace(node.outputs[0], output)
    return [output]


@local_optimizer(list(CONVOLUTIONS))
def convolution(node):
    """An abstract convolution, or one of its gradients."""
    op, kind = node.op, CONVOLUTIONS.get(type(node.op))
    if kind is None or not fits(*node.inputs[:2]) or op.num_groups != 1 or op.unshared:
        return None
    geometry = Geometry(op.border_mode, op.subsample, op.filter_dilation, op.filter_flip)
    return in_place_of(node, kind(geometry, LINEAR, groups.precision == "bfloat16")(*node.inputs))


@local_optimizer(list(NORMALISATIONS))
def normalise(node):
    """Batch normalisation of images, channel by channel, in training, or its gradient."""
    kind, numbers = NORMALISATIONS.get(type(node.op)), [v for v in node.inputs if v.ndim]
    if kind is None or tuple(node.op.axes) != (0, 2, 3) or not fits(*numbers):
        return None
    outputs = [T.patternbroadcast(ours, theirs.broadcastable)
               for ours, theirs in zip(kind()(*node.inputs), node.outputs)]
    copy_stack_trace(node.outputs, outputs)
    return outputs


@local_optimizer([TheanoPool, MaxPoolGrad, AveragePoolGrad])
def pool(node):
    """A pool, or its gradient."""
    op, (*arrays, window, stride, pad) = node.op, node.inputs
    if not isinstance(op, (TheanoPool, MaxPoolGrad, AveragePoolGrad)) or op.ndim != 2 or not fits(*arrays):
        return None
    try:
        numbers = [[int(T.get_scalar_constant_value(v[i])) for i in (0, 1)] for v in (window, stride, pad)]
        kind = Pool if isinstance(op, TheanoPool) else PoolGradient
        ours = kind(*numbers, op.mode, op.ignore_border)
    except (T.NotScalarConstantError, ValueError):
        return None
    if isinstance(op, AveragePoolGrad):
        arrays.insert(1, arrays[1])  # a mean's gradient does not read the mean
    return in_place_of(node, ours(*arrays))


ALL = (convolution, normalise, pool)
