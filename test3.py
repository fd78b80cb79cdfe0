"""Loss history of the trained nets, train and valid, in loss and in pixels.

    python test3.py                # every trained net
    python test3.py net3 net4      # those

Saves test3.png.
"""
import load  # first: prepares Theano
from fkp import Problem, cli, figures, models, training


def main():
    p = cli.parser(__doc__, "models", "out", "show")
    p.add_argument("nets", nargs="*", metavar="NET", help="names of model files, such as net3 or net5-LE-38")
    args = p.parse_args()
    figures.use_display(args.show)
    paths = [args.models / (name + ".npz") for name in args.nets] or trained(args.models)
    histories = {path.stem: history_of(path) for path in paths}
    print("%-14s %7s %7s %11s %11s %8s  %s" % ("net", "epochs", "best", "train loss", "valid loss", "pixels", "time"))
    for name, (history, half) in histories.items():
        best = training.best_epoch(history)
        print("%-14s %7d %7d %11.5f %11.5f %8.2f  %s" % (
            name, len(history), best["epoch"], best["train_loss"], best["valid_loss"],
            load.pixels(best["valid_loss"], half), training.duration(sum(row["dur"] for row in history))))
    figures.save(figures.loss_histories(histories), args.out / "test3.png", args.show)


def trained(folder):
    """Paths of all model files; Problem if there is none."""
    paths = sorted(path for path in folder.glob("net*.npz") if ".checkpoint" not in path.name)
    if not paths:
        raise Problem("%s: holds no trained net; train one first: python net1.py" % folder)
    return paths


def history_of(path):
    """(history, pixels that 1.0 stands for) of a model file."""
    header = models.read(path)[1]
    if not header["history"]:
        raise Problem("%s: holds no history; train it again" % path)
    return header["history"], header["settings"].get("build", {}).get("win", load.SIZE) / 2


if __name__ == "__main__":
    cli.run(main)
