"""The three ways of FKP_ONEDNN: our Ops on oneDNN, on SciPy's BLAS, and Theano's own."""
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from scipy.linalg import cython_blas
from test_start import MISSING, ours_only, python

from theano_onednn import library, start

OUTPUTS = str(Path(__file__).with_name("outputs.py"))
SAY = """
import theano_onednn as b
print(b.describe())
print(b.facts(), b.fastest_precision())
try: b.set_precision("bfloat16")
except b.Problem as problem: print(problem)
"""
UNKNOWN = "-fno-such-option"  # to the C++ compiler


def outputs(folder, way, **environment):
    done = python(OUTPUTS, str(folder / way), FKP_ONEDNN=way, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return dict(np.load(folder / (way + ".npz")))


def close(found, expected):
    """Within 2e-5 of the largest number."""
    assert sorted(found) == sorted(expected) and len(found) > 500
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=2e-5 * abs(array).max(initial=0), err_msg=name)


@pytest.mark.skipif(start.reason is not None or start.without is not None, reason="oneDNN does not run here")
def test_without_onednn_every_op_gives_the_same(tmp_path):
    close(outputs(tmp_path, "blas"), outputs(tmp_path, "1"))


@ours_only
def test_without_onednn_the_numbers_do_not_depend_on_the_threads(tmp_path):
    one, three = [outputs(tmp_path, "blas", OMP_NUM_THREADS=threads) for threads in "13"]
    for name, array in one.items():
        np.testing.assert_array_equal(three[name], array, err_msg=name)


@ours_only
def test_it_is_asked_for_and_says_so():
    line, facts, refusal = python("-c", SAY, FKP_ONEDNN="blas").stdout.splitlines()[-3:]
    assert line.startswith("Theano 1.0.5 on cpu, float32, SciPy's BLAS (") and line.endswith(": FKP_ONEDNN=blas")
    assert "'ops': 'BLAS', 'SciPy': '" in facts and facts.endswith("} float32")
    assert refusal == ("bfloat16 needs oneDNN, and SciPy's BLAS is used here (FKP_ONEDNN=blas): use float32")


SCRIPT = """
from lasagne.layers import DenseLayer, InputLayer, get_output
net = DenseLayer(InputLayer((None, 3)), 2, name="hidden")
get_output(net)
"""


@ours_only
def test_a_script_is_told_what_its_layers_run_on(tmp_path):
    (tmp_path / "old.py").write_text(SCRIPT)
    found = python("-m", "theano_onednn", str(tmp_path / "old.py"), FKP_ONEDNN="blas")
    assert found.stderr.splitlines()[-1] == "theano_onednn: layers on SciPy's BLAS: hidden; Theano's own: none"


EARLY = """
import scipy.linalg
import theano_onednn, threadpoolctl
print(*{pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"})
"""


@ours_only
def test_the_blas_has_one_thread_though_it_was_loaded_before():
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run([sys.executable, "-c", EARLY], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
                           env=dict(environment, FKP_ONEDNN="blas"))
    assert found.stdout.splitlines()[-1] == "1"


@ours_only
def test_scipys_sgemm_is_fortrans():
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(library.sgemm())
    a, b, c = [np.asfortranarray(np.random.RandomState(i).rand(*size).astype("float32"))
               for i, size in enumerate([(4, 3), (3, 5), (4, 5)])]
    numbers = {n: ctypes.byref(ctypes.c_int(n)) for n in (3, 4, 5)}
    one, zero = [ctypes.byref(ctypes.c_float(number)) for number in (1, 0)]
    function(b"N", b"N", numbers[4], numbers[5], numbers[3], one, a.ctypes.data, numbers[4], b.ctypes.data, numbers[3],
             zero, c.ctypes.data, numbers[4])
    np.testing.assert_allclose(c, a @ b, rtol=1e-5)


def test_a_blas_that_counts_otherwise_is_refused(monkeypatch):
    new, name = ctypes.pythonapi.PyCapsule_New, b"void (char *, long *)"
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    monkeypatch.setitem(cython_blas.__pyx_capi__, "sgemm", new(1, name, None))
    with pytest.raises(library.Unavailable, match=r"does not count in int, but is void \(char \*, long \*\)"):
        library.sgemm()


@ours_only
def test_kernels_that_cannot_be_built_are_an_error_where_they_are_asked_for():
    found = python("net1.py", "--help", FKP_ONEDNN="blas", FKP_CXXFLAGS=UNKNOWN)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith("net1.py: FKP_ONEDNN=blas asks for our Ops on SciPy's BLAS, but: the C++ compiler ")


@ours_only
def test_where_neither_can_be_had_theanos_ops_run_and_both_reasons_are_said():
    found = python("-c", MISSING + "import theano_onednn as b; print(b.describe())", FKP_CXXFLAGS=UNKNOWN)
    line = found.stdout.splitlines()[-1]
    assert found.returncode == 0 and "Theano's own Ops: oneDNN is not installed: pip install " in line
    assert "; the C++ compiler could not build the kernels: " in line and UNKNOWN in line


def test_on_windows_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(library.platform, "system", lambda: "Windows")
    with pytest.raises(library.Unavailable, match="our kernels are for Linux and macOS, this is Windows"):
        library.path(library.BLAS, "g++", "12", ".")
