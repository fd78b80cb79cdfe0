"""Net 1: one hidden layer, trained once per preprocessing method: which is best?

    python net1.py                 # 4 methods, 400 epochs each
    python test3.py net1           # its loss history

9,216 pixels go to 100 hidden units and 30 coordinates, as in Daniel Nouri's
2014 tutorial.  The pixels are prepared in four ways (see PREPROCESS in
load.py), each into models/net1-METHOD.npz; the best becomes models/net1.npz.
"""
import dataclasses

import load  # first: prepares Theano
from fkp import cli, files
from fkp.training import keep
from fkp.training.best import best_epoch
from fkp.run import Run
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
    """Train one net on faces prepared by the run's method.  Returns its history."""
    print("\n--- %s: %s" % (run.preprocess, load.PREPROCESS[run.preprocess].__doc__.split("\n")[0]))
    X, y = load.arrays(faces, preprocess=run.preprocess)
    net = build(**run.build)
    if run.preprocess != next(iter(load.PREPROCESS)):
        net.on_training_started = []  # one table of layers says it for all
    net.train_split = load.split_for(faces)
    with Session(path, run, args.resume, args.force) as session:
        net = session.fit(net, X, y)
        session.save(net)
    return net.train_history_


def main():
    p = cli.parser(__doc__, *cli.TRAINING)
    p.set_defaults(epochs=EPOCHS)
    args = p.parse_args()
    faces = load.faces(data=args.data, rows=args.rows, groups=args.groups)
    cli.greet(args, faces)
    asked = Run.asked("net1", args, faces.origin)
    runs = {args.models / ("net1-%s.npz" % method): dataclasses.replace(asked, preprocess=method)
            for method in load.PREPROCESS}
    best_of_all = args.models / "net1.npz"
    kept = {**runs, best_of_all: dataclasses.replace(asked, preprocess=None)}
    with keep.folder(args.models, kept, args.resume, args.force):
        best = {path: best_epoch(train(path, run, faces, args)) for path, run in runs.items()}
        ranking = sorted(best, key=lambda path: best[path]["valid_loss"])
        files.copy_npz(ranking[0], best_of_all)
    print_ranking({runs[path].preprocess: best[path] for path in ranking})


def print_ranking(best):
    """best: {method: its best epoch}, best first."""
    print("\n%-12s  %10s  %7s  %5s" % ("method", "valid loss", "pixels", "epoch"))
    for method, row in best.items():
        loss = row["valid_loss"]
        print("%-12s  %10.5f  %7.2f  %5d" % (method, loss, load.pixels(loss), row["epoch"]))


if __name__ == "__main__":
    cli.run(main)
