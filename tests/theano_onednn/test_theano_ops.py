"""Theano's own Ops against NumPy, beyond what the nets use: what newer Pythons and NumPys could have changed."""
import lasagne
import numpy as np
import pytest
import scipy.sparse
import theano
import theano.sparse
import theano.tensor as T
from lasagne import layers
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams

pytestmark = pytest.mark.slow  # every Op is compiled once

random = np.random.RandomState(0)
X = random.uniform(-2, 2, (4, 5)).astype("float32")
Y = random.uniform(0.5, 2, (5, 3)).astype("float32")
ROWS = np.array([2, 0, 2], "int64")
BYTES = np.array([3, 250, 7], "uint8")
x, y, rows, u = T.fmatrix("x"), T.fmatrix("y"), T.lvector("rows"), T.TensorType("uint8", [False])("u")


def incremented():
    found = X.copy()
    np.add.at(found, ROWS, 1)
    return found


def written():
    found = X.copy()
    found[ROWS[:2], :2] = 7
    return found


CASES = {
    # numbers in the graph: the type they take, as NumPy 1 had it
    "an integer constant": (x + 300, X + np.float32(300)),
    "a float constant": (x * 0.5, X * np.float32(0.5)),
    "a large byte": (u + 300, BYTES.astype("int16") + np.int16(300)),
    "a byte and -1": (u + np.int8(-1), BYTES.astype("int16") - np.int16(1)),
    "a negated byte": (-u, np.negative(BYTES)),
    "64 bits": (rows * 2 ** 40, ROWS * 2 ** 40),
    "unsigned 64 bits": (T.constant(2 ** 63) + T.zeros_like(rows).astype("uint64"), np.full(3, 2 ** 63, "uint64")),
    "true division": (rows / 2, (ROWS / 2).astype("float32")),
    "a cast that wraps": (T.cast(rows * 200, "int8"), (ROWS * 200).astype("int8")),
    # arithmetic
    "clip, sign, floor": (T.clip(T.floor(x) + T.sgn(x), -2, 1), np.clip(np.floor(X) + np.sign(X), -2, 1)),
    "powers": (T.sqr(x) + abs(x) ** 1.5, X ** 2 + np.abs(X) ** np.float32(1.5)),
    "exp, log, tanh": (T.log1p(T.exp(x)) + T.tanh(x), np.log1p(np.exp(X)) + np.tanh(X)),
    "a choice": (T.switch(x > 0, x, 2 * x), np.where(X > 0, X, 2 * X)),
    "a whole remainder": (rows % 2 + rows // 2, ROWS % 2 + ROWS // 2),
    "bits": (u & u[::-1] | u ^ u[::-1], BYTES & BYTES[::-1] | BYTES ^ BYTES[::-1]),
    "complex numbers": (abs(T.complex_from_polar(abs(x), x)), np.abs(X)),
    # reductions
    "sums": (x.sum(0) + x.mean() + x.var(0), X.sum(0) + X.mean() + X.var(0)),
    "products": (T.prod(x, axis=1), X.prod(1)),
    "maximum and where": (x.max(1) + x.argmax(1), X.max(1) + X.argmax(1)),
    "the maximum over all": (x.max() + x.argmax(), X.max() + X.argmax()),
    "norm, any, all": (x.norm(2) + T.any(x > 1) + T.all(x > 1), np.linalg.norm(X) + (X > 1).any() + (X > 1).all()),
    "running sums": (T.cumsum(x) + T.cumsum(x, axis=1).flatten(), X.cumsum() + X.cumsum(1).ravel()),
    # shape
    "joined": (T.concatenate([x, 2 * x], axis=1), np.concatenate([X, 2 * X], 1)),
    "reshaped": (x.dimshuffle(1, "x", 0).reshape((2, 10)), X.T.reshape(2, 10)),
    "repeated": (T.repeat(x, 2, axis=0), X.repeat(2, 0)),
    "tiled, rolled": (T.roll(T.tile(x, (1, 2)), 3, axis=1), np.roll(np.tile(X, (1, 2)), 3, 1)),
    "a diagonal": (T.diag(T.diag(x)), np.diag(np.diag(X))),
    "an identity and a range": (T.eye(5) + T.arange(5), np.eye(5) + np.arange(5)),
    # indexing
    "slices": (x[::-1, 1:4:2], X[::-1, 1:4:2]),
    "rows": (x[rows], X[ROWS]),
    "rows and columns": (x[rows, rows + 1], X[ROWS, ROWS + 1]),
    "a mask": (x[x > 0], X[X > 0]),
    "rows incremented": (T.inc_subtensor(x[rows], 1), incremented()),
    "a slice set": (T.set_subtensor(x[rows[:2], :2], 7), written()),
    "the gradient of rows": (T.grad(x[rows].sum(), x), incremented() - X),
    "one of each row": (T.choose(T.zeros_like(rows), [x[:, 0][:3], x[:, 1][:3]]), X[:3, 0]),
    # order
    "sorted": (T.sort(x, axis=0), np.sort(X, 0)),
    "sorted, where": (T.argsort(x, axis=1), np.argsort(X, 1)),
    "different ones": (T.extra_ops.Unique()(rows), np.unique(ROWS)),
    "counts": (T.extra_ops.bincount(rows), np.bincount(ROWS)),
    "one hot": (T.extra_ops.to_one_hot(rows, 3), np.eye(3, dtype="float32")[ROWS]),
    # products
    "matrices": (T.dot(x, y), X @ Y),
    "a matrix and a vector": (T.dot(x, y[:, 0]), X @ Y[:, 0]),
    "vectors": (T.dot(y[:, 0], y[:, 1]) + T.outer(y[0], y[0]).sum(), Y[:, 0] @ Y[:, 1] + np.outer(Y[0], Y[0]).sum()),
    "float64": (T.dot(x.astype("float64"), y.astype("float64")), X.astype("float64") @ Y.astype("float64")),
    "a batch": (T.batched_dot(x.reshape((2, 2, 5)), T.stack([y, 2 * y])),
                np.matmul(X.reshape(2, 2, 5), np.stack([Y, 2 * Y]))),
    "tensors": (T.tensordot(x, y, axes=[[1], [0]]), np.tensordot(X, Y, 1)),
    "linear algebra": (T.nlinalg.matrix_inverse(T.dot(y.T, y)), np.linalg.inv(Y.T @ Y)),
    # what losses and layers are made of
    "softmax": (T.nnet.softmax(x), np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    "crossentropy": (T.nnet.categorical_crossentropy(T.nnet.softmax(x[rows]), rows),
                     -np.log((np.exp(X) / np.exp(X).sum(1, keepdims=True))[ROWS, ROWS])),
    "sigmoid, softplus": (T.nnet.sigmoid(x) + T.nnet.softplus(x), 1 / (1 + np.exp(-X)) + np.log1p(np.exp(X))),
    # loops
    "a loop": (theano.scan(lambda row, total: total + row, sequences=x, outputs_info=T.zeros_like(x[0]))[0],
               X.cumsum(0)),
    "a loop with an end": (theano.scan(lambda v: (2 * v, theano.scan_module.until(v > 20)), outputs_info=T.ones(()),
                                       n_steps=10)[0], np.float32([2, 4, 8, 16, 32, 64])[:6]),
    "a loop's gradient": (T.grad(theano.scan(lambda row, total: total * row, sequences=y, outputs_info=T.ones_like(
        y[0]))[0][-1].sum(), y), Y.prod(0) / Y),
    "a derivative matrix": (theano.gradient.jacobian(T.dot(x[0], y), x)[:, 0], Y.T),
    "sparse": (theano.sparse.dot(theano.sparse.csr_from_dense(x), y), X @ Y),
}


@pytest.mark.parametrize("name", CASES)
def test_as_numpy(name):
    expression, expected = CASES[name]
    found = theano.function([x, y, rows, u], expression, on_unused_input="ignore")(X, Y, ROWS, BYTES)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert found.dtype == expression.dtype == np.asarray(expected).dtype


def test_sparse_arrays_go_in_and_out():
    s = theano.sparse.csr_matrix("s", dtype="float32")
    found = theano.function([s, y], [theano.sparse.dot(s, y), theano.sparse.transpose(s), theano.sparse.sp_sum(s, 1)])(
        scipy.sparse.csr_matrix(X), Y)
    np.testing.assert_allclose(found[0], X @ Y, rtol=1e-5)
    np.testing.assert_array_equal(found[1].toarray(), X.T)
    np.testing.assert_allclose(found[2], X.sum(1), rtol=1e-5)


def test_rows_that_repeat_themselves_are_read_once():
    row, column = np.broadcast_to(X[:1], X.shape), np.broadcast_to(X[:, :1], X.shape)
    function = theano.function([x, y], [T.dot(x.T, x), T.dot(y.T, x.T), x.dimshuffle(1, "x", 0) + 1])
    for repeated in (row, column):
        turned = repeated.T
        for found, expected in zip(function(repeated, Y), [turned @ repeated, Y.T @ turned, turned[:, None] + 1]):
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_random_numbers_are_those_of_always():
    mrg, numpys = MRG_RandomStreams(1), RandomStreams(1)
    draw = theano.function([], [mrg.uniform((3,)), mrg.binomial((6,)), numpys.uniform((2,))])
    first, second = draw(), draw()
    np.testing.assert_allclose(first[0], [0.00192267, 0.73635966, 0.35380843], rtol=1e-5)
    seed = np.random.RandomState(1).randint(2 ** 30)
    np.testing.assert_allclose(first[2], np.random.RandomState(seed).uniform(size=2), rtol=1e-6)
    assert sorted(set(first[1])) == [0, 1] and not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[2], second[2])


def test_two_functions_with_one_random_stream_do_not_share_its_state():
    streams = RandomStreams(1)
    drawn = streams.uniform((2,))
    frozen = theano.function([], drawn, no_default_updates=True)
    np.testing.assert_array_equal(frozen(), frozen())


@pytest.mark.parametrize("kind", [layers.RecurrentLayer, layers.LSTMLayer, layers.GRULayer])
def test_recurrent_layers_learn(kind):
    lasagne.random.set_rng(np.random.RandomState(1))
    net = layers.DenseLayer(kind(layers.InputLayer((None, 4, 3)), 5), 1, nonlinearity=None)
    series, target = T.ftensor3(), T.fmatrix()
    loss = lasagne.objectives.squared_error(layers.get_output(net, series), target).mean()
    updates = lasagne.updates.sgd(loss, layers.get_all_params(net, trainable=True), 0.1)
    train = theano.function([series, target], loss, updates=updates)
    data = random.uniform(-1, 1, (8, 4, 3)).astype("float32")
    losses = [float(train(data, data[:, :, 0].sum(1, keepdims=True))) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


LAYERS = {
    "an average pool": lambda net: layers.Pool2DLayer(net, 2, mode="average_inc_pad"),
    "a padded convolution": lambda net: layers.Conv2DLayer(net, 2, 3, pad="same",
                                                           nonlinearity=lasagne.nonlinearities.tanh),
    "one dimension": lambda net: layers.Conv1DLayer(layers.ReshapeLayer(net, ([0], 2, 36)), 3, 4),
    "maxout": lambda net: layers.FeaturePoolLayer(net, 2),
    "normalised responses": lambda net: layers.LocalResponseNormalization2DLayer(net),
    "padding": lambda net: layers.PadLayer(net, 1),
    "a global pool": lambda net: layers.GlobalPoolLayer(net),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layers_gradient_is_its_slope(name):
    lasagne.random.set_rng(np.random.RandomState(2))
    net = LAYERS[name](layers.InputLayer((None, 2, 6, 6)))
    pictures = T.ftensor4()
    value = T.sqr(layers.get_output(net, pictures)).sum()
    function = theano.function([pictures], [value, T.grad(value, pictures)])
    data, step = random.uniform(0.2, 1, (2, 2, 6, 6)).astype("float32"), random.normal(size=(2, 2, 6, 6)) * 1e-3
    up, down = [float(function((data + sign * step).astype("float32"))[0]) for sign in (1, -1)]
    np.testing.assert_allclose((function(data)[1] * step).sum(), (up - down) / 2, rtol=0.05, atol=2e-4)
