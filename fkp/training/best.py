"""The best epoch: its weights and its row."""
import math

from nolearn.lasagne.handlers import RememberBestWeights


def remembered(net):
    """The net's RememberBestWeights handler (net4's EarlyStopping is one); given to a net that has none."""
    for handler in net.on_epoch_finished:
        if isinstance(handler, RememberBestWeights):
            return handler
    net.on_epoch_finished = [*net.on_epoch_finished, RememberBestWeights(verbose=0)]
    return net.on_epoch_finished[-1]


def put_best_weights(net):
    """The weights of the epoch with the lowest validation loss come back, however training ended."""
    best = remembered(net).best_weights
    if best is not None:
        for name, values in best.items():
            for variable, value in zip(net.layers_[name].get_params(), values):
                variable.set_value(value)


def best_epoch(history):
    """The history's row with the lowest validation loss."""
    return min(history, key=lambda row: row["valid_loss"] if row["valid_loss"] == row["valid_loss"] else math.inf)
