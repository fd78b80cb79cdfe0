"""The fused dense layer and Nesterov's update."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import DenseLayer, DropoutLayer, InputLayer

from theano_onednn import ops, start
from theano_onednn.ops import groups, nesterov, substitute
from test_stage import close, kinds, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
RECTIFY = lasagne.nonlinearities.rectify


def dense(shape=(None, 7, 3), units=33, **settings):
    lasagne.random.set_rng(np.random.RandomState(7))
    return DenseLayer(InputLayer(shape), units, b=numbers(units, seed=3), **settings)


def test_a_layer_without_bias_is_theanos():
    net = DenseLayer(InputLayer((None, 21)), 33, b=None)
    ours, found = run(net, numbers(6, 21), substitute.get_output)
    assert kinds(ours) == {"Dense": 1, "DenseGradient": 1} and len(found) == 3
    for one, other in zip(found, run(net, numbers(6, 21), substitute.original_get_output)[1]):
        close(one, other)


def run(net, x, get_output):
    """y and the gradients for W, b and x."""
    image, weight = theano.tensor.TensorType("float32", [False] * x.ndim)(), T.matrix()
    y = get_output(net, image)
    wanted = [*lasagne.layers.get_all_params(net), image]
    function = theano.function([image, weight], [y, *T.grad((y * weight).sum(), wanted)])
    return function, function(x, numbers(len(x), 33, seed=5))


@pytest.mark.parametrize("nonlinearity", [RECTIFY, None, *(getattr(lasagne.nonlinearities, name) for name in (
    "linear", "softmax", "tanh", "sigmoid", "leaky_rectify"))], ids=str)
@pytest.mark.parametrize("shape", [(6, 7, 3), (1, 40), (130, 4, 5, 6)], ids=str)
def test_values_and_gradients_are_theanos(shape, nonlinearity):
    net = dense((None, *shape[1:]), nonlinearity=nonlinearity)
    ours, found = run(net, numbers(*shape, seed=1), substitute.get_output)
    theirs, expected = run(net, numbers(*shape, seed=1), substitute.original_get_output)
    assert kinds(ours) == {"Dense": 1, "DenseGradient": 1} and not kinds(theirs)
    for one, other in zip(found, expected):
        close(one, other)


def test_an_empty_batch_has_an_empty_output_and_no_gradient():
    """Theano's own Dot22 raises here."""
    y, weights, bias, x = run(dense((None, 21)), numbers(0, 21), substitute.get_output)[1]
    assert y.shape == (0, 33) and x.shape == (0, 21) and not weights.any() and not bias.any()


def test_the_values_are_numpys():
    net, x = dense(), numbers(6, 7, 3)
    weights, bias = [p.get_value().astype("float64") for p in (net.W, net.b)]
    close(run(net, x, substitute.get_output)[1][0], np.maximum(x.reshape(6, 21).astype("float64") @ weights + bias, 0))


class Another(DenseLayer):
    """Computes something else."""

    def get_output_for(self, input, **kwargs):
        return super().get_output_for(input, **kwargs) + 1


def test_it_leaves_other_layers_alone():
    net = Another(InputLayer((None, 5)), 3)
    assert not groups.find_groups(lasagne.layers.get_all_layers(net), [net])


@pytest.mark.parametrize("dropout", [{"p": 0.5, "rescale": False}, {"p": 0}, {"p": theano.shared(np.float32(0.5))},
                                     {"p": 0.9999999}], ids=str)
def test_other_dropouts_stay_lasagnes(dropout):
    net = DropoutLayer(dense(), **dropout)
    found = groups.find_groups(lasagne.layers.get_all_layers(net), [net])
    assert list(found) == [net.input_layer] and found[net.input_layer].dropout is None


def test_dropout_after_a_linear_layer_stays_lasagnes():
    net = DropoutLayer(dense(nonlinearity=None))
    assert groups.find_groups(lasagne.layers.get_all_layers(net), [net])[net.input_layer].dropout is None
    with pytest.raises(ValueError, match="leaves no trace"):
        ops.Dense(ops.LINEAR, threshold=5)


def test_strided_input_gives_the_same():
    wide, net = numbers(6, 42), dense((None, 21))
    outputs = []
    for x in (wide[:, ::2], np.ascontiguousarray(wide[:, ::2]), wide[:, ::-1][:, 1::2][:, ::-1]):
        cells = [[None]]
        ops.Dense().perform(None, [x, net.W.get_value(), net.b.get_value()], cells)
        outputs.append(cells[0][0])
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_nan_comes_through():
    x = numbers(2, 7, 3)
    x[0, 0, 0] = np.nan
    y = run(dense(), x, substitute.get_output)[1][0]
    assert np.isnan(y[0]).all() and not np.isnan(y[1]).any()


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"weights of shape \(21, 33\) do not fit an input of shape \(2, 20\)"):
        ops.Dense().perform(None, [numbers(2, 20), numbers(21, 33), numbers(33)], [[None]])
    with pytest.raises(ValueError, match=r"bias of shape \(32,\) does not fit weights of shape \(21, 33\)"):
        ops.Dense().perform(None, [numbers(2, 21), numbers(21, 33), numbers(32)], [[None]])
    with pytest.raises(ValueError, match=r"have shapes \(2, 32\) and \(2, 32\), the layer's output has \(2, 33\)"):
        ops.DenseGradient().perform(None,
                                    [numbers(2, 21), numbers(21, 33), numbers(33), numbers(2, 32), numbers(2, 32)],
                                    [[None], [None], [None]])


def test_a_net_with_branches_shares_what_is_before_them():
    trunk = DropoutLayer(dense((None, 21)))
    both = [DenseLayer(trunk, 4, nonlinearity=None), DenseLayer(trunk, 4, nonlinearity=None)]
    both[1].W.set_value(both[0].W.get_value())
    x = T.matrix()
    function = theano.function([x], substitute.get_output(both, x))
    assert kinds(function) == {"Dense": 3}
    np.testing.assert_array_equal(*function(numbers(6, 21)))  # one mask for both


def test_several_inputs_and_given_outputs_work_as_in_lasagne():
    left, right = InputLayer((None, 5)), InputLayer((None, 5))
    net = DenseLayer(lasagne.layers.ElemwiseSumLayer([DenseLayer(left, 4), DenseLayer(right, 4)]), 3)
    x, y = numbers(2, 5), numbers(2, 5, seed=1)
    close(substitute.get_output(net, {left: x, right: y}).eval(),
          substitute.original_get_output(net, {left: x, right: y}).eval())
    with pytest.raises(ValueError, match="single input expression on a network with multiple input layers"):
        substitute.get_output(net, x)


def trained(update, steps=3):
    """Parameters after some steps with a schedule that changes rate and momentum."""
    parameters = [theano.shared(numbers(*shape)) for shape in [(200, 300), (7,), (3, 2, 2, 2)]]
    rate, momentum = theano.shared(np.float32(0.03)), theano.shared(np.float32(0.9))
    loss = sum((p ** 2).sum() + p.sum() for p in parameters)
    updates = update(loss, parameters, learning_rate=rate, momentum=momentum)
    function = theano.function([], loss, updates=updates)
    for step in range(steps):
        function()
        rate.set_value(np.float32(0.03 - 0.01 * step))
        momentum.set_value(np.float32(0.9 + 0.03 * step))
    return function, [v.get_value() for v in updates]


def test_nesterov_is_lasagnes():
    function, found = trained(substitute.nesterov_momentum)
    expected = trained(substitute.original_nesterov)[1]
    assert kinds(function) == {"Nesterov": 3}
    assert all(n.op.inplace for n in function.maker.fgraph.toposort() if isinstance(n.op, ops.Nesterov))
    for one, other in zip(found, expected):
        close(one, other, 1e-5)


def test_nesterov_takes_plain_numbers_and_does_not_touch_what_is_not_updated():
    parameter = theano.shared(np.ones(3, "float32"))
    updates = substitute.nesterov_momentum([parameter * 2], [parameter], 0.1)
    value = theano.function([], updates[parameter])()
    close(value, np.full(3, 1 - 0.2 - 0.9 * 0.2, "float32"), 1e-6)
    np.testing.assert_array_equal(parameter.get_value(), np.ones(3, "float32"))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", 0.1])
def test_other_activations_are_theanos(activation):
    nonlinearity = {"tanh": T.tanh, "sigmoid": T.nnet.sigmoid, 0.1: lambda z: T.nnet.relu(z, 0.1)}[activation]
    x, w, b, weight = T.matrix(), T.matrix(), T.vector(), T.matrix()
    found, expected = [theano.function([x, w, b, weight], [y, *T.grad((y * weight).sum(), [x, w, b])]) for y in (
        ops.Dense(activation)(x, w, b), nonlinearity(T.dot(x, w) + b))]
    arrays = numbers(6, 21, seed=1), numbers(21, 33, seed=2), numbers(33, seed=3), numbers(6, 33, seed=4)
    for one, other in zip(found(*arrays), expected(*arrays)):
        close(one, other, 1e-5)


@pytest.mark.parametrize(("activation", "function"), [("tanh", np.tanh), ("sigmoid", lambda z: 1 / (1 + np.exp(-z)))])
def test_curves_are_right_to_the_last_digits(activation, function):
    z = np.concatenate([np.linspace(-90, 90, 20001), np.geomspace(1e-30, 1, 999), [0, np.inf, -np.inf, np.nan]])
    z = z.astype("float32")
    cells = [[None]]
    ops.Dense(activation).perform(None, [np.zeros((1, 1), "f"), np.zeros((1, len(z)), "f"), z], cells)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(cells[0][0][0], function(z.astype("float64")), rtol=4e-6, atol=1e-30)


def test_a_layer_whose_weights_are_all_zero_learns_as_theanos():
    net = dense((None, 21), W=lasagne.init.Constant(0))
    net.b.set_value(np.zeros(33, "float32"))
    found, expected = [run(net, numbers(6, 21, seed=1), way)[1] for way in (
        substitute.get_output, substitute.original_get_output)]
    assert expected[1].any()
    for one, other in zip(found, expected):
        close(one, other)


def test_with_dropout_what_is_zero_learns_and_what_was_dropped_does_not():
    """All sums are exactly 0, where the rectifier's slope is 0.5."""
    x, w, b, weight = np.ones((8, 3), "f"), np.zeros((3, 40), "f"), np.zeros(40, "f"), np.ones((8, 40), "f")
    state = np.array([1, 0, 0, 0], "uint32")
    cells, mask, gradients = [[None], [None]], [[None], [None]], [[None] for _ in range(3)]
    op = ops.Dense(ops.RECTIFIER, 1 << 15)
    op.perform(None, [x, w, b, state], cells)
    op.perform(None, [x, w, b + 1, state], mask)  # the same draws
    ops.DenseGradient(ops.RECTIFIER, 1 << 15).perform(None, [x, w, b, cells[0][0], weight], gradients)
    np.testing.assert_array_equal(gradients[2][0], 0.5 * mask[0][0].sum(axis=0))


class GoneIsNaN(np.ndarray):
    """Whoever reads this array after its end reads NaN."""

    def __del__(self):
        self[...] = np.nan


def test_nesterov_takes_a_strided_gradient(monkeypatch):
    monkeypatch.setattr(nesterov, "dense_array", lambda array: np.ascontiguousarray(array).copy().view(GoneIsNaN))
    parameter, velocity, gradient = numbers(40, 50), np.zeros((40, 50), "float32"), numbers(50, 40, seed=1).T
    outputs = [[None], [None]]
    ops.Nesterov().perform(None, [parameter, velocity, gradient, 0.1, 0.0], outputs)
    close(outputs[0][0], parameter - np.float32(0.1) * gradient, 1e-5)


def test_nesterov_leaves_other_types_to_lasagne():
    parameter = theano.shared(np.ones(3))
    updates = substitute.nesterov_momentum((parameter ** 2).sum(), [parameter], 0.1)
    assert not any(isinstance(v.owner.op, ops.Nesterov) for v in updates.values())
