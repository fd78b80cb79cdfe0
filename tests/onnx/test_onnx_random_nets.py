"""Nets put together at random: whatever stands behind what, the file answers as Theano does."""
import lasagne
import numpy as np
import pytest
import theano.tensor as T
from exporting import assert_same
from lasagne import init, layers
from lasagne import nonlinearities as nl

from theano_onednn.layers import BatchNormLayer, UpscaleLayer

NONLINEARITIES = [nl.rectify, nl.tanh, nl.sigmoid, nl.very_leaky_rectify, None, T.nnet.elu,
                  lambda x: x / (1 + T.sqr(x))]
PADS = [0, 1, "same", "full", (2, 1)]
POOLS = ["max", "average_inc_pad", "average_exc_pad"]


class Builder:
    """Draws layers that fit behind one another."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        lasagne.random.set_rng(self.random)

    def one_of(self, choices):
        return choices[self.random.randint(len(choices))]

    def number(self, low, high):
        return int(self.random.randint(low, high + 1))

    def net(self):
        """A net for pictures of random size, and the shape of its input."""
        shape = (None, self.number(1, 4), self.number(8, 14), self.number(8, 14))
        net = layers.InputLayer(shape)
        for _ in range(self.number(2, 6)):
            net = self.one_of([self.convolution, self.pool, self.nin, self.branches, self.misc])(net)
        if self.random.rand() < 0.7:
            net = layers.DenseLayer(net, self.number(1, 6), b=init.Uniform(1.0), nonlinearity=self.one_of(
                [nl.softmax, *NONLINEARITIES]))
        return net, shape

    def convolution(self, net):
        sides = net.output_shape[2:]
        size = tuple(self.number(1, min(side, 4)) for side in sides)
        return layers.Conv2DLayer(net, self.number(1, 5), size, stride=(self.number(1, 2), self.number(1, 2)),
                                  pad=self.one_of(PADS), untie_biases=self.random.rand() < 0.3, b=init.Uniform(1.0),
                                  nonlinearity=self.one_of(NONLINEARITIES))

    def pool(self, net):
        sides = net.output_shape[2:]
        size = tuple(self.number(1, min(side, 3)) for side in sides)
        stride = tuple(self.number(1, 3) for _ in sides)
        whole = self.random.rand() < 0.5
        pad = tuple(self.number(0, (each - 1)) for each in size) if whole else 0
        return layers.Pool2DLayer(net, size, stride, pad, ignore_border=whole, mode=self.one_of(POOLS))

    def nin(self, net):
        return layers.NINLayer(net, self.number(1, 5), untie_biases=self.random.rand() < 0.3, b=init.Uniform(1.0),
                               nonlinearity=self.one_of(NONLINEARITIES))

    def branches(self, net):
        """Two ways that meet again."""
        one, other = (layers.Conv2DLayer(net, 3, self.one_of([1, 3]), pad="same",
                                         nonlinearity=self.one_of(NONLINEARITIES)) for _ in range(2))
        return self.one_of([layers.ConcatLayer, layers.ElemwiseSumLayer,
                            lambda both: layers.ElemwiseSumLayer(both, [0.5, -2]),
                            lambda both: layers.ElemwiseMergeLayer(both, T.maximum)])([one, other])

    def misc(self, net):
        channels, rows, columns = net.output_shape[1:]
        return self.one_of([
            layers.DropoutLayer, layers.GaussianNoiseLayer, layers.LocalResponseNormalization2DLayer, BatchNormLayer,
            UpscaleLayer if rows < 16 else layers.DropoutLayer,
            lambda net: layers.PadLayer(net, [(self.number(0, 2), 1), (0, self.number(0, 2))], val=self.number(0, 1)),
            lambda net: layers.SliceLayer(net, slice(None, None, -1), axis=self.number(1, 3)),
            lambda net: layers.DimshuffleLayer(net, (0, 1, 3, 2)),
            lambda net: layers.ReshapeLayer(net, ([0], [1], columns, rows)),
            lambda net: layers.FeaturePoolLayer(net, channels, pool_function=self.one_of([T.max, T.mean])),
            lambda net: layers.NonlinearityLayer(net, self.one_of(NONLINEARITIES))])(net)


def draw(seed):
    """The first net that fits: a window may not, by chance."""
    builder = Builder(seed)
    while True:
        try:
            net, shape = builder.net()
            if min(size for layer in layers.get_all_layers(net) for size in layer.output_shape[1:]) > 0:
                return net, shape, builder.random
        except ValueError:
            continue


@pytest.mark.parametrize("seed", range(30))
def test_random_nets(seed):
    net, shape, random = draw(seed)
    X = random.standard_normal((int(random.randint(1, 5)), *shape[1:])).astype(np.float32)
    assert_same(net, X, atol=1e-5, rtol=1e-4)
