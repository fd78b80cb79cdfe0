"""Net 4: net 3 with dropout, mirrored faces and scheduled learning rate and momentum.

    python net4.py                 # up to 3,000 epochs
    python net4.py --all-rows      # the incomplete rows as well
    python net4.py --augment       # heads turned, tilted, scaled, moved, relit
    python net4.py --tuned         # settings that learn faster
    python net4.py --heatmaps --all-rows --augment --epochs 100  # best

Dropout keeps the wider net (16,561,502 parameters) from learning faces by
heart.  The learning rate falls from 0.03 to 0.0001 while the momentum grows
from 0.9 to 0.999; when the validation loss has not improved for 200 epochs,
training stops.  New here: AdjustVariable, EarlyStopping, masked_squared_error,
AugmentBatchIterator.

With `--heatmaps` no dense layer has to learn where a face is: convolutions
down to 6 x 6 pixels see the whole of it, two steps back up to 24 x 24 join that
with what was seen sharper, and the answer is where each keypoint's map is high.
(Newell, Yang and Deng, "Stacked hourglass networks", ECCV 2016; the place by
softmax as in Sun et al., "Integral human pose regression", ECCV 2018.)  It has
a 20th of the parameters.  New for it: RiseAndFall, and the layers of fkp/layers.py.
"""
import load  # first: prepares Theano
from fkp.pictures import augment as augmentation
import theano_onednn
from fkp import cli, keypoints
from fkp.layers import SoftArgmaxLayer
from theano_onednn.layers import BatchNormLayer, UpscaleLayer
from fkp.training.best import put_best_weights
from fkp.run import Run
from fkp.training.session import one_net
from net2 import FlipBatchIterator

import numpy as np
import theano
import theano.tensor as T
from lasagne import init, layers
from lasagne.objectives import squared_error
from lasagne.updates import adam, nesterov_momentum
from nolearn.lasagne import NeuralNet
from nolearn.lasagne.handlers import RememberBestWeights

EPOCHS = 3000
PATIENCE = 200   # epochs without a better validation loss
HIDDEN = 1000
HEATMAPS_RATE = 0.002   # the highest learning rate with --heatmaps


class AugmentBatchIterator(FlipBatchIterator):
    """Besides mirroring, makes another picture of every face (uint8), while the net trains on others."""

    def transform(self, Xb, yb):
        faces, points = augmentation.faces(Xb.reshape(-1, load.SIZE, load.SIZE), load.unscale(yb), self.random)
        return super().transform(faces.reshape(Xb.shape), load.scale(points))

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


class RiseAndFall:
    """Moves a shared variable of the net up to `peak` in the first tenth of its `max_epochs`, then down to 0.

    There it stays, and a net that is fitted again learns no more.
    """

    def __init__(self, name, peak):
        self.name, self.peak = name, peak

    def __call__(self, net, history):
        done = min(history[-1]["epoch"] / net.max_epochs, 1)
        height = min(10 * done, (1 + np.cos(np.pi * (done - 0.1) / 0.9)) / 2)
        getattr(net, self.name).set_value(np.float32(self.peak * height))


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
    """The untrained net with the published settings, or those of Tuned, or with `heatmaps`.

    With `all_rows` it has 34 outputs (load.ALL_COLUMNS) and takes NaN for a
    missing label; with `augment` its batches come from AugmentBatchIterator.
    `hidden` is the number of units in each dense layer.
    """
    if heatmaps:
        return build_heatmaps(epochs, seed, all_rows, augment)
    names = load.ALL_COLUMNS if all_rows else load.COLUMNS
    batches = AugmentBatchIterator if augment else FlipBatchIterator
    settings = Tuned if tuned else Published
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


# The convolutions of the net with maps, by the side of the picture they see, and their filters.
FILTERS = {"96": 24, "48": 48, "24": 96, "24b": 96, "12": 96, "12b": 96, "6": 96, "6b": 96, "up12": 96, "up24": 96}


def convolution(name):
    """A convolution that keeps the size, batch normalisation and the rectifier."""
    return [("conv" + name, layers.Conv2DLayer), ("norm" + name, BatchNormLayer),
            ("relu" + name, layers.NonlinearityLayer)]


def convolutions(filters):
    """The settings of such convolutions, {name: number of filters}, as NeuralNet's arguments."""
    each = {"filter_size": (3, 3), "pad": "same", "b": None, "nonlinearity": None}  # batch normalisation has a bias
    return {**{"conv%s_num_filters" % name: number for name, number in filters.items()},
            **{"conv%s_%s" % (name, key): value for name in filters for key, value in each.items()}}


def heatmaps_schedule(epochs):
    """How nets with maps learn, as NeuralNet's arguments."""
    return dict(
        update=adam,
        update_learning_rate=theano.shared(np.float32(HEATMAPS_RATE / 10)),
        on_epoch_finished=[RiseAndFall("update_learning_rate", HEATMAPS_RATE), EarlyStopping(patience=PATIENCE)],
        on_training_finished=[RestoreBestWeights()],
        regression=True,
        max_epochs=epochs,
        verbose=1,
    )


def build_heatmaps(epochs=EPOCHS, seed=cli.SEED, all_rows=False, augment=False):
    """The untrained net that answers with a map per keypoint; arguments as for `build`."""
    names = load.ALL_COLUMNS if all_rows else load.COLUMNS
    batches = AugmentBatchIterator if augment else FlipBatchIterator
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),                                                   # (n, 1, 96, 96)
            *convolution("96"), ("pool48", layers.MaxPool2DLayer),                          # (n, 24, 48, 48)
            *convolution("48"), ("pool24", layers.MaxPool2DLayer),                          # (n, 48, 24, 24)
            *convolution("24"), *convolution("24b"), ("pool12", layers.MaxPool2DLayer),     # (n, 96, 12, 12)
            *convolution("12"), *convolution("12b"), ("pool6", layers.MaxPool2DLayer),      # (n, 96, 6, 6)
            *convolution("6"), *convolution("6b"), ("to12", UpscaleLayer),                  # (n, 96, 12, 12)
            ("with12", layers.ConcatLayer), *convolution("up12"), ("to24", UpscaleLayer),   # (n, 96, 24, 24)
            ("with24", layers.ConcatLayer), *convolution("up24"),                           # (n, 96, 24, 24)
            ("maps", layers.Conv2DLayer),                                                   # (n, 17, 24, 24)
            ("output", SoftArgmaxLayer),
        ],
        input_shape=(None, 1, load.SIZE, load.SIZE),
        **convolutions(FILTERS),
        **{"pool%s_pool_size" % side: (2, 2) for side in (48, 24, 12, 6)},
        with12_incomings=["to12", "relu12b"], with24_incomings=["to24", "relu24b"],
        maps_num_filters=len(names) // 2, maps_filter_size=(1, 1), maps_nonlinearity=None,

        objective_loss_function=masked_squared_error if all_rows else squared_error,
        batch_iterator_train=batches(batch_size=64, seed=seed, names=names, grey=0.5),
        batch_iterator_test=load.PixelBatchIterator(batch_size=128, grey=0.5),
        **heatmaps_schedule(epochs),
    )


def main():
    p = cli.parser(__doc__, *cli.TRAINING, "precision")
    p.add_argument("--all-rows", action="store_true",
                   help="train on incomplete rows too: a missing label costs nothing (34 outputs)")
    p.add_argument("--augment", action="store_true",
                   help="turn heads aside, tilt, scale, shift and relight the faces at random")
    p.add_argument("--tuned", action="store_true", help="settings that learn faster: other initial weights, learning "
                   "rate and dropout")
    p.add_argument("--hidden", metavar="N", type=cli.count, default=HIDDEN,
                   help="units in each of the two dense layers (default: %d)" % HIDDEN)
    p.add_argument("--heatmaps", action="store_true", help="a map per keypoint instead of dense layers")
    p.set_defaults(epochs=EPOCHS)
    args = p.parse_args()
    if args.heatmaps and (args.tuned or args.hidden != HIDDEN):
        p.error("argument --heatmaps: has no dense layers, so neither --tuned nor --hidden goes with it")
    theano_onednn.set_precision(args.precision)
    faces = load.faces(data=args.data, rows=args.rows, groups=args.groups)
    cli.greet(args, faces)
    X, y = load.arrays2d(faces, all_rows=args.all_rows)
    run = Run.asked("net4", args, faces.origin, all_rows=args.all_rows, augment=args.augment, tuned=args.tuned,
                    hidden=args.hidden, heatmaps=args.heatmaps)
    net = build(**run.build)
    net.train_split = load.split_for(faces, all_rows=args.all_rows)
    if args.tuned:
        start_at_mean_face(net, net.train_split(X, y, net)[2])
    with one_net(run, args) as session:
        net = session.fit(net, X, y)
        session.save(net)


if __name__ == "__main__":
    cli.run(main)
