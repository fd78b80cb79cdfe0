"""Nets that other people publish, in Lasagne and in PyTorch: for bench/any_speed.py.

    PYTHON bench/any_nets.py NET WAY SECONDS

trains a net of `NETS` on random numbers for so long and prints one line of
JSON: milliseconds per update.  WAY is lasagne, torch or torch-channels-last.
Both sides read the same list of layers, use Nesterov's momentum, and get each
batch as NumPy arrays.
"""
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import timed

RATE, MOMENTUM = 0.01, 0.9


class Net(NamedTuple):
    shape: tuple  # of an image: channels, height, width
    batch: int
    target: str   # "classes", "image" (the input again) or "maps"
    layers: list


def conv(filters, size=3, pad="same", then="rectify"):
    return ("conv", filters, size, pad, then)


def dense(units, then="rectify"):
    return ("dense", units, then)


POOL, DROP, UP = ("pool",), ("drop",), ("up",)
NETS = {
    # Lasagne's examples/mnist.py
    "mnist-mlp": Net((1, 28, 28), 500, "classes", [dense(800), DROP, dense(800), DROP, dense(10, "softmax")]),
    "mnist-cnn": Net((1, 28, 28), 500, "classes", [
        conv(32, 5, "valid"), POOL, conv(32, 5, "valid"), POOL, DROP, dense(256), DROP, dense(10, "softmax")]),
    # nolearn's docs/notebooks/CNN_tutorial, layers4
    "tutorial": Net((1, 28, 28), 128, "classes", [
        *[conv(32)] * 7, POOL, *[conv(64)] * 3, POOL, dense(64), DROP, dense(64), dense(10, "softmax")]),
    "autoencoder": Net((1, 28, 28), 128, "image", [
        conv(16), POOL, conv(32), POOL, conv(64), UP, conv(32), UP, conv(16), conv(1, then="sigmoid")]),
    # a map per keypoint at half the resolution; what "keep" notes, "join" puts beside
    "heatmaps": Net((1, 96, 96), 32, "maps", [
        conv(16), conv(16), POOL, ("keep", "half"), conv(32), conv(32), POOL, ("keep", "quarter"), conv(64), conv(64),
        POOL, conv(64), UP, ("join", "quarter"), conv(32), UP, ("join", "half"), conv(32), conv(15, 1, then=None)]),
}


def batch(net):
    """x and y of one update."""
    random = np.random.RandomState(0)
    x = random.rand(net.batch, *net.shape).astype("float32")
    if net.target == "classes":
        return x, random.randint(0, 10, net.batch)
    return x, x if net.target == "image" else random.rand(net.batch, 15, 48, 48).astype("float32")


# --- Lasagne ---

def lasagne_step(net):
    """A function of x and y that trains once and returns the loss."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import theano_onednn  # noqa: F401, I001  (first: prepares Theano)
    import lasagne
    import theano
    import theano.tensor as T

    last, x = lasagne_layers(net), T.tensor4()
    y = T.ivector() if net.target == "classes" else T.tensor4()
    out = lasagne.layers.get_output(last, x)
    loss = (lasagne.objectives.categorical_crossentropy if net.target == "classes"
            else lasagne.objectives.squared_error)(out, y).mean()
    params = lasagne.layers.get_all_params(last, trainable=True)
    updates = lasagne.updates.nesterov_momentum(loss, params, RATE, MOMENTUM)
    train = theano.function([x, y], loss, updates=updates)
    return lambda x, y: float(train(x, y.astype("int32") if net.target == "classes" else y))


def lasagne_layers(net):
    from theano_onednn.layers import UpscaleLayer
    from lasagne import layers, nonlinearities

    last, kept = layers.InputLayer((None, *net.shape)), {}
    for kind, *settings in net.layers:
        if kind == "keep":
            kept[settings[0]] = last
        elif kind == "join":
            last = layers.ConcatLayer([last, kept[settings[0]]])
        elif kind in ("conv", "dense"):
            then = settings[-1] and getattr(nonlinearities, settings[-1])
            last = (layers.DenseLayer(last, settings[0], nonlinearity=then) if kind == "dense" else
                    layers.Conv2DLayer(last, settings[0], settings[1], pad=settings[2], nonlinearity=then))
        else:
            last = {"pool": lambda: layers.MaxPool2DLayer(last, 2), "drop": lambda: layers.DropoutLayer(last),
                    "up": lambda: UpscaleLayer(last)}[kind]()
    return last


# --- PyTorch ---

def torch_step(net, channels_last):
    """As `lasagne_step`."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    form = torch.channels_last if channels_last else torch.contiguous_format
    model = torch_model(net).to(memory_format=form)
    optimiser = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, nesterov=True, fused=True)
    loss_of = (torch.nn.functional.cross_entropy if net.target == "classes" else torch.nn.functional.mse_loss)

    def step(x, y):
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(model(torch.from_numpy(x).contiguous(memory_format=form)), torch.from_numpy(y))
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def torch_model(net):
    import torch
    from torch import nn

    class Model(nn.Module):
        """The softmax is the loss's."""

        def __init__(self):
            super().__init__()
            self.parts, channels, size, kept = nn.ModuleList(), net.shape[0], net.shape[1], {}
            for kind, *settings in net.layers:
                part = nn.Identity()
                if kind == "conv":
                    part = nn.Conv2d(channels, settings[0], settings[1], padding=settings[2])
                    channels, size = settings[0], size - (settings[1] - 1) * (settings[2] == "valid")
                elif kind == "dense":
                    part = nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, settings[0]))
                    channels, size = settings[0], 1
                elif kind == "keep":
                    kept[settings[0]] = channels
                elif kind == "join":
                    channels += kept[settings[0]]
                else:
                    part = {"pool": nn.MaxPool2d(2), "drop": nn.Dropout(), "up": nn.Upsample(scale_factor=2)}[kind]
                    size = {"pool": size // 2, "drop": size, "up": size * 2}[kind]
                then = {"rectify": nn.ReLU(), "sigmoid": nn.Sigmoid()}.get(settings[-1] if settings else None)
                self.parts.append(nn.Sequential(part, then) if then else part)

        def forward(self, x):
            kept = {}
            for (kind, *settings), part in zip(net.layers, self.parts):
                x = torch.cat([x, kept[settings[0]]], 1) if kind == "join" else part(x)
                if kind == "keep":
                    kept[settings[0]] = x
            return x

    return Model()


def main():
    name, way, seconds = sys.argv[1:]
    net = NETS[name]
    step = lasagne_step(net) if way == "lasagne" else torch_step(net, way == "torch-channels-last")
    x, y = batch(net)
    for _ in range(3):
        step(x, y)
    print(json.dumps(1000 * float(np.median(timed(lambda: step(x, y), 3, float(seconds))))))


if __name__ == "__main__":
    main()
