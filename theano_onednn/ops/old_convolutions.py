"""Theano's first convolutions (ConvOp), which scripts of 2012 to 2015 call, as its abstract ones: those are ours.

ConvOp runs on one thread, has no gradient for most strides, and no rewrite knows it.
"""
import functools

import theano.tensor as T
from theano.tensor.nnet import conv
from theano.tensor.signal import conv as signals

from ..compat.names import module

SPEED = {"unroll_batch", "unroll_kern", "unroll_patch", "openmp", "version", "verbose", "direction_hint"}
_conv2d, _ConvOp = conv.conv2d, conv.ConvOp


@functools.wraps(_conv2d)
def conv2d(input, filters, image_shape=None, filter_shape=None, border_mode="valid", subsample=(1, 1), **kargs):
    if not SPEED.issuperset(kargs):
        return _conv2d(input, filters, image_shape, filter_shape, border_mode, subsample, **kargs)
    return T.nnet.conv2d(input, filters, image_shape, filter_shape, border_mode, subsample)


def of_signals(output_mode, dx, dy, imshp=None, kshp=None, nkern=None, bsize=None, **kargs):
    """What theano.tensor.signal.conv makes a ConvOp for: one channel, and any number of images and kernels."""
    if not SPEED.issuperset(kargs):
        return _ConvOp(output_mode=output_mode, dx=dx, dy=dy, imshp=imshp, kshp=kshp, nkern=nkern, bsize=bsize, **kargs)
    image_shape, filter_shape = imshp and (bsize, *imshp), kshp and (nkern, 1, *kshp)
    return lambda images, kernels: conv2d(images, kernels, image_shape, filter_shape, output_mode, (dx, dy))


def install():
    conv.conv2d = conv2d
    signals.conv = module(conv.__name__, **dict(vars(conv), ConvOp=of_signals))  # for its module alone
