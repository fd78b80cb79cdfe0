"""The layers that Lasagne 0.1 lacks, against NumPy."""
import load  # noqa: F401  first: prepares Theano
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import InputLayer, get_output
from lasagne.objectives import squared_error

from fkp import maps
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


PLACES = SoftArgmaxLayer(InputLayer((None, 2, 6, 8))).places()
WIDTH = 0.25


def loss_on_maps(maps_, target):
    x, y = T.tensor4(), T.matrix()
    return float(theano.function([x, y], maps.map_loss(x, y, PLACES, WIDTH))(maps_.astype("f"), target.astype("f")))


def bumps(target):
    """Probabilities (n, k, h * w) of bumps around `target` (n, 2k)."""
    far = ((target.reshape(len(target), -1, 1, 2) - PLACES) ** 2).sum(3)
    bump = np.exp(-far / (2 * WIDTH ** 2))
    return bump / bump.sum(2, keepdims=True)


def test_the_loss_on_maps_is_the_cross_entropy_to_bumps_at_the_known_keypoints():
    random = np.random.RandomState(1)
    answer, target = random.normal(0, 2, (3, 2, 6, 8)), random.uniform(-0.9, 0.9, (3, 4))
    chance = np.exp(answer.reshape(3, 2, -1))
    chance /= chance.sum(2, keepdims=True)
    each = -(bumps(target) * np.log(chance)).sum(2)
    assert np.isclose(loss_on_maps(answer, target), each.mean(), rtol=1e-5)
    target[0, 1] = target[2, 2] = np.nan  # one coordinate is not enough
    known = np.array([[False, True], [True, True], [True, False]])
    assert np.isclose(loss_on_maps(answer, target), each[known].mean(), rtol=1e-5)
    assert loss_on_maps(answer, np.full((3, 4), np.nan)) == 0


def test_no_map_is_better_than_the_bump():
    target = np.array([[0.1, -0.3, 0.5, 0.2]])
    best = np.log(bumps(target)).reshape(1, 2, 6, 8)
    least = loss_on_maps(best, target)
    for at in ((0, 0, 2, 3), (0, 1, 5, 7)):
        other = best.copy()
        other[at] += 0.3
        assert loss_on_maps(other, target) > least


def test_the_loss_on_maps_goes_into_the_gradient_and_not_into_the_value():
    net_layers = {"maps": InputLayer((None, 2, 6, 8), T.tensor4())}
    net_layers["output"] = SoftArgmaxLayer(net_layers["maps"])
    x, y = net_layers["maps"].input_var, T.matrix()
    answer = np.random.RandomState(2).normal(0, 1, (3, 2, 6, 8)).astype("f")
    target = np.zeros((3, 4), "f")

    def of(**more):
        loss = maps.objective(net_layers, squared_error, y, bump=1.0, **more)
        return theano.function([x, y], [loss, theano.grad(loss, x)])(answer, target)
    (plain, without), (value, gradient) = of(map_weight=0), of(map_weight=0.5)
    (judged, alone) = of(map_weight=0.5, deterministic=True)
    assert plain == value == judged
    np.testing.assert_array_equal(alone, without)
    expected = theano.function([x, y], theano.grad(maps.map_loss(x, y, net_layers["output"].places(), 2 / 8), x))
    np.testing.assert_allclose(gradient - without, 0.5 * expected(answer, target), atol=1e-6)
