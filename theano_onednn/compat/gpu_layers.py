"""Lasagne's layers for GPUs of 2015 (cuDNN, cuda-convnet, CorrMM), which Theano 1.0.5 has no Ops for: its other layers.

cuda-convnet's own memory layout (`dimshuffle=False`) is refused.
"""
import sys
from functools import partial
from inspect import signature

import lasagne.layers
import theano.tensor as T
from lasagne.layers import Conv2DLayer, MaxPool2DLayer, Pool2DLayer

from .names import module


class Unflipped:
    """Reverses no kernel unless asked, as those layers did; partial_sum was a matter of speed."""

    def __init__(self, *args, flip_filters=False, partial_sum=1, **kwargs):
        if "flip_filters" in signature(Conv2DLayer).parameters:  # since Lasagne 0.2.dev1
            kwargs["flip_filters"] = flip_filters
        else:
            kwargs["convolution"] = partial(T.nnet.conv2d, filter_flip=flip_filters)
        super().__init__(*args, **kwargs)


class Conv2D(Unflipped, Conv2DLayer):
    pass


class MaxPool2DCC(MaxPool2DLayer):
    def __init__(self, incoming, pool_size, stride=None, ignore_border=False, **kwargs):
        super().__init__(incoming, pool_size, stride, ignore_border=ignore_border, **kwargs)


MODULES = {
    "dnn": {"Conv2DDNNLayer": Conv2D, "Pool2DDNNLayer": Pool2DLayer, "MaxPool2DDNNLayer": MaxPool2DLayer},
    "cuda_convnet": {"Conv2DCCLayer": Conv2D, "MaxPool2DCCLayer": MaxPool2DCC},
    "corrmm": {"Conv2DMMLayer": Conv2D},
}
if hasattr(lasagne.layers, "Conv3DLayer"):  # since Lasagne 0.2.dev1
    MODULES["dnn"].update({
        "Conv3DDNNLayer": type("Conv3D", (Unflipped, lasagne.layers.Conv3DLayer), {}),
        "Pool3DDNNLayer": lasagne.layers.Pool3DLayer, "MaxPool3DDNNLayer": lasagne.layers.MaxPool3DLayer,
        "SpatialPyramidPoolingDNNLayer": lasagne.layers.SpatialPyramidPoolingLayer,
        "BatchNormDNNLayer": lasagne.layers.BatchNormLayer, "batch_norm_dnn": lasagne.layers.batch_norm})


def restore():
    """Put them into lasagne.layers."""
    for name, found in MODULES.items():
        made = sys.modules["lasagne.layers." + name] = module("lasagne.layers." + name, **found)
        setattr(lasagne.layers, name, made)
