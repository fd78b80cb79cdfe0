"""Names that Theano 1.0.5, Lasagne 0.1 and nolearn 0.6.1 ask for and newer releases dropped."""
import collections.abc
import importlib.metadata
import sys
import types
from collections import namedtuple

import numpy as np

Module = namedtuple("Module", "name is_gone stand_in")
Attribute = namedtuple("Attribute", "owner name stand_in")


def module(name, **attributes):
    """A new module with these attributes."""
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made


def pkg_resources():
    return module("pkg_resources", DistributionNotFound=importlib.metadata.PackageNotFoundError,
                  get_distribution=lambda name: types.SimpleNamespace(version=importlib.metadata.version(name)))


def cross_validation():
    """KFold and StratifiedKFold in their old form: they took what is split, and gave the parts."""
    from sklearn import model_selection

    return module(
        "sklearn.cross_validation",
        KFold=lambda n, n_folds: model_selection.KFold(n_folds).split(np.empty(n)),
        StratifiedKFold=lambda y, n_folds: model_selection.StratifiedKFold(n_folds).split(np.empty(len(y)), y))


MODULES = [
    # Dropped by setuptools 82 (its last releases warn); Lasagne and theano.gpuarray ask for a version.
    Module("pkg_resources", True, pkg_resources),
    # Dropped by scikit-learn 0.20; nolearn.lasagne.base splits off the validation set.
    Module("sklearn.cross_validation", True, cross_validation),
]

ATTRIBUTES = [
    # Dropped by Python 3.10; nolearn.lasagne.base.
    Attribute("collections", "Iterable", collections.abc.Iterable),
    # Dropped by NumPy 1.24, deprecated since 1.20; theano.scalar.basic and theano.tensor.basic.
    Attribute("numpy", "complex", complex),
]


def missing():
    """{module: {name: what stands in}}: what the modules that are here do not hold."""
    found = {}
    for owner, name, stand_in in ATTRIBUTES:
        if name not in vars(sys.modules[owner]):  # deprecated names come from a module's __getattr__, and warn
            found.setdefault(owner, {})[name] = stand_in
    return found
