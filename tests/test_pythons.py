"""Every Python and NumPy gives the same numbers, and other libraries notice nothing of the old names.

    python tests/test_pythons.py FOLDER              # one Python trains nets 1 to 5,
    FKP_OTHER=FOLDER pytest tests/test_pythons.py    # another one compares
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import load
from fkp import models
from fkp.backend.compat import names

MODES = ["auto", "0"]  # FKP_ONEDNN


def run(*arguments, **environment):
    """Run a fresh interpreter; what it printed."""
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, text=True, capture_output=True, check=False,
                          env={**os.environ, **environment})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


TYPES = """
import json
import load, net1, net2, net3, net4, net5
found = {}
for script in (net1, net2, net3, net4, net5):
    net = script.build()
    net.verbose = 0
    net.initialize()
    for name in ("train_iter_", "eval_iter_", "predict_iter_"):
        found[script.__name__ + " " + name] = [
            "%s: %s" % (node.op, " ".join(str(v.dtype) for v in node.inputs + node.outputs if hasattr(v, "dtype")))
            for node in getattr(net, name).maker.fgraph.toposort()]
print(json.dumps(found))
"""


def train(folder):
    """In `folder`, for each mode: nets 1 to 5 after three epochs on 300 rows, and every node's types."""
    for onednn in MODES:
        for number in range(1, 6):
            more = ["--out", folder, "--no-show"] if number == 5 else []
            run("net%d.py" % number, "--rows", 300, "--epochs", 3, "--models", folder / onednn, *more, FKP_ONEDNN=onednn)
        (folder / onednn / "types.json").write_text(run("-c", TYPES, FKP_ONEDNN=onednn))


@pytest.fixture(scope="session")
def other():
    """The folder that another Python filled."""
    if "FKP_OTHER" not in os.environ:
        pytest.skip("FKP_OTHER names no folder that another Python filled")
    return Path(os.environ["FKP_OTHER"])


@pytest.fixture(scope="session")
def here(tmp_path_factory, other):
    folder = tmp_path_factory.mktemp("trained")
    train(folder)
    return folder


def losses(path):
    return [[row["train_loss"], row["valid_loss"]] for row in models.read(path)[1]["history"]]


@pytest.mark.slow
@pytest.mark.parametrize("onednn", MODES)
def test_the_losses_are_those_of_another_python(here, other, onednn):
    found, expected = [sorted(path.name for path in (folder / onednn).glob("net*.npz")) for folder in (here, other)]
    assert found == expected and len(found) >= 5
    for name in found:
        # A crop begins at a whole pixel: where the level before stands between two, its last digit chooses net 5's faces.
        np.testing.assert_allclose(losses(here / onednn / name), losses(other / onednn / name), err_msg=name,
                                   rtol=0, atol=5e-3 if name.startswith("net5") else 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("onednn", MODES)
def test_every_node_has_the_type_that_it_has_there(here, other, onednn):
    found, expected = [json.loads((folder / onednn / "types.json").read_text()) for folder in (here, other)]
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["net1", "net2", "net3", "net4"])
def test_a_model_of_another_python_opens_and_predicts_the_same(here, other, name):
    X, _ = (load.load if name in ("net1", "net2") else load.load2d)(rows=60)
    found, expected = [load.open_net(folder / "auto" / (name + ".npz")).predict(X) for folder in (here, other)]
    np.testing.assert_allclose(found, expected, atol=2e-3)


PROBE = """
import collections, importlib.util, json, sys, warnings
import numpy, numpy.linalg
if sys.argv[1] == "after":
    import load, theano, lasagne.layers, nolearn.lasagne
warnings.simplefilter("ignore")

def spec(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return "no parent"

attributes = [name.rpartition(".") for name in sys.argv[3].split()]
print([(name, spec(name)) for name in sys.argv[2].split()],
      [(name, hasattr(sys.modules[owner], name)) for owner, _, name in attributes])
"""


def test_nobody_else_sees_the_old_names():
    asked = (" ".join(module.name for module in names.MODULES),
             " ".join("%s.%s" % (attribute.owner, attribute.name) for attribute in names.ATTRIBUTES))
    assert run("-c", PROBE, "after", *asked) == run("-c", PROBE, "before", *asked)


OTHERS = """
import load
import importlib.util
import dask, matplotlib, numpy as np, pandas, scipy, sklearn
from sklearn.linear_model import LinearRegression
if importlib.util.find_spec("setuptools"):
    import setuptools
    setuptools.Distribution({"name": "x"}).get_command_obj("build_py")
matplotlib.use("agg")
from matplotlib import pyplot
pyplot.plot([1, 2])
table = pandas.DataFrame({"a": [1.0, 2.0, 4.0]})
assert table.groupby([0, 0, 1]).a.sum().tolist() == [3, 4] and dask.delayed(sum)([1, 2]).compute(scheduler="sync") == 3
assert abs(LinearRegression().fit(table, [2, 4, 8]).coef_[0] - 2) < 1e-6
"""


def test_other_libraries_work_beside_it():
    assert run("-W", "ignore", "-c", OTHERS) == ""


@pytest.mark.slow
def test_nothing_warns_at_the_first_start_nor_at_the_second(tmp_path):
    code = "import load, net4, theano.sandbox.rng_mrg, theano.sparse, nolearn.lasagne.visualize; print(1)"
    for _ in range(2):  # first compiles every module of Theano, Lasagne and nolearn
        assert run("-c", code, PYTHONPYCACHEPREFIX=str(tmp_path)) == "1\n"


def test_the_users_own_warnings_stay(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import warnings\nimport load\nwarnings.warn('mine', DeprecationWarning)\n"
                      "warnings.warn('mine too', FutureWarning)\n")
    done = subprocess.run([sys.executable, str(script)], text=True, capture_output=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "DeprecationWarning: mine\n" in done.stderr and "FutureWarning: mine too\n" in done.stderr


if __name__ == "__main__":
    train(Path(sys.argv[1]))
