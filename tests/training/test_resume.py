"""Interrupted and resumed training: the same to the bit, or refused in one line."""
import dataclasses
import signal

import numpy as np
import pytest
from conftest import a_run, train
from interrupting import (assert_same_parameters, augmented_net4, build2, losses, net4_with_heatmaps, run,
                          small_net4, stopping_net4, without_durations)

from fkp import Problem, cli, endings, files, signals


@pytest.mark.parametrize("build, stop", [(small_net4, 1), (small_net4, 3), (small_net4, 5), (small_net4, 6),
                                         (augmented_net4, 3),
                                         pytest.param(net4_with_heatmaps, 3, marks=pytest.mark.slow),
                                         pytest.param(net4_with_heatmaps, 5, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(build, stop, pictures, tmp_path):
    whole = run(build, pictures, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        run(build, pictures, tmp_path / "net.npz", stop)
    assert (tmp_path / "net.checkpoint.npz").exists() and not (tmp_path / "net.npz").exists()
    resumed = run(build, pictures, tmp_path / "net.npz", resume=True)
    assert without_durations(resumed) == without_durations(whole)
    assert_same_parameters(tmp_path / "whole.npz", tmp_path / "net.npz")
    assert not (tmp_path / "net.checkpoint.npz").exists()


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


@pytest.mark.parametrize("number", signals.ENDING[1:], ids=lambda number: number.name)
def test_what_batch_systems_send_saves_and_is_raised_as_such(number, faces, tmp_path):
    with pytest.raises(cli.Terminated) as ending:
        run(build2, faces, tmp_path / "net.npz", 2, number=number)
    assert ending.value.number == number and endings.of(ending.value) == (128 + number, f"Terminated by {number.name}.")
    assert (tmp_path / "net.checkpoint.npz").exists()


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with signals.Signals() as noted, signals.raised():
            signal.raise_signal(signal.SIGHUP)
            assert noted.caught is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("first, second, ending", [
    (signal.SIGTERM, signal.SIGTERM, cli.Terminated), (signal.SIGINT, signal.SIGINT, KeyboardInterrupt),
    (signal.SIGTERM, signal.SIGINT, cli.Terminated)])
def test_a_second_interrupt_ends_at_once(first, second, ending, faces, tmp_path):
    net = build2()
    net.on_batch_finished = [lambda net, history: (signal.raise_signal(first), signal.raise_signal(second))]
    with pytest.raises(ending):
        train(net, *faces, tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def test_signals_are_given_back(faces, tmp_path):
    before = [signal.getsignal(number) for number in signals.ENDING]
    run(build2, faces, tmp_path / "net.npz")
    assert [signal.getsignal(number) for number in signals.ENDING] == before


@pytest.mark.parametrize("change, message", [
    ({"seed": 2}, "seed: 1 there, 2 here"),
    ({"build": {"epochs": 7}}, "settings build epochs: 6 there, 7 here"),
    ({"preprocess": "plain"}, "settings preprocess: equalise there, plain here"),
    ({"data": {"file": "training.csv", "drawn": False}}, "data drawn: True there, False here"),
    ({"versions": {"Python": "3"}}, "versions Lasagne: 0.1 there, none here"),
    ({"computed": {"threads": 99}}, "computed device: cpu there, none here")])
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


def test_weights_that_do_not_fit_are_refused(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, tmp_path / "net.npz", 2)
    path = tmp_path / "net.checkpoint.npz"
    arrays = files.read_npz(path)
    files.write_npz(path, dict(arrays, shared_0=np.zeros((3, 3), np.float32)))
    with pytest.raises(Problem, match="does not fit this net"):
        run(build2, faces, tmp_path / "net.npz", resume=True)


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
