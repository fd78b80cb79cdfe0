"""Theano Ops on our C++ library.  Everything is float32.

The Ops are thin: they check shapes, provide memory and call the library, so
that Theano has nothing to compile for them.
"""
from .activation import LINEAR, RECTIFIER
from .beside import Apart, Beside
from .convolution import Convolution, ConvolutionGradient, ConvolutionInputs, ConvolutionWeights, Geometry
from .dense import Dense, DenseGradient
from .nesterov import Nesterov
from .normalise import BatchNormTrain, BatchNormTrainGradient
from .pool import Pool, PoolGradient, Upscale
from .stage import Stage, StageGradient

OURS = (Apart, BatchNormTrain, BatchNormTrainGradient, Beside, Convolution, ConvolutionGradient, ConvolutionInputs,
        ConvolutionWeights, Dense, DenseGradient, Nesterov, Pool, PoolGradient, Stage, StageGradient, Upscale)
__all__ = ["LINEAR", "OURS", "RECTIFIER", "Geometry", *(op.__name__ for op in OURS)]
