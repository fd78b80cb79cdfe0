"""Theano Ops on our C++ library.  Everything is float32.

The Ops are thin: they check shapes, provide memory and call the library, so
that Theano has nothing to compile for them.
"""
from .dense import Dense, DenseGradient
from .nesterov import Nesterov
from .stage import Stage, StageGradient

__all__ = ["OURS", "Dense", "DenseGradient", "Nesterov", "Stage", "StageGradient"]
OURS = (Dense, DenseGradient, Nesterov, Stage, StageGradient)
