"""Runs a script that uses Theano, Lasagne or nolearn, unmodified, however old: python -m theano_onednn SCRIPT [ARGS]

The names that newer releases dropped are put back, the fast Ops are on, and a
line on stderr says which of the script's layers run on oneDNN, or on SciPy's BLAS.
"""
import ast
import atexit
import os
import sys
import warnings
from collections import Counter

from . import describe, python2, run_script, start
from .compat import scripts
from .errors import Problem, end, say
from .ops import census, native
from .ops.substitute import replaced


def check_syntax(path):
    """Raise Problem where the script cannot be read or is not Python 3."""
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(file.read(), path)
    except (OSError, ValueError) as error:
        raise Problem("%s cannot be read: %s" % (path, getattr(error, "strerror", None) or error))
    except SyntaxError as error:
        raise Problem(python2.syntax(error, path))


def say_what_runs():
    """From the first function that is compiled on, whenever there is something new to say."""
    import theano
    function, said, ops = theano.function, [""], Counter()
    census.begin()

    def tell():
        line = census.line()
        if line not in ("", said[0]):
            say("theano_onednn: %s" % line)
            said[0] = line

    def compile_function(*args, **kwargs):
        tell()
        compiled = function(*args, **kwargs)
        ops.update(replaced(compiled))
        return compiled

    def at_end():
        tell()
        if not said[0]:
            say("theano_onednn: no Lasagne layer was built; on %s: %s"
                % (native.multiplier(), census.listed(ops) or "nothing"))

    theano.function = compile_function
    atexit.register(at_end)


def advise(folder):
    """Behind the traceback of a script of this folder, say what of Python 2 may have led to it."""
    show = sys.excepthook

    def show_with_advice(kind, error, trace):
        show(kind, error, trace)
        advice = python2.advice(error, folder)
        if advice:
            say("theano_onednn: %s" % Problem(advice))

    sys.excepthook = show_with_advice


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if arguments else 2
    path = arguments[0]
    check_syntax(path)
    say("theano_onednn: %s" % describe())
    scripts.restore()
    if start.reason is None:
        say_what_runs()
    sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.abspath(path))
    advise(sys.path[0])
    run_script.run(path)
    return 0


if __name__ == "__main__":
    sys.argv[0] = "theano_onednn"
    try:
        sys.exit(main(sys.argv[1:]))
    except (Problem, KeyboardInterrupt) as error:
        end(error)
