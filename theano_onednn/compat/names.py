"""Names that Theano 1.0.5, Lasagne 0.1 and nolearn 0.6.1 ask for and newer releases dropped."""
import collections.abc
import importlib.metadata
import shutil
import sys
import sysconfig
import types
from collections import namedtuple

import numpy as np

NUMPY_2 = np.lib.NumpyVersion(np.__version__) >= "2.0.0"
PYTHON_312 = sys.version_info >= (3, 12)
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


def distutils_sysconfig():
    return module(
        "distutils.sysconfig",
        get_config_var=sysconfig.get_config_var,
        get_config_h_filename=sysconfig.get_config_h_filename,
        get_python_version=sysconfig.get_python_version,
        get_python_inc=lambda plat_specific=False: sysconfig.get_path("platinclude" if plat_specific else "include"),
        get_python_lib=lambda plat_specific, standard_lib: sysconfig.get_path("stdlib"))  # asked for this one only


# Parents stand before their children.
MODULES = [
    # Dropped by setuptools 82 (its last releases warn); Lasagne and theano.gpuarray ask for a version.
    Module("pkg_resources", True, pkg_resources),
    # Dropped by scikit-learn 0.20; nolearn.lasagne.base splits off the validation set.
    Module("sklearn.cross_validation", True, cross_validation),
    # Dropped by Python 3.12; theano.configdefaults looks for the compiler, theano.gof.cmodule for Python's headers.
    Module("distutils", PYTHON_312, lambda: module("distutils")),
    Module("distutils.spawn", PYTHON_312, lambda: module("distutils.spawn", find_executable=shutil.which)),
    Module("distutils.sysconfig", PYTHON_312, distutils_sysconfig),
    # Dropped by NumPy on Python 3.12; theano.gof.cmodule and theano.tensor.blas.  NumPy no longer tells its BLAS.
    Module("numpy.distutils", PYTHON_312, lambda: module("numpy.distutils")),
    Module("numpy.distutils.__config__", PYTHON_312, lambda: module("numpy.distutils.__config__", blas_opt_info={})),
    Module("numpy.distutils.misc_util", PYTHON_312, lambda: module(
        "numpy.distutils.misc_util", get_numpy_include_dirs=lambda: [np.get_include()])),
    # Dropped by NumPy 2.5, deprecated by 2.0; theano.gpuarray.linalg asks for LinAlgError.
    Module("numpy.linalg.linalg", NUMPY_2, lambda: np.linalg),
    # Dropped by Python 3.12; theano.tests.breakpoint imports it and never uses it.
    Module("imp", PYTHON_312, lambda: module("imp")),
]


class Cast:
    """np.cast[dtype](x)."""

    def __getitem__(self, dtype):
        return lambda x: np.asarray(x, getattr(dtype, "dtype", dtype))


ATTRIBUTES = [
    # Dropped by Python 3.10; nolearn.lasagne.base.
    Attribute("collections", "Iterable", collections.abc.Iterable),
    # Dropped by NumPy 1.24; theano.scalar.basic and theano.tensor.basic (its absence changes the outcome silently).
    Attribute("numpy", "complex", complex),
    # Dropped by NumPy 1.24, back since 2.0; theano.scalar.basic casts with it.
    Attribute("numpy", "bool", bool),
    # Dropped by NumPy 2; theano.scalar.basic, theano.tensor.nnet.bn.
    Attribute("numpy", "product", np.prod),
    Attribute("numpy", "cast", Cast()),
    # Dropped by NumPy 2: "all axes" for theano.tensor.extra_ops, which hands it to C.
    Attribute("numpy", "MAXDIMS", np.iinfo(np.int32).min),
    # Dropped by NumPy 2; theano.tensor.elemwise.
    Attribute("numpy", "sctype2char", lambda kind: np.dtype(kind).char),
    # Moved by NumPy 1.25; theano.tensor.slinalg, theano.tensor.nnet.conv.
    Attribute("numpy", "ComplexWarning", getattr(np, "exceptions", np).ComplexWarning),
    # Renamed by NumPy 2; theano.gof.cc asks for NumPy's C version.
    Attribute("numpy", "core", getattr(np, "_core", None)),
]


def missing():
    """{module: {name: what stands in}}: what the modules that are here do not hold."""
    found = {}
    for owner, name, stand_in in ATTRIBUTES:
        if name not in vars(sys.modules[owner]):  # deprecated names come from a module's __getattr__, and warn
            found.setdefault(owner, {})[name] = stand_in
    return found
