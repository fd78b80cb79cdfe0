"""What happens before a script's `main`: the backend is prepared, or one line says why it cannot be."""
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

from theano_onednn import checks, library, start, system

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
    second = found.stdout.splitlines()[1]
    assert second.startswith("bfloat16 needs oneDNN, and Theano's own Ops run here (FKP_ONEDNN=0)")


def test_other_values_of_the_switch_are_refused(tmp_path):
    assert_one_line(script(tmp_path, FKP_ONEDNN="yes"), "FKP_ONEDNN is auto, blas, 0 or 1, not 'yes'\n")


def test_a_missing_library_is_named_and_our_ops_run_without_it():
    found = python("-c", MISSING + SHORT)
    assert found.returncode == 0 and "SciPy's BLAS (" in found.stdout
    assert re.search("[0-9]+ threads?: oneDNN is not installed: pip install onednn-cpu", found.stdout)


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


def test_docstrings_are_needed():
    with pytest.raises(checks.NotReady, match="python -OO .* python -O is fine"):
        checks.check_python((3, 14), 2)
    checks.check_python((3, 14), 1)


def test_a_missing_compiler_gets_one_line(tmp_path):
    found = script(tmp_path, PATH=str(tmp_path), THEANO_FLAGS="")
    assert_one_line(found, "no C++ compiler was found, Theano needs one: ")


NO_PACKAGES = """
import sys
class Hidden:
    def find_spec(name, path=None, target=None):
        if name in %r:
            raise ModuleNotFoundError("No module named %%r" %% name, name=name)
sys.meta_path.insert(0, Hidden)
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in %r else find_spec(name, package)
"""


@pytest.mark.parametrize(("missing", "named"), [
    (["theano"], "Theano"),
    (["numpy", "scipy", "sklearn", "theano", "lasagne", "nolearn"], "NumPy, SciPy, scikit-learn, "),
])
def test_a_python_without_the_packages_is_told_what_to_type(tmp_path, missing, named):
    found = script(tmp_path, NO_PACKAGES % (missing, missing))
    assert_one_line(found, "%s has no %s" % (sys.executable, named))
    assert " -r requirements.txt" in found.stderr or "start .venv/bin/python" in found.stderr


@pytest.mark.parametrize(("prefix", "venv", "said"), [
    ("base", False,
     "install them with python3 -m venv .venv && .venv/bin/pip install -r requirements.txt, and start .venv"),
    ("own", False, "install them with PYTHON -m pip install -r requirements.txt"),
    ("base", True, "start .venv/bin/python, which has"),
])
def test_the_way_to_the_packages_depends_on_where_one_is(tmp_path, monkeypatch, prefix, venv, said):
    (tmp_path / "requirements.txt").touch()
    if venv:
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
    monkeypatch.setattr(checks, "HERE", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix if prefix == "base" else str(tmp_path / "own"))
    monkeypatch.chdir(tmp_path)
    assert checks.how_to_install().startswith(said.replace("PYTHON", sys.executable))
    monkeypatch.chdir("/")
    elsewhere = said.replace("requirements.txt", f"{tmp_path}/requirements.txt").replace(".venv", f"{tmp_path}/.venv")
    assert checks.how_to_install().startswith(elsewhere.replace("PYTHON", sys.executable))


def test_installed_alone_the_package_names_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "HERE", str(tmp_path))
    command = "%s -m pip install --force-reinstall DIR, the folder that theano_onednn came from" % sys.executable
    assert checks.how_to_install() == "install them with " + command


def test_packages_that_do_not_go_together_get_one_line(tmp_path):
    """SciPy made for NumPy 1 where NumPy 2 has been installed: a page of NumPy's on stderr, then an ImportError."""
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text(
        "import sys\nsys.stderr.write('A module that was compiled ...\\n')\n"
        "raise ImportError('multiarray failed to import\\n(auto-generated)')\n")
    found = script(tmp_path)
    assert_one_line(found, "NumPy ")
    assert "do not work together (multiarray failed to import); install them with " in found.stderr


NOBODY = """
import os, pwd
def none(uid):
    raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = none
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["net1", "test3"])
def test_a_container_s_user_without_name_and_home_gets_a_cure_that_cures(tmp_path, name):
    (tmp_path / "sitecustomize.py").write_text(NOBODY)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("HOME", "XDG_CACHE_HOME", "THEANO_FLAGS", "MPLCONFIGDIR")}

    def start(**more):
        return subprocess.run([sys.executable, name + ".py", "--help"], cwd=ROOT, text=True, capture_output=True,
                              env={**environment, "PYTHONPATH": str(tmp_path), "FKP_ONEDNN": "0", **more}, check=False)

    refused = start()
    assert refused.returncode == 2 and refused.stderr.endswith("name another folder with XDG_CACHE_HOME=DIR\n")
    assert refused.stderr.count("\n") == 1
    cured = start(XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (cured.returncode, cured.stderr) == (0, "")


def test_a_notebook_gets_an_exception_and_lives_on():
    found = python("-c", "try: import load\nexcept ImportError as error: print(error)", FKP_ONEDNN="yes")
    assert (found.returncode, found.stdout, found.stderr) == (0, "FKP_ONEDNN is auto, blas, 0 or 1, not 'yes'\n", "")


@ours_only
def test_a_broken_library_is_a_reason_not_a_crash(tmp_path):
    broken = tmp_path / "libfkp.so"
    broken.write_text("not a library")
    with pytest.raises(library.Unavailable, match="cannot be loaded"):
        library.load(broken)
    with pytest.raises(library.Unavailable, match="could not build"):
        library._build("false", [library.SOURCES / "update.cpp"], library.Needs([], [], []),
                       tmp_path / "new" / "libfkp.so")
    assert not (tmp_path / "new" / "libfkp.so").exists()


@pytest.mark.parametrize("way", [pytest.param(library.ONEDNN, marks=ours_only), library.BLAS])
def test_another_processor_gets_another_library(tmp_path, monkeypatch, way):
    monkeypatch.setattr(library, "_build", lambda *_: None)
    monkeypatch.setattr(system, "CPUINFO", str(tmp_path / "cpuinfo"))
    paths = set()
    for lines in ("flags: avx2", "flags: avx2 avx512f", "flags: avx2", "Features: asimd", "Features: asimd sve",
                  "Features: asimd\nCPU part: 0xd0c", "Features: asimd\nCPU part: 0xd40"):
        (tmp_path / "cpuinfo").write_text("processor: 0\n" + lines + "\n")
        paths.add(library.path(way, "g++", "12", tmp_path))
    assert len(paths) == 6


WATCH = """
import os, sys
def watch(event, arguments):
    if event == "import" and arguments[0] == "numpy":
        print("NumPy with OPENBLAS_NUM_THREADS =", os.environ.get("OPENBLAS_NUM_THREADS"))
sys.addaudithook(watch)
"""


@pytest.mark.parametrize("onednn", ["auto", "0"])
@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.py")))
def test_openblas_gets_one_thread_before_numpy_loads_it(name, onednn, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run([sys.executable, name, "--help"], cwd=ROOT, text=True, capture_output=True, check=True,
                           env={**environment, "PYTHONPATH": str(tmp_path), "FKP_ONEDNN": onednn})
    assert found.stdout.startswith("NumPy with OPENBLAS_NUM_THREADS = 1\n")
