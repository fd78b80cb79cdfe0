"""Interrupted and resumed training: the same to the bit; refusals; what is shown."""
import math
import signal


import net1
import net2
import net4
import numpy as np
import pytest

from fkp import Problem, cli, files, models, training


def header(**changes):
    settings = {"build": {"epochs": 6}, "preprocess": "equalise"}
    return dict(training.header("net2", settings, {"file": "drawn faces", "drawn": True}, 1), **changes)


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


def run(build, data, path, stop=None, resume=False, number=signal.SIGINT, head=None):
    training.set_seed(1)
    net = build()
    if stop:
        net.on_batch_finished = [interrupt_after(stop, number)]
    return training.fit(net, *data, path, head or header(), resume)


def losses(net):
    return [(row["epoch"], row["train_loss"], row["valid_loss"]) for row in net.train_history_]


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(stop, pictures, tmp_path):
    whole = run(small_net4, pictures, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        run(small_net4, pictures, tmp_path / "net.npz", stop)
    assert (tmp_path / "net.checkpoint.npz").exists() and not (tmp_path / "net.npz").exists()
    resumed = run(small_net4, pictures, tmp_path / "net.npz", resume=True)
    assert losses(resumed) == losses(whole)
    for a, b in zip(models.read(tmp_path / "whole.npz")[0], models.read(tmp_path / "net.npz")[0]):
        np.testing.assert_array_equal(a, b)
    assert not (tmp_path / "net.checkpoint.npz").exists()


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(pictures, tmp_path):
    a, b = (run(small_net4, pictures, tmp_path / "a.npz") for _ in range(2))
    assert losses(a) == losses(b)
    training.set_seed(2)
    c = training.fit(small_net4(), *pictures, tmp_path / "c.npz", header())
    assert losses(c) != losses(a)


def build2():
    return net2.build(epochs=6, seed=1)


def test_sigterm_saves_and_is_raised_as_such(faces, tmp_path):
    with pytest.raises(cli.Terminated):
        run(build2, faces, tmp_path / "net.npz", 2, number=signal.SIGTERM)
    assert (tmp_path / "net.checkpoint.npz").exists()


def test_a_second_interrupt_ends_at_once(faces, tmp_path):
    training.set_seed(1)
    net = build2()
    net.on_batch_finished = [lambda net, history: (signal.raise_signal(signal.SIGTERM),
                                                   signal.raise_signal(signal.SIGTERM))]
    with pytest.raises(cli.Terminated):
        training.fit(net, *faces, tmp_path / "net.npz", header())
    assert not list(tmp_path.iterdir())


def test_signals_are_given_back(faces, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    run(build2, faces, tmp_path / "net.npz")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("change, message", [
    ({"seed": 2}, "seed: 1 there, 2 here"),
    ({"settings": {"build": {"epochs": 7}, "preprocess": "equalise"}}, "settings build: "),
    ({"settings": {"build": {"epochs": 6}, "preprocess": "plain"}}, "settings preprocess: equalise there, plain here"),
    ({"data": {"file": "training.csv", "drawn": False}}, "data drawn: True there, False here"),
    ({"versions": {}}, "versions Lasagne: 0.1 there, None here")])
def test_a_checkpoint_of_another_run_is_refused_with_the_difference(change, message, faces, tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(KeyboardInterrupt):
        run(build2, faces, path, 2)
    kept = (tmp_path / "net.checkpoint.npz").read_bytes()
    with pytest.raises(Problem, match=message):
        run(build2, faces, path, resume=True, head=header(**change))
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
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(training, "CHECKPOINT_SHARE", 1e9)
    saved = []
    monkeypatch.setattr(training.Checkpoint, "save", lambda self, net: saved.append(len(net.train_history_)))
    run(build2, faces, tmp_path / "net.npz")
    assert saved == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_does_not_end_the_training(faces, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(training, "CHECKPOINT_SHARE", 1e9)

    def full(*args):
        raise Problem("net.checkpoint.npz: cannot be written (No space left on device)")
    monkeypatch.setattr(training.Checkpoint, "save", full)
    run(build2, faces, tmp_path / "net.npz")
    assert (tmp_path / "net.npz").exists()
    assert "Training goes on without a new checkpoint: net.checkpoint.npz" in capsys.readouterr().err


def test_what_a_killed_run_left_half_written_is_cleared(tmp_path):
    (tmp_path / "net1.npz.abc.tmp").write_text("half")
    with files.locked(tmp_path):
        assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e9])
def test_a_loss_that_is_lost_stops_the_run(loss, faces, tmp_path):
    training.set_seed(1)
    net = build2()

    def spoil(net, history):
        if len(history) == 3:
            history[-1]["train_loss"] = loss
    head = header()
    path = tmp_path / "net.npz"
    spoiled = training.prepare

    def prepare(net, *rest):
        spoiled(net, *rest)
        net.on_epoch_finished.insert(0, spoil)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "prepare", prepare)
        with pytest.raises(Problem, match="epoch 3: the training loss is .*; lower the learning rate"):
            training.fit(net, *faces, path, head)
    assert not path.exists()


def test_the_model_holds_the_best_epochs_weights(faces, tmp_path):
    training.set_seed(1)
    net = net1.build(epochs=5)
    seen = {}

    def watch(net, history):
        history[-1]["valid_loss"] = [3.0, 1.0, 2.0, 2.5, 4.0][len(history) - 1]
        seen[len(history)] = [p.get_value() for p in net.get_all_params()]
    net.on_epoch_finished = [watch]
    training.fit(net, *faces, tmp_path / "net.npz", header())
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
    assert training.duration(seconds) == text


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


