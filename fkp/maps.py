"""Nets that answer with a map per keypoint: where in the picture it may be, instead of two numbers.

No dense layer has to learn where a face is.  Convolutions down to few pixels
see the whole of it, steps back up join that with what was seen sharper, and
the answer is where each keypoint's map is high.  (Newell, Yang and Deng,
"Stacked hourglass networks", ECCV 2016; the place by softmax as in Sun et al.,
"Integral human pose regression", ECCV 2018.)  `face_net` has a 20th of net 4's
parameters.  `net4.py --heatmaps` and `net5.py --heatmaps` train these nets.
"""
import theano_onednn  # noqa: F401  first: prepares Theano
from fkp.keypoints import SIZE
from theano_onednn.layers import BatchNormLayer, UpscaleLayer

import numpy as np
import theano
import theano.tensor as T
from lasagne import layers
from lasagne.objectives import aggregate
from lasagne.updates import adam
from nolearn.lasagne import NeuralNet, base

EPOCHS = 20                # of the recipe
LEARNING_RATE = 0.002      # the highest
BATCH = 32                 # faces
REACH = 1 - 1 / 24         # the outermost answer, in scaled coordinates: the centre of a map's pixel at the edge
MAP_WEIGHT = 0.003         # of the loss on the maps, beside that on the keypoints
BUMP = 1.0                 # pixels of a map: the standard deviation of what it is to be
LATE, GENTLY = 0.6, 0.4    # from this part of the epochs on, augmentation is so strong
GREY = 0.5                 # subtracted from pixels, so that they are about 0 on average

# The convolutions, by the side of the picture that they see in pixels, and their filters.
FACE_FILTERS = {"96": 24, "48": 48, "24": 96, "24b": 96, "12": 96, "12b": 96, "6": 96, "6b": 96, "up12": 96, "up24": 96}
CROP_FILTERS = {"48": 24, "24": 48, "24b": 48, "12": 96, "12b": 96, "up24": 48}


def face_net(keypoints, epochs, handlers, **given):
    """The untrained net for whole faces (n, 1, 96, 96): so many `keypoints`, 2 numbers each.

    handlers: called after each epoch, behind the schedule.  given: more of
    NeuralNet's arguments, such as the loss and the batch iterators.
    """
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
        input_shape=(None, 1, SIZE, SIZE),
        **convolutions(FACE_FILTERS),
        **{f"pool{side}_pool_size": (2, 2) for side in (48, 24, 12, 6)},
        with12_incomings=["to12", "relu12b"], with24_incomings=["to24", "relu24b"],
        maps_num_filters=keypoints, maps_filter_size=(1, 1), maps_nonlinearity=None,
        **learning(epochs, handlers), **given,
    )


def crop_net(keypoints, win, epochs, handlers, **given):
    """The untrained net for crops (n, 1, win, win); arguments as for `face_net`."""
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),                                                   # (n, 1, 48, 48)
            *convolution("48"), ("pool24", layers.MaxPool2DLayer),                          # (n, 24, 24, 24)
            *convolution("24"), *convolution("24b"), ("pool12", layers.MaxPool2DLayer),     # (n, 48, 12, 12)
            *convolution("12"), *convolution("12b"), ("to24", UpscaleLayer),                # (n, 96, 24, 24)
            ("with24", layers.ConcatLayer), *convolution("up24"),                           # (n, 48, 24, 24)
            ("maps", layers.Conv2DLayer),                                                   # (n, 5, 24, 24)
            ("output", SoftArgmaxLayer),
        ],
        input_shape=(None, 1, win, win),
        **convolutions(CROP_FILTERS),
        pool24_pool_size=(2, 2), pool12_pool_size=(2, 2),
        with24_incomings=["to24", "relu24b"],
        maps_num_filters=keypoints, maps_filter_size=(1, 1), maps_nonlinearity=None,
        **learning(epochs, handlers), **given,
    )


def convolution(name):
    """A convolution that keeps the size, batch normalisation and the rectifier."""
    return [("conv" + name, layers.Conv2DLayer), ("norm" + name, BatchNormLayer),
            ("relu" + name, layers.NonlinearityLayer)]


def convolutions(filters):
    """The settings of such convolutions, {name: number of filters}, as NeuralNet's arguments."""
    each = {"filter_size": (3, 3), "pad": "same", "b": None, "nonlinearity": None}  # batch normalisation has a bias
    return {**{f"conv{name}_num_filters": number for name, number in filters.items()},
            **{f"conv{name}_{key}": value for name in filters for key, value in each.items()}}


def learning(epochs, handlers):
    """How these nets learn, as NeuralNet's arguments."""
    return dict(
        objective=objective, objective_map_weight=MAP_WEIGHT, objective_bump=BUMP,
        update=adam,
        update_learning_rate=theano.shared(np.float32(LEARNING_RATE / 10)),
        on_epoch_finished=[RiseAndFall("update_learning_rate", LEARNING_RATE), *handlers],
        regression=True,
        max_epochs=epochs,
        verbose=1,
    )


def recipe(**more):
    """What `--heatmaps` decides where the command line does not: {option: value}."""
    return dict(more, epochs=EPOCHS, augment=True, precision=theano_onednn.fastest_precision())


def recipe_in_words(args):
    """One line: what the recipe and the command line decided, and which options change it."""
    words, changes = [f"{args.epochs} epoch{'s' * (args.epochs > 1)}"], ["--epochs N"]
    if hasattr(args, "all_rows"):
        words.append("all rows" if args.all_rows else "complete rows only")
        changes.append("--no-all-rows")
    words += ["augmented faces" if args.augment else "faces as they are", args.precision]
    return f"With --heatmaps: {', '.join(words)} (see {', '.join([*changes, '--no-augment'])}, --precision)."


def objective(layers, loss_function, target, map_weight, bump, deterministic=False):
    """nolearn's objective of the layer "output"; in training each of "maps" is also to be a bump at its keypoint.

    That goes into the gradient alone: the value stays the keypoints' loss, which stands for pixels.
    """
    maps, output = base.get_output([layers["maps"], layers["output"]], deterministic=deterministic)
    loss = aggregate(loss_function(output, target))
    if deterministic:
        return loss
    off = map_loss(maps, target, layers["output"].places(), bump * 2 / layers["maps"].output_shape[-1])
    return loss + np.float32(map_weight) * (off - theano.gradient.disconnected_grad(off))


def map_loss(maps, target, places, width):
    """Mean cross-entropy between the softmax of `maps` (n, k, h, w) and a bump around each place of `target` (n, 2k).

    `places` (h * w, 2) are the maps' pixels, and `width` is the bump's standard deviation, all in scaled coordinates.
    A keypoint that is NaN costs nothing.
    """
    x, y = target[:, 0::2].reshape((-1, 1)), target[:, 1::2].reshape((-1, 1))
    known = T.invert(T.isnan(x + y))
    across, down = (T.addbroadcast(T.switch(known, each, 0), 1) for each in (x, y))
    far = (across - places[:, 0]) ** 2 + (down - places[:, 1]) ** 2
    bump = T.nnet.softmax(-far / (2 * width ** 2))
    chance = T.nnet.logsoftmax(maps.reshape((-1, len(places))))
    known = T.addbroadcast(known, 1)
    return -(known * bump * chance).sum() / T.maximum(known.sum(), 1)


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


class AugmentGently:
    """From LATE on in its `max_epochs` a net's faces are augmented less: it ends with faces nearly as they are.

    Called when training starts, also where it goes on, and after each epoch.
    """

    def __call__(self, net, history):
        net.batch_iterator_train.strength = GENTLY if len(history) >= LATE * net.max_epochs else 1.0


class SoftArgmaxLayer(layers.Layer):
    """Where each map is high: (n, k, h, w) -> (n, 2k), x and y of every map, -1 and 1 being the picture's edges.

    A softmax makes the map a probability of every pixel; the answer is the
    expected place.  It moves by less than a pixel, and has a gradient.
    """

    def get_output_shape_for(self, input_shape):
        return input_shape[0], 2 * input_shape[1]

    def get_output_for(self, input, **kwargs):
        _, k, h, w = self.input_shape
        probability = T.nnet.softmax(input.reshape((-1, h * w)))
        return T.dot(probability, self.places().astype(theano.config.floatX)).reshape((-1, 2 * k))

    def places(self):
        """x and y of a map's pixels, row by row: (h * w, 2)."""
        h, w = self.input_shape[2:]
        y, x = np.mgrid[1:2 * h:2, 1:2 * w:2]  # the pixels' centres, in half pixels from the edge
        return np.stack([x.ravel() / w - 1, y.ravel() / h - 1], 1)
