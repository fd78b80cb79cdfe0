"""Lasagne's `get_output` in all its corners, and derivatives of derivatives: as Theano's own Ops have them."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer

from theano_onednn import start
from theano_onednn.ops import substitute
from theano_onednn.ops.pool import theanos_repeat
from test_stage import THEANOS, close, kinds, mode_of, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def chain():
    """Input, convolution, pool, dense: two groups."""
    lasagne.random.set_rng(np.random.RandomState(7))
    image = InputLayer((None, 1, 8, 8))
    conv = Conv2DLayer(image, 16, 3, b=numbers(16, seed=3))
    pool = MaxPool2DLayer(conv, 2)
    return image, conv, pool, DenseLayer(pool, 5, b=numbers(5, seed=4))


def both(wanted, *arguments, **kwargs):
    """What our `get_output` and Lasagne's give, as lists of arrays."""
    ways = substitute.get_output, substitute.original_get_output
    found = [get(wanted, *arguments, **kwargs) for get in ways]
    assert type(found[0]) is type(found[1])
    return [theano.function([], one if isinstance(one, list) else [one], mode=mode_of(get))()
            for one, get in zip(found, ways)]


def agree(*arguments, **kwargs):
    for one, other in zip(*both(*arguments, **kwargs)):
        close(one, other)


IMAGE, PLANE, POOLED = numbers(2, 1, 8, 8), numbers(2, 16, 6, 6, seed=1), numbers(2, 16, 3, 3, seed=2)


@pytest.mark.parametrize("given", ["conv", "pool", "image and conv", "image and pool", "all"])
def test_an_expression_given_for_a_layer_is_taken_wherever_the_layer_stands(given):
    image, conv, pool, dense = chain()
    inputs = {image: IMAGE, conv: PLANE, pool: POOLED}
    if given != "all":
        inputs = {layer: value for layer, name in [(image, "image"), (conv, "conv"), (pool, "pool")]
                  for value in [inputs[layer]] if name in given}
    agree(dense, inputs)
    agree([pool, dense], {image: IMAGE, **inputs})
    agree([dense, image], {image: IMAGE, **inputs})


def doubled(layer):
    """A `get_output_for` of the user's."""
    inner = type(layer).get_output_for
    return lambda *arguments, **kwargs: 2 * inner(layer, *arguments, **kwargs)


@pytest.mark.parametrize("place", [1, 2, 3], ids=["conv", "pool", "dense"])
def test_a_layers_own_get_output_for_is_called(place):
    layers = chain()
    before = substitute.get_output(layers[-1], IMAGE).eval()
    layers[place].get_output_for = doubled(layers[place])
    agree(layers[-1], IMAGE)
    assert (substitute.get_output(layers[-1], IMAGE).eval() != before).any()


@pytest.mark.parametrize("kind", [Conv2DLayer, MaxPool2DLayer, DenseLayer])
def test_a_classs_replaced_get_output_for_is_called(monkeypatch, kind):
    inner, layers = kind.get_output_for, chain()
    monkeypatch.setattr(kind, "get_output_for", lambda self, *args, **kwargs: 2 * inner(self, *args, **kwargs))
    agree(layers[-1], IMAGE)
    found = kinds(theano.function([], substitute.get_output(layers[-1], IMAGE)))
    assert ("Dense" if kind is DenseLayer else "Stage") not in found


@pytest.mark.parametrize("collect", [list, tuple, set, lambda layers: np.array(layers, object)],
                         ids=["list", "tuple", "set", "array"])
def test_several_layers_may_come_in_any_collection(collect):
    agree(collect(chain()), IMAGE)


def test_one_dimension_passes_a_dense_layer():
    agree(DenseLayer(InputLayer((1,)), 3), numbers(1))


def test_a_float64_bias_is_taken():
    agree(DenseLayer(InputLayer((None, 7)), 3, b=theano.shared(np.ones(3))), numbers(2, 7))


def test_a_row_stays_a_row():
    x, batch = T.row(), T.matrix()
    y = substitute.get_output(DenseLayer(InputLayer((1, 7)), 3), x)
    assert y.broadcastable == (True, False)
    close((y * batch).eval({x: numbers(1, 7), batch: np.ones((4, 3), "float32")})[3],
          y.eval({x: numbers(1, 7)})[0])


def test_a_row_of_images_stays_one():
    x, conv = T.TensorType("float32", [True, True, False, False])(), chain()[2]
    expected = substitute.original_get_output(conv, x).broadcastable
    assert expected[0] and substitute.get_output(conv, x).broadcastable == expected


def test_lasagnes_own_errors_come_through():
    merged = lasagne.layers.ElemwiseSumLayer([DenseLayer(InputLayer((None, 7)), 3), InputLayer((None, 3))])
    with pytest.raises(ValueError, match="single input expression on a network with multiple input layers"):
        substitute.get_output(merged, numbers(2, 7))
    with pytest.raises(ValueError, match="free-floating layer"):
        substitute.get_output(DenseLayer((None, 7), 3))
    with pytest.raises(TypeError, match="not a Theano expression"):
        substitute.get_output(chain()[-1], object())


def test_free_floating_layers_take_an_expression():
    dense = DenseLayer(DenseLayer((None, 7), 4), 3)
    agree(dense, {dense.input_layer: numbers(2, 4)})


class Twofold(lasagne.layers.Layer):
    """Passes on something that is no expression."""

    def get_output_for(self, input, factor=1, **kwargs):
        return (input, factor * input)

    def get_output_shape_for(self, input_shape):
        return input_shape


class Second(lasagne.layers.Layer):
    def get_output_for(self, input, **kwargs):
        return input[1]


@pytest.mark.parametrize("kwargs", [{}, {"factor": 3}, {"deterministic": True}, {"unknown": None}], ids=str)
def test_layers_may_pass_on_anything_and_take_any_keyword(kwargs):
    agree(Second(Twofold(DenseLayer(InputLayer((None, 7)), 3))), numbers(2, 7), **kwargs)


def derivatives(net, get_output, kind):
    """A function of the input and a direction that gives the derivatives of this kind."""
    x = T.TensorType("float32", [False] * len(lasagne.layers.get_all_layers(net)[0].shape))()
    v = x.type()
    params = lasagne.layers.get_all_params(net)
    y = get_output(net, x, deterministic=True)
    loss = (T.tanh(y) ** 2).sum()
    if kind == "grad of grad":
        squares = sum((g ** 2).sum() for g in T.grad(loss, [x, *params]))
        found = T.grad(squares, [x, *params], disconnected_inputs="ignore")
    elif kind == "Rop":
        found = [T.Rop(y, x, v), T.Rop(y, params[0], 2 * params[0])]
    elif kind == "Rop of grad":
        found = [T.Rop(T.grad(loss, x), x, v), *T.Rop(T.grad(loss, params), params, [p + 1 for p in params])]
    else:
        found = T.grad((T.grad((T.grad(loss, x) * v).sum(), x) ** 2).sum(), [x, *params],
                       disconnected_inputs="ignore")
    return theano.function([x, v], found, on_unused_input="ignore", mode=mode_of(get_output))


@pytest.mark.parametrize(("which", "kind"), [
    *[(which, kind) for which in ("pool", "dense", "deep") for kind in ("grad of grad", "Rop", "third")],
    ("dense", "Rop of grad"),  # Theano's own max-pool has none
])
def test_derivatives_of_derivatives_are_theanos(which, kind):
    net = {"pool": chain()[2], "dense": DenseLayer(DropoutLayer(DenseLayer(InputLayer((None, 7)), 5)), 4),
           "deep": chain()[3]}[which]
    shape = lasagne.layers.get_all_layers(net)[0].shape
    x, v = numbers(3, *shape[1:], seed=1), numbers(3, *shape[1:], seed=2)
    ours, theirs = [derivatives(net, get, kind)(x, v)
                    for get in (substitute.get_output, substitute.original_get_output)]
    for found, expected in zip(ours, theirs):
        close(found, expected, 1e-3)


@pytest.mark.parametrize("order", [(2, 3), (-1, -2)], ids=str)
def test_repeated_rows_and_columns_are_one_op_and_theanos(order):
    x, v = T.tensor4(), T.tensor4()
    found = []
    for repeat in (T.repeat, theanos_repeat):
        y = repeat(repeat(x, 2, order[0]), 3, order[1])
        gradient = T.grad((T.tanh(y) ** 3).sum(), x)
        outputs = [y, gradient, T.grad((gradient ** 2).sum(), x), T.Rop(y, x, v),
                   T.grad((T.grad((T.grad((y ** 4).sum(), x) * v).sum(), x) ** 2).sum(), x)]
        found.append(theano.function([x, v], outputs, mode=None if repeat is T.repeat else THEANOS))
    assert kinds(found[0])["Upscale"] >= 1 and not kinds(found[1])
    for one, other in zip(*[function(numbers(2, 3, 4, 5), numbers(2, 3, 4, 5, seed=1)) for function in found]):
        close(one, other)
    assert not kinds(theano.function([x], [T.repeat(x, 2, 1), T.repeat(x, np.array([1, 2, 3]), 2), T.repeat(x, 2)]))
    np.testing.assert_array_equal(x.repeat(2, axis=3).eval({x: IMAGE}), IMAGE.repeat(2, axis=3))


@pytest.mark.parametrize("place", [1, 2, 3], ids=["conv", "pool", "dense"])
def test_debug_mode_finds_nothing(place):
    """It compares what `perform` computes with what the thunk does; the input's gradient is wanted by nobody."""
    image, *layers = chain()
    net = layers[place - 1]
    parameters = lasagne.layers.get_all_params(net)
    loss = (substitute.get_output(net, image.input_var) ** 2).mean()
    mode = theano.compile.debugmode.DebugMode(check_c_code=False, stability_patience=1)
    function = theano.function([image.input_var], T.grad(loss, parameters), mode=mode)
    assert any(name.endswith("Gradient") for name in kinds(function))
    usual = theano.function([image.input_var], T.grad(loss, parameters))
    for found, expected in zip(function(IMAGE), usual(IMAGE)):
        close(found, expected, 1e-5)
