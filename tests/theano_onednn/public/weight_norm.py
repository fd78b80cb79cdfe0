"""Weights as a length times a direction (weight normalisation), in a layer behind any other; means of parameters."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, Layer, get_output

lasagne.random.set_rng(np.random.RandomState(1))


class WeightNorm(Layer):
    """Takes the last word from a linear layer without biases: scale, bias and rectifier are its own."""

    def __init__(self, incoming, **kwargs):
        super(WeightNorm, self).__init__(incoming, **kwargs)
        features = self.input_shape[1]
        self.b = self.add_param(lasagne.init.Constant(0), (features,), "b", regularizable=False)
        self.g = self.add_param(lasagne.init.Constant(1), (features,), "g")
        self.axes = ("x", 0) + ("x",) * (len(self.input_shape) - 2)
        W = incoming.W
        others = tuple(range(1, W.ndim)) if W.ndim == 4 else 0
        length = T.sqrt(1e-6 + T.sqr(W).sum(others, keepdims=True))
        incoming.W_param, incoming.W = W, W / length

    def get_output_for(self, input, **kwargs):
        return T.nnet.relu(input * self.g.dimshuffle(*self.axes) + self.b.dimshuffle(*self.axes), .1)


X, y = images()
net = InputLayer((None, 3, 16, 16))
for filters, stride in ((8, 1), (8, 2)):
    net = WeightNorm(Conv2DLayer(net, filters, 3, stride=stride, pad="same", b=None, nonlinearity=None))
net = DenseLayer(net, 4, nonlinearity=lasagne.nonlinearities.softmax)

inputs, targets = T.tensor4(), T.ivector()
loss = T.nnet.categorical_crossentropy(get_output(net, inputs), targets).mean()
parameters = lasagne.layers.get_all_params(net)
updates = lasagne.updates.adam(loss, parameters, 3e-3)
means = [theano.shared(parameter.get_value()) for parameter in parameters]
updates.update((mean, .9 * mean + .1 * parameter) for mean, parameter in zip(means, parameters))
train = theano.function([inputs, targets], loss, updates=updates)
test = theano.function([inputs], get_output(net, inputs), givens=list(zip(parameters, means)))
for _ in range(5):
    print(train(X, y))
print(test(X).max())
