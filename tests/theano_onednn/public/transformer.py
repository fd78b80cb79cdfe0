"""A spatial transformer: a small net says how to turn the picture, before another reads it."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, MaxPool2DLayer, MergeLayer

lasagne.random.set_rng(np.random.RandomState(1))


class Transformed(MergeLayer):
    """The picture under the affine map (n, 6), a pixel's value from the four around its place."""

    def get_output_shape_for(self, shapes):
        return shapes[0]

    def get_output_for(self, inputs, **kwargs):
        images, maps = inputs
        n, channels, height, width = images.shape
        rows, columns = T.cast(T.arange(height), "float32"), T.cast(T.arange(width), "float32")
        y = T.outer(rows, T.ones_like(columns)).flatten() / (height - 1) * 2 - 1
        x = T.outer(T.ones_like(rows), columns).flatten() / (width - 1) * 2 - 1
        places = T.dot(maps.reshape((-1, 2, 3)), T.stack([x, y, T.ones_like(x)]))
        x, y = ((places[:, i] + 1) / 2 * (T.cast(side, "float32") - 1) for i, side in ((0, width), (1, height)))
        found = 0
        which = T.arange(n).dimshuffle(0, "x")
        for right in (0, 1):
            for below in (0, 1):
                column, row = T.floor(x) + right, T.floor(y) + below
                share = (1 - abs(x - column)) * (1 - abs(y - row))
                corner = images[which, :, T.cast(T.clip(row, 0, height - 1), "int64"),
                                T.cast(T.clip(column, 0, width - 1), "int64")]
                found += share.dimshuffle(0, 1, "x") * corner
        return T.cast(found.dimshuffle(0, 2, 1).reshape((n, channels, height, width)), "float32")


X, y = images()
net = image = InputLayer((None, 3, 16, 16))
start = np.array([.87, .13, .021, -.11, .91, -.033], "float32")  # no place on a pixel: the slope jumps there
where = MaxPool2DLayer(Conv2DLayer(image, 4, 5), 2)
where = DenseLayer(where, 6, W=lasagne.init.Normal(.01), b=start, nonlinearity=None)
net = MaxPool2DLayer(Conv2DLayer(Transformed([image, where]), 6, 3), 2)
net = DenseLayer(net, 4, nonlinearity=lasagne.nonlinearities.softmax)

inputs, targets = T.tensor4(), T.ivector()
loss = T.nnet.categorical_crossentropy(lasagne.layers.get_output(net, inputs), targets).mean()
updates = lasagne.updates.sgd(loss, lasagne.layers.get_all_params(net), .002)
train = theano.function([inputs, targets], loss, updates=updates)
for _ in range(5):
    print(train(X, y))
