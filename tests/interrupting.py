"""Small runs that are interrupted, and what must be the same afterwards."""
import signal

import net2
import net4
import numpy as np
from conftest import a_run, train

from fkp import maps, models


def interrupt_after(epoch, number=signal.SIGINT):
    """A handler that sends a signal at the start of the epoch after `epoch`."""
    def handler(net, history):
        if len(history) == epoch - 1 and not handler.sent:
            handler.sent = True
            signal.raise_signal(number)
    handler.sent = False
    return handler


def small_net4(epochs=6):
    """net4 with its schedules and dropout, but few filters."""
    net = net4.build(epochs=epochs, hidden=20)
    net.conv1_num_filters = net.conv2_num_filters = net.conv3_num_filters = 4
    return net


def run(build, data, path, stop=None, resume=False, number=signal.SIGINT, wanted=None):
    net = build()
    if stop:
        net.on_batch_finished = [interrupt_after(stop, number)]
    return train(net, *data, path, wanted or a_run(epochs=6), resume)


def losses(net):
    return [(row["epoch"], row["train_loss"], row["valid_loss"]) for row in net.train_history_]


def augmented_net4():
    net = net4.build(epochs=6, hidden=20, augment=True, tuned=True)
    net.conv1_num_filters = net.conv2_num_filters = net.conv3_num_filters = 4
    return net


def net4_with_heatmaps():
    net = net4.build(epochs=6, augment=True, heatmaps=True)
    for name in maps.FACE_FILTERS:
        setattr(net, "conv%s_num_filters" % name, 2)
    return net


def without_durations(net):
    return [{key: value for key, value in row.items() if key != "dur"} for row in net.train_history_]


def assert_same_parameters(one, other):
    for a, b in zip(models.read(one)[0], models.read(other)[0]):
        np.testing.assert_array_equal(a, b)


def stopping_net4():
    """Best in epoch 2, so it stops early after epoch 5."""
    net = small_net4(epochs=8)
    early, = [handler for handler in net.on_epoch_finished if isinstance(handler, net4.EarlyStopping)]
    early.patience = 3

    def best_in_epoch_2(net, history):
        history[-1]["valid_loss"] = 1.0 + abs(history[-1]["epoch"] - 2)
    net.on_epoch_finished.insert(0, best_in_epoch_2)
    return net


def build2():
    return net2.build(epochs=6, seed=1)


def full(*args):
    raise OSError(28, "No space left on device")
