"""Net 1: one hidden layer, trained once per preprocessing method: which is best?

    python net1.py                 # 4 times 400 epochs: a minute on 2 cores
    python test3.py net1           # its loss history

9,216 pixels go to 100 hidden units and 30 coordinates, as in Daniel Nouri's
2014 tutorial.  The pixels are prepared in four ways (see PREPROCESS in
load.py), each into models/net1-METHOD.npz; the best becomes models/net1.npz.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
from fkp import cli, files, greeting, validation
from fkp.run import Run
from fkp.training import keep
from fkp.training.best import best_epoch
from fkp.training.session import Session

from lasagne import layers
from lasagne.updates import nesterov_momentum
from nolearn.lasagne import NeuralNet

EPOCHS = 400
HIDDEN = 100


def build(epochs=EPOCHS, seed=cli.SEED):
    """The untrained net, with the tutorial's settings.  `seed` is the batch iterator's."""
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),
            ("hidden", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        input_shape=(None, load.SIZE * load.SIZE),
        hidden_num_units=HIDDEN,
        output_nonlinearity=None,
        output_num_units=len(load.COLUMNS),

        update=nesterov_momentum,
        update_learning_rate=0.01,
        update_momentum=0.9,

        batch_iterator_train=load.PixelBatchIterator(batch_size=128, seed=seed),
        batch_iterator_test=load.PixelBatchIterator(batch_size=128),
        regression=True,
        max_epochs=epochs,
        verbose=1,
    )


def train(path, run, faces, args):
    """Train one net on faces prepared by the run's method, into the file `path`.  Returns its best epoch's row."""
    print(f"\n--- {run.preprocess}: {load.PREPROCESS[run.preprocess].__doc__.splitlines()[0]}")
    X, y = load.arrays(faces, preprocess=run.preprocess)
    net = build(args.epochs, args.seed)
    net.train_split = load.split_for(faces)
    if run.preprocess != next(iter(load.PREPROCESS)):
        net.on_training_started = []  # one table of layers says it for all
    net = Session(path, run, args.resume, args.force).train(net, X, y)
    return best_epoch(net.train_history_)


def main(arguments=()):
    args = cli.training(__doc__, EPOCHS).parse_args(arguments)
    faces = greeting.faces_asked_for(args)

    # A net per method, all on the same faces.  A Run is what decides how a net turns out: it stands in the model file.
    asked = Run.asked("net1", args, faces.origin, validation.record(faces))
    runs = {args.models / f"net1-{method}.npz": asked.prepared_by(method) for method in load.PREPROCESS}
    best_of_all = args.models / "net1.npz"

    # In the models folder nothing is replaced that was trained with other settings: all is looked at before we train.
    with keep.folder(args.models, {**runs, best_of_all: asked.prepared_by(None)}, args.resume, args.force):
        best = {path: train(path, run, faces, args) for path, run in runs.items()}
        ranking = sorted(best, key=lambda path: best[path]["valid_loss"])
        files.copy_npz(ranking[0], best_of_all)
    print_ranking({runs[path].preprocess: best[path] for path in ranking})


def print_ranking(best):
    """best: {method: its best epoch}, best first."""
    print(f"\n{'method':12}  {'valid loss':>10}  {'pixels':>7}  {'epoch':>5}")
    for method, row in best.items():
        loss = row["valid_loss"]
        print(f"{method:12}  {loss:10.5f}  {load.pixels(loss):7.2f}  {row['epoch']:5}")


if __name__ == "__main__":
    cli.run(main)
