"""A class for every pixel: down, up again, with what was seen on the way (U-Net); a weight for each class."""
import lasagne
import numpy as np
import theano
import theano.tensor as T
from data import images
from lasagne.layers import (ConcatLayer, Conv2DLayer, DimshuffleLayer, InputLayer, MaxPool2DLayer, NINLayer,
                            NonlinearityLayer, ReshapeLayer, get_output)
from theano_onednn.layers import BatchNormLayer, UpscaleLayer

lasagne.random.set_rng(np.random.RandomState(1))
X, y = images()
pixels = (X.mean(1) > .2).astype("int32") + (X.mean(1) > .8)
above = Conv2DLayer(InputLayer((None, 3, 16, 16)), 6, 3, pad="same")
middle = NonlinearityLayer(BatchNormLayer(Conv2DLayer(MaxPool2DLayer(above, 2), 8, 3, pad="same", nonlinearity=None)))
deep = Conv2DLayer(MaxPool2DLayer(middle, 2), 10, 3, pad="same")
net = Conv2DLayer(ConcatLayer([UpscaleLayer(deep), middle]), 8, 3, pad="same")
net = NINLayer(ConcatLayer([UpscaleLayer(net), above]), 3, nonlinearity=None)
net = ReshapeLayer(DimshuffleLayer(net, (0, 2, 3, 1)), (-1, 3))
net = NonlinearityLayer(net, T.nnet.softmax)

inputs, targets = T.tensor4(), T.itensor3()
weight = T.stack([np.float32(1), np.float32(2), np.float32(4)])[targets.flatten()]
loss = (T.nnet.categorical_crossentropy(get_output(net, inputs), targets.flatten()) * weight).mean()
parameters = lasagne.layers.get_all_params(net, trainable=True)
train = theano.function([inputs, targets], loss, updates=lasagne.updates.adam(loss, parameters, 5e-3))
test = theano.function([inputs], get_output(net, inputs, deterministic=True))
for _ in range(5):
    print(train(X, pixels))
print(test(X).mean(0).max())
