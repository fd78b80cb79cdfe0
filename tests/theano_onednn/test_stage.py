"""The fused stage: fired, not fired, values, gradients, shapes, empty batch, strides, no input gradient."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import Conv2DLayer, DropoutLayer, InputLayer, MaxPool2DLayer
from theano.tensor.signal.pool import pool_2d

from theano_onednn import ops, start
from theano_onednn.ops import groups, substitute

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
SHAPES = [  # images, channels, height, width, filters, rows, columns
    (5, 1, 12, 12, 32, 3, 3),
    (3, 1, 13, 11, 16, 2, 3),
    (4, 32, 9, 9, 64, 2, 2),
    (17, 16, 8, 7, 24, 3, 2),
    (2, 20, 6, 6, 10, 2, 2),
    (1, 64, 5, 5, 16, 2, 2),
    (30, 16, 13, 14, 17, 2, 2),  # many pixels: Winograd's way
    (30, 16, 13, 14, 17, 3, 3),
    (9, 16, 42, 18, 16, 3, 3),   # and other counts of tiles down than across
    (9, 16, 18, 42, 16, 2, 2),
]
THEANOS = theano.compile.get_default_mode().excluding("fkp")  # without our rewrites


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


def layers(n, c, h, w, k, rows, columns, *, p=0.0, batch=None, **conv):
    """Input, convolution, pool and, with p, dropout; biases that are not all zero."""
    lasagne.random.set_rng(np.random.RandomState(7))
    net = InputLayer((batch, c, h, w))
    net = Conv2DLayer(net, k, (rows, columns), b=numbers(k, seed=3), **conv)
    net = MaxPool2DLayer(net, 2)
    return DropoutLayer(net, p=p) if p else net


def functions(net, get_output, with_input=True, **kwargs):
    """y, and the gradients of a weighted sum for W, b and x, of one of two ways to build the graph."""
    x, weight = T.tensor4(), T.tensor4()
    y = get_output(net, x, **kwargs)
    parameters = lasagne.layers.get_all_params(net) + [x] * with_input
    return theano.function([x, weight], [y, *T.grad((y * weight).sum(), parameters)], on_unused_input="ignore",
                           mode=mode_of(get_output))


def mode_of(get_output):
    """Lasagne's own `get_output` stands for Theano's own Ops."""
    return THEANOS if get_output is substitute.original_get_output else None


def kinds(function):
    return substitute.replaced(function)


def in_numpy(x, weights, bias):
    """Convolution (kernel reversed), bias, rectifier and 2x2 maxima, in float64, from their definitions."""
    n, _, h, w = x.shape
    k, _, rows, columns = weights.shape
    z = np.zeros((n, k, h - rows + 1, w - columns + 1))
    for i in range(rows):
        for j in range(columns):
            part = x[:, :, i:i + z.shape[2], j:j + z.shape[3]].astype("float64")
            z += np.einsum("nchw,kc->nkhw", part, weights[:, :, rows - 1 - i, columns - 1 - j])
    z = np.maximum(z + bias[:, None, None], 0)
    h, w = z.shape[2] // 2, z.shape[3] // 2
    return z[:, :, :2 * h, :2 * w].reshape(n, k, h, 2, w, 2).max(axis=(3, 5))


def close(found, expected, tolerance=1e-4):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0) <= tolerance * max(1e-30, np.abs(expected).max(initial=0))


def test_it_fires_for_lasagnes_layers():
    function = functions(layers(*SHAPES[0]), substitute.get_output)
    assert kinds(function) == {"Stage": 1, "StageGradient": 1}


def test_it_fires_for_a_plain_prediction():
    x = T.tensor4()
    function = theano.function([x], lasagne.layers.get_output(layers(*SHAPES[2]), x, deterministic=True))
    assert kinds(function) == {"Stage": 1}


class Another(Conv2DLayer):
    """Computes something else."""

    def get_output_for(self, input, **kwargs):
        return super().get_output_for(input, **kwargs) + 1


@pytest.mark.parametrize(("conv", "op"), [
    *[(conv, "Stage") for conv in (
        {"pad": 1}, {"pad": "same"}, {"pad": "full"}, {"stride": 2}, {"stride": (1, 2), "pad": (0, 2)}, {"b": None},
        {"nonlinearity": None}, {"nonlinearity": lasagne.nonlinearities.LeakyRectify(0.1)})],
    *[(conv, "Convolution") for conv in (
        {"nonlinearity": lasagne.nonlinearities.tanh}, {"nonlinearity": lasagne.nonlinearities.sigmoid},
        {"nonlinearity": lasagne.nonlinearities.LeakyRectify(2)}, {"untie_biases": True}, {"nonlinearity": T.exp})],
], ids=str)
@pytest.mark.parametrize("filter_size", [3, (2, 4)])
def test_every_convolution_layer_is_theanos(conv, op, filter_size):
    lasagne.random.set_rng(np.random.RandomState(7))
    net = MaxPool2DLayer(Conv2DLayer(InputLayer((None, 2, 12, 11)), 10, filter_size, **conv), 2)
    ours, theirs = functions(net, substitute.get_output), functions(net, substitute.original_get_output)
    assert kinds(ours)[op] == 1 and not kinds(theirs)
    x, weight = numbers(3, 2, 12, 11, seed=1), numbers(3, *net.output_shape[1:], seed=2)
    for found, expected in zip(ours(x, weight), theirs(x, weight)):
        close(found, expected)


@pytest.mark.parametrize("pool", [{"pool_size": 3}, {"pool_size": 2, "stride": 1}, {"pool_size": 2, "pad": 1},
                                  {"pool_size": 2, "ignore_border": False}], ids=str)
def test_other_pools_follow_a_convolution(pool):
    net = MaxPool2DLayer(Conv2DLayer(InputLayer((None, 1, 12, 12)), 16, 3), **pool)
    assert kinds(functions(net, substitute.get_output)) == {
        "Convolution": 1, "ConvolutionGradient": 1, "Pool": 1, "PoolGradient": 1}


def test_changed_layers_and_shared_convolutions_are_in_no_stage():
    image = InputLayer((None, 1, 12, 12))
    assert not groups.find_groups(lasagne.layers.get_all_layers(MaxPool2DLayer(Another(image, 16, 3), 2)), [])
    conv = Conv2DLayer(image, 16, 3)
    both = [MaxPool2DLayer(conv, 2), conv]
    x = T.tensor4()
    function = theano.function([x], substitute.get_output(both, x))
    assert kinds(function) == {"Convolution": 1, "Pool": 1}
    pooled, convolved = function(numbers(2, 1, 12, 12))
    close(pooled, convolved.reshape(2, 16, 5, 2, 5, 2).max(axis=(3, 5)))


def test_a_sigmoid_that_is_asked_for_stays_theanos():
    """So that Theano finds log(sigmoid(z)): no -inf."""
    net = Conv2DLayer(InputLayer((None, 1, 5, 5)), 1, 3, W=lasagne.init.Constant(-50),
                      nonlinearity=lasagne.nonlinearities.sigmoid)
    loss = lasagne.objectives.binary_crossentropy(substitute.get_output(net), np.float32(1)).mean()
    close(theano.function([net.input_layer.input_var], loss)(np.ones((1, 1, 5, 5), "float32")), np.float32(450))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_its_values_are_numpys(shape):
    net = layers(*shape)
    x = numbers(*shape[:4], seed=1)
    y = theano.function([net.input_layer.input_layer.input_var], substitute.get_output(net))(x)
    weights, bias = [p.get_value() for p in lasagne.layers.get_all_params(net)]
    close(y, in_numpy(x, weights, bias))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_theanos(shape):
    net = layers(*shape)
    ours, theirs = functions(net, substitute.get_output), functions(net, substitute.original_get_output)
    assert "Stage" in kinds(ours) and not kinds(theirs)
    n, c, h, w, k, rows, columns = shape
    x, weight = numbers(n, c, h, w, seed=1), numbers(n, k, (h - rows + 1) // 2, (w - columns + 1) // 2, seed=2)
    for found, expected in zip(ours(x, weight), theirs(x, weight)):
        close(found, expected)


def test_two_stages_after_each_other_are_theanos():
    net = MaxPool2DLayer(Conv2DLayer(layers(*SHAPES[1]), 32, 2), 2)
    ours, theirs = functions(net, substitute.get_output), functions(net, substitute.original_get_output)
    assert kinds(ours) == {"Stage": 2, "StageGradient": 2}
    weight = numbers(9, 32, 2, 1, seed=2)
    for batch in (9, 9, 4):  # a smaller last batch
        x = numbers(batch, 1, 13, 11, seed=batch)
        for found, expected in zip(ours(x, weight[:batch]), theirs(x, weight[:batch])):
            close(found, expected)


def test_the_gradients_are_those_of_differences():
    """In float64: y is piecewise linear in W, so a small step's difference is the gradient."""
    net = layers(*SHAPES[0])
    function = functions(net, substitute.get_output)
    x, weight = numbers(5, 1, 12, 12, seed=1), numbers(5, 32, 5, 5, seed=2)
    weights, bias = [p.get_value().astype("float64") for p in lasagne.layers.get_all_params(net)]
    step = np.zeros_like(weights)
    for place in [(0, 0, 0, 0), (31, 0, 2, 1), (7, 0, 1, 2)]:
        step[:] = 0
        step[place] = 1e-6
        change = (in_numpy(x, weights + step, bias) - in_numpy(x, weights - step, bias)) * weight
        assert function(x, weight)[1][place] == pytest.approx(change.sum() / 2e-6, rel=1e-3, abs=1e-3)


def test_an_empty_batch_has_an_empty_output_and_no_gradient():
    found = functions(layers(*SHAPES[2]), substitute.get_output)(numbers(0, 32, 9, 9), numbers(0, 64, 4, 4))
    assert found[0].shape == (0, 64, 4, 4) and found[3].shape == (0, 32, 9, 9)
    assert not found[1].any() and not found[2].any()


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_strided_input_gives_the_same(shape):
    n, c, h, w, k, rows, columns = shape
    x, y = T.tensor4(), None
    net = layers(*shape)
    y = substitute.get_output(net, x[:, :, ::-1, ::-1])
    weight = numbers(n, k, (h - rows + 1) // 2, (w - columns + 1) // 2, seed=2)
    strided = theano.function([x], [y, *T.grad((y * weight[:, :, ::1]).sum(), lasagne.layers.get_all_params(net))])
    plain = functions(net, substitute.get_output, with_input=False)
    image = numbers(n, c, h, w, seed=1)
    for found, expected in zip(strided(image), plain(np.ascontiguousarray(image[:, :, ::-1, ::-1]), weight)):
        close(found, expected, 1e-6)
    wide = np.zeros((n, c, h, 2 * w), "float32")
    wide[..., ::2] = image
    op = ops.Stage()
    weights, bias = [p.get_value() for p in lasagne.layers.get_all_params(net)]
    outputs = [[[None], [None]], [[None], [None]]]
    op.perform(None, [wide[..., ::2], weights, bias], outputs[0])
    op.perform(None, [image, weights, bias], outputs[1])
    np.testing.assert_array_equal(outputs[0][0][0], outputs[1][0][0])


def test_the_inputs_gradient_is_left_out_where_nobody_wants_it():
    net = layers(*SHAPES[0])
    function = functions(net, substitute.get_output, with_input=False)
    node = next(n for n in function.maker.fgraph.toposort() if isinstance(n.op, ops.StageGradient))
    assert not node.outputs[0].clients
    expected = functions(net, substitute.original_get_output, with_input=False)
    x, weight = numbers(5, 1, 12, 12, seed=1), numbers(5, 32, 5, 5, seed=2)
    for found, wanted in zip(function(x, weight), expected(x, weight)):
        close(found, wanted)


GEOMETRIES = [ops.Geometry("half"), ops.Geometry("full", (2, 1)), ops.Geometry(((1, 0), (0, 2)), flip=False)]


@pytest.mark.parametrize("channels, filters", [(6, 1), (1, 6), (1, 8), (1, 20), (1, 30), (1, 50), (1, 100)])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_any_geometry_and_number_of_filters_is_theanos(geometry, channels, filters):
    x, w, b, weights = [T.TensorType(dtype="float32", broadcastable=[False] * ndim)() for ndim in (4, 4, 1, 4)]
    ours = ops.Stage(geometry)(x, w, b)[0]
    theirs = pool_2d(T.nnet.relu(T.nnet.conv2d(
        x, w, border_mode=geometry.border_mode, subsample=geometry.stride, filter_flip=geometry.flip)
        + b.dimshuffle("x", 0, "x", "x")), (2, 2), ignore_border=True)
    found, expected = [theano.function([x, w, b, weights], [y, *T.grad((y * weights).sum(), [x, w, b])])
                       for y in (ours, theirs)]
    arrays = numbers(3, channels, 13, 12, seed=1), numbers(filters, channels, 5, 3, seed=2), numbers(filters, seed=3)
    height, width = [size // 2 for size in geometry.output((13, 12), (5, 3))]
    for one, other in zip(*[function(*arrays, numbers(3, filters, height, width)) for function in (found, expected)]):
        close(one, other)


def test_shapes_that_do_not_fit_are_named():
    function = functions(layers(*SHAPES[2]), substitute.get_output)
    with pytest.raises(ValueError, match=r"\(64, 32, 2, 2\) does not fit an input of shape \(2, 31, 9, 9\)"):
        function(numbers(2, 31, 9, 9), numbers(2, 64, 4, 4))
    with pytest.raises(ValueError, match=r"gradient's shape is \(2, 64, 3, 3\), the output's is"):
        outputs = [[None], [None], [None]]
        ops.StageGradient().perform(None, [numbers(2, 32, 9, 9), numbers(64, 32, 2, 2), numbers(64),
                                           np.zeros((2, 4, 4, 64), "uint8"), numbers(2, 64, 3, 3)], outputs)
    with pytest.raises(ValueError, match=r"`where` has shape \(2, 4, 4, 63\), the layer's output \(2, 64, 4, 4\)"):
        ops.StageGradient().perform(None, [numbers(2, 32, 9, 9), numbers(64, 32, 2, 2), numbers(64),
                                           np.zeros((2, 4, 4, 63), "uint8"), numbers(2, 64, 4, 4)], outputs)
    with pytest.raises(ValueError, match=r"bias of shape \(63,\) does not fit a kernel of shape \(64, 32, 2, 2\)"):
        ops.Stage().perform(None, [numbers(2, 32, 9, 9), numbers(64, 32, 2, 2), numbers(63)], outputs)


def test_the_sums_do_not_depend_on_the_threads(set_threads):
    net = layers(*SHAPES[3])
    function = functions(net, substitute.get_output)
    x, weight = numbers(17, 16, 8, 7, seed=1), numbers(17, 24, 3, 3, seed=2)
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append([array.copy() for array in function(x, weight)])
    for other in results[1:]:
        for found, expected in zip(other, results[0]):
            np.testing.assert_array_equal(found, expected)
