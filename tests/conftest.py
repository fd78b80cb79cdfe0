"""What several tests share.  Everything is written below pytest's temporary folders; no window opens."""
import ctypes
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, in children too
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has Ctrl-C ignored, in children too
os.environ.pop("DISPLAY", None)
os.environ.pop("WAYLAND_DISPLAY", None)
sys.path.insert(0, str(ROOT))

import load  # noqa: E402  first: prepares Theano

import numpy as np  # noqa: E402
import theano  # noqa: E402

from fkp import models  # noqa: E402
from fkp.run import Run  # noqa: E402
from fkp.training.session import Session  # noqa: E402

pytest.register_assert_rewrite("small_csvs", "interrupting", "running", "exporting")
theano.config.on_opt_error = "raise"  # Theano only warns where a rewrite fails


@pytest.fixture(scope="session")
def real_data():
    """The folder with Kaggle's CSVs, from FKP_DATA."""
    if not os.environ.get("FKP_DATA"):
        pytest.skip("FKP_DATA names no folder with Kaggle's CSVs")
    return Path(os.environ["FKP_DATA"])


@pytest.fixture(scope="session")
def drawn():
    """120 drawn faces with labels, as load.Faces."""
    return load.faces(rows=120) if load.is_drawn() else _drawn_faces()


def _drawn_faces():
    from fkp.drawn import draw
    images, keypoints = draw.training(rows=120)
    origin = {"file": "drawn faces", "fingerprint": "0", "drawn": True, "rows": 120}
    return load.Faces(images, load.split_schemes(keypoints), None, origin)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with Kaggle-like CSVs of drawn faces: 60 for training, 12 for testing."""
    from fkp.drawn import draw
    path = tmp_path_factory.mktemp("csvs")
    draw.write_csvs(path, rows=60)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, folder):
    """A folder with all nets, trained for an epoch by their scripts, and what they printed."""
    from running import NETS, run
    models = tmp_path_factory.mktemp("models")
    out = {}
    for net in NETS:
        options = ["--out", models] if net == "net5" else []
        done = run(net, "--epochs", 1, "--data", folder, "--models", models, *options)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        out[net] = done.stdout
    return models, out


@pytest.fixture
def set_threads():
    """A function that sets how many threads our Ops use; the old number comes back."""
    openmp = ctypes.CDLL("libgomp.so.1")
    before = openmp.omp_get_max_threads()
    yield openmp.omp_set_num_threads
    openmp.omp_set_num_threads(before)


def some_faces(drawn, flat, n=24):
    """X and y (n, 34) of drawn faces with all their labels: in rows, or in two dimensions."""
    keep, y = load.select(drawn, all_rows=True)
    y = load.scale(np.where(np.isnan(y), 48, y))[:n]
    X = drawn.images[keep[:n]]
    return (X.reshape(n, -1) if flat else X.reshape(n, 1, 96, 96)), y


def a_run(script="net2", seed=1, **build):
    """A Run on drawn faces."""
    return Run(script, build, {"file": "drawn faces", "drawn": True}, seed)


def train(net, X, y, path, run=None, resume=False, force=False):
    """What a script does with a net and its faces."""
    with Session(path, run or a_run(), resume, force) as session:
        net = session.fit(net, X, y)
        session.save(net)
    return net


def assert_same_run(*paths):
    """Two model files hold the same weights to the bit, and the same losses of every epoch."""
    (a, one), (b, other) = map(models.read, paths)
    assert [p.tobytes() for p in a] == [p.tobytes() for p in b]
    assert ([(row["train_loss"], row["valid_loss"]) for row in one["history"]]
            == [(row["train_loss"], row["valid_loss"]) for row in other["history"]])


@pytest.fixture
def own_cache_folder(tmp_path, monkeypatch):
    """The user's cache folder, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


@pytest.fixture
def training(tmp_path):
    """A small training.csv."""
    from small_csvs import training_lines, write
    return write(tmp_path / "training.csv", training_lines())


@pytest.fixture(scope="session")
def faces():
    """X (40, 9216) and y (40, 30) of noise."""
    random = np.random.RandomState(0)
    return random.randint(0, 256, (40, 9216)).astype(np.uint8), random.uniform(-1, 1, (40, 30)).astype(np.float32)


@pytest.fixture(scope="session")
def pictures(faces):
    """The same in two dimensions."""
    return faces[0].reshape(-1, 1, 96, 96), faces[1]
