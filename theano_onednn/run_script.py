"""Runs a script as `python -m theano_onednn` does, in this process or as the main module of a worker.

multiprocessing's workers import the main module of their parent again.  Its name for them is that of this module, which
puts the old names back there as well, and then runs the script.
"""
import importlib.machinery
import os
import sys
import types

from theano_onednn import checks
from theano_onednn.child import PARENT
from theano_onednn.compat import scripts

SCRIPT = "THEANO_ONEDNN_SCRIPT"  # its path, for workers


def run(path):
    """Run the script at `path` as the main module of this process."""
    os.environ.update({PARENT: "script", SCRIPT: os.path.abspath(path)})
    if checks.HERE not in sys.path:  # started beside the package, which is not installed: workers get our sys.path
        sys.path.append(checks.HERE)
    main = types.ModuleType("__main__")
    main.__spec__ = importlib.machinery.ModuleSpec(__name__, None)
    sys.modules["__main__"] = main
    _execute(path, vars(main))


def _execute(path, names):
    names["__file__"] = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    names.update(scripts.PYTHON_2)
    exec(code, names)


if __name__ == "__mp_main__":
    scripts.restore()
    _execute(os.environ[SCRIPT], globals())
