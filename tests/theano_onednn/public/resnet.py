"""Residual sums with shortcuts of 1x1, a mean over the picture at the end: momentum and a schedule for its rate."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.init import HeNormal
from lasagne.layers import Conv2DLayer, DenseLayer, ElemwiseSumLayer, GlobalPoolLayer, InputLayer, NonlinearityLayer
from lasagne.nonlinearities import rectify, softmax

lasagne.random.set_rng(np.random.RandomState(1))


def block(before, filters, stride):
    """Two convolutions beside a shortcut."""
    inside = Conv2DLayer(before, filters, 3, stride=stride, pad=1, W=HeNormal(gain="relu"))
    inside = Conv2DLayer(inside, filters, 3, pad=1, W=HeNormal(), nonlinearity=None)
    if stride != 1 or before.output_shape[1] != filters:
        before = Conv2DLayer(before, filters, 1, stride=stride, nonlinearity=None, b=None)
    return NonlinearityLayer(ElemwiseSumLayer([inside, before], coeffs=.7), rectify)


X, y = images()
net = Conv2DLayer(InputLayer((None, 3, 16, 16)), 8, 3, pad=1)
for filters, stride in ((8, 1), (12, 2), (12, 1), (16, 2)):
    net = block(net, filters, stride)
net = DenseLayer(GlobalPoolLayer(net), 4, nonlinearity=softmax)

inputs, targets, rate = T.tensor4(), T.ivector(), theano.shared(np.float32(.02))
loss = T.nnet.categorical_crossentropy(lasagne.layers.get_output(net, inputs), targets).mean()
updates = lasagne.updates.momentum(loss, lasagne.layers.get_all_params(net), rate, .9)
train = theano.function([inputs, targets], loss, updates=updates)
for _ in range(5):
    print(train(X, y))
    rate.set_value(np.float32(rate.get_value() * .5))
