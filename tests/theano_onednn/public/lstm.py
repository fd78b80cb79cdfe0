"""Sentences through an LSTM with a mask and a GRU read backwards, beside each other: gradients clipped, Adagrad."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import sentences
from lasagne.layers import (ConcatLayer, DenseLayer, EmbeddingLayer, Gate, GRULayer, InputLayer, LSTMLayer, SliceLayer,
                            get_output)

lasagne.random.set_rng(np.random.RandomState(1))
X, counts, y = sentences()
words, mask = InputLayer((None, None), T.imatrix()), InputLayer((None, None), T.matrix())
vectors = EmbeddingLayer(words, 11, 6)
forward = LSTMLayer(vectors, 7, mask_input=mask, forgetgate=Gate(b=lasagne.init.Constant(1)), grad_clipping=10)
backward = GRULayer(vectors, 5, mask_input=mask, backwards=True, precompute_input=False)
net = ConcatLayer([SliceLayer(forward, -1, 1), SliceLayer(backward, 0, 1)])
net = DenseLayer(DenseLayer(net, 6), 1, nonlinearity=lasagne.nonlinearities.sigmoid)

targets = T.vector()
loss = lasagne.objectives.binary_crossentropy(get_output(net)[:, 0], targets).mean()
parameters = lasagne.layers.get_all_params(net)
gradients = [T.clip(gradient, -1, 1) for gradient in T.grad(loss, parameters)]
train = theano.function([words.input_var, mask.input_var, targets], loss,
                        updates=lasagne.updates.adagrad(gradients, parameters, .1))
for _ in range(5):
    print(train(X, counts, y.astype("float32")))
