"""Convolutions and their gradients against Theano's own Ops, which run in float64."""
import numpy as np
import pytest
import theano
import theano.tensor as T

from theano_onednn import ops, start
from theano_onednn.ops import Geometry, native
from test_products import to_bfloat16
from test_stage import close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
GEOMETRIES = [
    Geometry(), Geometry("half"), Geometry("full"), Geometry(1), Geometry((2, 0)), Geometry(((1, 0), (0, 2))),
    Geometry(stride=(2, 3)), Geometry("half", (2, 1)), Geometry("full", (1, 2), flip=False), Geometry(flip=False),
    Geometry("valid", dilation=(2, 1)), Geometry("half", (2, 2), (1, 2)), Geometry((4, 5)),
]
SHAPES = [(3, 2, 9, 8, 5, 3, 2), (4, 16, 7, 7, 32, 3, 3), (2, 1, 12, 11, 6, 5, 5), (9, 20, 6, 6, 50, 1, 1),
          (3, 6, 9, 8, 1, 3, 3), (4, 16, 12, 15, 1, 4, 5),
          (5, 37, 7, 5, 1, 1, 1)]  # one output channel: a way of its own
ONE = (37, 16, 13, 14, 1, 3, 3)


def both(build, expression, *arrays):
    """What a graph of ours in float32, and Theano's in float64, make of the arrays, with all gradients."""
    found = []
    for make, dtype in ((build, "float32"), (expression, "float64")):
        inputs = [T.TensorType(dtype, [False] * array.ndim)() for array in arrays]
        y = make(*inputs)
        weight = T.constant(numbers(*y.eval(dict(zip(inputs, cast(arrays, dtype)))).shape, seed=9).astype(dtype))
        function = theano.function(inputs, [y, *T.grad((y * weight).sum(), inputs)])
        kinds = {type(node.op) for node in function.maker.fgraph.toposort()}
        assert kinds.intersection(ops.OURS) if dtype == "float32" else not kinds.intersection(ops.OURS)
        found.append(function(*cast(arrays, dtype)))
    return zip(*found)


def cast(arrays, dtype):
    return [array.astype(dtype) for array in arrays]


def theanos(x, weights, geometry):
    return T.nnet.conv2d(x, weights, border_mode=geometry.border_mode, subsample=geometry.stride,
                         filter_dilation=geometry.dilation, filter_flip=geometry.flip)


def arrays(n, c, h, w, k, rows, columns):
    return numbers(n, c, h, w, seed=1), numbers(k, c, rows, columns, seed=2), numbers(k, seed=3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_values_and_gradients_are_theanos(geometry, shape):
    x, weights, bias = arrays(*shape)
    for found, expected in both(lambda x, w, b: ops.Convolution(geometry)(x, w, b),
                                lambda x, w, b: theanos(x, w, geometry) + b.dimshuffle("x", 0, "x", "x"),
                                x, weights, bias):
        close(found, expected)


NONLINEARITIES = {0.0: T.nnet.relu, 1.0: lambda z: z, 0.1: lambda z: T.nnet.relu(z, 0.1), "tanh": T.tanh,
                  "sigmoid": T.nnet.sigmoid}


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("activation", NONLINEARITIES)
def test_activations_are_theanos(activation, channels_last):
    op = ops.Convolution(Geometry("half"), activation, channels_last=channels_last)
    for found, expected in both(op, lambda *v: NONLINEARITIES[activation](theanos(*v, Geometry("half"))),
                                *arrays(*SHAPES[0])[:2]):
        close(found, expected)


@pytest.mark.parametrize("activation", [0.0, 0.1])
def test_at_exactly_zero_the_derivative_is_theanos(activation):
    """Whole numbers: many sums are exactly 0."""
    x, weights, bias = [np.round(array) for array in arrays(*SHAPES[1])]
    op = ops.Convolution(activation=activation)
    for found, expected in both(op, lambda x, w, b: NONLINEARITIES[activation](
            theanos(x, w, Geometry()) + b.dimshuffle("x", 0, "x", "x")), x, weights, bias):
        close(found, expected, 1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_the_gradients_alone_are_theanos_and_so_are_theirs(geometry):
    """AbstractConv2d_gradWeights and _gradInputs: a transposed convolution is a layer of its own."""
    from theano.tensor.nnet.abstract_conv import AbstractConv2d_gradInputs, AbstractConv2d_gradWeights
    x, weights, _ = arrays(*SHAPES[0])
    gy = numbers(3, 5, *geometry.output(x.shape[2:], weights.shape[2:]), seed=4)
    settings = dict(border_mode=geometry.border_mode, subsample=geometry.stride, filter_flip=geometry.flip,
                    filter_dilation=geometry.dilation)
    image, kernel = T.constant(np.array(x.shape[2:])), T.constant(np.array(weights.shape[2:]))
    for found, expected in both(lambda *v: ops.ConvolutionWeights(geometry)(*v, kernel),
                                lambda *v: AbstractConv2d_gradWeights(**settings)(*v, kernel), x, gy):
        close(found, expected)
    for found, expected in both(lambda *v: ops.ConvolutionInputs(geometry)(*v, image),
                                lambda *v: AbstractConv2d_gradInputs(**settings)(*v, image), weights, gy):
        close(found, expected)


def test_second_derivatives_are_theanos():
    found = []
    for dtype, make in (("float32", ops.Convolution(Geometry("half"), "tanh")),
                        ("float64", lambda *v: T.tanh(theanos(*v, Geometry("half"))))):
        inputs = [T.TensorType(dtype, [False] * 4)() for _ in range(2)]
        gradient = T.grad((make(*inputs) ** 2).sum(), inputs[1])
        function = theano.function(inputs, T.grad((gradient ** 2).sum(), inputs))
        found.append(function(*cast(arrays(*SHAPES[0])[:2], dtype)))
    for one, other in zip(*found):
        close(one, other, 1e-3)


def run(op, *arrays):
    cells = [[None] for _ in range(3 if isinstance(op, ops.ConvolutionGradient) else 1)]
    op.perform(None, list(arrays), cells)
    return [cell[0] for cell in cells]


def test_the_output_is_channels_last_in_memory():
    (y,) = run(ops.Convolution(), *arrays(*SHAPES[0]))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous and not y.flags.c_contiguous
    (y,) = run(ops.Convolution(channels_last=False), *arrays(*SHAPES[0]))
    assert y.flags.c_contiguous


def strided(array):
    """Equal numbers in memory with gaps, read backwards along the last axis."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::-2] = array
    return wide[..., ::-2]


@pytest.mark.parametrize("shape", [SHAPES[1], ONE], ids=str)
@pytest.mark.parametrize("activation", [1.0, "tanh"])
def test_strided_memory_gives_the_same(activation, shape):
    x, weights, bias = arrays(*shape)
    op = ops.Convolution(activation=activation)
    (y,) = run(op, x, weights, bias)
    np.testing.assert_array_equal(run(op, *map(strided, (x, weights, bias)))[0], y)
    gradient, gy = ops.ConvolutionGradient(activation=activation), numbers(*y.shape, seed=5)
    for found, expected in zip(run(gradient, *map(strided, (x, weights, bias, y, gy))),
                               run(gradient, x, weights, bias, y, gy)):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape, plane", [(SHAPES[0], (5, 7, 7)), (ONE, (1, 11, 12))], ids=str)
def test_an_empty_batch_has_an_empty_output_and_no_gradient(shape, plane):
    x, weights, bias = arrays(0, *shape[1:])
    (y,) = run(ops.Convolution(), x, weights, bias)
    assert y.shape == (0, *plane)
    gx, gweights, gbias = run(ops.ConvolutionGradient(), x, weights, bias, y, y)
    assert gx.shape == x.shape and not gweights.any() and not gbias.any()
    assert gweights.shape == weights.shape and gbias.shape == bias.shape


def test_shapes_that_do_not_fit_are_named():
    x, weights, bias = arrays(*SHAPES[0])
    with pytest.raises(ValueError, match=r"kernel of shape \(5, 2, 3, 2\) does not fit an input of shape \(3, 3, 9"):
        run(ops.Convolution(), numbers(3, 3, 9, 8), weights)
    with pytest.raises(ValueError, match=r"does not fit an input of shape \(3, 2, 2, 8\)"):
        run(ops.Convolution(), numbers(3, 2, 2, 8), weights)
    with pytest.raises(ValueError, match=r"bias of shape \(4,\) does not fit a kernel of shape \(5, 2, 3, 2\)"):
        run(ops.Convolution(), x, weights, bias[:4])
    with pytest.raises(ValueError, match=r"output's shape is \(3, 5, 7, 6\), not \(3, 5, 7, 7\)"):
        run(ops.ConvolutionGradient(), x, weights, bias, numbers(3, 5, 7, 6), numbers(3, 5, 7, 7))
    with pytest.raises(ValueError, match=r"gradient's shape is \(3, 5, 7, 6\), the output's is \(3, 5, 7, 7\)"):
        run(ops.ConvolutionGradient(), x, weights, bias, numbers(3, 5, 7, 7), numbers(3, 5, 7, 6))
    with pytest.raises(TypeError, match="Convolution takes float32 with 4, 4 dimensions"):
        ops.Convolution()(T.matrix(), T.tensor4())


WIDE, WIDE_2 = (12, 16, 21, 22, 32, 3, 3), (12, 16, 21, 22, 32, 2, 2)  # many pixels and channels: Winograd's way
# As many images as make Winograd's way the sooner, with other counts of tiles down than across.
OBLONG = [(8, 16, *size, 17, side, side) for size in [(42, 26), (26, 42), (66, 18), (10, 70)] for side in (2, 3)]
WIDE_GEOMETRIES = [Geometry("half"), Geometry(), Geometry("full", flip=False), Geometry(((2, 0), (0, 1)))]


@pytest.mark.parametrize("geometry, shape", [
    *[(geometry, shape) for geometry in WIDE_GEOMETRIES
      for shape in [WIDE, (14, 40, 19, 20, 17, 3, 3), WIDE_2, (14, 40, 19, 20, 17, 2, 2)]],
    *[(geometry, shape) for geometry in WIDE_GEOMETRIES[:2] for shape in OBLONG]], ids=str)
def test_many_images_give_what_each_alone_does(geometry, shape):
    """One image has too few pixels for Winograd's way, and is compared with Theano's above."""
    x, weights, bias = arrays(*shape)
    op, gradient = ops.Convolution(geometry, 0.1), ops.ConvolutionGradient(geometry, 0.1)
    (y,) = run(op, x, weights, bias)
    assert y[0, 0].size < 4096 <= y[:, 0].size
    gy = numbers(*y.shape, seed=4)
    alone = [run(op, image[None], weights, bias)[0] for image in x]
    close(y, np.concatenate(alone), 2e-5)
    alone = zip(*[run(gradient, *one[:1], weights, bias, *one[1:]) for one in
                  zip(x[:, None], y[:, None], gy[:, None])])
    gx, *others = [np.concatenate(parts) if i == 0 else sum(parts) for i, parts in enumerate(alone)]
    for found, expected in zip(run(gradient, x, weights, bias, y, gy), [gx, *others]):
        close(found, expected, 2e-5)


@pytest.mark.parametrize("shape", [WIDE, WIDE_2, ONE], ids=str)
def test_where_a_wide_image_is_constant_its_output_is_too(shape):
    """So that ties in a pool behind stay ties."""
    for size in (22, 23):
        x, weights = np.full((12, 16, size, size), 0.3, np.float32), arrays(*shape)[1]
        (y,) = run(ops.Convolution(), x, weights)
        assert (y == y[:1, :, :1, :1]).all()


@pytest.mark.parametrize("shape", [(37, *SHAPES[1][1:]), WIDE, WIDE_2, ONE], ids=str)
def test_the_sums_do_not_depend_on_the_threads(set_threads, shape):
    x, weights, bias = arrays(*shape)
    gy, results = numbers(len(x), len(weights), *Geometry().output(x.shape[2:], weights.shape[2:])), []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append(run(ops.Convolution(), x, weights) + run(ops.ConvolutionGradient(), x, weights, bias, gy, gy))
    for other in results[1:]:
        for found, expected in zip(other, results[0]):
            np.testing.assert_array_equal(found, expected)


def test_the_shapes_are_known_before_they_are_computed():
    for geometry in GEOMETRIES:
        x, weights = T.tensor4(), T.tensor4()
        y = ops.Convolution(geometry)(x, weights)
        function = theano.function([x, weights], y.shape)
        assert not any(isinstance(node.op, ops.OURS) for node in function.maker.fgraph.toposort())
        np.testing.assert_array_equal(function(*arrays(*SHAPES[0])[:2]),
                                      run(y.owner.op, *arrays(*SHAPES[0])[:2])[0].shape)


@pytest.mark.skipif(start.reason is None and native.LIBRARY.fkp_isa() & start.BF16 != start.BF16,
                    reason="this processor has no bfloat16")
def test_in_bfloat16_images_and_kernels_are_rounded_to_nearest():
    """A kernel of one pixel that picks each channel, and one image of ones."""
    x, ones = numbers(2, 16, 4, 4), np.ones((1, 16, 1, 1), "float32")
    x[0, 0, 0, :2] = np.array([0x3F808000, 0x3F818000], "uint32").view("float32")  # half way between two: to the even
    op = ops.Convolution(bf16=True)
    (y,) = run(op, x, np.eye(16, dtype="float32")[:, :, None, None])
    np.testing.assert_array_equal(y, to_bfloat16(x))
    weights = numbers(9, 16, 1, 1, seed=2)
    for channel in range(16):
        (y,) = run(op, ones * (np.arange(16) == channel).reshape(1, 16, 1, 1).astype("float32"), weights)
        np.testing.assert_array_equal(y[0, :, 0, 0], to_bfloat16(weights[:, channel, 0, 0]))
    gy = numbers(2, 16, 4, 4, seed=3)
    gx = run(ops.ConvolutionGradient(bf16=True), x, np.eye(16, dtype="float32")[:, :, None, None], gy, gy)[0]
    np.testing.assert_array_equal(gx, to_bfloat16(gy))
