"""Sentences by convolutions of one dimension, several widths beside each other, and a maximum over all places."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import sentences
from lasagne.layers import (ConcatLayer, Conv1DLayer, DenseLayer, DimshuffleLayer, EmbeddingLayer, FeaturePoolLayer,
                            GlobalPoolLayer, InputLayer, MaxPool1DLayer)

lasagne.random.set_rng(np.random.RandomState(1))
X, _, y = sentences()
words = InputLayer((None, 9), T.imatrix())
vectors = DimshuffleLayer(EmbeddingLayer(words, 11, 6), (0, 2, 1))
found = [GlobalPoolLayer(Conv1DLayer(vectors, 8, width, pad="full"), T.max) for width in (2, 3, 4)]
found.append(DenseLayer(MaxPool1DLayer(Conv1DLayer(vectors, 4, 3, stride=2, nonlinearity=T.tanh), 2), 4))
net = FeaturePoolLayer(DenseLayer(ConcatLayer(found), 12, nonlinearity=None), 3)  # maxout
net = DenseLayer(net, 2, nonlinearity=lasagne.nonlinearities.softmax)

targets = T.ivector()
loss = T.nnet.categorical_crossentropy(lasagne.layers.get_output(net), targets).mean()
updates = lasagne.updates.apply_momentum(lasagne.updates.sgd(loss, lasagne.layers.get_all_params(net), .1), momentum=.5)
train = theano.function([words.input_var, targets], loss, updates=updates)
for _ in range(5):
    print(train(X, y.astype("int32")))
