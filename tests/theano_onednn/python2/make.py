# -*- coding: utf-8 -*-
"""Made the pickles beside it: Python 2.7.18, NumPy 1.16.6, Theano 0.8.2, Lasagne 0.1, nolearn 0.6.0,
scikit-learn 0.17.1.

    THEANO_FLAGS=floatX=float32,cxx=,traceback.limit=0 python2.7 make.py

Two nets of a few weights, trained for three epochs: a regressor, and a
classifier with a convolution.  So that the files are small, the whole nets
carry one little compiled function in the place of their three.
"""
import cPickle
import zlib

import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, MaxPool2DLayer, get_all_param_values
from lasagne.nonlinearities import softmax
from nolearn.lasagne import NeuralNet

np.random.seed(0)


class AdjustVariable(object):
    def __init__(self, name):
        self.name = name

    def __call__(self, net, history):
        getattr(net, self.name).set_value(np.float32(0.01))


def write(name, value, protocol):
    with open(name, 'wb') as file:
        cPickle.dump(value, file, protocol)


def trained(X, y, layers, **settings):
    net = NeuralNet(layers=[('input', InputLayer)] + layers, input_shape=(None,) + X.shape[1:], max_epochs=3,
                    update_learning_rate=theano.shared(np.float32(0.03)), update_momentum=0.9, verbose=0, **settings)
    return net.fit(X, y)


def save_whole(name, net, protocol):
    x = T.matrix()
    net.train_iter_ = net.eval_iter_ = net.predict_iter_ = theano.function([x], T.argmax(x, 1))
    with open(name, 'wb') as file:
        file.write(zlib.compress(cPickle.dumps(net, protocol), 9))


X, y = np.random.rand(20, 4).astype('float32'), np.random.rand(20, 2).astype('float32')
regressor = trained(X, y, [('hidden', DenseLayer), ('output', DenseLayer)], hidden_num_units=3,
                    output_num_units=2, output_nonlinearity=None, regression=True,
                    on_epoch_finished=[AdjustVariable('update_learning_rate')])
images, classes = np.random.rand(20, 1, 4, 4).astype('float32'), (np.arange(20) % 3).astype('int32')
classifier = trained(images, classes, [('conv', Conv2DLayer), ('pool', MaxPool2DLayer), ('output', DenseLayer)],
                     conv_num_filters=2, conv_filter_size=(3, 3), pool_pool_size=(2, 2), output_num_units=3,
                     output_nonlinearity=softmax)
np.savez('expected.npz', X=X, y=y, predicted=regressor.predict(X), images=images, classes=classes,
         chances=classifier.predict_proba(images))

values = get_all_param_values(regressor.layers_['output'])
write('values-0.pkl', values, 0)
write('zoo-2.pkl', {'param values': values, 'mean value': np.float32(3), 'synset words': ['caf\xe9', u'caf\xe9']}, 2)
write('layer-0.pkl', classifier.layers_['output'], 0)
regressor.save_params_to('params-2.pkl')
objects = np.empty(len(values), object)
objects[:] = values
np.save('objects.npy', objects)
np.save('dictionary.npy', {'conv': {'W': values[0], 'b': values[1]}})
for protocol in (0, 2):
    save_whole('regressor-%d.pkl.z' % protocol, regressor, protocol)
    save_whole('classifier-%d.pkl.z' % protocol, classifier, protocol)
