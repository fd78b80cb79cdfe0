"""The layers that Lasagne 0.1 lacks, against NumPy."""
import load  # noqa: F401  first: prepares Theano
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import InputLayer, get_output

from fkp.maps import SoftArgmaxLayer
from theano_onednn.layers import BatchNormLayer, UpscaleLayer

X = np.random.RandomState(0).normal(2, 3, (5, 4, 6, 8)).astype(np.float32)


def compiled(layer, **kwargs):
    x = T.tensor4()
    return theano.function([x], get_output(layer, x, **kwargs))


def with_input(kind):
    return kind(InputLayer((None, *X.shape[1:])))


def channels(values):
    return values.reshape(1, -1, 1, 1)


def test_a_batch_is_normalised_channel_by_channel():
    layer = with_input(BatchNormLayer)
    layer.gamma.set_value(np.float32([1, 2, 3, 4]))
    layer.beta.set_value(np.float32([4, 3, 2, 1]))
    normal = (X - X.mean((0, 2, 3), keepdims=True)) / np.sqrt(X.var((0, 2, 3), keepdims=True) + 1e-4)
    expected = normal * channels(np.arange(1, 5)) + channels(np.arange(4, 0, -1))
    np.testing.assert_allclose(compiled(layer)(X), expected, atol=1e-4)


def test_training_moves_the_running_averages_and_prediction_uses_them():
    layer = with_input(BatchNormLayer)
    train, predict = compiled(layer), compiled(layer, deterministic=True)
    for _ in range(80):
        train(X)
    mean, variance = X.mean((0, 2, 3)), X.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.mean.get_value(), mean, rtol=1e-3)
    np.testing.assert_allclose(layer.variance.get_value(), variance, rtol=1e-3)
    other = X[:2] + 1
    expected = (other - channels(mean)) / np.sqrt(channels(variance) + 1e-4)
    np.testing.assert_allclose(predict(other), expected, atol=5e-3)
    np.testing.assert_allclose(layer.mean.get_value(), mean, rtol=1e-3)


def test_the_averages_are_parameters_that_no_gradient_changes():
    layer = with_input(BatchNormLayer)
    assert [p.name for p in layer.get_params()] == ["gamma", "beta", "mean", "variance"]
    assert [p.name for p in layer.get_params(trainable=True)] == ["gamma", "beta"]


def test_each_pixel_becomes_four():
    layer = with_input(UpscaleLayer)
    assert layer.output_shape == (None, 4, 12, 16)
    np.testing.assert_array_equal(compiled(layer)(X), np.kron(X, np.ones((1, 1, 2, 2))))


def test_upscaling_takes_sides_that_are_not_known_yet():
    layer = UpscaleLayer(InputLayer((None, 4, None, 8)))
    assert layer.output_shape == (None, 4, None, 16)
    assert compiled(layer)(X).shape == (5, 4, 12, 16)


def test_the_answer_is_where_a_map_is_high():
    maps = np.zeros_like(X)
    places = np.random.RandomState(1).randint(0, (6, 8), (5, 4, 2))
    for n, k in np.ndindex(5, 4):
        maps[n, k][tuple(places[n, k])] = 50
    layer = with_input(SoftArgmaxLayer)
    assert layer.output_shape == (None, 8)
    y, x = (places + 0.5).transpose(2, 0, 1) / [[[3]], [[4]]] - 1
    np.testing.assert_allclose(compiled(layer)(maps), np.stack([x, y], 2).reshape(5, 8), atol=1e-5)


def test_between_two_pixels_the_answer_is_between_them():
    maps = np.zeros((1, 4, 6, 8), np.float32)
    maps[:, :, 2:4, 5:7] = 50
    np.testing.assert_allclose(compiled(with_input(SoftArgmaxLayer))(maps), [[0.5, 0] * 4], atol=1e-5)
