"""Random nets of Lasagne's layers, whatever stands beside what: values and gradients as Theano's own Ops have them."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import nonlinearities as curves
from lasagne.layers import (ConcatLayer, Conv2DLayer, DenseLayer, DimshuffleLayer, DropoutLayer, ElemwiseMergeLayer,
                            ElemwiseSumLayer, FeaturePoolLayer, InputLayer, MaxPool2DLayer, NonlinearityLayer, PadLayer,
                            Pool2DLayer, SliceLayer, get_all_params)
from theano.gof import Op
from theano.tensor.elemwise import CAReduce, Elemwise

from theano_onednn import start
from theano_onednn.ops import substitute
from theano_onednn.layers import UpscaleLayer
from test_stage import mode_of

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
CURVES = [curves.rectify, curves.rectify, curves.rectify, curves.tanh, curves.sigmoid, curves.leaky_rectify,
          curves.LeakyRectify(1.5), T.nnet.softplus, abs, None]


@pytest.fixture
def quick(monkeypatch):
    """Element-wise Ops and sums in Python, in place of a g++ run for each."""
    make_thunk = Op.make_thunk
    monkeypatch.setattr(Op, "make_thunk", lambda op, *arguments, impl=None, **more: make_thunk(
        op, *arguments, impl="py" if isinstance(op, (Elemwise, CAReduce)) else impl, **more))


class Any:
    """Chooses layers at random; `layers`: those so far."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        lasagne.random.set_rng(np.random.RandomState(seed))
        self.layers = [InputLayer((None, self.number(1, 4), self.number(5, 15), self.number(5, 15)))]

    def number(self, low, high):
        return int(self.random.randint(low, high))

    def one_of(self, *choices):
        return choices[self.number(0, len(choices))]

    def alike(self, same):
        """A layer for which `same` of its shape is that of the last one's."""
        return self.one_of(*[layer for layer in self.layers if len(layer.output_shape) == len(self.last.output_shape)
                             and same(layer.output_shape) == same(self.last.output_shape)])

    def conv(self):
        kind = type("Conv", (Conv2DLayer,), {}) if self.number(0, 5) == 0 else Conv2DLayer
        return kind(self.last, self.number(1, 9), (self.number(1, 5), self.number(1, 5)),
                    stride=self.one_of(1, 1, (2, 1)),
                    pad=self.one_of(0, 0, 1, (1, 2), "full"), untie_biases=self.number(0, 5) == 0,
                    b=self.one_of(None, lasagne.init.Normal()), nonlinearity=self.one_of(*CURVES))

    def twin(self):
        """A layer that shares its weights with an earlier one."""
        one = self.one_of(*[layer for layer in self.layers
                            if type(layer) is DenseLayer and layer.input_shape[1:] == self.last.output_shape[1:]
                            or type(layer) is Conv2DLayer and layer.input_shape[1] == self.last.output_shape[1]])
        if isinstance(one, DenseLayer):
            return DenseLayer(self.last, one.num_units, W=one.W, b=one.b, nonlinearity=self.one_of(*CURVES))
        return Conv2DLayer(self.last, one.num_filters, one.filter_size, W=one.W, b=one.b)

    def pool(self):
        return Pool2DLayer(self.last, self.one_of(2, 3), stride=self.one_of(None, 1, 2), pad=self.one_of(0, 1),
                           mode=self.one_of("max", "average_inc_pad"))

    def merge(self):
        other = self.alike(lambda shape: shape[1:])
        return self.one_of(ElemwiseSumLayer([self.last, other], [1, -0.5]),
                           ElemwiseMergeLayer([self.last, other], T.maximum),
                           ConcatLayer([self.last, self.alike(lambda shape: shape[2:])]))

    def dense(self):
        own = type("Own", (DenseLayer,),
                   {"get_output_for": lambda self, x, **kwargs: 2 * DenseLayer.get_output_for(self, x)})
        return self.one_of(DenseLayer, DenseLayer, own)(self.last, self.number(1, 12), nonlinearity=self.one_of(
            curves.softmax, *CURVES))

    def other(self):
        return self.one_of(
            lambda: DropoutLayer(self.last), lambda: NonlinearityLayer(self.last, self.one_of(*CURVES)),
            lambda: SliceLayer(self.last, slice(1, None), self.number(1, len(self.last.output_shape))),
            lambda: UpscaleLayer(self.last), lambda: PadLayer(self.last, 1),
            lambda: DimshuffleLayer(self.last, (0, 1, 3, 2)), lambda: FeaturePoolLayer(self.last, 2))()

    def net(self):
        """Up to nine layers; returns the input, those that are wanted, and one for which an expression is given."""
        for _ in range(self.number(2, 10)):
            self.last = self.one_of(*self.layers[-1:] * 3, *self.layers)
            image = len(self.last.output_shape) == 4
            try:
                layer = self.one_of(*[self.conv, self.conv, self.half, self.half, self.pool, self.dense] * image,
                                    *[self.dense] * (not image), self.twin, self.merge, self.other)()
                if 0 < min(layer.output_shape[1:]) and np.prod(layer.output_shape[1:]) < 5000:
                    self.layers.append(layer)
            except (ValueError, IndexError, AssertionError):  # it does not fit here
                continue
        wanted = [self.layers[-1], *[self.one_of(*self.layers) for _ in range(self.number(0, 3))]]
        return self.layers[0], wanted, self.one_of(None, None, *self.layers[1:])

    def half(self):
        return MaxPool2DLayer(self.last, 2)


def function(get_output, image, wanted, given):
    """Of a weight per wanted number, the images and what is given: the wanted outputs, and their sum's gradients."""
    inputs = {image: image.input_var}
    if given is not None:
        inputs[given] = numbers_of(given)
    outputs, weights = get_output(wanted, inputs, deterministic=True), [numbers_of(layer) for layer in wanted]
    loss = sum((y * weight).sum() for y, weight in zip(outputs, weights))
    gradients = T.grad(loss, [*get_all_params(wanted), *inputs.values()], disconnected_inputs="ignore")
    mode = mode_of(get_output) or theano.compile.get_default_mode()
    return theano.function([*weights, *inputs.values()], [*outputs, *gradients], mode=mode.excluding("fusion"),
                           on_unused_input="ignore")


def numbers_of(layer):
    return T.TensorType("float32", [False] * len(layer.output_shape))()


def turned(x, way):
    """The same numbers in another order of memory."""
    if way == "reversed":
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    return np.asfortranarray(x) if way == "columns first" else x


@pytest.mark.parametrize("seed", range(8))
def test_any_net_is_theanos(seed, quick):
    some = Any(seed)
    image, wanted, given = some.net()
    ours, theirs = [function(get, image, wanted, given)
                    for get in (substitute.get_output, substitute.original_get_output)]
    for way in ("plain", "reversed", "columns first"):
        for whole in (False, True):  # with whole numbers sums are exact, many are equal, and many are 0
            shapes = [(3, *layer.output_shape[1:]) for layer in (*wanted, image, given) if layer is not None]
            numbers = [turned(some.random.standard_normal(shape), way).astype("float32", order="K") for shape in shapes]
            numbers = [np.round(x) if whole else x for x in numbers]
            for parameter in get_all_params(wanted):
                values = some.random.standard_normal(parameter.get_value().shape).astype("float32")
                parameter.set_value(np.round(values) if whole else values)
            for found, expected in zip(ours(*numbers), theirs(*numbers)):
                np.testing.assert_allclose(found, expected, rtol=1e-3,
                                           atol=1e-3 * max(1e-3, np.abs(expected).max(initial=0)))
