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
from fkp.training.best import best_epoch
from fkp.training.run import Run
from fkp.training.session import Session, forget

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


def train(method, faces, path, args):
    """Train one net on faces prepared by `method`.  Returns its history."""
    print("\n--- %s: %s" % (method, load.PREPROCESS[method].__doc__.split("\n")[0]))
    X, y = load.arrays(faces, preprocess=method)
    run = dataclasses.replace(Run.asked("net1", args, faces.origin), preprocess=method)
    net = build(**run.build)
    net.train_split = load.split_for(faces)
    with Session(path, run, args.resume) as session:
        net = session.fit(net, X, y)
        session.save(net)
    return net.train_history_


def main():
    p = cli.parser(__doc__, "data", "models", "epochs", "seed", "rows", "groups", "resume")
    p.set_defaults(epochs=EPOCHS)
    args = p.parse_args()
    faces = load.faces(data=args.data, rows=args.rows, groups=args.groups)
    cli.greet(args, faces.origin)
    paths = {method: args.models / ("net1-%s.npz" % method) for method in load.PREPROCESS}
    with files.locked(args.models):
        if not args.resume:
            forget(paths.values())
        best = {method: best_epoch(train(method, faces, path, args)) for method, path in paths.items()}
        ranking = sorted(best, key=lambda method: best[method]["valid_loss"])
        files.copy_npz(paths[ranking[0]], args.models / "net1.npz")
    print_ranking(ranking, best)


def print_ranking(ranking, best):
    """The methods, best first."""
    print("\n%-12s  %10s  %7s  %5s" % ("method", "valid loss", "pixels", "epoch"))
    for method in ranking:
        loss = best[method]["valid_loss"]
        print("%-12s  %10.5f  %7.2f  %5d" % (method, loss, load.pixels(loss), best[method]["epoch"]))


if __name__ == "__main__":
    cli.run(main)
