"""No Lasagne: convolution, pool, hidden layer and logistic regression as in the deep learning tutorials of 2013."""
import numpy as np
import theano
import theano.tensor as T
from data import images
from theano.tensor.nnet import conv2d
from theano.tensor.signal import downsample

random = np.random.RandomState(23455)


def weights(*shape):
    bound = np.sqrt(6 / (np.prod(shape[1:]) + shape[0]))
    return theano.shared(random.uniform(-bound, bound, shape).astype(theano.config.floatX), borrow=True)


def pooled(input, W, b):
    found = downsample.max_pool_2d(conv2d(input, W), (2, 2), ignore_border=True)
    return T.tanh(found + b.dimshuffle("x", 0, "x", "x"))


X, y = images()
X, y = theano.shared(X, borrow=True), T.cast(theano.shared(y.astype("float32")), "int32")
index, x, labels = T.lscalar(), T.tensor4(), T.ivector()
parameters = [weights(*shape) for shape in ((6, 3, 3, 3), (6,), (8, 6, 2, 2), (8,), (72, 10), (10,), (10, 4))]
W1, b1, W2, b2, W3, b3, W4 = parameters
hidden = T.tanh(T.dot(pooled(pooled(x, W1, b1), W2, b2).flatten(2), W3) + b3)
chances = T.nnet.softmax(T.dot(hidden, W4))
cost = -T.mean(T.log(chances)[T.arange(labels.shape[0]), labels]) + 1e-4 * sum((p ** 2).sum() for p in (W3, W4))
train = theano.function([index], cost, updates=[(p, p - .1 * g) for p, g in zip(parameters, T.grad(cost, parameters))],
                        givens={x: X[index * 4:(index + 1) * 4], labels: y[index * 4:(index + 1) * 4]})
for epoch in range(2):
    print(*[train(batch) for batch in range(3)])
