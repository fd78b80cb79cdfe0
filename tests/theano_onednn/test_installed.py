"""`pip install` of this folder, into a fresh environment in another one: a script runs there, and so do its workers."""
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

SCRIPT = '''
import multiprocessing
import sys

import joblib
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import DenseLayer, InputLayer, get_output


def answer(number):
    """Shape of what a net answers; was theano_onednn there, though nobody here asked for it?"""
    x = T.matrix()
    net = theano.function([x], get_output(DenseLayer(InputLayer((None, 4)), 3), x))
    return net(np.full((number, 4), number, "float32")).shape, "theano_onednn" in sys.modules


if __name__ == "__main__":
    expected = [((1, 3), True), ((2, 3), True)]
    assert [answer(1), answer(2)] == expected
    for method in sys.argv[1:]:
        if method == "loky":
            found = joblib.Parallel(2)(joblib.delayed(answer)(number) for number in (1, 2))
        else:
            with multiprocessing.get_context(method).Pool(2) as pool:
                found = pool.map(answer, [1, 2])
        assert found == expected, method
    print("good")
'''
METHODS = [method for method in ("spawn", "forkserver", "fork") if os.name != "nt" or method == "spawn"]
IMPORTING = SCRIPT.replace("import joblib", "import theano_onednn\nimport joblib")
OLD = SCRIPT.replace("import joblib", "from sklearn.cross_validation import KFold\nimport joblib\nlist(xrange(2))")


def pythons():
    """This Python, and the newest on the other side of 3.12 that this machine has: there Theano is built otherwise."""
    yield sys.executable
    found = subprocess.run([ROOT / ".ci" / "find-pythons"], text=True, stdout=subprocess.PIPE).stdout.split("\n")
    known = [(tuple(map(int, line.split()[0].split("."))), line.split(None, 1)[1]) for line in found if line]
    yield from [path for version, path in sorted(known) if (version < (3, 12)) != (sys.version_info < (3, 12))][-1:]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    before = sorted(ROOT.iterdir())
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    assert sorted(ROOT.iterdir()) == before  # nothing is left in the collection's folder
    return next(folder.glob("theano_onednn-*.whl"))


def pip(python, *arguments):
    subprocess.run([python, "-m", "pip", *map(str, arguments), "--quiet"], cwd="/", check=True)


@pytest.mark.parametrize("python", pythons())
def test_a_script_and_its_workers_run_where_it_is_installed(tmp_path, wheel, python):
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    own = tmp_path / "venv" / "bin" / "python"
    pip(own, "install", wheel)

    def run(*arguments):
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("PYTHONPATH", "THEANO_FLAGS") and not name.startswith("THEANO_ONEDNN")}
        done = subprocess.run([own, *arguments], cwd=tmp_path, text=True, capture_output=True, env=environment)
        assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["good"]), done.stderr
        return done.stderr

    for name, text in (("importing", IMPORTING), ("old", OLD)):
        (tmp_path / (name + ".py")).write_text(text)
    run("importing.py", "loky", *METHODS)
    said = run("-m", "theano_onednn", "old.py", "loky", *METHODS)
    assert "2 x Dense" in said and "oneDNN 3" in said or platform.machine() != "x86_64"


def test_a_worker_of_the_runner_that_is_not_installed_runs_the_script_as_well(tmp_path):
    """From the collection's folder: multiprocessing hands over where the package is."""
    script = tmp_path / "script.py"
    script.write_text(OLD)
    done = subprocess.run([sys.executable, "-m", "theano_onednn", script, *METHODS], cwd=ROOT, text=True,
                          capture_output=True)
    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr


def test_a_python_that_asks_for_no_theano_imports_none(tmp_path):
    """The line of theano_onednn.pth, run as `site` does."""
    line = Path(ROOT, "theano_onednn", "theano_onednn.pth").read_text()
    assert line.startswith("import ") and line.count("\n") == 1
    code = line + "import sys; print([name for name in sys.modules if name.startswith(('theano', 'numpy'))], %s)"
    for parent, found in ((None, "False"), ("import", "True")):
        environment = {key: value for key, value in os.environ.items() if key != "THEANO_ONEDNN_PARENT"}
        environment.update({"THEANO_ONEDNN_PARENT": parent} if parent else {})
        finder = "any('theano_onednn_child' in str(finder) for finder in sys.meta_path)"
        done = subprocess.run([sys.executable, "-c", code % finder], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                              env=environment)
        assert done.stdout == "[] %s\n" % found
