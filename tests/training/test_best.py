"""The best epoch is that of the lowest validation loss."""
from types import SimpleNamespace

import load  # noqa: F401  first: prepares Theano

from fkp.training.best import best_epoch, remembered

LOSSES = [(0.5, 0.3), (0.4, 0.1), (0.1, 0.2), (0.2, float("nan"))]   # in training and in validation
HISTORY = [{"epoch": epoch, "train_loss": train, "valid_loss": valid}
           for epoch, (train, valid) in enumerate(LOSSES, 1)]


def test_the_best_epoch_is_that_of_the_lowest_validation_loss():
    assert best_epoch(HISTORY)["epoch"] == 2


def test_the_weights_of_the_lowest_validation_loss_are_remembered():
    net = SimpleNamespace(on_epoch_finished=[], layers_={})
    for row in HISTORY[:3]:
        net.get_all_params_values = lambda: row["epoch"]
        net.train_history_ = HISTORY[:row["epoch"]]
        remembered(net)(net, net.train_history_)
    assert remembered(net).best_weights == 2 and remembered(net).best_weights_epoch == 2
