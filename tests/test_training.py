"""Interrupted and resumed training: the same to the bit; refusals; what is shown."""
import contextlib
import dataclasses
import math
import os
import signal
import types
from unittest import mock

import net1
import net2
import net4
import numpy as np
import pytest
from conftest import a_run, train

from fkp import Problem, cli, files, models
from fkp.training import checkpoint, session
from fkp.training.checkpoint import Checkpoint
from fkp.training.progress import duration


@pytest.fixture(scope="module")
def faces():
    random = np.random.RandomState(0)
    return random.randint(0, 256, (40, 9216)).astype(np.uint8), random.uniform(-1, 1, (40, 30)).astype(np.float32)


@pytest.fixture(scope="module")
def pictures(faces):
    return faces[0].reshape(-1, 1, 96, 96), faces[1]


def interrupt_after(epoch, number=signal.SIGINT):
    """A handler that sends a signal at the start of the epoch after `epoch`."""
    def handler(net, history):
        if len(history) == epoch - 1 and not handler.sent:
            handler.sent = True
            signal.raise_signal(number)
    handler.sent = False
    return handler


def small_net4(epochs=6):
    """net4 with its schedules and dropout, but few filters."""
    net = net4.build(epochs=epochs, hidden=20)
    net.conv1_num_filters = net.conv2_num_filters = net.conv3_num_filters = 4
    return net


def run(build, data, path, stop=None, resume=False, number=signal.SIGINT, wanted=None):
    net = build()
    if stop:
        net.on_batch_finished = [interrupt_after(stop, number)]
    return train(net, *data, path, wanted or a_run(epochs=6), resume)


def losses(net):
    return [(row["epoch"], row["train_loss"], row["valid_loss"]) for row in net.train_history_]


def augmented_net4():
    net = net4.build(epochs=6, hidden=20, augment=True, tuned=True)
    net.conv1_num_filters = net.conv2_num_filters = net.conv3_num_filters = 4
    return net


def net4_with_heatmaps():
    net = net4.build(epochs=6, augment=True, heatmaps=True)
    for name in net4.FILTERS:
        setattr(net, "conv%s_num_filters" % name, 2)
    return net


def without_durations(net):
    return [{key: value for key, value in row.items() if key != "dur"} for row in net.train_history_]


def assert_same_parameters(one, other):
    for a, b in zip(models.read(one)[0], models.read(other)[0]):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build, stop", [(small_net4, 1), (small_net4, 3), (small_net4, 5), (small_net4, 6),
                                         (augmented_net4, 3),
                                         pytest.param(net4_with_heatmaps, 3, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(build, stop, pictures, tmp_path):
    whole = run(build, pictures, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        run(build, pictures, tmp_path / "net.npz", stop)
    assert (tmp_path / "net.checkpoint.npz").exists() and not (tmp_path / "net.npz").exists()
    resumed = run(build, pictures, tmp_path / "net.npz", resume=True)
    assert without_durations(resumed) == without_durations(whole)
    assert_same_parameters(tmp_path / "whole.npz", tmp_path / "net.npz")
    assert not (tmp_path / "net.checkpoint.npz").exists()


def stopping_net4():
    """Best in epoch 2, so it stops early after epoch 5."""
    net = small_net4(epochs=8)
    early, = [handler for handler in net.on_epoch_finished if isinstance(handler, net4.EarlyStopping)]
    early.patience = 3

    def best_in_epoch_2(net, history):
        history[-1]["valid_loss"] = 1.0 + abs(history[-1]["epoch"] - 2)
    net.on_epoch_finished.insert(0, best_in_epoch_2)
    return net


@pytest.mark.parametrize("stop", [2, 4])
def test_best_weights_and_patience_survive_an_interruption(stop, pictures, tmp_path):
    whole = run(stopping_net4, pictures, tmp_path / "whole.npz")
    assert len(whole.train_history_) == 5
    with pytest.raises(KeyboardInterrupt):
        run(stopping_net4, pictures, tmp_path / "net.npz", stop)
    resumed = run(stopping_net4, pictures, tmp_path / "net.npz", resume=True)
    assert losses(resumed) == losses(whole)
    assert_same_parameters(tmp_path / "whole.npz", tmp_path / "net.npz")


def test_a_signal_in_the_epoch_in_which_training_stops_early_loses_nothing(pictures, tmp_path):
    run(stopping_net4, pictures, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        run(stopping_net4, pictures, tmp_path / "net.npz", 5)
    assert_same_parameters(tmp_path / "whole.npz", tmp_path / "net.npz")


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(pictures, tmp_path):
    a, b = (run(small_net4, pictures, tmp_path / "a.npz") for _ in range(2))
    assert losses(a) == losses(b)
    c = train(small_net4(), *pictures, tmp_path / "c.npz", a_run(seed=2))
    assert losses(c) != losses(a)


def build2():
    return net2.build(epochs=6, seed=1)


def test_sigterm_saves_and_is_raised_as_such(faces, tmp_path):
    with pytest.raises(cli.Terminated):
        run(build2, faces, tmp_path / "net.npz", 2, number=signal.SIGTERM)
    assert (tmp_path / "net.checkpoint.npz").exists()


def test_a_second_interrupt_ends_at_once(faces, tmp_path):
    net = build2()
    net.on_batch_finished = [lambda net, history: (signal.raise_signal(signal.SIGTERM),
                                                   signal.raise_signal(signal.SIGTERM))]
    with pytest.raises(cli.Terminated):
        train(net, *faces, tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def test_signals_are_given_back(faces, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    run(build2, faces, tmp_path / "net.npz")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("change, message", [
    ({"seed": 2}, "seed: 1 there, 2 here"),
    ({"build": {"epochs": 7}}, "settings build epochs: 6 there, 7 here"),
    ({"preprocess": "plain"}, "settings preprocess: equalise there, plain here"),
    ({"data": {"file": "training.csv", "drawn": False}}, "data drawn: True there, False here"),
    ({"versions": {"Python": "3"}}, "versions Lasagne: 0.1 there, None here"),
    ({"computed": {"threads": 99}}, "computed device: cpu there, None here")])
def test_a_checkpoint_of_another_run_is_refused_with_the_difference(change, message, faces, tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, path, 2)
    kept = (tmp_path / "net.checkpoint.npz").read_bytes()
    with pytest.raises(Problem, match=message):
        run(build2, faces, path, resume=True, wanted=dataclasses.replace(a_run(epochs=6), **change))
    assert (tmp_path / "net.checkpoint.npz").read_bytes() == kept


def test_a_finished_run_is_opened_not_trained_again(faces, tmp_path, capsys):
    run(build2, faces, tmp_path / "net.npz")
    written = (tmp_path / "net.npz").read_bytes()
    again = run(build2, faces, tmp_path / "net.npz", resume=True)
    assert "trained already (6 epochs)" in capsys.readouterr().out
    assert (tmp_path / "net.npz").read_bytes() == written and len(again.train_history_) == 6


def test_a_damaged_checkpoint_is_refused(faces, tmp_path):
    path = tmp_path / "net.checkpoint.npz"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(Problem, match="net.checkpoint.npz: not a file of this collection"):
        run(build2, faces, tmp_path / "net.npz", resume=True)


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
    (tmp_path / "net1.npz.abc.tmp").write_text("half")
    with files.locked(tmp_path):
        assert not list(tmp_path.glob("*.tmp"))


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


def test_weights_that_do_not_fit_are_refused(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, tmp_path / "net.npz", 2)
    path = tmp_path / "net.checkpoint.npz"
    arrays = files.read_npz(path)
    files.write_npz(path, dict(arrays, shared_0=np.zeros((3, 3), np.float32)))
    with pytest.raises(Problem, match="does not fit this net"):
        run(build2, faces, tmp_path / "net.npz", resume=True)


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


def full(*args):
    raise OSError(28, "No space left on device")


def test_a_model_that_cannot_be_written_leaves_the_checkpoint_to_go_on_from(faces, tmp_path, monkeypatch):
    whole = run(build2, faces, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, tmp_path / "net.npz", 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(Problem, match="net.npz: cannot be written .No space"):
            run(build2, faces, tmp_path / "net.npz", resume=True)
    assert losses(run(build2, faces, tmp_path / "net.npz", resume=True)) == losses(whole)


def test_a_checkpoint_of_a_script_that_was_edited_is_refused(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, tmp_path / "net.npz", 2)

    def edited():
        net = build2()
        net.update_learning_rate = 0.02
        return net
    with pytest.raises(Problem, match="update_learning_rate: 0.01 there, 0.02 here"):
        run(edited, faces, tmp_path / "net.npz", resume=True)


@pytest.mark.parametrize("spoil", [
    lambda arrays, head: head.pop("state"),
    lambda arrays, head: head.update(state=3),
    lambda arrays, head: head["state"].pop("epoch"),
    lambda arrays, head: head["state"].update(loss="x"),
    lambda arrays, head: head["state"].update(random=[1]),
    lambda arrays, head: head["state"].update(random=["x", 0, 0.0]),
    lambda arrays, head: head["state"].update(random=[10 ** 6, 0, 0.0]),
    lambda arrays, head: arrays.pop("random"),
    lambda arrays, head: arrays.update(random=np.zeros(3, np.uint32)),
    lambda arrays, head: head["versions"].update(Lasagne="\n\x1b[2J")])
def test_a_strange_checkpoint_is_refused_in_one_line(spoil, faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, tmp_path / "net.npz", 2)
    path = tmp_path / "net.checkpoint.npz"
    arrays = files.read_npz(path)
    head = files.untext(arrays["header"], path)
    spoil(arrays, head)
    files.write_npz(path, dict(arrays, header=files.text(head)))
    with pytest.raises(Problem, match="net.checkpoint.npz") as caught:
        run(build2, faces, tmp_path / "net.npz", resume=True)
    assert str(caught.value).isprintable()


def test_a_net_may_be_trained_twice(faces, tmp_path):
    net = build2()
    before = [list(net.on_batch_finished), list(net.on_training_started)]
    train(net, *faces, tmp_path / "once.npz")
    train(net, *faces, tmp_path / "net.npz")
    assert [row["epoch"] for row in net.train_history_] == list(range(1, 13))
    assert [net.on_batch_finished, net.on_training_started] == before
    assert len(models.open_run(tmp_path / "net.npz")[1]) == 12
