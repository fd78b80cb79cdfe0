"""The nets of this collection in PyTorch, as well as PyTorch does them on a CPU: for bench/train_speed.py only.

    PYTHON bench/torch_twins.py '{"part": "train", "net": "4", ...}'

PYTHON has torch and numpy installed.  Prints one line of JSON: see `main`.  Same layers,
initial weights, optimiser, dropout and batches as net1.py to net5.py.
"""
import contextlib
import json
import os
import sys

import numpy as np
import torch
from measure import BATCH, peak, read, since_start, timed, warm_rows
from torch import nn
from torch_maps import BATCH as MAPS_BATCH, GREY, RATE as MAPS_RATE, Maps

FLIPPED = ("2", "4", "maps")  # nets that mirror half of each batch
POINTS = 30
# Where the columns of a mirrored face's labels come from: left and right swap, as in load.mirror_order.
MIRROR = [2, 3, 0, 1, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 20, 21, 24, 25, 22, 23, 26, 27, 28, 29]


def stage(channels, filters, size, dropout):
    """Convolution, rectifier, max-pool, dropout: a list of modules."""
    parts = [nn.Conv2d(channels, filters, size), nn.ReLU(), nn.MaxPool2d(2)]
    return parts + [nn.Dropout(dropout)] * (dropout > 0)


def dense(inputs, units, dropout=0):
    return [nn.Linear(inputs, units), nn.ReLU()] + [nn.Dropout(dropout)] * (dropout > 0)


def layers(net):
    """The modules of a net; "5" is a specialist for 38 x 38 crops and five points."""
    if net in ("1", "2"):
        return [nn.Flatten(), *dense(96 * 96, 100), nn.Linear(100, POINTS)]
    if net == "5":
        return [*stage(1, 32, 3, .1), *stage(32, 64, 2, .2), nn.Flatten(), *dense(64 * 8 * 8, 200), nn.Linear(200, 10)]
    rates, hidden = ((.1, .2, .3, .5), 1000) if net == "4" else ((0, 0, 0, 0), 500)
    return [*stage(1, 32, 3, rates[0]), *stage(32, 64, 2, rates[1]), *stage(64, 128, 2, rates[2]), nn.Flatten(),
            *dense(128 * 11 * 11, hidden, rates[3]), *dense(hidden, hidden), nn.Linear(hidden, POINTS)]


def optimiser(net, weights):
    """Fused: one pass over the weights."""
    if net == "maps":
        return torch.optim.Adam(weights, MAPS_RATE, fused=True)
    rate = .01 if net in ("1", "2", "3") else .03
    return torch.optim.SGD(weights, rate, momentum=.9, nesterov=True, fused=True)


class Twin:
    """A net in training."""

    def __init__(self, net, channels_last, bfloat16, errors):
        torch.manual_seed(42)
        self.net, self.bfloat16, self.errors = net, bfloat16, errors
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = Maps() if net == "maps" else nn.Sequential(*layers(net))
        for module in self.model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if net not in ("1", "2"):
            self.model.to(memory_format=self.format)
        self.optimiser = optimiser(net, self.model.parameters())
        self.random = np.random.RandomState(42)

    def inputs(self, images):
        """uint8 (n, 96, 96) -> float32 tensor (n, 1, 96, 96) in the memory format."""
        X = torch.from_numpy(np.multiply(images, np.float32(1 / 255), dtype=np.float32)[:, None])
        X -= GREY if self.net == "maps" else 0
        return X.contiguous(memory_format=self.format)

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()

    def forward(self, X):
        with self.autocast():
            return self.model(X)

    def loss(self, images, targets):
        return nn.functional.mse_loss(self.forward(self.inputs(images)).float(), torch.from_numpy(targets))

    def train_batch(self, images, targets):
        self.optimiser.zero_grad(set_to_none=True)
        if self.net == "maps":
            with self.autocast():
                loss, more = self.model.losses(self.inputs(images), torch.from_numpy(targets))
            (loss + more).backward()
        else:
            loss = self.loss(images, targets)
            loss.backward()
        self.optimiser.step()
        return loss.item()

    def valid_batch(self, images, targets):
        return self.loss(images, targets).item()

    def epoch(self, X, y):
        """Trains on the last four fifths of the rows, validates on the first; returns both mean losses."""
        valid = len(X) // 5
        self.model.train()
        train = [self.train_batch(*self.augmented(*batch))
                 for batch in batches(X[valid:], y[valid:], MAPS_BATCH if self.net == "maps" else BATCH)]
        self.model.eval()
        with torch.inference_mode():
            found = [self.valid_batch(*self.plain(*batch)) for batch in batches(X[:valid], y[:valid])]
        return float(np.mean(train)), float(np.mean(found))

    def augmented(self, images, labels):
        if self.net == "5":
            return mirrored_crops(images, labels, self.errors, self.random)
        return mirrored(images, labels, self.random) if self.net in FLIPPED else (images, labels)

    def plain(self, images, labels):
        return seen_crops(images, labels) if self.net == "5" else (images, labels)

    def predict(self, images):
        self.model.eval()
        with torch.inference_mode():
            return torch.cat([self.forward(self.inputs(images[i:i + BATCH])) for i in range(0, len(images), BATCH)])


def batches(X, y, size=BATCH):
    return ((X[i:i + size], y[i:i + size]) for i in range(0, len(X), size))


# --- batches, as FlipBatchIterator and CropBatchIterator make them ---

def mirrored(images, targets, random):
    """Half of a batch mirrored, labels scaled to [-1, 1].  Returns copies."""
    images, targets = images.copy(), targets.copy()
    chosen = random.choice(len(images), len(images) // 2, replace=False)
    images[chosen] = images[chosen][..., ::-1]
    flipped = targets[chosen][:, MIRROR]
    flipped[:, 0::2] *= -1
    targets[chosen] = flipped
    return images, targets


def crops(images, centres, labels, win=38):
    """Crops around `centres` (n, 2) and the labels relative to them."""
    corner = np.rint(centres - win / 2).astype(int).clip(0, 96 - win)
    offset = np.arange(win)
    cut = images[np.arange(len(images))[:, None, None], corner[:, 1, None, None] + offset[:, None],
                 corner[:, 0, None, None] + offset]
    relative = (labels.reshape(len(labels), -1, 2) - (corner + win / 2)[:, None]) / (win / 2)
    return cut, relative.reshape(labels.shape).astype(np.float32)


def mirrored_crops(images, y, errors, random):
    """Training crops: half mirrored, each off its centre by one of `errors`; y as CropBatchIterator takes it."""
    labels, partner, centre, other, _ = np.split(y, [10, 20, 22, 24], axis=1)
    flip = random.permutation(len(images)) < len(images) // 2
    images = np.where(flip[:, None, None], images[:, :, ::-1], images)
    labels = np.where(flip[:, None], in_mirror(partner), labels)
    centre = np.where(flip[:, None], in_mirror(other), centre)
    error = errors[random.randint(len(errors), size=len(images))] * np.where(flip, -1, 1)[:, None] ** [1, 0]
    return crops(images, centre + error, labels)


def seen_crops(images, y):
    return crops(images, y[:, 24:26], y[:, :10])


def in_mirror(points):
    """Points in pixels of the mirrored face."""
    points = points.copy()
    points[:, 0::2] = 96 - points[:, 0::2]
    return points


# --- what is measured ---

def train(options, twin, X, y, test):
    """Seconds an epoch, peak memory while training and, if wanted, seconds to predict the test faces."""
    rows = warm_rows(len(X))
    twin.epoch(X[:rows], y[:rows])
    found = {"epoch": timed(lambda: twin.epoch(X, y), options["times"], options["seconds"]), "memory": [peak()]}
    if options["predict"]:
        twin.predict(test)
        found["predict"] = timed(lambda: twin.predict(test), 3, options["seconds"])
    return found


def start(options, twin, X, y, test):
    """Seconds from the process's start to the end of the first batch."""
    twin.train_batch(*twin.augmented(X[:BATCH], y[:BATCH]))
    return {"start": [since_start()]}


def main():
    options = json.loads(sys.argv[1])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    X, y, errors, test = read(options["data"], options["net"], options["rows"])
    twin = Twin(options["net"], options["channels_last"], options["bfloat16"], errors)
    found = {"train": train, "start": start}[options["part"]](options, twin, X, y, test)
    print(json.dumps(dict(found, version="PyTorch " + torch.__version__)))


if __name__ == "__main__":
    main()
