"""Every layer of Lasagne 0.1 as ONNX: onnxruntime and Theano agree."""
import numpy as np
import pytest
import theano.tensor as T
from exporting import RANDOM, assert_same, kinds, numbers, seeded  # noqa: F401  seeds each test
from lasagne import init, layers
from lasagne import nonlinearities as nl
from lasagne.layers import InputLayer
from lasagne.theano_extensions import conv as conv1d

from fkp.maps import SoftArgmaxLayer
from theano_onednn.layers import BatchNormLayer, UpscaleLayer

BIAS = init.Uniform(1.0)   # Lasagne's own biases are 0 at first, and would hide their place



NONLINEARITIES = [nl.linear, nl.rectify, nl.leaky_rectify, nl.very_leaky_rectify, nl.LeakyRectify(0), nl.sigmoid,
                  nl.tanh, nl.softmax, None, T.nnet.relu, T.nnet.softplus, T.nnet.hard_sigmoid, T.nnet.elu, T.nnet.selu,
                  lambda x: T.nnet.relu(x, 0.2), lambda x: 1.7159 * T.tanh(2 / 3 * x), lambda x: T.maximum(x, 0.1 * x),
                  lambda x: T.switch(x > 0, x, T.expm1(x)), lambda x: x * (x > 0), lambda x: T.clip(x, -0.5, 0.5),
                  lambda x: x / T.sqrt(T.sum(x ** 2, axis=1, keepdims=True)), lambda x: T.log1p(abs(x)),
                  lambda x: T.exp(-T.sqr(x)), lambda x: x - x.mean(), lambda x: T.nnet.nnet.softsign(x),
                  lambda x: T.nnet.nnet.logsoftmax(x), lambda x: T.erf(x), lambda x: T.floor(x) % 3 // 2]


@pytest.mark.parametrize("function", NONLINEARITIES, ids=range(len(NONLINEARITIES)))
def test_nonlinearities(function):
    net = layers.DenseLayer(InputLayer((None, 7)), 6, b=BIAS, nonlinearity=function)
    assert_same(net, numbers(5, 7) * 3)


def test_a_rectifier_is_one_node():
    net = layers.DenseLayer(InputLayer((None, 3, 4, 5)), 6, b=BIAS)
    assert kinds(assert_same(net, numbers(4, 3, 4, 5))) == ["Flatten", "Gemm", "Relu"]


@pytest.mark.parametrize("shape", [(None, 6), (None, 6, 5), (None, 6, 5, 4), (None, 6, 3, 4, 2), (None, 6, 2, 3, 2, 2)])
@pytest.mark.parametrize("options", [{}, {"untie_biases": True}, {"b": None}])
def test_network_in_network(shape, options):
    net = layers.NINLayer(InputLayer(shape), 4, **{"b": BIAS, "nonlinearity": nl.tanh, **options})
    assert_same(net, numbers(3, *shape[1:]))


CONVOLUTIONS = [dict(pad=pad, stride=stride) for pad in (0, 2, "same", "full", "valid") for stride in (1, 2, 3)]


@pytest.mark.parametrize("options", [*CONVOLUTIONS, {"b": None}, {"untie_biases": True}, {"filter_size": 1},
                                     {"convolution": conv1d.conv1d_sc}, {"convolution": conv1d.conv1d_mc1},
                                     {"pad": (1,)}])
@pytest.mark.parametrize("size", [3, 4])
def test_convolution_1d(options, size):
    options = {"b": BIAS, "filter_size": size, **options}
    net = layers.Conv1DLayer(InputLayer((None, 3, 14)), 5, nonlinearity=nl.very_leaky_rectify, **options)
    assert_same(net, numbers(4, 3, 14))


@pytest.mark.parametrize("options", [*CONVOLUTIONS, {"b": None}, {"untie_biases": True}, {"nonlinearity": None},
                                     {"pad": (2, 0), "stride": (1, 2)}, {"pad": "same", "stride": (2, 1)}])
@pytest.mark.parametrize("size", [(3, 3), (2, 4), (1, 3)])
def test_convolution_2d(options, size):
    net = layers.Conv2DLayer(InputLayer((None, 3, 12, 13)), 5, size, **{"b": BIAS, **options})
    assert_same(net, numbers(4, 3, 12, 13))


@pytest.mark.parametrize("pad", [0, "same", "full"])
def test_a_convolution_of_pictures_of_any_size(pad):
    net = layers.Conv2DLayer(InputLayer((None, 3, None, None)), 5, 3, pad=pad, b=BIAS)
    assert_same(net, numbers(2, 3, 9, 7))


@pytest.mark.parametrize("mode", ["max", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize("options", [
    dict(pool_size=2), dict(pool_size=3, stride=2), dict(pool_size=2, stride=3), dict(pool_size=3, pad=1),
    dict(pool_size=(3, 2), stride=(2, 1), pad=(1, 0)), *(dict(each, ignore_border=False) for each in (
        dict(pool_size=2), dict(pool_size=3, stride=2), dict(pool_size=2, stride=3), dict(pool_size=3, stride=1),
        dict(pool_size=(3, 2), stride=(2, 4)), dict(pool_size=(2, 3), stride=(3, 2)), dict(pool_size=(1, 4))))])
@pytest.mark.parametrize("shape", [(None, 3, 11, 13), (None, 2, 12, 10), (None, 2, 9, 7)])
def test_pool_2d(mode, options, shape):
    net = layers.Pool2DLayer(InputLayer(shape), mode=mode, **options)
    assert_same(net, numbers(3, *shape[1:]))


@pytest.mark.parametrize("options", [dict(pool_size=2), dict(pool_size=3, stride=2), dict(pool_size=3, pad=1),
                                     dict(pool_size=3, stride=2, ignore_border=False),
                                     dict(pool_size=2, stride=3, ignore_border=False)])
@pytest.mark.parametrize("length", [11, 12, 13])
def test_max_pool_1d(options, length):
    net = layers.MaxPool1DLayer(InputLayer((None, 4, length)), **options)
    assert_same(net, numbers(3, 4, length))


@pytest.mark.parametrize("function", [T.mean, T.max, T.sum, T.min, T.std, T.var, T.prod])
def test_global_pool(function):
    net = layers.GlobalPoolLayer(InputLayer((None, 4, 5, 6)), pool_function=function)
    assert_same(net, numbers(3, 4, 5, 6) / 2)


@pytest.mark.parametrize("axis, function", [(1, T.max), (2, T.mean), (1, T.sum), (3, T.max)])
def test_feature_pool(axis, function):
    net = layers.FeaturePoolLayer(InputLayer((None, 4, 6, 8)), 2, axis=axis, pool_function=function)
    assert_same(net, numbers(3, 4, 6, 8))


@pytest.mark.parametrize("axis", [1, 2])
def test_winner_takes_all(axis):
    net = layers.FeatureWTALayer(InputLayer((None, 6, 4)), 2, axis=axis)
    assert_same(net, numbers(3, 6, 4))


@pytest.mark.parametrize("outdim", [1, 2, 3, 4])
def test_flatten(outdim):
    assert_same(layers.FlattenLayer(InputLayer((2, 3, 4, 5)), outdim), numbers(2, 3, 4, 5))


@pytest.mark.parametrize("shape", [(-1, 12), ([0], -1), ([0], [2], -1), ([0], 2, [1], 2), (-1, [2]), ([2], [1], -1),
                                   ([0], [1], 2, 2)])
def test_reshape(shape):
    assert_same(layers.ReshapeLayer(InputLayer((None, 3, 4)), shape), numbers(5, 3, 4))


def test_reshape_to_sizes_of_the_input_variable():
    begin = InputLayer((None, None, 5))
    batch, length, _ = begin.input_var.shape
    net = layers.DenseLayer(layers.ReshapeLayer(begin, (-1, 5)), 4, b=BIAS)
    assert_same(layers.ReshapeLayer(net, (batch, length, 4)), numbers(3, 6, 5))


@pytest.mark.parametrize("pattern", [(0, 2, 1), (2, "x", 0, 1), ("x", 1, 2, 0), (0, 1, 2)])
def test_dimshuffle(pattern):
    assert_same(layers.DimshuffleLayer(InputLayer((None, 3, 4)), pattern), numbers(5, 3, 4))


def test_dimshuffle_drops_an_axis():
    net = layers.DimshuffleLayer(layers.DimshuffleLayer(InputLayer((None, 3, 4)), (0, "x", 2, 1)), (3, 0, 2))
    assert_same(net, numbers(5, 3, 4))


@pytest.mark.parametrize("options", [dict(width=2), dict(width=(1, 2)), dict(width=[(1, 0), (2, 3)], val=1.5),
                                     dict(width=1, batch_ndim=1), dict(width=(1,), batch_ndim=3)])
def test_pad(options):
    assert_same(layers.PadLayer(InputLayer((None, 3, 4, 5)), **options), numbers(2, 3, 4, 5))


@pytest.mark.parametrize("indices, axis", [
    (0, 1), (-1, -1), (slice(1, 3), 2), (slice(-2, None), -1), (slice(None, None, 2), 2), (slice(None, None, -1), 1),
    (slice(3, 0, -2), 2), (slice(1, 100), 1)])
def test_slice(indices, axis):
    assert_same(layers.SliceLayer(InputLayer((None, 3, 5)), indices, axis), numbers(4, 3, 5))


def two_branches(shape):
    begin = InputLayer((None, *shape))
    return begin, layers.NonlinearityLayer(begin, nl.tanh), layers.NonlinearityLayer(begin, nl.sigmoid)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_concatenation(axis):
    assert_same(layers.ConcatLayer(two_branches((3, 4)), axis), numbers(2, 3, 4))


@pytest.mark.parametrize("function", [T.add, T.mul, T.maximum, T.minimum, T.sub, lambda a, b: a * T.exp(b), T.true_div])
def test_elementwise_merge(function):
    assert_same(layers.ElemwiseMergeLayer(two_branches((3, 4)), function), numbers(2, 3, 4))


@pytest.mark.parametrize("coefficients", [1, 0.5, [1, -2, 0.25], -1])
def test_elementwise_sum(coefficients):
    assert_same(layers.ElemwiseSumLayer(two_branches((3, 4)), coefficients), numbers(2, 3, 4))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_embedding(dtype):
    begin = InputLayer((None, 6), T.matrix(dtype=dtype))
    net = layers.DenseLayer(layers.EmbeddingLayer(begin, 20, 5), 4, b=BIAS)
    assert_same(net, RANDOM.randint(20, size=(3, 6)).astype(dtype))


@pytest.mark.parametrize("options", [{}, dict(alpha=0.5, k=1.5, beta=0.6, n=3), dict(n=7, alpha=2.0)])
def test_local_response_normalisation(options):
    net = layers.LocalResponseNormalization2DLayer(InputLayer((None, 8, 4, 5)), **options)
    assert kinds(assert_same(net, numbers(3, 8, 4, 5))) == ["LRN"]


@pytest.mark.parametrize("kind", [layers.DropoutLayer, layers.GaussianNoiseLayer])
def test_noise_is_left_out(kind):
    net = layers.DenseLayer(kind(layers.DenseLayer(InputLayer((None, 7)), 6, b=BIAS)), 5, b=BIAS, nonlinearity=None)
    assert kinds(assert_same(net, numbers(3, 7))) == ["Gemm", "Relu", "Gemm"]
    assert kinds(assert_same(kind(InputLayer((None, 7))), numbers(3, 7))) == ["Identity"]


@pytest.mark.parametrize("shape", [(None, 4), (None, 4, 5, 6)])
def test_batch_normalisation(shape):
    net = BatchNormLayer(InputLayer(shape))
    for parameter in net.get_params():
        parameter.set_value(RANDOM.uniform(0.1, 2, 4).astype(np.float32))
    assert kinds(assert_same(net, numbers(3, *shape[1:]))) == ["BatchNormalization"]


def test_maps():
    net = SoftArgmaxLayer(UpscaleLayer(InputLayer((None, 3, 4, 6))))
    assert_same(net, numbers(5, 3, 4, 6))


def test_the_batch_size_that_a_net_was_made_with_is_free_in_the_file():
    begin = InputLayer((128, 1, 8, 8))
    net = layers.DenseLayer(layers.MaxPool2DLayer(layers.Conv2DLayer(begin, 4, 3, b=BIAS), 2), 3, b=BIAS)
    model = assert_same(net, numbers(5, 1, 8, 8))
    assert [size.dim_param for size in model.graph.input[0].type.tensor_type.shape.dim] == ["batch", "", "", ""]
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_tensors_and_parameters_bear_the_layers_names():
    net = layers.DenseLayer(InputLayer((None, 3), name="in"), 4, name="hidden")
    model = assert_same(layers.DenseLayer(net, 2, name="out"), numbers(2, 3))
    assert [each.name for each in [*model.graph.input, *model.graph.output]] == ["in", "out"]
    assert {each.name for each in model.graph.initializer} == {"hidden.W", "hidden.b", "out.W", "out.b"}
    assert [node.output[0] for node in model.graph.node] == ["hidden/Gemm", "hidden", "out/Gemm", "out"]


def test_several_inputs():
    a, b = InputLayer((None, 3), name="a"), InputLayer((None, 4), name="b")
    net = layers.ConcatLayer([layers.DenseLayer(a, 2, b=BIAS), layers.DenseLayer(b, 2, b=BIAS)])
    assert_same(net, numbers(5, 3), numbers(5, 4))
