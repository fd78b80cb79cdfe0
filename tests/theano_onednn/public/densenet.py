"""Each layer sees all before it (ConcatLayer), normalised by a layer of the script's own; mean pools: Adam."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import ConcatLayer, Conv2DLayer, DenseLayer, InputLayer, Layer, NonlinearityLayer, Pool2DLayer

lasagne.random.set_rng(np.random.RandomState(1))


class BatchNorm(Layer):
    """As such layers were written before Lasagne had one: averages are updated by a default_update."""

    def __init__(self, incoming, share=.1, **kwargs):
        super(BatchNorm, self).__init__(incoming, **kwargs)
        shape = (1, self.input_shape[1], 1, 1)
        self.share = share
        self.gamma = self.add_param(lasagne.init.Constant(1), shape, "gamma")
        self.beta = self.add_param(lasagne.init.Constant(0), shape, "beta")
        self.mean = self.add_param(lasagne.init.Constant(0), shape, "mean", trainable=False)
        self.deviation = self.add_param(lasagne.init.Constant(1), shape, "deviation", trainable=False)

    def get_output_for(self, input, deterministic=False, **kwargs):
        mean, deviation = self.mean, self.deviation
        if not deterministic:
            mean = self.remembered(input.mean((0, 2, 3), keepdims=True), mean)
            deviation = self.remembered(T.sqrt(input.var((0, 2, 3), keepdims=True) + 1e-4), deviation)
        mean, deviation, gamma, beta = (T.addbroadcast(v, 0, 2, 3) for v in (mean, deviation, self.gamma, self.beta))
        return (input - mean) / deviation * gamma + beta

    def remembered(self, newest, average):
        running = theano.clone(average, share_inputs=False)
        running.default_update = (1 - self.share) * running + self.share * newest
        return newest + 0 * running  # so that the average is in the graph


def dense_block(net, layers, growth):
    for _ in range(layers):
        new = NonlinearityLayer(BatchNorm(net))
        net = ConcatLayer([net, Conv2DLayer(new, growth, 3, pad="same", b=None, nonlinearity=None)])
    return net


X, y = images()
net = dense_block(Conv2DLayer(InputLayer((None, 3, 16, 16)), 6, 3, pad=1, nonlinearity=None), 3, 4)
net = Pool2DLayer(Conv2DLayer(NonlinearityLayer(BatchNorm(net)), 8, 1), 2, mode="average_inc_pad")
net = DenseLayer(dense_block(net, 2, 4), 4, nonlinearity=lasagne.nonlinearities.softmax)

inputs, targets = T.tensor4(), T.ivector()
loss = T.nnet.categorical_crossentropy(lasagne.layers.get_output(net, inputs), targets).mean()
parameters = lasagne.layers.get_all_params(net, trainable=True)
train = theano.function([inputs, targets], loss, updates=lasagne.updates.adam(loss, parameters, 2e-3))
test = theano.function([inputs], lasagne.layers.get_output(net, inputs, deterministic=True))
for _ in range(5):
    print(train(X, y))
print(test(X).max())
