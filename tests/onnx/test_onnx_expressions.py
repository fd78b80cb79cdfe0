"""Layers that Lasagne 0.1 does not have are read from the Theano expressions that they build."""
import numpy as np
import pytest
import theano
import theano.tensor as T
from exporting import QUICK, assert_same, kinds, numbers, seeded  # noqa: F401  seeds each test
from lasagne import init, layers
from lasagne import nonlinearities as nl
from lasagne.layers import InputLayer, Layer
from theano.tensor.nnet import abstract_conv
from theano.tensor.signal.pool import pool_2d

from fkp import Problem, onnx

BIAS = init.Uniform(1.0)



class Expression(Layer):
    """A layer whose output is any function of its input, and has its shape or another one."""

    def __init__(self, incoming, function, shape=None, **kwargs):
        super().__init__(incoming, **kwargs)
        self.function, self.shape = function, shape

    def get_output_shape_for(self, input_shape):
        return self.shape or input_shape

    def get_output_for(self, input, **kwargs):
        return self.function(input)


EXPRESSIONS = {
    "arithmetic": lambda x: (2 - x) / (1 + x ** 2) * -x,
    "powers": lambda x: T.sqrt(abs(x)) + x ** 3 + 2 ** x + abs(x) ** 0.3,
    "integer division": lambda x: T.cast(x * 10, "int32") // 3,
    "modulo of negative numbers": lambda x: T.cast(x * 10, "int64") % 3 - T.cast(x * 10, "int64") % -3,
    "bytes overflow": lambda x: T.cast(abs(x) * 50, "uint8") * np.uint8(7),
    "rounding": lambda x: T.floor(x) + T.ceil(2 * x) * T.round(x, "half_to_even"),
    "rounding away from zero": lambda x: T.round(T.floor(x * 4) / 2, "half_away_from_zero"),
    "truncation": lambda x: T.trunc(x * 3),
    "logarithms": lambda x: T.log(abs(x) + 1) + T.log2(abs(x) + 1) - T.log10(abs(x) + 1) + T.log1p(x ** 2),
    "small exponentials": lambda x: T.expm1(x / 1000) * 1000 + T.log1p(x / 1000) * 1000,
    "large exponentials": lambda x: T.expm1(x * 3),
    "trigonometry": lambda x: T.sin(x) * T.cos(x) + T.tan(x / 3) + T.arctan(x) + T.sinh(x) + T.cosh(x) + T.tanh(x),
    "comparisons": lambda x: T.switch(T.and_(x > 0, T.neq(x, 1)), x, T.switch(T.or_(x < -1, T.invert(x <= 0)), -1, 3)),
    "comparisons of numbers of two kinds": lambda x: T.cast(x * 2, "int32") < x * 2,
    "booleans are numbers": lambda x: (x > 0) + x * (x <= 0.5),
    "sums": lambda x: x - x.sum(axis=(1, 2), keepdims=True) / x.max() + x.min(axis=0),
    "any and all": lambda x: T.any(x > 1, axis=1, keepdims=True) + T.all(x > -1, axis=2, keepdims=True) + x,
    "standard deviation": lambda x: (x - x.mean(axis=0)) / (x.std(axis=0) + 1),
    "argmax": lambda x: T.argmax(x, axis=2),
    "argmax of all": lambda x: T.argmax(x) + x,
    "argmax over two axes": lambda x: T.argmax(x, axis=(1, 2)),
    "cumulative sum": lambda x: T.extra_ops.cumsum(x, axis=1),
    "parts": lambda x: x[:, 1:, ::-1] - x[:, :-1],
    "one row": lambda x: x[:, -1] * x[0, 0, 1],
    "changed parts": lambda x: T.set_subtensor(x[:, 1], x[:, 0] * 2),
    "added parts": lambda x: T.inc_subtensor(x[:, ::2, 1:], 1.5),
    "rows by number": lambda x: x[:, np.array([2, 0, 0])],
    "padded by hand": lambda x: T.set_subtensor(T.zeros((x.shape[0], 6, x.shape[2] + 2))[:, 1:4, 2:], x),
    "stacked": lambda x: T.stack([x, -x], axis=1),
    "joined": lambda x: T.concatenate([x, x.sum(axis=1, keepdims=True), T.ones_like(x[:, :1])], axis=1),
    "repeated": lambda x: T.repeat(x, 3, axis=1),
    "tiled": lambda x: T.tile(x, (1, 2, 1)),
    "products": lambda x: T.tensordot(x, np.ones((4, 3, 2), "float32"), axes=[[1, 2], [1, 0]]),
    "batched products": lambda x: T.batched_dot(x, x.dimshuffle(0, 2, 1)),
    "normalised rows": lambda x: x / x.norm(2, axis=1, keepdims=True),
    "shape arithmetic": lambda x: x.reshape((x.shape[0] * x.shape[1], x.shape[2] // 2, 2)),
    "outer": lambda x: T.outer(x[:, 0, 0], x[:, 1, 1]),
    "a constant": lambda x: T.zeros_like(x) + np.arange(4, dtype="float32"),
    "where not a number": lambda x: T.switch(T.isnan(T.log(x)), 0, x),
    "softmax of rows": lambda x: T.nnet.softmax(x.reshape((-1, 4))),
    "clipped": lambda x: T.clip(x, -0.3, x.max()),
    "error function": lambda x: T.erf(x) + T.erfc(x / 2),
    "gradients are not asked for": lambda x: theano.gradient.disconnected_grad(x) + theano.gradient.grad_clip(x, -1, 1),
    "a range": lambda x: x + T.arange(x.shape[2]),
    "split": lambda x: T.mul(*T.split(x, [2, 2], 2, axis=2)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions(name):
    assert_same(Expression(InputLayer((None, 3, 4)), EXPRESSIONS[name]), numbers(5, 3, 4), rtol=2e-5)


IMAGES = {
    "groups": lambda x, w: T.nnet.conv2d(x, w[:, :2], num_groups=2),
    "dilation": lambda x, w: T.nnet.conv2d(x, w, filter_dilation=(2, 1), border_mode="half"),
    "unflipped": lambda x, w: T.nnet.conv2d(x, w, filter_flip=False, border_mode="full", subsample=(2, 1)),
    "uneven border": lambda x, w: T.nnet.conv2d(x, w, border_mode=((1, 2), (0, 1))),
    "kernels that the input makes": lambda x, w: T.nnet.conv2d(x, w * x.mean(), border_mode=1),
    "sums of pools": lambda x, w: pool_2d(x, (2, 2), ignore_border=True, mode="sum"),
    "sums of pools over the border": lambda x, w: pool_2d(x, (2, 2), stride=(2, 3), ignore_border=False, mode="sum"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    w = theano.shared(numbers(6, 4, 3, 3), "W")
    net = Expression(InputLayer((None, 4, 9, 8)), lambda x: IMAGES[name](x, w))
    mode = None if name == "groups" else QUICK  # which has no groups
    assert_same(net, numbers(3, 4, 9, 8), atol=2e-5, mode=mode)


# --- layers of later releases of Lasagne, as they build their expressions ---

class Later(Layer):
    """BaseConvLayer: the convolution is a method, which a subclass may have in its own way."""

    def __init__(self, incoming, num_filters, filter_size, stride=1, pad=0, flip_filters=True, nonlinearity=nl.rectify):
        super().__init__(incoming)
        self.num_filters, self.filter_size, self.stride = num_filters, (filter_size,) * 2, (stride,) * 2
        self.pad, self.flip_filters, self.nonlinearity = pad, flip_filters, nonlinearity
        self.W = self.add_param(init.GlorotUniform(), self.weights_shape(), name="W")
        self.b = self.add_param(BIAS, (num_filters,), name="b")

    def weights_shape(self):
        return (self.num_filters, self.input_shape[1], *self.filter_size)

    def get_output_shape_for(self, shape):
        return (shape[0], self.num_filters, *((side + 2 * self.pad - size) // step + 1 for side, size, step in zip(
            shape[2:], self.filter_size, self.stride)))

    def convolve(self, input):
        return T.nnet.conv2d(input, self.W, border_mode=self.pad, subsample=self.stride, filter_flip=self.flip_filters)

    def get_output_for(self, input, **kwargs):
        return self.nonlinearity(self.convolve(input) + self.b.dimshuffle("x", 0, "x", "x"))


class Transposed(Later):
    """TransposedConv2DLayer, whose size `output_size` decides where strides leave a choice."""

    def __init__(self, *args, output_size=None, **kwargs):
        self.output_size = output_size
        super().__init__(*args, **kwargs)

    def weights_shape(self):
        return (self.input_shape[1], self.num_filters, *self.filter_size)

    def get_output_shape_for(self, shape):
        least = [(side - 1) * step + size - 2 * self.pad
                 for side, size, step in zip(shape[2:], self.filter_size, self.stride)]
        return (shape[0], self.num_filters, *(self.output_size or least))

    def convolve(self, input):
        op = abstract_conv.AbstractConv2d_gradInputs(
            imshp=self.output_shape, kshp=self.weights_shape(), subsample=self.stride, border_mode=(self.pad, self.pad),
            filter_flip=not self.flip_filters)
        size = self.output_shape[2:] if self.output_size else self.get_output_shape_for(input.shape)[2:]
        return op(self.W, input, size)


class Dilated(Later):
    """DilatedConv2DLayer: the derivative for the weights of a convolution, batch and channels swapped."""

    def __init__(self, *args, dilation=2, **kwargs):
        self.dilation = (dilation,) * 2
        super().__init__(*args, **kwargs)

    def weights_shape(self):
        return (self.input_shape[1], self.num_filters, *self.filter_size)

    def get_output_shape_for(self, shape):
        return (shape[0], self.num_filters, *(side - (size - 1) * step for side, size, step in zip(
            shape[2:], self.filter_size, self.dilation)))

    def convolve(self, input):
        op = abstract_conv.AbstractConv2d_gradWeights(subsample=self.dilation, border_mode="valid",
                                                      filter_flip=not self.flip_filters)
        size = self.get_output_shape_for(input.shape)[2:]
        return op(input.transpose(1, 0, 2, 3), self.W, size).transpose(1, 0, 2, 3)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("kind, options", [
    (Later, {}), (Later, {"pad": 1, "stride": 2}), (Transposed, {}), (Transposed, {"stride": 2, "pad": 1}),
    (Transposed, {"stride": 2, "output_size": (14, 16)}), (Transposed, {"stride": 2, "output_size": (13, 15)}),
    (Dilated, {}), (Dilated, {"dilation": 3})])
def test_convolutions_of_later_releases(kind, options, flip):
    begin = InputLayer((None, 3, 6, 7) if kind is Transposed else (None, 3, 11, 12))
    net = kind(begin, 4, 3, flip_filters=flip, **options)
    assert_same(net, numbers(5, *net.input_shape[1:]), atol=1e-5)


class LaterBatchNorm(Layer):
    """BatchNormLayer of Lasagne 0.2, which is arithmetic."""

    def __init__(self, incoming):
        super().__init__(incoming)
        self.beta, self.gamma, self.mean, self.inv_std = (
            self.add_param(init.Uniform((0.5, 2)), self.input_shape[1:2], name=name)
            for name in ("beta", "gamma", "mean", "inv_std"))

    def get_output_for(self, input, deterministic=False, **kwargs):
        assert deterministic
        beta, gamma, mean, inv_std = (each.dimshuffle("x", 0, "x", "x")
                                      for each in (self.beta, self.gamma, self.mean, self.inv_std))
        return (input - mean) * (gamma * inv_std) + beta


def test_a_later_batch_normalisation():
    model = assert_same(LaterBatchNorm(InputLayer((None, 3, 4, 5))), numbers(2, 3, 4, 5))
    assert kinds(model) == ["Sub", "Mul", "Add"]  # what depends on parameters alone was computed beforehand


def test_a_subclass_counts_by_what_it_does():
    class Twice(layers.DenseLayer):
        def get_output_for(self, input, **kwargs):
            return 2 * super().get_output_for(input, **kwargs)

    assert_same(Twice(InputLayer((None, 5)), 4, b=BIAS), numbers(3, 5))
    net = layers.DenseLayer(InputLayer((None, 5)), 4, b=BIAS)
    net.get_output_for = lambda input, **kwargs: T.dot(input, net.W) - 1
    assert_same(net, numbers(3, 5))


def test_a_convolution_of_ones_own():
    def strange(input, filters, **kwargs):
        return 3 * T.nnet.conv2d(input, filters, **kwargs)

    net = layers.Conv2DLayer(InputLayer((None, 2, 6, 6)), 3, 3, b=BIAS, convolution=strange)
    assert_same(net, numbers(2, 2, 6, 6))


def test_a_net_of_a_hundred_layers():
    net = InputLayer((None, 4))
    for _ in range(100):
        net = layers.ElemwiseSumLayer([net, Expression(net, lambda x: T.tanh(x) / 100)])
    assert_same(net, numbers(3, 4))


def test_a_layer_of_ones_own_need_not_tell_its_shape():
    net = Expression(InputLayer((None, 6, 8)), lambda x: x.dimshuffle(0, 2, 1)[:, 2:])  # says (None, 6, 8)
    assert_same(layers.FeaturePoolLayer(net, 2, pool_function=T.mean), numbers(3, 6, 8))
    net = Expression(InputLayer((None, 3, 2, 2)), lambda x: x.flatten(3))
    assert_same(layers.DenseLayer(net, 2, W=init.Uniform(1.0), nonlinearity=nl.softmax), numbers(3, 3, 2, 2))


# --- what has no meaning ---

@pytest.mark.parametrize("function, message", [
    (lambda x: T.sort(x), r"^layer odd \(Expression\): Theano's SortOp.* has no ONNX form here"),
    (lambda x: T.shared_randomstreams.RandomStreams(1).normal(x.shape) + x, "random numbers have no place"),
    (lambda x: T.extra_ops.cumprod(x, axis=0), "products along an axis, step by step"),
    (lambda x: x + T.scalar("temperature"), "it uses temperature, which is the input of no InputLayer"),
    (lambda x: T.cast(x, "complex64"), "complex64 numbers have no ONNX form here"),
    (lambda x: T.bitwise_and(T.cast(x, "int32"), 3), "bit by bit"),
    (lambda x: T.gammaln(x), "Theano's gammaln has no ONNX form here"),
    (lambda x: x[(x > 0).nonzero()], "has no ONNX form here")])
def test_a_layer_without_meaning_is_named(function, message, tmp_path):
    with pytest.raises(Problem, match=message):
        onnx.export(Expression(InputLayer((None, 3)), function, name="odd"), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_layer_without_a_layer_before_it_is_named(tmp_path):
    with pytest.raises(Problem, match=r"layer hidden \(DenseLayer\): it has a shape for an input, and no layer"):
        onnx.export(layers.DenseLayer((None, 3), 4, name="hidden"), tmp_path / "net.onnx")
