"""net4's callbacks and its loss."""
import net4
import numpy as np
import pytest
import theano
import theano.tensor as T
from conftest import some_faces

from fkp import maps
from fkp.training.session import set_seed


class FakeNet:
    max_epochs = 5

    def __init__(self):
        self.rate = theano.shared(np.float32(9))
        self.weight = 0

    def get_all_params_values(self):
        return {"layer": [np.array(self.weight)]}


def row(epoch, valid_loss):
    return {"epoch": epoch, "valid_loss": valid_loss, "train_loss": 1.0}


def test_a_variable_moves_linearly_over_all_epochs():
    net = FakeNet()
    adjust = net4.AdjustVariable("rate", start=1.0, stop=0.2)
    values = []
    for epoch in range(1, 6):
        adjust(net, [row(epoch, 1.0)])
        values.append(float(net.rate.get_value()))
    np.testing.assert_allclose(values, [1.0, 0.8, 0.6, 0.4, 0.2], rtol=1e-6)


def test_a_learning_rate_rises_in_the_first_tenth_and_falls_to_nothing():
    net = FakeNet()
    net.max_epochs = 20
    rise_and_fall = maps.RiseAndFall("rate", peak=2.0)
    values = []
    for epoch in range(1, 21):
        rise_and_fall(net, [row(epoch, 1.0)])
        values.append(float(net.rate.get_value()))
    np.testing.assert_allclose([values[0], values[1], values[10], values[19]], [1, 2, 1, 0], atol=1e-6)
    assert (np.diff(values[1:]) < 0).all()


def test_the_last_two_fifths_of_the_epochs_augment_gently():
    net = net4.build(epochs=5, all_rows=True, augment=True, heatmaps=True)
    gently, = [handler for handler in net.on_epoch_finished if isinstance(handler, maps.AugmentGently)]
    assert gently in net.on_training_started  # a run that goes on begins as it would have gone on
    strengths = []
    for done in range(6):
        gently(net, [row(epoch, 1.0) for epoch in range(1, done + 1)])
        strengths.append(net.batch_iterator_train.strength)
    assert strengths == [1, 1, 1, 0.4, 0.4, 0.4]


def test_training_stops_after_patience_epochs_without_a_better_loss():
    net, stopping = FakeNet(), net4.EarlyStopping(patience=3)
    losses = [5, 4, 4.5, 4.2, 4.1, 3.9]
    with pytest.raises(StopIteration):
        for epoch, loss in enumerate(losses, 1):
            net.weight = epoch
            stopping(net, [row(epoch, loss)])
    assert epoch == 5
    assert stopping.best_weights_epoch == 2 and stopping.best_weights["layer"][0] == 2


@pytest.mark.parametrize("patience", [2, 100])  # stopped early, or out of epochs
def test_the_best_weights_come_back_however_training_ends(patience, drawn):
    X, y = some_faces(drawn, flat=False)
    set_seed(0)
    net = net4.build(epochs=6, hidden=10)
    net.on_epoch_finished = [net4.EarlyStopping(patience)]
    best = {}

    def worsen(net, history):  # a valid loss that is best at epoch 2
        history[-1]["valid_loss"] = abs(history[-1]["epoch"] - 2.0)
        if history[-1]["epoch"] == 2:
            best["weights"] = [p.get_value() for p in net.get_all_params()]
    net.on_epoch_finished.insert(0, worsen)
    net.verbose = 0
    net.fit(X, y[:, :30])
    assert len(net.train_history_) == (4 if patience == 2 else 6)
    for p, value in zip(net.get_all_params(), best["weights"]):
        np.testing.assert_array_equal(p.get_value(), value)


def test_a_missing_label_costs_nothing_and_the_known_ones_count_fully():
    prediction, target = T.matrix(), T.matrix()
    loss = net4.masked_squared_error(prediction, target).mean()
    f = theano.function([prediction, target], [loss, T.grad(loss, prediction)])
    p = np.array([[1, 2], [3, 4]], np.float32)
    t = np.array([[0, np.nan], [np.nan, 2]], np.float32)
    value, gradient = f(p, t)
    assert value == pytest.approx((1 + 4) / 2)
    np.testing.assert_allclose(gradient, [[1, 0], [0, 2]])
    value, gradient = f(p, np.full((2, 2), np.nan, np.float32))
    assert value == 0 and not np.isnan(gradient).any()


def test_a_net_that_is_fitted_again_stays_at_the_schedules_end(drawn):
    X, y = some_faces(drawn, flat=False)
    net = net4.build(epochs=2, hidden=5).set_params(verbose=0, on_epoch_finished=net4.build(epochs=2).on_epoch_finished)
    for _ in range(3):
        net.fit(X, y[:, :30])
    assert len(net.train_history_) == 6 and np.isfinite([row["train_loss"] for row in net.train_history_]).all()
    assert net.update_learning_rate.get_value() == np.float32(0.0001)
    assert net.update_momentum.get_value() == np.float32(0.999)


def test_a_schedule_that_rises_and_falls_ends_at_nothing_for_good():
    net = FakeNet()
    fall = maps.RiseAndFall("rate", peak=2.0)
    for epoch in (5, 6, 12):
        fall(net, [row(epoch, 1.0)])
        assert net.rate.get_value() == pytest.approx(0, abs=1e-6)


def test_a_net_that_stopped_early_waits_anew_when_it_is_fitted_again():
    net, stopping, epoch = FakeNet(), net4.EarlyStopping(patience=3), 0
    for wait in (4, 3):  # the first fit has a best epoch
        with pytest.raises(StopIteration):
            for _ in range(wait):
                epoch += 1
                stopping(net, [row(epoch, float(epoch))])
        assert epoch == (4 if wait == 4 else 7)
