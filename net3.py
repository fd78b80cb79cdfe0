"""Net 3: a convolutional net.

    python net3.py                 # 1,000 epochs: 36 minutes on 2 cores

Three stages of convolution and max-pooling see the picture as a picture, not
as a list of pixels; two dense layers of 500 units read the result.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
from fkp import cli, greeting
from fkp.training.session import train

from lasagne import layers
from lasagne.updates import nesterov_momentum
from nolearn.lasagne import NeuralNet

EPOCHS = 1000


def build(epochs=EPOCHS, seed=cli.SEED):
    """The untrained net, with the tutorial's settings.  `seed` is the batch iterator's."""
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),      # (n, 1, 96, 96)
            ("conv1", layers.Conv2DLayer),     # (n, 32, 94, 94)
            ("pool1", layers.MaxPool2DLayer),  # (n, 32, 47, 47)
            ("conv2", layers.Conv2DLayer),     # (n, 64, 46, 46)
            ("pool2", layers.MaxPool2DLayer),  # (n, 64, 23, 23)
            ("conv3", layers.Conv2DLayer),     # (n, 128, 22, 22)
            ("pool3", layers.MaxPool2DLayer),  # (n, 128, 11, 11)
            ("hidden4", layers.DenseLayer),
            ("hidden5", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        input_shape=(None, 1, load.SIZE, load.SIZE),
        conv1_num_filters=32, conv1_filter_size=(3, 3), pool1_pool_size=(2, 2),
        conv2_num_filters=64, conv2_filter_size=(2, 2), pool2_pool_size=(2, 2),
        conv3_num_filters=128, conv3_filter_size=(2, 2), pool3_pool_size=(2, 2),
        hidden4_num_units=500,
        hidden5_num_units=500,
        output_num_units=len(load.COLUMNS), output_nonlinearity=None,

        update=nesterov_momentum,
        update_learning_rate=0.01,
        update_momentum=0.9,

        batch_iterator_train=load.PixelBatchIterator(batch_size=128, seed=seed),
        batch_iterator_test=load.PixelBatchIterator(batch_size=128),
        regression=True,
        max_epochs=epochs,
        verbose=1,
    )


def main(arguments=()):
    args = cli.training(__doc__, EPOCHS, "precision").parse_args(arguments)
    faces = greeting.faces_asked_for(args)

    # The same faces as for net 2, but each is a picture with one channel: X (2140, 1, 96, 96).
    X, y = load.arrays2d(faces)

    # Nothing else changes: the same split, loss and optimiser as for the dense nets.
    net = build(args.epochs, args.seed)
    net.train_split = load.split_for(faces)
    train(net, X, y, "net3", args, faces)


if __name__ == "__main__":
    cli.run(main)
