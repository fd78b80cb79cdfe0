"""Nets whose layers our Ops take in part or not at all, and tiny ones, in Lasagne: for bench/any_speed.py.

    [OMP_NUM_THREADS=2] python bench/mixed_nets.py NET SECONDS

trains a net of `NETS` on random numbers for so long and prints one line of
JSON: milliseconds per update, on one thread of the processor's time, so that it
matters little what other programs do meanwhile; on several of the clock's.
"""
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from measure import timed

PICTURES, SERIES, ROWS = (64, 3, 32, 32), (16, 20, 16), (600, 500)
FEW, XOR, ONE, SMALL_PICTURES = (16, 10), (4, 2), (1, 784), (4, 1, 12, 12)


def overlapping(layers, last):
    """A pool that our fused stage does not know, and dropout behind it."""
    last = layers.MaxPool2DLayer(layers.Conv2DLayer(last, 32, 3), 3, stride=2)
    return layers.DenseLayer(layers.DropoutLayer(last), 10)


def convolutions(layers, last):
    return layers.ElemwiseSumLayer([layers.Conv2DLayer(last, 16, 3) for _ in range(3)])


def recurrent(kind):
    return lambda layers, last: layers.DenseLayer(getattr(layers, kind)(last, 32), 10)


def dense(layers, last):
    return layers.ElemwiseSumLayer([layers.DenseLayer(last, 500) for _ in range(3)])


def maxout(layers, last):
    return layers.DenseLayer(layers.FeaturePoolLayer(layers.DenseLayer(last, 500, nonlinearity=None), 2), 10)


def of_2013(layers, last):
    """With Theano's first convolution, as in every script of 2012 to 2015."""
    from theano.tensor.nnet.conv import conv2d

    last = layers.MaxPool2DLayer(layers.Conv2DLayer(last, 16, 3, convolution=conv2d), 2)
    return layers.DenseLayer(layers.Conv2DLayer(last, 16, 3, convolution=conv2d), 10)


def small(layers, last):
    return layers.DenseLayer(layers.DenseLayer(last, 20), 1)


def xor(layers, last):
    return logistic(layers, layers.DenseLayer(last, 3))


def logistic(layers, last):
    from lasagne.nonlinearities import sigmoid

    return layers.DenseLayer(last, 1, nonlinearity=sigmoid)


def dropped(layers, last):
    return small(layers, layers.DropoutLayer(layers.DenseLayer(last, 20)))


def one_by_one(layers, last):
    return layers.DenseLayer(layers.DenseLayer(last, 100), 10)


def small_pictures(layers, last):
    return layers.DenseLayer(layers.MaxPool2DLayer(layers.Conv2DLayer(last, 4, 3), 2), 2)


NETS = {  # the input's shape, and what makes the output of it
    "overlapping-pool": (PICTURES, overlapping), "sum-of-convolutions": (PICTURES, convolutions),
    "recurrent": (SERIES, recurrent("RecurrentLayer")), "lstm": (SERIES, recurrent("LSTMLayer")),
    "gru": (SERIES, recurrent("GRULayer")), "sum-of-dense": (ROWS, dense), "maxout": (ROWS, maxout),
    "conv.conv2d": (PICTURES, of_2013), "small": (FEW, small), "xor": (XOR, xor), "logistic": (FEW, logistic),
    "small-dropout": (FEW, dropped), "one-by-one": (ONE, one_by_one),
    "small-pictures": (SMALL_PICTURES, small_pictures),
}


def step_of(shape, make):
    """A function that trains once on random numbers."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import theano_onednn  # noqa: F401, I001  (first: prepares Theano)
    import lasagne
    import theano
    import theano.tensor as T

    x = T.TensorType("float32", [False] * len(shape))()
    last = make(lasagne.layers, lasagne.layers.InputLayer((None, *shape[1:])))
    out = lasagne.layers.get_output(last, x)
    y, params = out.type(), lasagne.layers.get_all_params(last, trainable=True)
    loss = lasagne.objectives.squared_error(out, y).mean()
    train = theano.function([x, y], loss, updates=lasagne.updates.nesterov_momentum(loss, params, 0.01, 0.9))
    random = np.random.RandomState(0)
    given = [random.rand(*size).astype("float32") for size in (shape, (shape[0], *last.output_shape[1:]))]
    return lambda: train(*given)


def main():
    name, seconds = sys.argv[1:]
    one = os.environ.setdefault("OMP_NUM_THREADS", "1") == "1"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    step = step_of(*NETS[name])
    for _ in range(3):
        step()
    clock = time.process_time if one else time.perf_counter
    print(json.dumps(1000 * float(np.median(timed(step, 3, float(seconds), clock)))))


if __name__ == "__main__":
    main()
