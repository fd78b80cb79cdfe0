"""theano.sandbox.cuda, Theano's GPU backend until 0.9: what scripts import of it, made of Theano's other Ops.

No GPU is used by it: `device=cuda` of today's Theano takes these Ops to one.
"""
import sys

import theano
import theano.sandbox
import theano.tensor as T
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.signal.pool import pool_2d

from .names import module


def dnn_conv(img, kerns, border_mode="valid", subsample=(1, 1), conv_mode="conv", *matters_of_speed, **more):
    """cuDNN's convolution; "cross" reverses no kernel."""
    return T.nnet.conv2d(img, kerns, border_mode=border_mode, subsample=subsample, filter_flip=conv_mode == "conv")


def dnn_pool(img, ws, stride=(1, 1), mode="max", pad=(0, 0)):
    """cuDNN's pool."""
    return pool_2d(img, ws, True, stride, pad, "average_inc_pad" if mode == "average" else mode)


def GpuCorrMM(border_mode="valid", subsample=(1, 1), pad=(0, 0)):
    """Caffe's convolution, which reverses no kernel."""
    where = pad if pad not in (0, (0, 0)) else border_mode
    return lambda img, kerns: T.nnet.conv2d(img, kerns, border_mode=where, subsample=subsample, filter_flip=False)


def conv2d_fft(input, filters, image_shape=None, filter_shape=None, border_mode="valid", pad_last_dim=False):
    """The convolution by Fourier's transform."""
    return T.nnet.conv2d(input, filters, image_shape, filter_shape, border_mode)


def same(variable):
    """What went from the processor's memory to the GPU's, or back."""
    return T.as_tensor_variable(variable)


MODULES = {  # parents stand before their children
    "": {"cuda_available": False, "cuda_enabled": False, "use": lambda *args, **kwargs: None,
         "shared_constructor": theano.shared, "float32_shared_constructor": theano.shared},
    "dnn": {"dnn_available": lambda *context: True, "dnn_conv": dnn_conv, "dnn_pool": dnn_pool},
    "basic_ops": {"gpu_contiguous": same, "gpu_from_host": same, "host_from_gpu": same,
                  "as_cuda_ndarray_variable": same},
    "blas": {"GpuCorrMM": GpuCorrMM},
    "fftconv": {"conv2d_fft": conv2d_fft},
    "rng_curand": {"CURAND_RandomStreams": MRG_RandomStreams},
}


def restore():
    """Put them into theano.sandbox."""
    made = {}
    for name, found in MODULES.items():
        full = "theano.sandbox.cuda" + (name and "." + name)
        made[name] = sys.modules[full] = module(full, __path__=[], **found)
        if name:
            setattr(made[""], name, made[name])
    vars(made[""]).update(MODULES["basic_ops"])
    theano.sandbox.cuda = made[""]
