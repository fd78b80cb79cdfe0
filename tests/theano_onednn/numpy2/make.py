"""Made the pickles beside it: Python 3.13.0, NumPy 2.5.5, scikit-learn 1.9.1.

    PYTHONPATH=../../.. FKP_ONEDNN=0 THEANO_FLAGS=traceback.limit=0 python3.13 make.py

A net of a few weights, whose batch iterator draws; and NumPy's generators, each
with the number that it draws next.
"""
import pickle
import zlib

import theano_onednn  # noqa: F401  first: prepares Theano

import numpy as np
from lasagne.layers import DenseLayer, InputLayer
from nolearn.lasagne import BatchIterator, NeuralNet

KINDS = [np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64]


def trained(X, y):
    batches = BatchIterator(8)
    batches.random = np.random.RandomState(0)
    return NeuralNet(layers=[("input", InputLayer), ("output", DenseLayer)], input_shape=(None, X.shape[1]),
                     output_num_units=y.shape[1], output_nonlinearity=None, batch_iterator_train=batches,
                     regression=True, update_learning_rate=0.03, max_epochs=3, verbose=0).fit(X, y)


def with_next(random):
    """A generator, and what it draws next."""
    return random, float(pickle.loads(pickle.dumps(random)).random(1)[0])


random = np.random.RandomState(0)
X, y = random.rand(20, 4).astype("float32"), random.rand(20, 2).astype("float32")
net = trained(X, y)
numbers = {"X": X, "y": y, "predicted": net.predict(X), "scalar": np.float32(3), "true": np.bool_(True)}
for function in (net.train_iter_, net.eval_iter_, net.predict_iter_):
    function.maker.name = function.maker.fgraph.name = None  # a path
draws = [with_next(random)] + [with_next(np.random.Generator(kind(1))) for kind in KINDS]
with open("net.pkl.z", "wb") as file:
    file.write(zlib.compress(pickle.dumps(net, 4), 9))
for protocol in (2, 5):
    with open("numbers-%d.pkl" % protocol, "wb") as file:
        pickle.dump({**numbers, "draws": draws if protocol == 2 else draws[1:]}, file, protocol)
objects = np.empty(2, object)
objects[:] = [np.ones(2), np.zeros((2, 3))]
np.save("objects.npy", objects)
