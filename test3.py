"""Loss history of the trained nets, train and valid, in loss and in pixels.

    python test3.py                # every trained net
    python test3.py net3 net4      # those
    python test3.py --watch        # while a net trains: draws again and again

A net that is being trained is shown as far as its last checkpoint.  Saves
test3.png.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
from fkp import Problem, cli, greeting, models, tables
from fkp.results import figures
from fkp.training.best import best_epoch
from fkp.training.checkpoint import checkpoint_path
from fkp.training.progress import duration

import pandas

SECONDS = 30  # between two looks with --watch; checkpoints are not written more often


def main(arguments=()):
    p = cli.parser(__doc__, "models", "out", "show")
    p.add_argument("nets", nargs="*", metavar="NET", help="names of model files, such as net3 or net5-LE-38")
    p.add_argument("--watch", action="store_true", help=f"look again every {SECONDS} seconds, until Ctrl-C")
    args = p.parse_args(arguments)
    figures.use_display(args.show)
    args.models = greeting.nets_to_show(args.models)
    while True:
        histories = dict(history_of(args.models, name) for name in args.nets or trained(args.models))
        if not args.nets:
            histories = named_once(histories)
        print_table(histories)
        figures.save(figures.loss_histories(histories), args.out / "test3.png", args.show,
                     seconds=SECONDS if args.watch else None)
        if not args.watch:
            break


def named_once(histories):
    """Nets of one and the same history under both names: net1 is a copy of the best of net 1's."""
    names = {}
    for name, (history, _) in histories.items():
        names.setdefault(json.dumps(history), []).append(name)
    return {" = ".join(same): histories[same[0]] for same in names.values()}


def print_table(histories):
    """A row per net: where its best epoch lies and what it reached there."""
    rows = {}
    for name, (history, half) in histories.items():
        best = best_epoch(history)
        rows[name] = {"epochs": len(history), "best": best["epoch"], "train loss": f"{best['train_loss']:.5f}",
                      "valid loss": f"{best['valid_loss']:.5f}", "pixels": load.pixels(best["valid_loss"], half),
                      "time": duration(sum(row["dur"] for row in history))}
    print(tables.show(pandas.DataFrame.from_dict(rows, orient="index").rename_axis(columns="net")))


def trained(folder):
    """Names of all nets with a model or a checkpoint; Problem if there is none."""
    names = sorted({path.name.split(".")[0] for path in folder.glob("net*.npz")})
    if not names:
        raise Problem(f"{folder}: holds no trained net; train one first: python net1.py")
    return names


def history_of(folder, name):
    """(name, (history, pixels that 1.0 stands for)) of the checkpoint, if there is one, or else of the model file."""
    name, path = models.named(folder, name)
    checkpoint = checkpoint_path(path)
    try:
        run, history = models.open_run(checkpoint if checkpoint.exists() else path)
    except Problem:
        if not path.exists():
            raise
        run, history = models.open_run(path)  # the checkpoint went while we looked: training has ended
    if not history:
        raise Problem(f"{path}: holds no history; train it again")
    return name, (history, run.half)


if __name__ == "__main__":
    cli.run(main)
