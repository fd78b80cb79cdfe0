"""What theano_onednn/compat/ mends in Theano itself."""
import os
import subprocess
import sys

import pytest
from conftest import ROOT

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
        done = subprocess.run([sys.executable, "-c", SCRIPT, time], text=True, capture_output=True, cwd=ROOT, timeout=600,
                              env={**os.environ, "PYTHONHASHSEED": seed,
                                   "THEANO_FLAGS": "base_compiledir=%s" % tmp_path})
        assert (done.returncode, done.stderr) == (0, "")
