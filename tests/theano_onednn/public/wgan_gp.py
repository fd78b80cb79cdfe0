"""A critic whose gradient's length is to be 1 (WGAN-GP): the loss has a gradient in it, training takes the second."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, Pool2DLayer, get_output
from lasagne.nonlinearities import LeakyRectify, tanh

lasagne.random.set_rng(np.random.RandomState(1))
X, _ = images()
share = np.random.RandomState(4).uniform(size=(12, 1, 1, 1)).astype("float32")
critic = Conv2DLayer(InputLayer((None, 3, 16, 16)), 6, 3, pad="same", nonlinearity=LeakyRectify(.2))
critic = Pool2DLayer(critic, 2, mode="average_inc_pad")
critic = Conv2DLayer(critic, 6, 3, stride=2, nonlinearity=tanh)
critic = DenseLayer(DenseLayer(critic, 10, nonlinearity=tanh), 1, nonlinearity=None)

true, false = T.tensor4(), T.tensor4()
between = share * true + (1 - share) * false
slope = T.grad(get_output(critic, between).sum(), between)
penalty = T.sqr(T.sqrt(T.sqr(slope).sum((1, 2, 3))) - 1).mean()
loss = get_output(critic, false).mean() - get_output(critic, true).mean() + 10 * penalty
updates = lasagne.updates.rmsprop(loss, lasagne.layers.get_all_params(critic), 1e-3)
train = theano.function([true, false], [loss, penalty], updates=updates)
for _ in range(5):
    print(*train(X, X[::-1, :, ::-1] * .5))
