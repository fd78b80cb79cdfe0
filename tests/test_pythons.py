"""Every Python and NumPy gives the same numbers, and other libraries notice nothing of the old names.

    python tests/test_pythons.py FOLDER              # one Python trains nets 1 to 5,
    FKP_OTHER=FOLDER pytest tests/test_pythons.py    # another one compares
"""
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from running import stop_at_epoch

import load
from nolearn import inischema

from fkp import models
from theano_onednn.compat import names

MODES = ["auto", "0"]  # FKP_ONEDNN
NETS = ["net1", "net2", "net3", "net4"]
STOPPED = ["--rows", 300, "--epochs", 300, "--models"]  # net 2, interrupted


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


# net5.py, each level of which goes on from what the level before answered under another Python where that is told:
# crops begin at whole pixels, and the last digit of an answer would choose them.
CASCADE = """
import sys
import net5
import numpy as np
from fkp.looking import cascade as predict

answers_here, answers_there = sys.argv.pop(1), sys.argv.pop(1)
told = np.load(answers_there) if answers_there != "none" else None
answers, both_ways = [], predict.both_ways

def noted(look, images, points=None):
    answers.append(both_ways(look, images, points))
    return answers[-1] if told is None else told["arr_%d" % (len(answers) - 1)]

predict.both_ways = noted
net5.main(sys.argv[1:])
np.savez(answers_here, *answers)
"""


def train(folder, other=None):
    """Fill `folder`, for each mode with nets 1 to 5 after three epochs on 300 rows, what the levels of the cascade
    answer, and every node's types; `other` was filled by another Python."""
    for onednn in MODES:
        options = ["--rows", 300, "--epochs", 3, "--models", folder / onednn]
        for name in NETS:
            run(name + ".py", *options, FKP_ONEDNN=onednn)
        run("-c", CASCADE, folder / onednn / "answers.npz", other / onednn / "answers.npz" if other else "none",
            *options,
            "--out", folder, "--no-show", FKP_ONEDNN=onednn)
        (folder / onednn / "types.json").write_text(run("-c", TYPES, FKP_ONEDNN=onednn))
    X, _ = load.load(rows=60)  # other releases of NumPy or Pillow may draw or equalise a pixel differently
    np.savez(folder / "predictions.npz", X=X, **{name: predictions(folder, name, X) for name in NETS})
    code, err = stop_at_epoch(2, "net2", [*STOPPED, folder / "stopped"], signal.SIGTERM)
    assert code == 128 + signal.SIGTERM, err


def predictions(folder, name, X):
    """What a net of `folder` answers on X (n, 9216)."""
    net = load.open_net(folder / "auto" / (name + ".npz"))
    return net.predict(X.reshape(-1, *net.layers_[0].shape[1:]))


@pytest.fixture(scope="session")
def other():
    """The folder that another Python filled."""
    if "FKP_OTHER" not in os.environ:
        pytest.skip("FKP_OTHER names no folder that another Python filled")
    return Path(os.environ["FKP_OTHER"])


@pytest.fixture(scope="session")
def here(tmp_path_factory, other):
    folder = tmp_path_factory.mktemp("trained")
    train(folder, other)
    return folder


def losses(path):
    return [[row["train_loss"], row["valid_loss"]] for row in models.read(path)[1]["history"]]


@pytest.mark.slow
@pytest.mark.parametrize("onednn", MODES)
def test_the_losses_are_those_of_another_python(here, other, onednn):
    found, expected = [sorted(path.name for path in (folder / onednn).glob("net*.npz")) for folder in (here, other)]
    assert found == expected and len(found) >= 5
    for name in found:
        np.testing.assert_allclose(losses(here / onednn / name), losses(other / onednn / name), err_msg=name,
                                   rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("onednn", MODES)
def test_every_node_has_the_type_that_it_has_there(here, other, onednn):
    found, expected = [json.loads((folder / onednn / "types.json").read_text()) for folder in (here, other)]
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_a_model_of_another_python_predicts_what_it_does_there(other, name):
    told = np.load(other / "predictions.npz")
    np.testing.assert_allclose(predictions(other, name, told["X"]), told[name], atol=1e-5)


@pytest.mark.slow
def test_a_checkpoint_of_another_python_opens_and_goes_on_if_told_to(other, tmp_path):
    folder = shutil.copytree(other / "stopped", tmp_path / "stopped")
    assert "net2 " in run("test3.py", "net2", "--models", folder, "--out", tmp_path, "--no-show")
    command = [sys.executable, "net2.py", *map(str, STOPPED), str(folder), "--resume"]
    refused = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "is of another run (versions " in refused.stderr and "--resume --force" in refused.stderr
    assert "going on after epoch" in run(*command[1:], "--force") and (folder / "net2.npz").exists()


def test_nolearn_s_configuration_files_are_read():
    assert inischema.parse_config("[net]\nepochs = int", "[net]\nepochs = 3") == {"net": {"epochs": 3}}


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
