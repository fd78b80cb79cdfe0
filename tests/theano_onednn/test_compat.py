"""What theano_onednn/compat/ mends in Theano itself."""
import hashlib
import os
import subprocess
import sys

import pytest
import theano
import theano.tensor as T
from conftest import ROOT

from theano_onednn.compat import numpy2

SCRIPT = """
import sys
import load  # prepares Theano
import theano
import theano.tensor as T
from theano.gof.cmodule import GCC_compiler

if sys.argv[1] == "again":
    def refuse(module_name, *args, **kwargs):
        raise AssertionError("compiled again: " + module_name)
    GCC_compiler.compile_str = staticmethod(refuse)
theano.config.on_opt_error = "raise"
x = T.matrix()
theano.function([x], [3 * x + 2, T.dot(x, x), x.sum()])
"""


@pytest.mark.slow
def test_the_next_process_finds_every_compiled_module(tmp_path):
    for seed, time in (("1", "first"), ("2", "again")):
        done = subprocess.run([sys.executable, "-c", SCRIPT, time], text=True, capture_output=True, cwd=ROOT,
                              timeout=600,
                              env={**os.environ, "PYTHONHASHSEED": seed,
                                   "THEANO_FLAGS": "base_compiledir=%s" % tmp_path})
        assert (done.returncode, done.stderr) == (0, "")


def test_a_process_killed_while_it_compiled_costs_no_word(tmp_path):
    flags = {**os.environ, "THEANO_FLAGS": f"base_compiledir={tmp_path}"}
    killed = ("import load, os, signal; from theano.gof.compilelock import get_lock; get_lock(); "
              "os.kill(os.getpid(), signal.SIGKILL)")
    subprocess.run([sys.executable, "-c", killed], cwd=ROOT, env=flags, timeout=600)
    assert list(tmp_path.glob("**/lock_dir/lock"))
    after = "import load; from theano.gof.compilelock import get_lock, release_lock; get_lock(); release_lock()"
    done = subprocess.run([sys.executable, "-c", after], cwd=ROOT, env=flags, timeout=600, text=True,
                          capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.glob("**/lock_dir/lock"))


def test_a_module_is_compiled_again_where_our_prelude_is_another(monkeypatch):
    """What stands before each of Theano's sources on NumPy 2 is a part of what was compiled."""
    function = theano.function([x := T.vector()], 3 * x + 2, mode="FAST_RUN")
    (node,) = [node for node in function.maker.fgraph.toposort() if isinstance(node.op, T.elemwise.Elemwise)]

    def key():
        graph = theano.gof.FunctionGraph(node.inputs, node.outputs, clone=True)
        return theano.gof.cc.CLinker().accept(graph).cmodule_key()

    before = key()
    assert before[0] and key() == before
    monkeypatch.setattr(numpy2, "VERSION", "another")
    assert key() != before and key()[0]


def test_the_prelude_says_its_version_by_what_it_holds():
    assert numpy2.VERSION == hashlib.sha256(numpy2.PRELUDE.encode()).hexdigest()
