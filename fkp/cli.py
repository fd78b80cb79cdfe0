"""The command line that every script shares: the same options, the same exit codes."""
import argparse
import os
import re
import sys
import textwrap
from pathlib import Path

from fkp import ROOT, Problem, endings, signals
from fkp.endings import Terminated
from fkp.split import FOLDS

SEED = 42
MODELS = ROOT / "models"
SHIPPED = MODELS / "drawn"   # nets trained on drawn faces, part of this collection


class Help(argparse.RawDescriptionHelpFormatter):
    """A script's docstring as its help: paragraphs fill the terminal, indented lines stay as they are."""

    def _fill_text(self, text, width, indent):
        parts = text.strip().split("\n\n")
        return "\n\n".join(part if part.startswith(" ") else textwrap.fill(part, width) for part in parts)


class Parser(argparse.ArgumentParser):
    """Raises Problem for a wrong option: one clear line, instead of usage and error."""

    def __init__(self, doc, **kwargs):
        super().__init__(prog=endings.program(), description=doc, allow_abbrev=False, formatter_class=Help, **kwargs)

    def parse_known_args(self, args=None, namespace=None):
        """Also takes a value that begins with a minus, as in `--box -10,0,90,90`."""
        words = []
        for word in sys.argv[1:] if args is None else args:
            if re.fullmatch(r"-\d.*,.*", word) and words and words[-1].startswith("--"):
                word = words.pop() + "=" + word
            words.append(word)
        return super().parse_known_args(words, namespace)

    def error(self, message):
        raise Problem(f"{message} (see --help)")


def parser(doc, *names):
    """A parser with the options in `names`, each meaning the same in every script."""
    p = Parser(doc)
    for name in names:
        flags, kwargs = OPTIONS[name]
        p.add_argument(*flags, **kwargs)
    return p


def training(doc, epochs, *names):
    """The parser of a script that trains for so many `epochs`: TRAINING's options, and those in `names`."""
    p = parser(doc, *TRAINING, *names)
    p.set_defaults(epochs=epochs)
    return p


def path(text):
    """A path; `~` is the home folder also where the shell left it, as in `--data=~/faces`."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r} begins with no user's name") from None


def folder(text):
    """A folder that is there, or can be made."""
    found = path(text)
    if not nearest(found).is_dir():
        raise argparse.ArgumentTypeError(f"{nearest(found)} is a file; name a folder")
    return found


def writable(text):
    """A folder to write into: better refused now than after hours of training."""
    found = folder(text)
    if not os.access(nearest(found), os.W_OK):
        raise argparse.ArgumentTypeError(f"{nearest(found)} cannot be written; choose another folder")
    return found


def nearest(found):
    """The path, or the folder above it that is there."""
    return next(each for each in (found, *found.absolute().parents) if os.path.lexists(each))


def filled(args, settings):
    """The options, with `settings` ({option: value}) for those that the command line leaves open (None)."""
    asked = {name: value for name, value in vars(args).items() if value is not None}
    return argparse.Namespace(**{**vars(args), **settings, **asked})


def count(text):
    """A whole number of 1 or more."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return value


def seed(text):
    """A whole number from 0 to 2**32 - 1, as NumPy's generator takes."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2 ** 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 4294967295")
    return value


OPTIONS = {
    "data": (["--data"], dict(metavar="DIR", type=path, help="folder with Kaggle's CSVs (default: data; "
                              "drawn faces where that holds no training.csv)")),
    "models": (["--models"], dict(metavar="DIR", type=folder, default=MODELS,
                                  help="folder of the trained nets (default: models)")),
    "epochs": (["--epochs"], dict(metavar="N", type=count, help="train N epochs instead of the published number")),
    "seed": (["--seed"], dict(metavar="N", type=seed, default=SEED, help="of every random number (default: 42)")),
    "rows": (["--rows"], dict(metavar="N", type=count, help="use only the first N rows, for a quick look")),
    "groups": (["--groups"], dict(metavar="FILE", type=path, help="validate on persons that no net trains on: FILE "
                                  "has a person's number per row of training.csv (default: a fifth of the rows)")),
    "fold": (["--fold"], dict(metavar="K", type=int, choices=range(1, FOLDS + 1), default=1, help="validate on the Kth "
                              f"of {FOLDS} parts of the faces, and train on the others (default: 1)")),
    "resume": (["--resume"], dict(action="store_true", help="go on where an interrupted run stopped; "
                                  "a finished net is left as it is")),
    "force": (["--force"], dict(action="store_true", help="start anew although an unfinished run or a net of other "
                                "settings or faces stands in the models folder, and replace it; with --resume: go on "
                                "with what is of the same settings, other versions or hardware included")),
    "precision": (["--precision"], dict(choices=["float32", "bfloat16"], default="float32",
                                        help="of products inside the net (default: float32; bfloat16 is faster "
                                             "where the processor has it)")),
    "out": (["--out"], dict(metavar="DIR", type=writable, default=".",
                            help="where pictures and submissions go (default: this folder)")),
    "shift": (["--shift"], dict(action=argparse.BooleanOptionalAction, default=True,
                                help="shift the submission's answers to where labels lie on validation faces "
                                     "(docs/results.md; default: yes)")),
    "show": (["--show"], dict(action=argparse.BooleanOptionalAction, default=None,
                              help="open a window (default: only if there is a display)")),
}
TRAINING = ("data", "models", "epochs", "seed", "rows", "groups", "fold", "resume", "force")  # what every net takes


def run(main):
    """Call `main` with the command line's words; end with 0, 2 (a Problem) or 128 and a signal's number."""
    try:
        with signals.raised():
            main(sys.argv[1:])
            sys.stdout.flush()
        code = 0
    except (Exception, KeyboardInterrupt, Terminated) as error:
        code = endings.end(error)
    sys.exit(code)
