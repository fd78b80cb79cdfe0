"""Training: what is shown, what is saved meanwhile, and how it ends when something goes wrong."""
import contextlib
import math
import os
import signal
import types
from unittest import mock

import net1
import numpy as np
import pytest
from conftest import a_run, train
from interrupting import build2, full, losses, run

from fkp import Problem, cli, files, models
from fkp.training import checkpoint, session
from fkp.training.checkpoint import Checkpoint
from fkp.training.progress import duration


def test_checkpoints_are_written_by_time(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    saved = []
    monkeypatch.setattr(Checkpoint, "save", lambda self, net: saved.append(len(net.train_history_)))
    run(build2, faces, tmp_path / "net.npz")
    assert saved == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_does_not_end_the_training(faces, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)

    def full(*args):
        raise Problem("net.checkpoint.npz: cannot be written (No space left on device)")
    monkeypatch.setattr(Checkpoint, "save", full)
    run(build2, faces, tmp_path / "net.npz")
    assert (tmp_path / "net.npz").exists()
    assert "Training goes on without a new checkpoint: net.checkpoint.npz" in capsys.readouterr().err


def test_what_a_killed_run_left_half_written_is_cleared(tmp_path):
    (tmp_path / "net1.npz.a1_bcdef.tmp").write_text("half")  # as tempfile names them
    (tmp_path / "net1.npz.mine.tmp").write_text("another's")
    with files.locked(tmp_path):
        assert [path.name for path in tmp_path.glob("*.tmp")] == ["net1.npz.mine.tmp"]


@contextlib.contextmanager
def spoiled(name, loss):
    """Within this block the third epoch of a run ends with this loss."""
    def spoil(net, history):
        if len(history) == 3:
            history[-1][name] = loss

    stop_if_lost = session.stop_if_lost
    with mock.patch.object(session, "stop_if_lost", lambda *now: (spoil(*now), stop_if_lost(*now))):
        yield


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e9])
def test_a_loss_that_is_lost_stops_the_run(loss, faces, tmp_path):
    path = tmp_path / "net.npz"
    with spoiled("train_loss", loss), pytest.raises(Problem, match="epoch 3: the training loss is .*; lower the"):
        run(build2, faces, path)
    assert not path.exists()


def test_the_model_holds_the_best_epochs_weights(faces, tmp_path):
    net = net1.build(epochs=5)
    seen = {}

    def watch(net, history):
        history[-1]["valid_loss"] = [3.0, 1.0, 2.0, 2.5, 4.0][len(history) - 1]
        seen[len(history)] = [p.get_value() for p in net.get_all_params()]
    net.on_epoch_finished = [watch]
    train(net, *faces, tmp_path / "net.npz")
    for a, b in zip(models.read(tmp_path / "net.npz")[0], seen[2]):
        np.testing.assert_array_equal(a, b)


def test_the_table_shows_pixels_and_the_time_left(faces, tmp_path, capsys):
    run(build2, faces, tmp_path / "net.npz")
    out = capsys.readouterr().out
    heading = next(line for line in out.split("\n") if "trn loss" in line)
    assert heading.endswith("pixels  left")
    assert "Best epoch" in out and "pixels;" in out and str(tmp_path / "net.npz") in out
    assert "\033" not in out  # colours only on a terminal


@pytest.mark.parametrize("seconds, text", [(7.4, "7 s"), (250, "4 min 10 s"), (7380, "2 h 03 min")])
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


def test_one_run_at_a_time_writes_into_a_folder(tmp_path):
    with files.locked(tmp_path):
        with pytest.raises(Problem, match="another run trains into this folder"):
            with files.locked(tmp_path):
                pass
    with files.locked(tmp_path):  # given back
        pass


@pytest.mark.parametrize("which", ["train_loss", "valid_loss"])
@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e9])
def test_a_lost_loss_keeps_the_last_good_checkpoint_and_model(loss, which, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    path = tmp_path / "net.npz"
    run(build2, faces, path)
    model = path.read_bytes()
    with spoiled(which, loss), pytest.raises(Problem, match="epoch 3: .*; lower the learning rate"):
        run(build2, faces, path)
    assert path.read_bytes() == model
    kept = files.read_npz(tmp_path / "net.checkpoint.npz")
    assert len(files.untext(kept["header"], path)["history"]) == 2
    assert all(np.isfinite(v).all() for name, v in kept.items() if name.startswith(("shared", "best")))


def test_a_run_that_explodes_at_once_is_a_problem_and_no_model(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)

    def build():
        net = net1.build(epochs=1)
        net.update_learning_rate = 1e30
        return net
    with pytest.raises(Problem, match="epoch 1: .*lower the learning rate"):
        run(build, faces, tmp_path / "net.npz")
    assert not list(tmp_path.glob("*.npz"))


def test_a_signal_while_the_model_is_written_is_not_lost(faces, tmp_path, monkeypatch):
    save = models.save
    monkeypatch.setattr(models, "save", lambda *args: (signal.raise_signal(signal.SIGTERM), save(*args)))
    with pytest.raises(cli.Terminated):
        run(build2, faces, tmp_path / "net.npz")
    assert (tmp_path / "net.npz").exists()


@pytest.mark.parametrize("epoch, cost, longest", [(1, 0.1, 32), (1, 3, 155), (100, 0.5, 101)])
def test_checkpoints_are_half_a_minute_apart_and_cost_two_percent(epoch, cost, longest, tmp_path, monkeypatch):
    clock, saved = [0.0], []
    monkeypatch.setattr(checkpoint, "time", types.SimpleNamespace(time=lambda: clock[0]))

    def save(self, net):
        saved.append(clock[0])
        clock[0] += cost
    monkeypatch.setattr(Checkpoint, "save", save)
    saving = Checkpoint(tmp_path / "net.npz", a_run())
    while clock[0] < 20000:
        clock[0] += epoch
        saving(None, [{}])
    assert 30 <= np.diff(saved).min() and np.diff(saved).max() <= longest
    assert len(saved) * cost <= 0.02 * clock[0]


def test_a_model_that_cannot_be_written_leaves_the_checkpoint_to_go_on_from(faces, tmp_path, monkeypatch):
    whole = run(build2, faces, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, tmp_path / "net.npz", 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(Problem, match="net.npz: cannot be written .No space"):
            run(build2, faces, tmp_path / "net.npz", resume=True)
    assert losses(run(build2, faces, tmp_path / "net.npz", resume=True)) == losses(whole)


def test_a_net_may_be_trained_twice(faces, tmp_path):
    net = build2()
    before = [list(net.on_batch_finished), list(net.on_training_started)]
    train(net, *faces, tmp_path / "once.npz")
    train(net, *faces, tmp_path / "net.npz")
    assert [row["epoch"] for row in net.train_history_] == list(range(1, 13))
    assert [net.on_batch_finished, net.on_training_started] == before
    assert len(models.open_run(tmp_path / "net.npz")[1]) == 12
