"""The nets of this collection: every netN.py beside load.py that has a `build`; a new one is found, not listed."""
import importlib
import re

from fkp import ROOT


def names():
    """["net5", "net4", ...], newest first."""
    scripts = [path for path in ROOT.glob("net*.py") if re.fullmatch(r"net\d+", path.stem)]
    nets = [path.stem for path in scripts if re.search(r"^def build\(", path.read_text(), re.M)]
    return sorted(nets, key=lambda name: int(name[3:]), reverse=True)


def module(name):
    """The script of that name: the one place where something in fkp/ reaches for a script, and only when it runs."""
    return importlib.import_module(name)
