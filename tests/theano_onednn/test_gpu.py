"""Theano's GPU backend, in processes of its own: on FKP_TEST_DEVICE, or on the first OpenCL device there is.

A session's Theano has one device from its import on, so this one stays on the
CPU, and what it compares with runs here.  Skipped, with the reason, where no
device works.
"""
import argparse
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import load
import net3
import net4
import net5
import numpy as np
import pytest

import theano_onednn
from fkp import models
from theano_onednn import checks, gpu
from fkp.training.checkpoint import Checkpoint
from fkp.run import Run, described
from fkp.training.session import Session

ROOT = Path(__file__).resolve().parents[2]
FACES = 12
FIND = """
import pygpu.gpuarray as ga
found = ["opencl%d:%d" % (p, d) for p in range(ga.count_platforms("opencl"))
         for d in range(ga.count_devices("opencl", p))]
print(found[0] if found else "")
"""


def child(device, *command, check=True):
    """Run Python with these arguments on a device, as a user would."""
    env = dict(os.environ, THEANO_FLAGS="device=%s,on_opt_error=raise" % device, MPLBACKEND="Agg")
    done = subprocess.run([sys.executable, *map(str, command)], env=env, cwd=ROOT, text=True, capture_output=True)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def device():
    """The device's name for THEANO_FLAGS."""
    if os.environ.get("FKP_TEST_DEVICE"):
        return os.environ["FKP_TEST_DEVICE"]
    found = subprocess.run([sys.executable, "-c", FIND], text=True, capture_output=True)
    lines = (found.stdout.strip() or found.stderr.strip()).splitlines()
    if found.returncode != 0 or not lines:
        pytest.skip("no OpenCL device: %s" % (lines[-1] if lines else "pygpu counts none"))
    return lines[-1]


# --- what both sides do ---

def train(module, path, resume=False, halfway=None, **build):
    """Train for two epochs on the faces beside the folder of `path`; after one, write a checkpoint for `halfway`.

    Returns the losses.  (One run less than interrupting another: OpenCL kernels compile anew for each net.)
    """
    faces = np.load(path.parent.parent / "faces.npz")
    y = faces["y"] if build.get("all_rows") else np.nan_to_num(faces["y"][:, :len(load.COLUMNS)])
    net = module.build(epochs=2, **build)
    run = Run(module.__name__, dict(build, epochs=2), {"drawn": True}, 1, net=described(net))
    if halfway:
        net.on_epoch_finished.append(lambda net, history: len(history) == 1
                                     and Checkpoint(halfway, run).save(net))
    with Session(path, run, resume) as session:
        net = session.fit(net, faces["X"], y)
        session.save(net)
    return [[row["train_loss"], row["valid_loss"]] for row in net.train_history_]


def specialist(folder):
    """The mouth's, without dropout, so that devices can be compared: its losses."""
    faces = np.load(folder.parent / "faces.npz")
    images, keypoints = faces["X"][:, 0], load.unscale(faces["y"])
    found = load.Faces(images, keypoints, None, {"file": "drawn faces", "drawn": True, "rows": FACES})
    args = argparse.Namespace(models=folder, epochs=2, seed=1, augment=True, tuned=True, heatmaps=False,
                              preprocess="plain",
                              rows=None, precision="float32")
    task = net5.task("M", 2, np.full(keypoints.shape, load.HALF, np.float32), {}, found, images, args)
    with mock.patch.object(net5.Tuned, "learning_rate", 0.01):  # a dozen faces want small steps
        net = net5.train(resume=False, **task)
    return [[row["train_loss"], row["valid_loss"]] for row in net.train_history_]


def predict(path):
    faces = np.load(path.parent.parent / "faces.npz")
    return load.open_net(path).predict(faces["X"])


def on_device(folder):
    """What runs in the child: everything with a convolution, so that Theano starts once."""
    small = {"hidden": 20, "all_rows": True}
    here = folder / "device"
    found = {
        "describe": theano_onednn.describe(),
        "report": theano_onednn.start.reason,
        "net3": train(net3, here / "net3.npz"),
        "net4": train(net4, here / "net4.npz", halfway=here / "again.npz", **small),
        "net5": specialist(here),
        "resumed": train(net4, here / "again.npz", resume=True, **small),
    }
    np.savez(folder / "device.npz", own=predict(here / "net3.npz"), other=predict(folder / "cpu" / "net3.npz"))
    (folder / "device.json").write_text(json.dumps(found))


@pytest.fixture(scope="session")
def both(device, drawn, tmp_path_factory):
    """The folder with what both devices trained, the CPU's losses and what the device reported."""
    folder = tmp_path_factory.mktemp("gpu")
    for name in ("cpu", "device"):
        (folder / name).mkdir()
    np.savez(folder / "faces.npz", X=drawn.images[:FACES, None], y=load.scale(drawn.keypoints[:FACES]))
    losses = {"net3": train(net3, folder / "cpu" / "net3.npz"), "net5": specialist(folder / "cpu")}
    child(device, "-m", "tests.theano_onednn.test_gpu", folder)
    return folder, losses, json.loads((folder / "device.json").read_text())


@pytest.fixture(scope="session")
def scripts(device, tmp_path_factory):
    """{device: (folder, output)} of net1.py, on both."""
    folder = tmp_path_factory.mktemp("net1")
    command = ["net1.py", "--rows", 60, "--epochs", 2, "--models"]
    return {name: (folder / name, child(where, *command, folder / name).stdout)
            for name, where in (("cpu", "cpu"), ("device", device))}


# --- the tests ---

def test_net1_trains_on_the_device_as_on_the_cpu(scripts, device):
    losses = {name: [row["valid_loss"] for row in models.read(folder / "net1.npz")[1]["history"]]
              for name, (folder, _) in scripts.items()}
    np.testing.assert_allclose(losses["device"], losses["cpu"], rtol=2e-3)


def test_the_first_line_names_the_device_and_its_ops(scripts, device):
    first = scripts["device"][1].splitlines()[0]
    assert " on %s," % device in first
    assert "gpuarray Ops of pygpu" in first
    assert "oneDNN" not in first or "neither oneDNN" in first


def test_onednn_is_left_out(both):
    assert "our Ops are for the CPU" in both[2]["report"]


@pytest.mark.parametrize("net", ["net3", "net5"])
def test_a_net_loses_as_on_the_cpu(net, both):
    np.testing.assert_allclose(both[2][net], both[1][net], rtol=2e-3)


def test_dropout_and_missing_labels_train(both):
    losses = np.array(both[2]["net4"])
    assert np.isfinite(losses).all()
    assert losses[1, 0] < losses[0, 0]


def test_a_resumed_run_ends_like_an_uninterrupted_one(both):
    found = both[2]
    np.testing.assert_allclose(found["resumed"], found["net4"], rtol=1e-5)


def test_a_model_crosses_devices_both_ways(both):
    folder = both[0]
    device = np.load(folder / "device.npz")
    np.testing.assert_allclose(predict(folder / "device" / "net3.npz"), device["own"], atol=1e-4)
    np.testing.assert_allclose(predict(folder / "cpu" / "net3.npz"), device["other"], atol=1e-4)


# --- no device needed ---

def test_a_device_that_cannot_start_is_one_line_and_not_the_cpu():
    done = child("opencl99:0", "net1.py", "--epochs", 1, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("net1.py: device=opencl99:0 was asked for, but Theano cannot use it: ")


def test_theanos_warnings_are_not_kept_back():
    assert gpu._keep(logging.LogRecord("theano.gpuarray", logging.WARNING, "", 0, "text", None, None)) is True


@pytest.mark.parametrize("version, enabled, refused", [
    (7605, "auto", False), (8902, "auto", True), (8902, "False", False), (90100, "True", True)])
def test_a_cudnn_that_theano_cannot_compile_with_is_named(version, enabled, refused, monkeypatch):
    import theano
    from theano.gpuarray import dnn

    class Config:
        device = "cuda"

    Config.dnn = type("Dnn", (), {"enabled": enabled})
    monkeypatch.setattr(theano, "config", Config)
    monkeypatch.setattr(dnn, "dnn_present", lambda: True)
    monkeypatch.setattr(dnn, "version", lambda: version)
    if not refused:
        return gpu._check_cudnn()
    with pytest.raises(checks.NotReady, match="cuDNN %d was found" % version):
        gpu._check_cudnn()


if __name__ == "__main__":
    on_device(Path(sys.argv[1]))
