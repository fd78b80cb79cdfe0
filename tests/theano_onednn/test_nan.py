"""Where Theano's own Ops show NaN, ours do: a training that has gone wrong must not look sound."""
import functools

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer, NonlinearityLayer,
                            Pool2DLayer)
from lasagne.nonlinearities import leaky_rectify, rectify, sigmoid, tanh

from theano_onednn import start
from theano_onednn.layers import BatchNormLayer
from theano_onednn.ops import substitute
from test_stage import mode_of, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
CURVES = {"rectify": rectify, "leaky": leaky_rectify, "linear": None, "tanh": tanh, "sigmoid": sigmoid}
SHAPE = (5, 2, 9, 7)  # the last row of the convolution's output is in no pool


def conv(curve=rectify):
    return Conv2DLayer(InputLayer((None, *SHAPE[1:])), 17, (3, 2), nonlinearity=curve)


def normalised(curve, pool):
    last = NonlinearityLayer(BatchNormLayer(conv(None)), curve)
    return MaxPool2DLayer(last, 2) if pool else last


NETS = {
    **{"dense " + name: lambda curve=curve: DenseLayer(InputLayer((None, *SHAPE[1:])), 20, nonlinearity=curve)
       for name, curve in CURVES.items()},
    "dense, dropout": lambda: DropoutLayer(DenseLayer(InputLayer((None, *SHAPE[1:])), 20)),
    **{"conv " + name: lambda curve=curve: conv(curve) for name, curve in CURVES.items()},
    **{"stage " + name: lambda curve=CURVES[name]: MaxPool2DLayer(conv(curve), 2)
       for name in ("rectify", "leaky", "linear")},
    "stage, dropout": lambda: DropoutLayer(MaxPool2DLayer(conv(), 2)),
    "stage, dropout of most": lambda: DropoutLayer(MaxPool2DLayer(conv(leaky_rectify), 2), p=0.9),
    "pool": lambda: MaxPool2DLayer(InputLayer((None, *SHAPE[1:])), 3, stride=2),
    "mean": lambda: Pool2DLayer(InputLayer((None, *SHAPE[1:])), 2, mode="average_inc_pad"),
    **{"normalised " + name: lambda curve=curve: normalised(curve, False) for name, curve in CURVES.items() if curve},
    "normalised, pool": lambda: normalised(rectify, True),
    "normalised, leaky, pool": lambda: normalised(leaky_rectify, True),
}


@functools.lru_cache(None)
def made(name):
    """The net and, of both ways, a function of images and y's gradient: y, and all other gradients."""
    lasagne.random.set_rng(np.random.RandomState(3))
    net, functions = NETS[name](), []
    for get_output in (substitute.original_get_output, substitute.get_output):
        image = T.tensor4()
        y = get_output(net, image)
        gy = y.type()
        wanted = [image, *lasagne.layers.get_all_params(net, trainable=True)]
        functions.append(theano.function([image, gy], [y, *T.grad(None, wanted, known_grads={y: gy})],
                                         mode=mode_of(get_output), on_unused_input="ignore"))
    return net, functions


def spoil(array, place, value=np.nan):
    array[place] = value
    return array


PLACES = {
    "a pixel": lambda x, gy, values: spoil(x, (1, 1, 3, 2)),
    "the last pixel": lambda x, gy, values: spoil(x, (1, 1, -1, -1)),
    "infinite pixels": lambda x, gy, values: spoil(x, (1, slice(None), slice(2, 6)), np.inf),
    "infinite pixels below": lambda x, gy, values: spoil(x, (1, slice(None), slice(2, 6)), -np.inf),
    "a weight": lambda x, gy, values: spoil(values[0].reshape(-1), 2),
    "a bias": lambda x, gy, values: spoil(values[-1].reshape(-1), 2),
    "a gradient": lambda x, gy, values: spoil(gy, (2, min(3, gy.shape[1] - 1))),
}


@pytest.fixture(params=NETS)
def both(request):
    net, functions = made(request.param)
    parameters = lasagne.layers.get_all_params(net, trainable=True)
    before = [parameter.get_value() for parameter in parameters]
    yield net, parameters, functions
    for parameter, values in zip(parameters, before):
        parameter.set_value(values)


@pytest.mark.parametrize("place", PLACES)
def test_where_theano_shows_nan_ours_does(both, place):
    net, parameters, functions = both
    if place in ("a weight", "a bias") and not parameters:
        pytest.skip("it has none")
    x, gy = numbers(*SHAPE), numbers(SHAPE[0], *net.output_shape[1:], seed=1)
    values = [parameter.get_value() for parameter in parameters]
    PLACES[place](x, gy, values)
    for parameter, array in zip(parameters, values):
        parameter.set_value(array)
    expected, found = [list(map(np.isnan, function(x, gy))) for function in functions]
    hidden = [int((theirs & ~ours).sum()) for theirs, ours in zip(expected, found)]
    assert not any(hidden), "%s of %s" % (hidden, [int(theirs.sum()) for theirs in expected])


def test_what_is_sound_stays_so(both):
    """An image's NaN is in no other's output or gradient, and 0 times a gradient is no NaN."""
    net, _, (_, ours) = both
    x, gy = numbers(*SHAPE), numbers(SHAPE[0], *net.output_shape[1:], seed=1)
    assert all(np.isfinite(array).all() for array in ours(x, gy))
    y, gx, *_ = ours(spoil(x, (1, 1, 3, 2)), gy)
    if not any(isinstance(layer, BatchNormLayer) for layer in lasagne.layers.get_all_layers(net)):
        assert np.isfinite(y[[0, 2, 3, 4]]).all() and np.isfinite(gx[[0, 2, 3, 4]]).all()
