"""Names that scripts of 2014 to 2016 ask for: `python -m fkp.backend` puts them back for all of its process."""
import builtins
import collections.abc
import sys

import numpy as np

from .names import cross_validation, module


def restore():
    """Put back what is gone.  After Theano."""
    import sklearn
    from theano.tensor import signal

    for name in ("float", "int", "bool", "object", "str", "complex"):   # dropped by NumPy 1.24
        if name not in vars(np):
            setattr(np, name, getattr(builtins, name))
    for name in collections.abc.__all__:                                # dropped by Python 3.10
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    for name, made in _scikit_learn().items():
        sys.modules["sklearn." + name] = made
        if "." not in name:
            setattr(sklearn, name, made)
    sys.modules[signal.downsample.__name__] = signal.downsample         # dropped by Theano 0.9
    _restore_ix()


def _scikit_learn():
    """{module that scikit-learn 0.20 or 0.23 dropped: what stands in}."""
    import joblib
    from sklearn import model_selection

    folds = cross_validation()
    folds.__getattr__ = lambda name: getattr(model_selection, name)     # train_test_split, cross_val_score, ...
    search = module("sklearn.grid_search", __getattr__=folds.__getattr__)
    return {"cross_validation": folds, "grid_search": search, "externals.joblib": joblib,
            "externals": module("sklearn.externals", joblib=joblib, __path__=[])}


def _restore_ix():
    """Dropped by pandas 1.0: rows and columns by label, or by number where the labels are no numbers."""
    try:
        import pandas
    except ImportError:
        return
    for kind in (pandas.DataFrame, pandas.Series):
        if not hasattr(kind, "ix"):
            kind.ix = property(_Ix)


class _Ix:
    def __init__(self, table):
        self.table = table

    def __getitem__(self, key):
        return self.table.loc[self._labels(key)]

    def __setitem__(self, key, value):
        self.table.loc[self._labels(key)] = value

    def _labels(self, key):
        parts = zip(key if isinstance(key, tuple) else (key,), self.table.axes)
        return tuple(axis[part] if _numbered(part) and axis.inferred_type != "integer" else part for part, axis in parts)


def _numbered(part):
    """Is this a number, or a slice of numbers?"""
    numbers = [part.start, part.stop] if isinstance(part, slice) else [part]
    return any(isinstance(number, int) for number in numbers)
