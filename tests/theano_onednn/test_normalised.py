"""Convolution, batch normalisation, activation and pool as one group of layers, against Theano's own Ops in float64."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import layers
from lasagne.nonlinearities import leaky_rectify, rectify, tanh

from theano_onednn import ops, start
from theano_onednn.ops import substitute
from theano_onednn.layers import BatchNormLayer
from test_stage import THEANOS, close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
softplus = T.nnet.softplus  # none that our Ops know
SHAPES = [(3, 2, 9, 7, 5), (2, 16, 8, 8, 24), (4, 3, 6, 6, 40)]  # images, channels, height, width, filters


def net(n, c, h, w, k, nonlinearity=rectify, pool=2, b=None):
    lasagne.random.set_rng(np.random.RandomState(7))
    last = layers.InputLayer((None, c, h, w))
    last = layers.Conv2DLayer(last, k, 3, pad="same", nonlinearity=None, b=b)
    last = BatchNormLayer(last)
    for param, seed in zip(last.get_params(), (3, 4, 5, 6)):
        param.set_value(np.abs(numbers(k, seed=seed)) + np.float32(0.5))
    if nonlinearity:
        last = layers.NonlinearityLayer(last, nonlinearity)
    return layers.MaxPool2DLayer(last, pool) if pool else last


def function(last, get_output, deterministic=False):
    """(x, gy) -> y and, in training, the gradients of all that is learned and of x."""
    x, gy = T.tensor4(), T.tensor4()
    y = get_output(last, x, deterministic=deterministic)
    wanted = [] if deterministic else layers.get_all_params(last, trainable=True) + [x]
    return theano.function([x, gy], [y, *(T.grad((y * gy).sum(), wanted) if wanted else [])], on_unused_input="ignore",
                           mode=None if get_output is substitute.get_output else THEANOS)


def averages(last):
    return [v.get_value() for v in layers.get_all_params(last, trainable=False)]


@pytest.mark.parametrize("shape, kind", [
    *[(shape, {}) for shape in SHAPES], (SHAPES[0], dict(pool=None)), (SHAPES[0], dict(nonlinearity=leaky_rectify)),
    (SHAPES[1], dict(nonlinearity=tanh, pool=None)), (SHAPES[1], dict(nonlinearity=None)),
    (SHAPES[2], dict(nonlinearity=softplus))], ids=str)
def test_training_is_theanos(shape, kind):
    n, c, h, w, k = shape
    last = net(*shape, **kind)
    before = averages(last)
    given = numbers(n, c, h, w, seed=1), numbers(*layers.get_output_shape(last, (n, c, h, w)), seed=2)
    expected = function(last, substitute.original_get_output)(*given)
    moved = averages(last)
    for param, value in zip(layers.get_all_params(last, trainable=False), before):
        param.set_value(value)
    for found, wanted in zip(function(last, substitute.get_output)(*given), expected):
        close(found, wanted, 2e-4)
    for found, wanted in zip(averages(last), moved):
        close(found, wanted)


@pytest.mark.parametrize("kind", [dict(), dict(pool=None),
                                  dict(nonlinearity=tanh, b=lasagne.init.Normal(), pool=None)], ids=str)
def test_prediction_is_theanos_and_has_no_normalisation_left(kind):
    last = net(2, 16, 8, 8, 24, **kind)
    ours, theanos = (function(last, get_output, deterministic=True)
                     for get_output in (substitute.get_output, substitute.original_get_output))
    x = numbers(2, 16, 8, 8, seed=1)
    close(ours(x, x)[0], theanos(x, x)[0])
    assert substitute.replaced(ours) == {"Stage" if kind.get("pool", 2) else "Convolution": 1}


@pytest.mark.parametrize("kind, expected", [
    (dict(), {"pool": True, "activation": 0}), (dict(nonlinearity=tanh), {"pool": False, "activation": "tanh"}),
    (dict(nonlinearity=softplus), {"pool": False, "activation": 1}), (dict(pool=3), {"pool": False, "activation": 0})],
    ids=str)
def test_what_follows_joins_where_it_can(kind, expected):
    nodes = function(net(*SHAPES[0], **kind), substitute.get_output).maker.fgraph.toposort()
    for kind in (ops.BatchNormTrain, ops.BatchNormTrainGradient):
        (op,) = [node.op for node in nodes if isinstance(node.op, kind)]
        assert {"pool": op.pool, "activation": op.activation} == expected


def test_a_normalised_layer_that_somebody_asks_for_ends_the_group():
    last = net(*SHAPES[0])
    x = T.tensor4()
    wanted = [last.input_layer, last]
    values = [theano.function([x], get_output(wanted, x), mode=mode)(numbers(3, 2, 9, 7)) for get_output, mode
              in ((substitute.get_output, None), (substitute.original_get_output, THEANOS))]
    for found, expected in zip(*values):
        close(found, expected)


def test_ties_and_zeros_have_theanos_gradients():
    """Constant pictures: every number that is normalised is 0, then beta."""
    last = net(2, 1, 4, 4, 3)
    given = np.ones((2, 1, 4, 4), np.float32), numbers(2, 3, 2, 2)
    for beta in (0, -1, 1):
        last.input_layer.input_layer.beta.set_value(np.full(3, beta, np.float32))
        found, expected = (function(last, get_output)(*given) for get_output
                           in (substitute.get_output, substitute.original_get_output))
        close(found[3], expected[3])  # beta's gradient


def test_a_pool_follows_a_slope():
    with pytest.raises(ValueError, match="a pool follows a slope, not tanh"):
        ops.BatchNormTrain("tanh", pool=True)
