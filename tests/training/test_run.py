"""What a run is: to and from JSON, and in what two of them differ."""
import dataclasses
import json
import signal

import net4
import pytest
from conftest import a_run, train

import theano_onednn
from fkp import cli, files, models
from fkp.training.checkpoint import checkpoint_path
from fkp.run import TASK, Run, described


def test_a_run_comes_back_from_json():
    run = dataclasses.replace(a_run("net5", win=38, rate=0.02, filters=[3, None]), level_before="abc",
                              net=described(net4.build()))
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_the_first_line_of_a_script_decides_nothing(monkeypatch):
    before = a_run()
    monkeypatch.setattr(theano_onednn, "describe", lambda: "other words")
    assert before.difference(a_run()) is None
    assert "other words" not in json.dumps(a_run().to_json())


@pytest.mark.parametrize("change, found", [
    ({"seed": 2}, ("seed", 1, 2)),
    ({"build": {"epochs": 3}}, ("settings build epochs", 2, 3)),
    ({"build": {}}, ("settings build epochs", 2, None)),
    ({"rows": 30}, ("settings rows", None, 30)),
    ({"data": {"file": "drawn faces", "drawn": False}}, ("data drawn", True, False)),
    ({"computed": {**theano_onednn.facts(), "threads": 99}}, ("computed threads", theano_onednn.threads(), 99))])
def test_the_difference_is_named_with_both_values(change, found):
    there = a_run(epochs=2)
    here = dataclasses.replace(there, **change)
    assert here.difference(there) == found
    assert here.difference(here) is None
    assert (here.difference(there, TASK) is None) == ("computed" in change)


def test_what_is_not_known_yet_is_no_difference():
    known = dataclasses.replace(a_run("net5", win=38), level_before="abc", net={"max_epochs": 3})
    assert known.difference(a_run("net5", win=38)) is None and a_run("net5", win=38).difference(known) is None
    other = dataclasses.replace(known, level_before="def")
    assert other.difference(known) == ("settings level before", "abc", "def")


@pytest.mark.parametrize("path", sorted(cli.SHIPPED.glob("*.npz")), ids=lambda path: path.stem)
def test_the_shipped_nets_say_what_they_are(path):
    run, history = models.open_run(path)
    assert run.script == path.name[:4] and run.data["drawn"] is True and len(history) == run.build["epochs"]
    assert run.half == (int(path.stem[-2:]) / 2 if run.script == "net5" else 48)
    assert models.open_net(path).run_ == run


def test_a_checkpoint_from_before_runs_were_records_goes_on(drawn, tmp_path, capsys):
    """Its header had the first printed line among the versions, and what handlers had learned among the settings."""
    X, y, path = drawn.images[:20, None], drawn.keypoints[:20, :30] / 48 - 1, tmp_path / "net4.npz"
    whole = train(net4.build(epochs=3, hidden=5), X, y, tmp_path / "whole.npz", a_run("net4"))
    net = net4.build(epochs=3, hidden=5)
    net.on_batch_finished = [lambda *_: len(net.train_history_) == 0 and signal.raise_signal(signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        train(net, X, y, path, a_run("net4"))
    arrays = files.read_npz(checkpoint_path(path))
    header = files.untext(arrays["header"], path)
    del header["computed"], header["settings"]["rows"], header["settings"]["precision"]
    header["versions"]["ops"] = "Theano 1.0.5 on cpu, float32, oneDNN 3.2.0 (AVX-512, AMX), 2 threads"
    header["net"]["on_epoch_finished"][2][1]["best_weights_loss"] = 9223372036854775807
    files.write_npz(checkpoint_path(path), dict(arrays, header=files.text(header)))
    resumed = train(net4.build(epochs=3, hidden=5), X, y, path, a_run("net4"), resume=True)
    assert "going on after epoch 1" in capsys.readouterr().out
    assert [row["train_loss"] for row in resumed.train_history_] == [row["train_loss"] for row in whole.train_history_]
