"""A variational autoencoder: between two nets the code is drawn, by Theano's generator of random numbers."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import DenseLayer, InputLayer, MergeLayer, get_output
from lasagne.nonlinearities import identity, sigmoid
from theano.sandbox.rng_mrg import MRG_RandomStreams

lasagne.random.set_rng(np.random.RandomState(1))


class Draw(MergeLayer):
    random = MRG_RandomStreams(11)

    def get_output_shape_for(self, shapes):
        return shapes[0]

    def get_output_for(self, inputs, deterministic=False, **kwargs):
        mean, log_variance = inputs
        return mean if deterministic else mean + T.exp(.5 * log_variance) * self.random.normal(mean.shape)


X, _ = images(channels=1)
X = (X > .5).astype("float32")
image = InputLayer((None, 1, 16, 16))
hidden = DenseLayer(image, 20, nonlinearity=T.nnet.softplus)
mean, log_variance = (DenseLayer(hidden, 3, nonlinearity=identity) for _ in range(2))
net = DenseLayer(DenseLayer(Draw([mean, log_variance]), 20, nonlinearity=T.nnet.softplus), 256, nonlinearity=sigmoid)

inputs = T.tensor4()
m, v, again = get_output([mean, log_variance, net], inputs)
distance = -.5 * (1 + v - T.sqr(m) - T.exp(v)).sum(1)
loss = (T.nnet.binary_crossentropy(again, inputs.flatten(2)).sum(1) + distance).mean()
updates = lasagne.updates.adam(loss, lasagne.layers.get_all_params(net), 1e-2)
train = theano.function([inputs], loss, updates=updates)
for _ in range(5):
    print(train(X))
print(theano.function([inputs], get_output(net, inputs, deterministic=True))(X).mean())
