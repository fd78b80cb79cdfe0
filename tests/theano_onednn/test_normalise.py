"""Batch normalisation against Theano's own Ops, which run in float64."""
import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.nnet.bn import batch_normalization_train

from theano_onednn import ops, start
from theano_onednn.ops.substitute import replaced
from test_stage import close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
SHAPES = [(3, 5, 7, 9), (2, 32, 8, 10), (4, 1, 9, 9), (2, 17, 1, 3), (5, 64, 12, 12)]


def arrays(shape):
    """x, its output's gradient, gamma, beta and running averages."""
    channels = shape[1:2]
    return [numbers(*shape, seed=1) * 3 + 5, numbers(*shape, seed=2), numbers(*channels, seed=3),
            numbers(*channels, seed=4), numbers(*channels, seed=5), numbers(*channels, seed=6) ** 2]


def compiled(dtype, axes="spatial", mode=None, running=True):
    """(x, gy, gamma, beta, mean, variance) -> outputs, and the gradients of x, gamma and beta."""
    x, gy = (T.TensorType(dtype, [False] * 4)() for _ in range(2))
    gamma, beta, *averages = (T.vector(dtype=dtype) for _ in range(4))
    averages = dict(zip(("running_mean", "running_var"), averages))
    outputs = batch_normalization_train(x, gamma, beta, axes, 1e-3, 0.3, **averages if running else {})
    gradients = T.grad((outputs[0] * gy).sum(), [x, gamma, beta])
    inputs = [x, gy, gamma, beta, *averages.values()]
    return theano.function(inputs, [*outputs, *gradients], mode=mode, on_unused_input="ignore")


@pytest.fixture(scope="module")
def ours():
    return compiled("float32")


@pytest.fixture(scope="module")
def theanos():
    return compiled("float64", mode=theano.compile.get_default_mode().excluding("fkp"))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_theanos(shape, ours, theanos):
    given = arrays(shape)
    before = [array.copy() for array in given]
    for found, expected in zip(ours(*given), theanos(*[array.astype(np.float64) for array in given])):
        close(found, expected, 1e-4)
    assert all(np.array_equal(a, b) for a, b in zip(given, before))


def test_channels_last_and_reversed_images_are_read_as_they_are(ours):
    x, gy, *rest = arrays((3, 5, 7, 9))
    expected = ours(x, gy, *rest)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    reverse = np.ascontiguousarray(gy[:, :, ::-1])[:, :, ::-1]
    for found, wanted in zip(ours(last, reverse, *rest), expected):
        close(found, wanted, 1e-6)


def test_a_mean_far_from_zero_costs_no_digits(ours, theanos):
    given = arrays((3, 5, 7, 9))
    given[0] = given[0] + np.float32(1000)
    close(ours(*given)[0], theanos(*[array.astype(np.float64) for array in given])[0], 1e-3)


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (8, 17, 20, 30)], ids=str)
@pytest.mark.parametrize("far", [-3000, 3000, 1e5])
def test_a_variance_around_a_mean_far_from_zero_is_exact(far, shape, ours, theanos):
    """Each channel has a mean of its own: squares of what is left are small, squares of the numbers are not."""
    given = arrays(shape)
    given[0] = given[0] + (far * np.linspace(0.5, 2, shape[1])[:, None, None]).astype("float32")
    (_, mean, invstd, _, variance, *_) = ours(*given)
    _, *expected = theanos(*[array.astype(np.float64) for array in given])
    np.testing.assert_allclose(mean, expected[0], rtol=1e-6)
    np.testing.assert_allclose(invstd, expected[1], rtol=1e-4)
    np.testing.assert_allclose(variance, expected[3], rtol=1e-4)


def test_the_numbers_are_the_same_with_any_number_of_threads(ours, set_threads):
    given = arrays((8, 32, 32, 32))
    set_threads(1)
    alone = [array.copy() for array in ours(*given)]
    set_threads(2)
    assert all(np.array_equal(a, b) for a, b in zip(ours(*given), alone))


def test_only_images_normalised_channel_by_channel_are_ours():
    assert replaced(compiled("float32")) == {"BatchNormTrain": 1, "BatchNormTrainGradient": 1}
    assert replaced(compiled("float32", running=False)) == {"BatchNormTrain": 1, "BatchNormTrainGradient": 1}
    assert replaced(compiled("float64")) == {}
    x, gamma = T.matrix(), T.vector()
    assert replaced(theano.function([x, gamma], batch_normalization_train(x, gamma, gamma)[0])) == {}


def test_arrays_that_do_not_fit_are_refused():
    x, gamma = np.zeros((2, 3, 4, 4), np.float32), np.zeros((1, 4, 1, 1), np.float32)
    with pytest.raises(ValueError, match="gamma and beta have 4 and 4 numbers, x has 3 channels"):
        ops.BatchNormTrain().perform(None, [x, gamma, gamma, 1e-4, 0.1], [[None] for _ in range(3)])
