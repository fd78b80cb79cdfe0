"""Convolutions and pools of any graph, and its gradients, find their way to our Ops; the rest stays Theano's."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.nnet.abstract_conv import AbstractConv2d
from theano.tensor.nnet.corr import CorrMM
from theano.tensor.signal.pool import Pool as TheanoPool
from theano.tensor.signal.pool import pool_2d

from theano_onednn import start
from theano_onednn.ops import substitute
from test_stage import THEANOS, close, kinds, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def both(outputs, inputs, arrays):
    """The function with our rewrites; asserts that it computes what Theano's own does."""
    ours, theirs = theano.function(inputs, outputs), theano.function(inputs, outputs, mode=THEANOS)
    assert not kinds(theirs)
    for found, expected in zip(ours(*arrays), theirs(*arrays)):
        close(found, expected)
    return ours


def with_gradients(y, inputs):
    return [y, *T.grad((y ** 2).sum(), inputs)]


CONVOLUTIONS = [
    {}, {"border_mode": "half"}, {"border_mode": "full"}, {"border_mode": (2, 1), "subsample": (2, 3)},
    {"border_mode": ((1, 0), (2, 1))}, {"filter_flip": False}, {"filter_dilation": (2, 1)},
    {"input_shape": (3, 4, 12, 11), "filter_shape": (5, 4, 3, 2)},
]


@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
def test_convolutions_are_theanos(settings):
    inputs = [T.tensor4(), T.tensor4()]
    y = T.nnet.conv2d(*inputs, **settings)
    function = both(with_gradients(y, inputs), inputs, [numbers(3, 4, 12, 11), numbers(5, 4, 3, 2)])
    assert kinds(function) == {"Convolution": 1, "ConvolutionWeights": 1, "ConvolutionInputs": 1}


def test_derivatives_of_gradients_are_theanos():
    inputs = [T.tensor4(), T.tensor4()]
    y = pool_2d(T.tanh(T.nnet.conv2d(*inputs, border_mode=1)), (2, 2), ignore_border=True)
    squares = sum((g ** 2).sum() for g in T.grad((y ** 2).sum(), inputs))
    function = both(T.grad(squares, inputs), inputs, [numbers(3, 4, 8, 7), numbers(5, 4, 3, 2)])
    assert kinds(function)["ConvolutionWeights"] > 1


def test_transposed_convolutions_are_theanos():
    inputs = [T.tensor4(), T.tensor4()]
    y = T.nnet.abstract_conv.conv2d_grad_wrt_inputs(*inputs, (2, 4, 8, 8), subsample=(2, 2))
    function = both(with_gradients(y, inputs), inputs, [numbers(2, 5, 3, 3), numbers(5, 4, 3, 3)])
    assert kinds(function) == {"Convolution": 1, "ConvolutionWeights": 1, "ConvolutionInputs": 1}


def test_broadcast_flags_stay():
    x, weights = T.TensorType("float32", [True, False, False, False])(), T.tensor4()
    batch = T.tensor4()
    y = T.nnet.conv2d(x, weights) * batch
    both(with_gradients(y, [x, weights]), [x, weights, batch],
         [numbers(1, 2, 5, 5), numbers(3, 2, 3, 3), numbers(4, 3, 3, 3)])


POOLS = [
    {"ws": (2, 2)}, {"ws": (3, 2), "stride": (2, 2)}, {"ws": (3, 3), "stride": (2, 1), "pad": (1, 1)},
    {"ws": (2, 3), "ignore_border": False}, {"ws": (3, 3), "stride": (4, 4), "ignore_border": False},
]


@pytest.mark.parametrize(("settings", "mode"), [
    (settings, mode) for settings in POOLS for mode in ("max", "sum", "average_inc_pad", "average_exc_pad")
    if "pad" not in settings or mode != "average_exc_pad"], ids=str)  # Theano has no gradient of that one
def test_pools_are_theanos(settings, mode):
    x = T.tensor4()
    y = pool_2d(x, **{"ignore_border": True, **settings}, mode=mode)
    function = both(with_gradients(y, [x]), [x], [numbers(3, 5, 9, 8)])
    assert kinds(function) == {"Pool": 1, "PoolGradient": 1}


def test_a_net_without_lasagne_keeps_its_values():
    x, w, b = T.tensor4(), T.tensor4(), T.vector()
    y = pool_2d(T.nnet.relu(T.nnet.conv2d(x, w) + b.dimshuffle("x", 0, "x", "x")), (2, 2), ignore_border=True)
    both(with_gradients(y, [x, w, b]), [x, w, b], [numbers(6, 3, 10, 10), numbers(8, 3, 3, 3), numbers(8)])


@pytest.mark.parametrize("empty", [(0, 4, 6, 6), (0, 4, 9, 7)], ids=str)
def test_an_empty_batch_has_an_empty_output(empty):
    x, w = T.tensor4(), T.tensor4()
    y = pool_2d(T.nnet.conv2d(x, w), (2, 2), ignore_border=True)
    found = theano.function([x, w], with_gradients(y, [x, w]))(numbers(*empty), numbers(5, 4, 3, 3))
    assert found[0].shape == (0, 5, (empty[2] - 2) // 2, (empty[3] - 2) // 2) and found[1].shape == empty
    assert not found[2].any()


@pytest.mark.parametrize("graph", [
    lambda x: T.nnet.conv2d(x.astype("float64"), T.ones((5, 4, 3, 3), "float64")),
    lambda x: T.nnet.conv2d(x, T.ones((6, 2, 3, 3), "float32"), num_groups=2),
    lambda x: T.nnet.conv3d(x.dimshuffle(0, 1, "x", 2, 3), T.ones((5, 4, 1, 3, 3), "float32")),
    lambda x: pool_2d(x.astype("float64"), (2, 2), ignore_border=True),
    lambda x: pool_2d(x[0], (2, 2), ignore_border=True),
    lambda x: pool_2d(x, T.stack([x.shape[0], 2]), ignore_border=True),
    lambda x: T.signal.pool.pool_3d(x, (1, 2, 2), ignore_border=True),
], ids=["float64", "groups", "3-D", "float64 pool", "pool of 3 axes", "window of the batch's", "3-D pool"])
def test_what_is_not_ours_stays_theanos(graph):
    x = T.tensor4()
    assert not kinds(both([graph(x)], [x], [numbers(2, 4, 8, 8)]))


@pytest.mark.parametrize("picture", [(2, 3, 6, 5), (2, 3, 5, 6)], ids=str)
def test_kernels_that_no_two_places_share_are_theanos_with_their_gradients(picture):
    x, gy = T.tensor4(), T.tensor4()
    rows, columns = picture[2] - 1, picture[3] - 2
    w = T.TensorType("float32", [False] * 6)()
    y = AbstractConv2d(unshared=True)(x, w)
    outputs = [y, *T.grad(None, [x, w], known_grads={y: gy})]
    function = both(outputs, [x, w, gy], [numbers(*picture), numbers(4, rows, columns, 3, 2, 3),
                                          numbers(2, 4, rows, columns)])
    assert not kinds(function)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", theano.Mode("py"), theano.Mode("vm", "fast_compile")],
                         ids=str)
def test_every_mode_has_them(mode):
    x, w = T.tensor4(), T.tensor4()
    function = theano.function([x, w], pool_2d(T.nnet.conv2d(x, w), (2, 2), ignore_border=True), mode=mode)
    assert kinds(function) == {"Convolution": 1, "Pool": 1}
    assert function(numbers(2, 4, 6, 6), numbers(5, 4, 3, 3)).shape == (2, 5, 2, 2)


def test_a_mode_can_leave_them_out():
    x, w = T.tensor4(), T.tensor4()
    function = theano.function([x, w], pool_2d(T.nnet.conv2d(x, w), (2, 2), ignore_border=True), mode=THEANOS)
    assert {CorrMM, TheanoPool} <= {type(node.op) for node in function.maker.fgraph.toposort()}


def test_lasagnes_one_dimensional_convolutions_are_served():
    lasagne.random.set_rng(np.random.RandomState(1))
    net = lasagne.layers.Conv1DLayer(lasagne.layers.InputLayer((None, 3, 20)), 4, 5)
    x = T.tensor3()
    function = both([substitute.get_output(net, x)], [x], [numbers(2, 3, 20)])
    assert kinds(function) == {"Convolution": 1}


@pytest.mark.parametrize("middle", [
    lambda x, y: x + y, lambda x, y: T.concatenate([x, y], 1), lambda x, y: T.tanh(x) * y - x,
    lambda x, y: T.concatenate([T.concatenate([y, x, x], 1), x + y], 1),
], ids=["sum", "concatenation", "product", "both"])
def test_channels_last_memory_is_kept_between_our_ops(middle):
    x, w = T.tensor4(), T.tensor4()
    y = T.nnet.conv2d(x, w, border_mode="half")
    z = middle(pool_2d(y, (2, 2), ignore_border=True), pool_2d(T.exp(y), (2, 2), ignore_border=True))
    function = both([z, T.nnet.conv2d(z, T.ones((2, z.shape[1], 1, 1))), *T.grad((z ** 2).sum(), [x, w])], [x, w],
                    [numbers(3, 4, 8, 6), numbers(5, 4, 3, 3)])
    z, *_, gx, _ = function(numbers(3, 4, 8, 6), numbers(5, 4, 3, 3))
    for array in (z, gx):
        assert array.transpose(0, 2, 3, 1).flags.c_contiguous
