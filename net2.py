"""Net 2: net 1, and half of each batch is mirrored.

    python net2.py                 # 1,000 epochs: a minute on 2 cores

A mirrored face is a face: its picture is reversed, its x coordinates change
sign, and left and right labels swap.  This doubles what the net can learn
from, and costs nothing to store.  New here: FlipBatchIterator.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
import net1
from fkp import cli, greeting
from fkp.training.session import train

EPOCHS = 1000


class FlipBatchIterator(load.PixelBatchIterator):
    """Mirrors half of each batch, chosen at random; `names` are the columns of y."""

    def __init__(self, *args, names=load.COLUMNS, **kwargs):
        super().__init__(*args, **kwargs)
        self.names = names

    def transform(self, Xb, yb):
        Xb, yb = Xb.copy(), yb.copy()  # nolearn hands out views: the original flipped the data set itself
        n = len(Xb)
        chosen = self.random.choice(n, n // 2, replace=False)  # the original's n / 2 fails on Python 3
        images = Xb.reshape(n, load.SIZE, load.SIZE)  # a view: of faces in rows as well as in two dimensions
        images[chosen], yb[chosen] = load.mirror(images[chosen], yb[chosen], self.names)
        return super().transform(Xb, yb)

    def taught(self, y):
        known = super().taught(y)
        return known | known[load.mirror_order(self.names)]


def build(epochs=EPOCHS, seed=cli.SEED):
    """Net 1 with the flipping batch iterator."""
    net = net1.build(epochs, seed)
    net.batch_iterator_train = FlipBatchIterator(batch_size=128, seed=seed)
    return net


def main(arguments=()):
    # The command line, and the faces that it asks for.
    args = cli.training(__doc__, EPOCHS).parse_args(arguments)
    faces = greeting.faces_asked_for(args)

    # X (2140, 9216), grey levels; y (2140, 30), coordinates in [-1, 1]: the faces with all labels, in a random order.
    X, y = load.arrays(faces)

    # The net.  The first fifth of the faces validates it after every epoch; it learns from the others.
    net = build(args.epochs, args.seed)
    net.train_split = load.split_for(faces)

    # A line per epoch; then the weights of the best epoch are in models/net2.npz.
    train(net, X, y, "net2", args, faces)


if __name__ == "__main__":
    cli.run(main)
