"""Names that Lasagne 0.1, nolearn 0.6.1 and Theano 1.0.5 expect and newer releases dropped.

`restore()` puts each back, once, before those packages are imported.  Every
entry names who dropped it and who still asks for it.
"""
import collections
import collections.abc
import copy
import hashlib
import importlib.metadata
import sys
import types
import warnings

import numpy as np


def restore():
    """Make Theano, Lasagne and nolearn importable.  Safe to call twice."""
    # Python 3.10 dropped the alias; nolearn.lasagne.base imports it.
    collections.Iterable = collections.abc.Iterable
    # Theano 1.0.5 and Lasagne 0.1 ask for names that NumPy 1.20 deprecated.
    warnings.filterwarnings("ignore", message="`np\\.(bool|int|float|object|complex)`", category=DeprecationWarning)
    # Lasagne 0.1 calls Theano's convolution by a keyword that Theano renamed.
    warnings.filterwarnings("ignore", message="The `image_shape` keyword argument", category=UserWarning)
    # NumPy's own notice of distutils' end reaches the user through Theano.
    warnings.filterwarnings("ignore", message=".*distutils", category=DeprecationWarning)
    if "pkg_resources" not in sys.modules:
        sys.modules["pkg_resources"] = _pkg_resources()
    sys.modules.setdefault("sklearn.cross_validation", _cross_validation())


def restore_downsample():
    """After Theano: its module `downsample` became `pool` in 0.9; Lasagne 0.1 imports the old name."""
    from theano.tensor import signal
    from theano.tensor.signal import pool

    downsample = types.ModuleType("theano.tensor.signal.downsample")
    downsample.max_pool_2d = _max_pool_2d(pool.pool_2d)
    sys.modules[downsample.__name__] = signal.downsample = downsample


def steady_cache():
    """After Theano: find compiled modules again.  Every start compiled some anew, and left them in the cache."""
    from theano.gof.cc import CLinker
    from theano.gof.op import COp

    COp.c_code_cache_version = _digest_of_code
    CLinker.cmodule_key = _versioned_key(CLinker.cmodule_key)


def _digest_of_code(op):
    """Theano takes `hash` of an Op's C code, which differs from run to run since Python 3.3."""
    params = getattr(op, "params_type", None)
    return (*[hashlib.sha256(code.encode()).hexdigest() for code in op.func_codes],
            *([] if params is None else [params.c_code_cache_version()]))


def _versioned_key(cmodule_key):
    """Theano takes an Op without parameters (`__props__ = ()`) for one without a version, whose code is not kept."""
    def key_with_version(linker):
        key = cmodule_key(linker)
        if key is None or key[0]:
            return key
        versions = [version for node in linker.schedule(linker.fgraph) for version in
                    (node.op.c_code_cache_version_apply(node),
                     *[variable.type.c_code_cache_version() for variable in node.inputs + node.outputs])]
        return (tuple(versions) if all(versions) else (), key[1])

    return key_with_version


def restore_estimator():
    """After nolearn: scikit-learn 0.22 took to reading every parameter by name, and to comparing a clone's by `is`."""
    from nolearn.lasagne import NeuralNet

    NeuralNet.loss = NeuralNet.X_tensor_type = None  # arguments that NeuralNet refuses and does not keep
    NeuralNet.__sklearn_clone__ = _untrained_copy
    NeuralNet.__reduce_ex__ = lambda net, protocol: (_unpickled, (type(net), vars(net)))


def _untrained_copy(net):
    """What sklearn.base.clone returns: a net of the same parameters, with handlers of its own."""
    from nolearn.lasagne.handlers import RememberBestWeights

    params = copy.deepcopy(net.get_params(deep=False))
    verbose = params.pop("verbose")  # it would print twice: the lists of handlers hold the printing ones already
    for handler in params["on_epoch_finished"]:
        if isinstance(handler, RememberBestWeights):
            handler.best_weights, handler.best_weights_loss, handler.best_weights_epoch = None, np.inf, None
    twin = type(net)(**params)
    twin.verbose = verbose
    return twin


def _unpickled(kind, state):
    """What a pickled net becomes in joblib's worker processes: standing in this module, it has Lasagne importable.

    (nolearn's own way compiles a net that nobody has trained yet.)
    """
    net = kind.__new__(kind)
    vars(net).update(state)
    return net


def _max_pool_2d(pool_2d):
    """Lasagne's old keywords (ds, st, padding) on Theano 1.0's `pool_2d` (ws, stride, pad)."""
    def max_pool_2d(input, ds, ignore_border=None, st=None, padding=(0, 0), mode="max"):
        return pool_2d(input, ws=ds, ignore_border=ignore_border, stride=st, pad=padding, mode=mode)

    return max_pool_2d


def _pkg_resources():
    """setuptools 82 dropped pkg_resources; Lasagne and Theano ask it for a version only."""
    module = types.ModuleType("pkg_resources")
    module.DistributionNotFound = importlib.metadata.PackageNotFoundError
    module.get_distribution = lambda name: types.SimpleNamespace(version=importlib.metadata.version(name))
    return module


def _cross_validation():
    """scikit-learn 0.20 dropped cross_validation; nolearn takes KFold's and StratifiedKFold's old form."""
    from sklearn import model_selection

    module = types.ModuleType("sklearn.cross_validation")
    module.KFold = lambda n, n_folds: model_selection.KFold(n_folds).split(np.empty(n))
    module.StratifiedKFold = lambda y, n_folds: model_selection.StratifiedKFold(n_folds).split(np.empty(len(y)), y)
    return module
