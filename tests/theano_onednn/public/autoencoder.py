"""Pictures through a bottleneck and back: biases of each place, dense weights used both ways, unpooling: Adadelta."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, Layer, MaxPool2DLayer, ReshapeLayer, get_output
from lasagne.nonlinearities import sigmoid, tanh

lasagne.random.set_rng(np.random.RandomState(1))


class Transposed(Layer):
    """A dense layer backwards, with its weights."""

    def __init__(self, incoming, dense, **kwargs):
        super(Transposed, self).__init__(incoming, **kwargs)
        inputs, _ = self.shape = dense.W.get_value().shape
        self.W = self.add_param(dense.W, self.shape, "W")
        self.b = self.add_param(lasagne.init.Constant(0), (inputs,), "b")

    def get_output_shape_for(self, shape):
        return (shape[0], self.shape[0])

    def get_output_for(self, input, **kwargs):
        return T.tanh(T.dot(input, self.W.T) + self.b)


class Unpool(Layer):
    """Each pixel becomes factor x factor."""

    def __init__(self, incoming, factor, **kwargs):
        super(Unpool, self).__init__(incoming, **kwargs)
        self.factor = factor

    def get_output_shape_for(self, shape):
        return tuple(shape[:2]) + tuple(self.factor * side for side in shape[2:])

    def get_output_for(self, input, **kwargs):
        return input.repeat(self.factor, axis=2).repeat(self.factor, axis=3)


X, _ = images(channels=1)
X = (1 / (1 + np.exp(-X))).astype("float32")
net = InputLayer((None, 1, 16, 16))
net = MaxPool2DLayer(Conv2DLayer(net, 6, 3, pad="same", untie_biases=True, nonlinearity=tanh), 2)
code = DenseLayer(net, 12, nonlinearity=tanh)
net = ReshapeLayer(Transposed(code, code), ([0], 6, 8, 8))
net = Conv2DLayer(Unpool(net, 2), 1, 3, pad="same", untie_biases=True, nonlinearity=sigmoid)

inputs = T.tensor4()
noisy = T.clip(inputs + .1 * np.random.RandomState(5).standard_normal(X.shape).astype("float32"), 0, 1)
loss = lasagne.objectives.binary_crossentropy(get_output(net, noisy), inputs).sum((1, 2, 3)).mean()
updates = lasagne.updates.adadelta(loss, lasagne.layers.get_all_params(net), 1)
train = theano.function([inputs], loss, updates=updates)
for _ in range(5):
    print(train(X))
