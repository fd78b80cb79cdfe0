"""Where the fused stage's maxima are equal, its sums exactly 0 or NaN: as Theano's own Ops."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.signal.pool import pool_2d

from theano_onednn import ops, start
from theano_onednn.ops import substitute
from test_stage import SHAPES, close, functions, layers, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


@pytest.mark.parametrize("slope", [0, 0.1, 1])
def test_ties_and_zeros_are_theanos(slope):
    """Whole numbers: every other window has several maxima, and many sums are exactly 0."""
    net = layers(*SHAPES[0])
    for parameter in lasagne.layers.get_all_params(net):
        parameter.set_value(np.round(parameter.get_value() * 4))
    x, weight = np.round(numbers(5, 1, 12, 12, seed=1)).clip(-1, 1), numbers(5, 32, 5, 5, seed=2)
    x[:, :, 6:] = 0  # a constant background
    conv = net.input_layer
    image, weights = T.tensor4(), T.tensor4()
    ours = ops.Stage(activation=slope)(image, conv.W, conv.b)[0]
    sums = T.nnet.conv2d(image, conv.W) + conv.b.dimshuffle("x", 0, "x", "x")
    theirs = pool_2d(T.nnet.relu(sums, slope), (2, 2), ignore_border=True)
    found, expected = [theano.function([image, weights], [y, *T.grad((y * weights).sum(), [conv.W, conv.b, image])])
                       for y in (ours, theirs)]
    for one, other in zip(found(x, weight), expected(x, weight)):
        close(one, other, 1e-5)


def test_a_stage_whose_weights_are_all_zero_learns_as_theanos():
    net = layers(*SHAPES[0])
    for parameter in lasagne.layers.get_all_params(net):
        parameter.set_value(parameter.get_value() * 0)
    ours, theirs = functions(net, substitute.get_output), functions(net, substitute.original_get_output)
    x, weight = numbers(5, 1, 12, 12, seed=1), numbers(5, 32, 5, 5, seed=2)
    found, expected = ours(x, weight), theirs(x, weight)
    assert expected[1].any() and expected[2].any()
    for one, other in zip(found, expected):
        close(one, other)


@pytest.mark.parametrize("place", range(4))
def test_nan_comes_through_from_every_place(place):
    x = numbers(2, 1, 2, 2)
    x[0, 0, place // 2, place % 2] = np.nan
    cells = [[None], [None]]
    ops.Stage().perform(None, [x, numbers(20, 1, 1, 1), numbers(20)], cells)
    y = cells[0][0]
    assert np.isnan(y[0]).all() and not np.isnan(y[1]).any()
