"""Modes that exclude "fkp" have Theano's own graph, of a Lasagne net too, with the same numbers."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer, NonlinearityLayer)
from lasagne.nonlinearities import leaky_rectify, softmax, tanh

from theano_onednn import ops, start
from theano_onednn.layers import BatchNormLayer, UpscaleLayer
from theano_onednn.ops import substitute
from test_stage import THEANOS, close, kinds, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
image = InputLayer((None, 2, 9, 8))


def conv(*args, last=image, **settings):
    return Conv2DLayer(last, *(args or (5, 3)), **settings)


def normalised(last, pool):
    last = NonlinearityLayer(BatchNormLayer(last))
    return MaxPool2DLayer(last, 2) if pool else last


NETS = {
    "dense": lambda: DenseLayer(DenseLayer(image, 6, b=lasagne.init.Normal()), 3, nonlinearity=tanh),
    "dense, dropout": lambda: DenseLayer(DropoutLayer(DenseLayer(image, 60)), 3, nonlinearity=softmax),
    "convolutions": lambda: conv(4, (2, 3), last=conv(nonlinearity=leaky_rectify, pad="same", stride=2)),
    "stage": lambda: MaxPool2DLayer(conv(untie_biases=False), 2),
    "stages, dropout": lambda: DropoutLayer(MaxPool2DLayer(conv(4, 2, last=DropoutLayer(MaxPool2DLayer(
        conv(7, 2, pad="full"), 2), p=0.2)), 2)),
    "pools": lambda: MaxPool2DLayer(conv(), 3, stride=2),
    "normalised": lambda: normalised(conv(nonlinearity=None), False),
    "normalised, pool": lambda: normalised(conv(nonlinearity=None), True),
    "upscaled": lambda: UpscaleLayer(conv()),
}


def trained(net, mode, steps=3):
    """The compiled function; losses of a few updates, then the parameters."""
    parameters = lasagne.layers.get_all_params(net)
    before = [p.get_value() for p in parameters]
    y = substitute.get_output(net, image.input_var)
    loss = ((y - 0.5) ** 2).mean()
    updates = substitute.nesterov_momentum(loss, lasagne.layers.get_all_params(net, trainable=True), 0.1, 0.9)
    function = theano.function([image.input_var], [loss, y], updates=updates, mode=mode)
    found = [array for step in range(steps) for array in function(numbers(4, 2, 9, 8, seed=step))]
    found += [p.get_value() for p in parameters]
    for parameter, values in zip(parameters, before):
        parameter.set_value(values)
    return function, found


@pytest.mark.parametrize("name", NETS)
def test_a_mode_without_fkp_has_theanos_graph_and_the_same_numbers(name, monkeypatch):
    lasagne.random.set_rng(np.random.RandomState(3))
    net, draws = NETS[name](), {}
    monkeypatch.setattr(ops.groups, "_draws", draws)  # both ways the layer's first use
    ours, expected = trained(net, None)
    draws.clear()
    theanos, found = trained(net, THEANOS)
    assert kinds(ours) and not kinds(theanos)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["fast_run", "fast_compile"])
def test_every_optimizer_can_leave_them_out(optimizer):
    y = substitute.get_output(MaxPool2DLayer(conv(), 2), image.input_var)
    mode = theano.Mode(optimizer=optimizer)
    assert kinds(theano.function([image.input_var], y, mode=mode)) == {"Stage": 1}
    assert not kinds(theano.function([image.input_var], y, mode=mode.excluding("fkp")))


@pytest.mark.parametrize("kind", ["ConvolutionInputs", "ConvolutionWeights"])
def test_a_convolutions_linear_gradients_are_theanos_too(kind):
    x, gy = T.tensor4(), T.tensor4()
    op = getattr(ops, kind)(ops.Geometry("half", (2, 1)))
    size = T.constant(np.array([4, 4] if kind == "ConvolutionInputs" else [3, 3]))
    given = numbers(3, 2, 3, 3) if kind == "ConvolutionInputs" else numbers(5, 2, 4, 4), numbers(5, 3, 2, 4)
    ways = [theano.function([x, gy], op(x, gy, size), mode=mode) for mode in (None, THEANOS)]
    assert kinds(ways[0]) and not kinds(ways[1])
    close(*[function(*given) for function in ways])


def test_the_state_counts_past_32_bits():
    state = T.TensorType("uint32", [False])()
    for before, after in (([1, 2, 3, 4], [1, 2, 4, 4]), ([1, 2, 2 ** 32 - 1, 4], [1, 2, 0, 5])):
        found = ops.unfold.following(state).eval({state: np.array(before, "uint32")})
        np.testing.assert_array_equal(found, after)
