"""Generator and discriminator, batch-normalised, as in DCGAN: transposed convolutions, leaky rectifiers, two Adams."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, Layer, ReshapeLayer, get_output
from lasagne.nonlinearities import LeakyRectify, sigmoid, tanh
from theano.tensor.nnet.abstract_conv import conv2d_grad_wrt_inputs
from theano.tensor.nnet.bn import batch_normalization_train

lasagne.random.set_rng(np.random.RandomState(1))
leaky = LeakyRectify(.2)


class Normalised(Layer):
    def __init__(self, incoming, **kwargs):
        super(Normalised, self).__init__(incoming, **kwargs)
        self.axes = "spatial" if len(self.input_shape) == 4 else "per-activation"
        self.gamma = self.add_param(lasagne.init.Normal(.02, 1), self.input_shape[1:2], "gamma")
        self.beta = self.add_param(lasagne.init.Constant(0), self.input_shape[1:2], "beta")

    def get_output_for(self, input, **kwargs):
        return T.nnet.relu(batch_normalization_train(input, self.gamma, self.beta, self.axes)[0])


class Deconv(Layer):
    """A transposed convolution of 4x4 that doubles the picture."""

    def __init__(self, incoming, filters, **kwargs):
        super(Deconv, self).__init__(incoming, **kwargs)
        self.filters = filters
        self.W = self.add_param(lasagne.init.Normal(.05), (self.input_shape[1], filters, 4, 4), "W")

    def get_output_shape_for(self, shape):
        return (shape[0], self.filters, 2 * shape[2], 2 * shape[3])

    def get_output_for(self, input, **kwargs):
        shape = (None, self.filters, 2 * self.input_shape[2], 2 * self.input_shape[3])
        return conv2d_grad_wrt_inputs(input, self.W, shape, None, border_mode=(1, 1), subsample=(2, 2))


X, _ = images()
noise = np.random.RandomState(3).uniform(-1, 1, (12, 10)).astype("float32")
made = Normalised(DenseLayer(InputLayer((None, 10)), 6 * 4 * 4, nonlinearity=None))
made = Normalised(Deconv(ReshapeLayer(made, (-1, 6, 4, 4)), 5))
made = lasagne.layers.NonlinearityLayer(Deconv(made, 3), tanh)
judge = Conv2DLayer(InputLayer((None, 3, 16, 16)), 6, 5, stride=2, pad=2, nonlinearity=leaky)
judge = Normalised(Conv2DLayer(judge, 8, 5, stride=2, pad=2, nonlinearity=None))
judge = DenseLayer(judge, 1, nonlinearity=sigmoid)

z, x = T.matrix(), T.tensor4()
false, true = get_output(judge, get_output(made, z)), get_output(judge, x)
cross = T.nnet.binary_crossentropy
judged, fooled = cross(true, T.ones_like(true)).mean() + cross(false, T.zeros_like(false)).mean(), -T.log(false).mean()
updates = lasagne.updates.adam(fooled, lasagne.layers.get_all_params(made), 2e-3, beta1=.5)
updates.update(lasagne.updates.adam(judged, lasagne.layers.get_all_params(judge), 2e-3, beta1=.5))
train = theano.function([z, x], [judged, fooled], updates=updates)
for _ in range(5):
    print(*train(noise, np.tanh(X)))
