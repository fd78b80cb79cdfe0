"""Whole nets: ours against Theano's own Ops, the same seed twice, bfloat16, checkpointed random state."""
import pickle
from concurrent.futures import ThreadPoolExecutor

import lasagne
import numpy as np
import pytest
import theano
from lasagne import layers
from nolearn.lasagne import NeuralNet, TrainSplit
from sklearn.datasets import load_digits

import theano_onednn
from theano_onednn import start
from theano_onednn.ops import native, substitute
from test_stage import THEANOS, numbers

ours_only = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def net3(p=0.0, **settings):
    """net3's layers on small pictures, initialised; with p, dropout behind pools and a hidden layer."""
    np.random.seed(1)
    lasagne.random.set_rng(np.random.RandomState(1))
    drop = [(layers.DropoutLayer, {"p": p})] * bool(p)
    net = NeuralNet([
        (layers.InputLayer, {"shape": (None, 1, 31, 30)}),
        (layers.Conv2DLayer, {"num_filters": 32, "filter_size": 3}), (layers.MaxPool2DLayer, {"pool_size": 2}), *drop,
        (layers.Conv2DLayer, {"num_filters": 64, "filter_size": 2}), (layers.MaxPool2DLayer, {"pool_size": 2}), *drop,
        (layers.Conv2DLayer, {"num_filters": 128, "filter_size": 2}), (layers.MaxPool2DLayer, {"pool_size": 2}),
        (layers.DenseLayer, {"num_units": 50}), *drop,
        (layers.DenseLayer, {"num_units": 50}),
        (layers.DenseLayer, {"num_units": 30, "nonlinearity": None}),
    ], regression=True, update_learning_rate=theano.shared(np.float32(0.03)), update_momentum=0.9, max_epochs=3,
        update=lasagne.updates.nesterov_momentum, train_split=TrainSplit(0.2), **settings)
    net.initialize()
    return net


def pictures(n=150):
    """n pictures with a bright square and 30 numbers that say where it is."""
    random = np.random.RandomState(0)
    x, place = random.rand(n, 1, 31, 30).astype("float32") * 0.2, random.randint(3, 24, (n, 2))
    for image, (row, column) in zip(x, place):
        image[0, row:row + 4, column:column + 4] += 0.8
    return x, np.repeat(place, 15, axis=1).astype("float32") / 15 - 1


def history(net):
    return [(row["train_loss"], row["valid_loss"]) for row in net.train_history_]


def replaced(net):
    """{function: {Op: how often}}: which of our Ops the net's compiled functions hold."""
    return {name: substitute.replaced(getattr(net, name)) for name in ("train_iter_", "eval_iter_", "predict_iter_")}


def masked(prediction, target):
    """Squared error where the target is known."""
    known = theano.tensor.invert(theano.tensor.isnan(target))
    return theano.tensor.switch(known, (prediction - target) ** 2, 0)


@ours_only
def test_a_net_is_replaced_whole_and_says_so():
    net = net3(0.3)
    forward = {"Stage": 3, "Dense": 3}
    assert replaced(net) == {
        "train_iter_": {"Stage": 3, "StageGradient": 3, "Dense": 3, "DenseGradient": 3, "Nesterov": 12},
        "eval_iter_": forward, "predict_iter_": forward}


def both_ways(monkeypatch, fit):
    """fit()'s net with our Ops and with Theano's own."""
    found = fit()
    monkeypatch.setattr("nolearn.lasagne.base.get_output", substitute.original_get_output)
    monkeypatch.setattr("theano.compile.mode.instantiated_default_mode", THEANOS)
    monkeypatch.setattr(lasagne.updates, "nesterov_momentum", substitute.original_nesterov)
    expected = fit()
    assert all(replaced(found).values()) and not any(replaced(expected).values())
    return found, expected


@ours_only
def test_digits_on_black_give_theanos_losses(monkeypatch):
    """Constant areas: most windows have four equal maxima."""
    digits = load_digits()
    x = np.zeros((300, 1, 31, 30), "float32")
    x[:, 0, 4:28, 3:27] = np.kron(digits.images[:300] / 16, np.ones((3, 3)))
    y = np.tile(np.eye(10, dtype="float32")[digits.target[:300]], 3)
    found, expected = both_ways(monkeypatch, lambda: net3().fit(x, y))
    np.testing.assert_allclose(history(found), history(expected), rtol=1e-3)


@ours_only
@pytest.mark.parametrize("loss", [None, masked], ids=["squared", "masked"])
def test_three_epochs_give_theanos_losses(monkeypatch, loss):
    x, y = pictures()
    if loss:
        y[::3, 4:] = np.nan
    found, expected = both_ways(monkeypatch, lambda: net3(objective_loss_function=loss).fit(x, y))
    np.testing.assert_allclose(history(found), history(expected), rtol=1e-3)
    np.testing.assert_allclose(found.predict(x), expected.predict(x), rtol=1e-2, atol=1e-3)
    assert history(found)[-1][0] < history(found)[0][0]


def test_the_same_seed_gives_the_same_losses_to_the_bit():
    x, y = pictures()
    assert history(net3(0.3).fit(x, y)) == history(net3(0.3).fit(x, y))


def test_a_restored_run_goes_on_to_the_bit():
    x, y = pictures()
    whole, first, second = net3(0.3), net3(0.3), net3(0.3)
    whole.fit(x, y, epochs=2)
    first.fit(x, y, epochs=1)
    assert [v.name for v in first.train_iter_.get_shared()].count("dropout state") == (3 if start.reason is None else 0)
    for one, other in zip(first.train_iter_.get_shared(), second.train_iter_.get_shared()):
        other.set_value(one.get_value())
    second.fit(x, y, epochs=1)
    assert history(second)[0] == history(whole)[1]


def test_a_net_is_pickled_whatever_ops_it_runs_on():
    x, y = pictures(20)
    net = net3().fit(x, y, epochs=1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict(x), net.predict(x))
    data = pickle.dumps(NeuralNet([]))
    assert b"theano_onednn.ops" not in data
    assert pickle.loads(data).update is lasagne.updates.nesterov_momentum


@ours_only
def test_a_function_with_our_ops_is_refused_where_they_do_not_run(monkeypatch):
    layer = layers.DenseLayer(layers.InputLayer((None, 4)), 3)
    function = theano.function([], substitute.get_output(layer, numbers(2, 4)))
    data = pickle.dumps(function)
    np.testing.assert_array_equal(pickle.loads(data)(), function())
    monkeypatch.setattr(native, "LIBRARY", None)
    with pytest.raises(theano_onednn.Problem, match="Dense needs our .* library, which does not run here"):
        pickle.loads(data)


@ours_only
def test_bfloat16_learns_the_same():
    if native.LIBRARY.fkp_isa() & start.BF16 != start.BF16:
        why = "SciPy's BLAS is used here" if start.without else "neither AMX nor AVX-512 BF16"
        with pytest.raises(theano_onednn.Problem, match=why):
            theano_onednn.set_precision("bfloat16")
        pytest.skip("this processor has no bfloat16")
    x, y = pictures()
    expected = history(net3().fit(x, y))
    theano_onednn.set_precision("bfloat16")
    try:
        net = net3().fit(x, y)
    finally:
        theano_onednn.set_precision("float32")
    assert replaced(net)["train_iter_"]["Stage"] == 3
    assert any(node.op.bf16 for node in net.train_iter_.maker.fgraph.toposort() if hasattr(node.op, "bf16"))
    np.testing.assert_allclose(history(net), expected, rtol=0.02)
    assert history(net) != expected


def test_other_precisions_are_refused():
    with pytest.raises(theano_onednn.Problem, match="float32 or bfloat16, not 'float16'"):
        theano_onednn.set_precision("float16")


def test_describe_is_one_line():
    line = theano_onednn.describe()
    assert "\n" not in line and line.startswith("Theano 1.0.5 on cpu, float32, ")


def test_threads_that_call_one_function_get_an_answer_each():
    image = layers.InputLayer((None, 1, 24, 24))
    pool = layers.MaxPool2DLayer(layers.Conv2DLayer(image, 16, 3), 2)
    net = layers.DenseLayer(pool, 50)
    function = theano.function([image.input_var], lasagne.layers.get_output(net))
    faces = [numbers(64, 1, 24, 24, seed=seed) for seed in range(4)]
    alone = [function(each).tobytes() for each in faces]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda n: function(faces[n % 4]).tobytes(), range(240)))
    assert sum(found != alone[n % 4] for n, found in enumerate(together)) == 0
