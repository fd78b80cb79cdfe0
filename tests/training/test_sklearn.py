"""The nets keep scikit-learn's conventions: clone, Pipeline, cross_val_score, GridSearchCV."""
import net1
import net2
import net3
import net4
import net5

import numpy as np
import pytest
from conftest import train
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

MSE = "neg_mean_squared_error"


@pytest.fixture(scope="module")
def few():
    """24 faces as net1 takes them."""
    random = np.random.RandomState(0)
    return (random.randint(0, 256, (24, 9216)).astype(np.uint8),
            random.uniform(-0.5, 0.5, (24, 30)).astype(np.float32))


@pytest.mark.parametrize("build", [net1.build, net2.build, net3.build, net4.build, net5.build])
def test_a_clone_has_the_same_parameters_and_nothing_in_common(build):
    net = build()
    twin = clone(net)
    before, after = net.get_params(), twin.get_params()
    assert list(before) == list(after) and before["layers"] == after["layers"]
    assert [type(h) for h in before["on_epoch_finished"]] == [type(h) for h in after["on_epoch_finished"]]
    assert twin.verbose == net.verbose
    assert twin.batch_iterator_train is not net.batch_iterator_train
    assert not any(a is b for a, b in zip(before["on_epoch_finished"], after["on_epoch_finished"]))


def test_the_schedule_of_a_clone_moves_its_own_learning_rate():
    net = net4.build()
    twin = clone(net)
    net4.AdjustVariable("update_learning_rate", 0.03, 0.0001)(twin, [{"epoch": 3000}])
    assert twin.update_learning_rate.get_value() == np.float32(0.0001)
    assert net.update_learning_rate.get_value() == np.float32(0.03)


def test_a_clone_of_a_trained_net_is_untrained(few):
    X, y = few
    net = net1.build(epochs=2).set_params(verbose=0)
    net.on_epoch_finished.append(net4.EarlyStopping())
    net.fit(X, y)
    twin = clone(net)
    assert twin.train_history_ == [] and not hasattr(twin, "layers_")
    assert net.on_epoch_finished[-1].best_weights is not None and twin.on_epoch_finished[-1].best_weights is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_net_that_is_told_to_be_silent_prints_nothing_in_any_fold(jobs, few, capfd):
    cross_val_score(net1.build(epochs=2).set_params(verbose=0), *few, scoring=MSE, cv=2, n_jobs=jobs)
    assert capfd.readouterr().out == ""
    cross_val_score(net1.build(epochs=2), *few, scoring=MSE, cv=2)
    assert capfd.readouterr().out.count("trn loss") == 2  # a heading for each fold


def test_a_silent_net_is_trained_silently_by_a_session_as_well(few, tmp_path, capsys):
    net = net1.build(epochs=2)
    net.verbose = 0
    train(net, *few, tmp_path / "net1.npz")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Best"]


def test_a_net_prints_its_parameters():
    assert repr(net1.build(epochs=7)).startswith("NeuralNet(")


def test_a_net_in_a_pipeline(few):
    X, y = few
    dim = FunctionTransformer(lambda pixels: pixels // 2)
    pipeline = Pipeline([("dim", dim), ("net", net1.build(epochs=2))]).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X), pipeline["net"].predict(X // 2))
    assert pipeline.set_params(net__max_epochs=1)["net"].max_epochs == 1


def test_cross_validation(few):
    scores = cross_val_score(net1.build(epochs=2), *few, scoring=MSE, cv=2, error_score="raise")
    assert scores.shape == (2,) and (scores < 0).all()


def test_trained_nets_come_back_from_other_processes(few):
    found = cross_validate(net1.build(epochs=2), *few, scoring=MSE, cv=2, n_jobs=2, return_estimator=True,
                           error_score="raise")
    for net, score, (_, rest) in zip(found["estimator"], found["test_score"], KFold(2).split(few[0])):
        error = net.predict(few[0][rest]) - few[1][rest]
        np.testing.assert_allclose((error ** 2).mean(), -score, rtol=1e-5)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_for_the_best_learning_rate(jobs, few):
    X, y = few
    search = GridSearchCV(net1.build(epochs=3), {"update_learning_rate": [1e-9, 0.01]}, scoring=MSE, cv=2,
                          n_jobs=jobs, error_score="raise").fit(X, y)
    assert search.best_params_ == {"update_learning_rate": 0.01}
    assert search.predict(X).shape == y.shape
