"""Net 4: net 3 with dropout, mirrored faces and scheduled learning rate and momentum.

    python net4.py                 # up to 3,000 epochs: 2 hours on 2 cores
    python net4.py --all-rows      # the incomplete rows as well
    python net4.py --augment       # heads turned, tilted, scaled, moved, relit
    python net4.py --tuned         # settings that learn faster
    python net4.py --heatmaps      # the best, in 12 minutes: see fkp/maps.py

Dropout keeps the wider net (16,561,502 parameters) from learning faces by
heart.  The learning rate falls from 0.03 to 0.0001 while the momentum grows
from 0.9 to 0.999; when the validation loss has not improved for 200 epochs,
training stops.  New here: AdjustVariable, EarlyStopping, masked_squared_error,
AugmentBatchIterator.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
from fkp import cli, greeting, keypoints, maps
from fkp.pictures import augment as augmentation
from fkp.training.best import put_best_weights
from fkp.training.session import train
from net2 import FlipBatchIterator

import numpy as np
import theano
import theano.tensor as T
from lasagne import init, layers
from lasagne.objectives import squared_error
from lasagne.updates import nesterov_momentum
from nolearn.lasagne import NeuralNet
from nolearn.lasagne.handlers import RememberBestWeights

EPOCHS = 3000
PATIENCE = 200   # epochs without a better validation loss
HIDDEN = 1000
PUBLISHED = dict(epochs=EPOCHS, all_rows=False, augment=False, precision="float32")


class AugmentBatchIterator(FlipBatchIterator):
    """Besides mirroring, makes another picture of every face (uint8), while the net trains on others.

    A point that lies farther than `reach` from the middle then, in scaled
    coordinates, is taught no longer: it becomes NaN.  `strength` is Augmentation's.
    """
    augment = True
    strength = 1.0

    def __init__(self, *args, reach=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.reach = reach

    def transform(self, Xb, yb):
        points = load.unscale(yb)
        faces = augmentation.Augmentation(len(yb), self.random, self.strength, heads=points)
        images = faces.images(Xb.reshape(-1, load.SIZE, load.SIZE))
        return super().transform(images.reshape(Xb.shape), self.within_reach(load.scale(faces.points(points))))

    def within_reach(self, y):
        if self.reach is None:
            return y
        beyond = (np.abs(y.reshape(len(y), -1, 2)) > self.reach).any(2)
        return np.where(beyond.repeat(2, axis=1), np.float32(np.nan), y)

    def __iter__(self):
        return augmentation.ahead(super().__iter__())


class AdjustVariable:
    """Moves a shared variable of the net from `start` to `stop`, linearly over its `max_epochs`.

    There it stays: a net that is fitted again goes on at the schedule's end.
    """

    def __init__(self, name, start, stop):
        self.name, self.start, self.stop = name, start, stop

    def __call__(self, net, history):
        done = min((history[-1]["epoch"] - 1) / max(net.max_epochs - 1, 1), 1)
        getattr(net, self.name).set_value(np.float32(self.start + (self.stop - self.start) * done))


class EarlyStopping(RememberBestWeights):
    """Ends training when the validation loss has not improved for `patience` epochs; fitted again, it waits anew."""

    def __init__(self, patience=PATIENCE):
        super().__init__(verbose=0)
        self.patience = patience
        self.stopped_epoch = 0

    def __call__(self, net, history):
        super().__call__(net, history)
        epoch = history[-1]["epoch"]
        if epoch - max(self.best_weights_epoch or 0, self.stopped_epoch) >= self.patience:
            self.stopped_epoch = epoch
            raise StopIteration


class RestoreBestWeights:
    """When training ends, also when the epochs ran out: the original kept the last weights then."""

    def __call__(self, net, history):
        put_best_weights(net)


def masked_squared_error(prediction, target):
    """Squared error in which a missing label (NaN) costs nothing; its mean is over the known labels."""
    known = T.invert(T.isnan(target))
    error = T.switch(known, prediction - target, 0)  # masked before squaring: NaN stays out of the gradient
    return squared_error(error, 0) * (known.size / T.maximum(known.sum(), 1)).astype(theano.config.floatX)


class Tuned:
    """What `--tuned` changes.  As published, a net stays at the mean face for its first tens of epochs."""
    weights = init.Orthogonal("relu")  # signals keep their strength through rectifiers (Saxe et al., ICLR 2014)
    output = 0.1                       # of the output's published weights: the first answers are the mean face
    grey = 0.5                         # subtracted from pixels, so that they are about 0 on average
    learning_rate = 0.1
    dropout = 0.25                     # of the published rates


class Published:
    """In the same places, the published settings."""
    weights = init.GlorotUniform()
    output = 1.0
    grey = 0.0
    learning_rate = 0.03
    dropout = 1.0


def schedule(settings, epochs):
    """How nets 4 and 5 learn, as NeuralNet's arguments: learning rate and momentum move over `epochs`."""
    return dict(
        update=nesterov_momentum,
        update_learning_rate=theano.shared(np.float32(settings.learning_rate)),
        update_momentum=theano.shared(np.float32(0.9)),
        on_epoch_finished=[
            AdjustVariable("update_learning_rate", start=settings.learning_rate, stop=0.0001),
            AdjustVariable("update_momentum", start=0.9, stop=0.999),
            EarlyStopping(patience=PATIENCE),
        ],
        on_training_finished=[RestoreBestWeights()],
        regression=True,
        max_epochs=epochs,
        verbose=1,
    )


def start_at_mean_face(net, y):
    """The output's biases begin as the mean labels `y` (n, k), so that the weights need not learn them."""
    net.set_params(output_b=keypoints.nanmean(y, 0, empty=0))


def build(epochs=EPOCHS, seed=cli.SEED, all_rows=False, augment=False, tuned=False, hidden=HIDDEN, heatmaps=False):
    """The untrained net with the published settings, or those of Tuned; with `heatmaps`, `maps.face_net`.

    With `all_rows` it has 34 outputs (load.ALL_COLUMNS) and takes NaN for a
    missing label; with `augment` its batches come from AugmentBatchIterator.
    `hidden` is the number of units in each dense layer.
    """
    names = load.ALL_COLUMNS if all_rows else load.COLUMNS
    batches = AugmentBatchIterator if augment else FlipBatchIterator
    settings = Tuned if tuned else Published
    if heatmaps:
        reach = {"reach": maps.REACH} if augment else {}  # maps cannot answer what an augmented face has outside
        gently = [maps.AugmentGently()] if augment else []
        return maps.face_net(
            len(names) // 2, epochs, [EarlyStopping(), *gently],
            on_training_started=gently, on_training_finished=[RestoreBestWeights()],
            objective_loss_function=masked_squared_error,
            batch_iterator_train=batches(batch_size=maps.BATCH, seed=seed, names=names, grey=maps.GREY, **reach),
            batch_iterator_test=load.PixelBatchIterator(batch_size=128, grey=maps.GREY))
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),      # (n, 1, 96, 96)
            ("conv1", layers.Conv2DLayer),     # (n, 32, 94, 94)
            ("pool1", layers.MaxPool2DLayer),  # (n, 32, 47, 47)
            ("dropout1", layers.DropoutLayer),
            ("conv2", layers.Conv2DLayer),     # (n, 64, 46, 46)
            ("pool2", layers.MaxPool2DLayer),  # (n, 64, 23, 23)
            ("dropout2", layers.DropoutLayer),
            ("conv3", layers.Conv2DLayer),     # (n, 128, 22, 22)
            ("pool3", layers.MaxPool2DLayer),  # (n, 128, 11, 11)
            ("dropout3", layers.DropoutLayer),
            ("hidden4", layers.DenseLayer),
            ("dropout4", layers.DropoutLayer),
            ("hidden5", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        input_shape=(None, 1, load.SIZE, load.SIZE),
        conv1_num_filters=32, conv1_filter_size=(3, 3), pool1_pool_size=(2, 2),
        conv2_num_filters=64, conv2_filter_size=(2, 2), pool2_pool_size=(2, 2),
        conv3_num_filters=128, conv3_filter_size=(2, 2), pool3_pool_size=(2, 2),
        hidden4_num_units=hidden,
        hidden5_num_units=hidden,
        output_num_units=len(names), output_nonlinearity=None,
        dropout1_p=0.1 * settings.dropout,
        dropout2_p=0.2 * settings.dropout,
        dropout3_p=0.3 * settings.dropout,
        dropout4_p=0.5 * settings.dropout,
        conv1_W=settings.weights, conv2_W=settings.weights, conv3_W=settings.weights,
        hidden4_W=settings.weights, hidden5_W=settings.weights,
        output_W=init.GlorotUniform(settings.output), output_b=init.Constant(0),

        objective_loss_function=masked_squared_error if all_rows else squared_error,
        batch_iterator_train=batches(batch_size=128, seed=seed, names=names, grey=settings.grey),
        batch_iterator_test=load.PixelBatchIterator(batch_size=128, grey=settings.grey),
        **schedule(settings, epochs),
    )


def asked(arguments):
    """What the command line asks for: besides every net's options those that change this one."""
    p = cli.training(__doc__, None, "precision")
    p.add_argument("--all-rows", action=argparse.BooleanOptionalAction,
                   help="train on incomplete rows too: a missing label costs nothing (34 outputs)")
    p.add_argument("--augment", action=argparse.BooleanOptionalAction,
                   help="turn heads aside, tilt, scale, shift and relight the faces at random")
    p.add_argument("--tuned", action="store_true", help="settings that learn faster: other initial weights, learning "
                   "rate and dropout")
    p.add_argument("--hidden", metavar="N", type=cli.count, default=HIDDEN,
                   help=f"units in each of the two dense layers (default: {HIDDEN})")
    p.add_argument("--heatmaps", action="store_true",
                   help="a map per keypoint instead of dense layers, and unless told "
                   f"otherwise {maps.EPOCHS} epochs, all rows, augmented faces, bfloat16 where the processor has it")
    p.set_defaults(precision=None)
    args = p.parse_args(arguments)
    if args.heatmaps and (args.tuned or args.hidden != HIDDEN):
        p.error("argument --heatmaps: has no dense layers, so neither --tuned nor --hidden goes with it")
    return cli.filled(args, maps.recipe(all_rows=True) if args.heatmaps else PUBLISHED)


def main(arguments=()):
    args = asked(arguments)
    faces = greeting.faces_asked_for(args)
    if args.heatmaps:
        print(maps.recipe_in_words(args))

    # X (2140, 1, 96, 96), y (2140, 30); with --all-rows 7,049 faces and y (7049, 34), NaN where a label is missing.
    X, y = load.arrays2d(faces, all_rows=args.all_rows)

    # The other options are arguments of `build`.  They stand in the model file, from which the net is built again.
    options = {name: getattr(args, name) for name in ("all_rows", "augment", "tuned", "hidden", "heatmaps")}
    net = build(args.epochs, args.seed, **options)
    net.train_split = load.split_for(faces, all_rows=args.all_rows)
    if args.tuned:
        start_at_mean_face(net, net.train_split(X, y, net)[2])

    # A line per epoch, until the epochs are over or the validation loss has long been no better.
    train(net, X, y, "net4", args, faces, **options)


if __name__ == "__main__":
    cli.run(main)
