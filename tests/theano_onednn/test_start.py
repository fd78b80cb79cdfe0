"""What happens before a script's `main`: the backend is prepared, or one line says why it cannot be."""
import os
import subprocess
import sys

import pytest

from conftest import ROOT

from theano_onednn import checks, library, start

ours_only = pytest.mark.skipif(start.reason is not None, reason="our Ops do not run here: %s" % start.reason)
SHORT = "import theano_onednn as b; print(b.describe())"
MISSING = """
import importlib.metadata as m
files = m.files
def none(name):
    if name.startswith("onednn"): raise m.PackageNotFoundError(name)
    return files(name)
m.files = none
"""


def python(*arguments, **environment):
    """Run a fresh interpreter."""
    return subprocess.run([sys.executable, *arguments], cwd=str(ROOT), text=True, capture_output=True, check=False,
                          env={**os.environ, **environment})


def script(folder, prelude="", **environment):
    """Run `net1.py --help`, after `prelude`."""
    (folder / "sitecustomize.py").write_text(prelude)
    return python("net1.py", "--help", PYTHONPATH=str(folder), **environment)


def assert_one_line(found, line):
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("net1.py: " + line) and found.stderr.count("\n") == 1


def test_onednn_can_be_switched_off():
    found = python("-c", "import theano_onednn as b; print(b.describe(), b.start.groups.precision)\n"
                   "try: b.set_precision('bfloat16')\nexcept b.Problem as p: print(p)", FKP_ONEDNN="0")
    assert found.returncode == 0 and not found.stderr
    assert found.stdout.splitlines()[0].endswith("float32, Theano's own Ops: FKP_ONEDNN=0 float32")
    assert found.stdout.splitlines()[1].startswith("bfloat16 needs oneDNN, and Theano's own Ops run here (FKP_ONEDNN=0)")


def test_other_values_of_the_switch_are_refused(tmp_path):
    assert_one_line(script(tmp_path, FKP_ONEDNN="yes"), "FKP_ONEDNN is auto, 0 or 1, not 'yes'\n")


def test_a_missing_library_is_named_and_theanos_ops_run():
    found = python("-c", MISSING + SHORT)
    assert found.returncode == 0 and "Theano's own Ops: oneDNN is not installed: pip install onednn-cpu" in found.stdout


def test_a_missing_library_is_an_error_where_it_is_asked_for(tmp_path):
    assert_one_line(script(tmp_path, MISSING, FKP_ONEDNN="1"), "FKP_ONEDNN=1 asks for oneDNN, but: oneDNN is not inst")


@pytest.mark.parametrize("flags", ["floatX=float64", "cxx="])
def test_theano_flags_that_speak_against_it_are_named(flags):
    found = python("-c", SHORT, THEANO_FLAGS=flags)
    assert found.returncode == 0 and "Theano's own Ops: " in found.stdout


@ours_only
def test_the_users_settings_win():
    found = python("-c", "import theano_onednn, theano; print(theano.config.allow_gc, theano.config.blas.ldflags)",
                   THEANO_FLAGS="allow_gc=True,blas.ldflags=-lm")
    assert found.stdout.split() == ["True", "-lm"]


@pytest.mark.parametrize(("version", "refused"), [((2, 7), True), ((3, 8), True), ((3, 9), False), ((3, 14), False)])
def test_older_pythons_are_refused(version, refused):
    if not refused:
        return checks.check_python(version)
    with pytest.raises(checks.NotReady) as error:
        checks.check_python(version)
    assert str(error.value) == ("Python 3.9 or a newer one is needed, this is %d.%d; use for example "
                                "python3.12 -m venv .venv" % version)


def test_a_missing_compiler_gets_one_line(tmp_path):
    found = script(tmp_path, PATH=str(tmp_path), THEANO_FLAGS="")
    assert_one_line(found, "no C++ compiler was found, Theano needs one: apt-get install g++ python3-dev\n")


def test_missing_headers_get_one_line(tmp_path):
    found = script(tmp_path, "import sysconfig; sysconfig.get_paths = lambda: {'include': '/nowhere'}", THEANO_FLAGS="")
    assert_one_line(found, "/nowhere/Python.h was not found, Theano needs Python's headers: apt-get install python3-dev\n")


def test_a_notebook_gets_an_exception_and_lives_on():
    found = python("-c", "try: import load\nexcept ImportError as error: print(error)", FKP_ONEDNN="yes")
    assert (found.returncode, found.stdout, found.stderr) == (0, "FKP_ONEDNN is auto, 0 or 1, not 'yes'\n", "")


@ours_only
def test_a_broken_library_is_a_reason_not_a_crash(tmp_path):
    broken = tmp_path / "libfkp.so"
    broken.write_text("not a library")
    with pytest.raises(library.Unavailable, match="cannot be loaded"):
        library.load(broken)
    with pytest.raises(library.Unavailable, match="could not build"):
        library._build("false", tmp_path, tmp_path / "libdnnl.so", tmp_path / "new" / "libfkp.so")
    assert not (tmp_path / "new" / "libfkp.so").exists()


@ours_only
def test_another_processor_gets_another_library(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "_build", lambda *_: None)
    paths = set()
    for flags in ("flags: avx2", "flags: avx2 avx512f", "flags: avx2"):
        monkeypatch.setattr(library, "processor", lambda: flags)
        paths.add(library.path("g++", "12", tmp_path))
    assert len(paths) == 2


WATCH = """
import os, sys
class Watch:
    def find_spec(name, path=None, target=None):
        if name == "numpy":
            print("NumPy with OPENBLAS_NUM_THREADS =", os.environ.get("OPENBLAS_NUM_THREADS"))
sys.meta_path.insert(0, Watch)
"""


@pytest.mark.parametrize("onednn", ["auto", "0"])
@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.py")))
def test_openblas_gets_one_thread_before_numpy_loads_it(name, onednn, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run([sys.executable, name, "--help"], cwd=ROOT, text=True, capture_output=True, check=True,
                           env={**environment, "PYTHONPATH": str(tmp_path), "FKP_ONEDNN": onednn})
    assert found.stdout.startswith("NumPy with OPENBLAS_NUM_THREADS = 1\n")
