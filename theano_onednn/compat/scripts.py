"""Names that scripts of 2014 to 2016 ask for: `python -m theano_onednn` puts them back for all of its process."""
import collections.abc
import functools
import itertools
import sys

import numpy as np

from . import gpu_layers, old_cuda, pickles
from .names import Cast, cross_validation, module

PYTHON_2 = {"xrange": range, "raw_input": input, "unicode": str, "reduce": functools.reduce}   # for the script alone
NUMPY = {
    "float": float, "int": int, "bool": bool, "object": object, "str": str, "complex": complex,   # dropped by 1.24
    "asscalar": lambda array: array.item(),                                                       # by 1.23, others by 2
    "cast": Cast(), "product": np.prod, "cumproduct": np.cumprod, "alltrue": np.all, "sometrue": np.any,
    "row_stack": np.vstack, "float_": np.float64, "NaN": np.nan, "Inf": np.inf, "infty": np.inf,
}


def restore():
    """Put back what is gone.  After Theano."""
    import sklearn
    from theano.tensor import signal

    for name, found in NUMPY.items():
        if name not in vars(np):
            setattr(np, name, found)
    np.random.choice = _truncated(np.random.choice)
    for name in collections.abc.__all__:                                # dropped by Python 3.10
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    for name, made in _scikit_learn().items():
        sys.modules["sklearn." + name] = made
        if "." not in name:
            setattr(sklearn, name, made)
    sys.modules[signal.downsample.__name__] = signal.downsample         # dropped by Theano 0.9
    pickles.restore()
    itertools.izip, itertools.imap = zip, map
    gpu_layers.restore()
    old_cuda.restore()
    _restore_ix()


def _truncated(choice):
    """A size that is no whole number, such as `len(batch) / 2`, was cut until NumPy 1.12."""
    @functools.wraps(choice)
    def choose(a, size=None, *args, **kwargs):
        return choice(a, int(size) if isinstance(size, float) else size, *args, **kwargs)

    return choose


def _scikit_learn():
    """{module that scikit-learn 0.20 or 0.23 dropped: what stands in}."""
    import joblib
    from sklearn import externals, model_selection

    externals.joblib = joblib                                           # what else is there stays
    folds = cross_validation()
    folds.__getattr__ = lambda name: getattr(model_selection, name)     # train_test_split, cross_val_score, ...
    search = module("sklearn.grid_search", __getattr__=folds.__getattr__)
    return {"cross_validation": folds, "grid_search": search, "externals.joblib": joblib}


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
        return tuple(axis[part] if _numbered(part) and axis.inferred_type != "integer" else part
                     for part, axis in parts)


def _numbered(part):
    """Is this a number, or a slice of numbers?"""
    numbers = [part.start, part.stop] if isinstance(part, slice) else [part]
    return any(isinstance(number, int) for number in numbers)
