"""One measurement of our nets, for bench/train_speed.py: with oneDNN, or stock Theano under FKP_ONEDNN=0.

    python bench/ours.py '{"part": "train", "net": "4", ...}'

Prints one line of JSON: see `main`.
"""
import importlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

from measure import BATCH, peak, read, since_start, timed, warm_rows

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import load  # noqa: I001  (first: prepares Theano)
import numpy as np
import theano_onednn
from fkp import cli
from fkp.training.session import set_seed
from fkp.training import lessons
from nolearn.lasagne import PrintLog

TEST_FACES = 1783
# Nets whose name is not their script's number: the script and how it builds them.
SCRIPTS = {"5": ("net5", {"group": "LE", "win": 38}), "maps": ("net4", {"heatmaps": True})}


# --- data: one file for all that is measured ---

def write_data(options):
    """Writes X, y (scaled), special_X, special_y, errors and test to the file options["data"].

    From the complete rows of options["source"], Kaggle's CSV folder, or random.
    """
    rows = options["rows"]
    if options["source"]:
        found = load.faces(data=options["source"])
        keep, points = load.select(found)
        images, test = found.images[keep], load.faces(test=True, data=options["source"]).images
    else:
        random = np.random.RandomState(42)
        images = random.randint(0, 256, (rows, 96, 96)).astype(np.uint8)
        points = random.uniform(20, 76, (rows, len(load.COLUMNS))).astype(np.float32)
        test = images
    images, points = np.resize(images, (rows, 96, 96)), np.resize(points, (rows, points.shape[1]))
    order, special, errors = specialist(images, points)
    np.savez(options["data"], X=images, y=load.scale(points), special_X=images[order], special_y=special,
             errors=errors, test=np.resize(test, (TEST_FACES, 96, 96)))
    return {"rows": rows}


def specialist(images, points):
    """Rows, targets and level 1's errors for the left eye's specialist, had level 1 missed by 2 pixels."""
    found = load.Faces(images, load.split_schemes(points), None, {"file": "benchmark"})
    seen = found.keypoints + np.random.RandomState(42).normal(0, 2, found.keypoints.shape)
    lesson = lessons.lesson("LE", seen.astype(np.float32), found)
    return lesson.rows, lesson.y, lesson.errors


def shaped(images, net):
    """Faces (n, 96, 96) as the net takes them."""
    return images.reshape({"1": (-1, 96 * 96), "2": (-1, 96 * 96), "5": (-1, 96, 96)}.get(net, (-1, 1, 96, 96)))


# --- what is measured ---

def build(options, errors):
    """The script's own net, but silent."""
    if options["bfloat16"]:
        theano_onednn.set_precision("bfloat16")
    set_seed(cli.SEED)
    script, settings = SCRIPTS.get(options["net"], ("net" + options["net"], {}))
    settings = dict(settings, errors=errors) if script == "net5" else settings
    net = importlib.import_module(script).build(**settings)
    net.on_epoch_finished = [handler for handler in net.on_epoch_finished if not isinstance(handler, PrintLog)]
    net.on_training_started, net.on_training_finished, net.verbose = [], [], 0
    return net


def epoch(net, X, y):
    """Trains on the last four fifths of the rows, validates on the first."""
    net.train_split = load.FirstRows(len(X) // 5)
    net.fit(X, y, epochs=1)


def train(options, net, X, y, test):
    """Seconds an epoch, peak memory while training and, if wanted, seconds to predict the test faces."""
    rows = warm_rows(len(X))
    epoch(net, X[:rows], y[:rows])
    found = {"epoch": timed(lambda: epoch(net, X, y), options["times"], options["seconds"]), "memory": [peak()]}
    if options["predict"]:
        net.predict(test)
        found["predict"] = timed(lambda: net.predict(test), 3, options["seconds"])
    return found


def start(options, net, X, y, test):
    """Seconds from the process's start to the end of the first batch."""
    found = []
    net.on_batch_finished = [lambda *_: found.append(since_start())]
    epoch(net, X[:5 * BATCH // 4], y[:5 * BATCH // 4])
    return {"start": found[:1]}


def ops(options, net, X, y, test):
    """{Op: share of an epoch}, by Theano's profiler (THEANO_FLAGS=profile=True); the rest is Python's and NumPy's."""
    rows = warm_rows(len(X))
    epoch(net, X[:rows], y[:rows])
    before = op_seconds(net)
    whole = sum(timed(lambda: epoch(net, X, y), options["times"], options["seconds"]))
    spent = op_seconds(net) - before
    shares = {name: seconds / whole for name, seconds in spent.most_common()}
    return {"ops": {**shares, "outside Theano's Ops": 1 - sum(shares.values())}}


def op_seconds(net):
    """Seconds spent in each Op so far, as a Counter."""
    found = Counter()
    for function in (net.train_iter_, net.eval_iter_):
        for op, seconds in function.profile.op_time().items():
            found[str(op)] += seconds
    return found


def main():
    options = json.loads(sys.argv[1])
    if options["part"] == "data":
        found = write_data(options)
    else:
        X, y, errors, test = read(options["data"], options["net"], options["rows"])
        X, test = shaped(X, options["net"]), shaped(test, options["net"])
        found = {"train": train, "start": start, "ops": ops}[options["part"]](
            options, build(options, errors), X, y, test)
    print(json.dumps(dict(found, version=theano_onednn.describe())), flush=True)
    os._exit(0)  # the profiler would print pages


if __name__ == "__main__":
    main()
