"""nolearn's NeuralNet with scikit-learn 0.22 and later: they read parameters by name, and compare a clone's by `is`.

The functions at the end are what a clone and an unpickled net are made by.
"""
import copy
import functools

import numpy as np


def restore(base):
    """After `nolearn.lasagne.base`."""
    net = base.NeuralNet
    net.loss = net.X_tensor_type = None  # arguments that NeuralNet refuses and does not keep
    net.__sklearn_clone__ = untrained_copy
    base.PrintLog, base.PrintLayerInfo = unless_silent(base.PrintLog), unless_silent(base.PrintLayerInfo)
    net.__reduce_ex__ = lambda net, protocol: (unpickled, (type(net), vars(net)))
    net.__setstate__ = functools.partialmethod(set_state, vars(net(layers=[])))
    base.BatchIterator.shuffle = base.TrainSplit.shuffle = False  # which those of nolearn 0.6.0 have not


def unless_silent(handler):
    """This handler, which NeuralNet adds to itself, but silent while the net's `verbose` is 0, whoever set it when."""
    class Printing(handler):
        def __call__(self, net, train_history=None):
            if net.verbose:
                super().__call__(net, train_history)

    Printing.__module__, Printing.__name__ = "nolearn.lasagne.base", handler.__name__  # where a pickle finds it
    Printing.__qualname__ = handler.__qualname__
    return Printing


def untrained_copy(net):
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


def unpickled(kind, state):
    """What a pickled net becomes in joblib's worker processes: standing in this module, it has Lasagne importable.

    (nolearn's own way compiles a net that nobody has trained yet.)
    """
    net = kind.__new__(kind)
    vars(net).update(state)
    return net


def set_state(net, defaults, state):
    """The net of a pickle that nolearn itself wrote, 0.6.0 as well: with its weights, compiled anew."""
    state = {**copy.deepcopy(defaults), **state}
    if "_output_layer" in state:  # 0.6.0
        state["_output_layers"] = [state.pop("_output_layer")]
    for compiled in ("train_iter_", "eval_iter_", "predict_iter_", "_get_output_fn_cache", "_initialized"):
        state.pop(compiled, None)
    vars(net).update(state)
    net.initialize()
