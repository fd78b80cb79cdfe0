"""Runs scripts that stand beside it, and prints {script: its numbers}: python run.py NAMES"""
import contextlib
import io
import json
import os
import runpy
import sys
from pathlib import Path

# Element-wise Ops are run in Python below, and there each by itself.
os.environ["THEANO_FLAGS"] = ",".join(filter(None, [os.environ.get("THEANO_FLAGS"), "optimizer_excluding=fusion"]))
import theano_onednn  # noqa: E402, F401, I001  (first: prepares Theano)
from theano.gof import Op  # noqa: E402
from theano.tensor.elemwise import CAReduce, Elemwise  # noqa: E402
from theano_onednn.compat import scripts  # noqa: E402

HERE = Path(__file__).resolve().parent


def without_compiler():
    """Element-wise Ops and sums in Python, in place of a g++ run for each."""
    make_thunk = Op.make_thunk
    Op.make_thunk = lambda op, node, storage_map, compute_map, no_recycling, impl=None: make_thunk(
        op, node, storage_map, compute_map, no_recycling, "py" if isinstance(op, (Elemwise, CAReduce)) else impl)


def numbers(name):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        runpy.run_path(str(HERE / (name + ".py")))
    return [float(word) for word in out.getvalue().split()]


if __name__ == "__main__":
    without_compiler()
    scripts.restore()
    print(json.dumps({name: numbers(name) for name in sys.argv[1:]}))
