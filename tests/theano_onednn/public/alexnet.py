"""Overlapping pools, local response normalisation and dropout, as after Krizhevsky's net: Nesterov, weight decay."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import (Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, LocalResponseNormalization2DLayer,
                            MaxPool2DLayer, NonlinearityLayer)
from lasagne.nonlinearities import linear, rectify, softmax
from lasagne.regularization import l2, regularize_network_params

lasagne.random.set_rng(np.random.RandomState(1))
X, y = images(side=31)
net = InputLayer((None, 3, 31, 31))
net = Conv2DLayer(net, 8, 5, stride=2, W=lasagne.init.GlorotNormal())
net = LocalResponseNormalization2DLayer(MaxPool2DLayer(net, 3, 2))
net = Conv2DLayer(net, 12, 3, pad="same")
net = MaxPool2DLayer(Conv2DLayer(net, 8, 3, pad=1), 3, stride=2)
for _ in range(2):
    # the rectifier stands alone, so that both ways draw Theano's random numbers
    net = NonlinearityLayer(DenseLayer(DropoutLayer(net), 24, nonlinearity=linear), rectify)
net = DenseLayer(DropoutLayer(net, .3), 4, nonlinearity=softmax)

inputs, targets = T.tensor4(), T.ivector()
loss = lasagne.objectives.categorical_crossentropy(lasagne.layers.get_output(net, inputs), targets).mean()
loss += 5e-4 * regularize_network_params(net, l2)
parameters = lasagne.layers.get_all_params(net, trainable=True)
train = theano.function([inputs, targets], loss, updates=lasagne.updates.nesterov_momentum(loss, parameters, .01, .9))
for _ in range(5):
    print(train(X, y))
