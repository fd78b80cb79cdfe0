"""What a run is: to and from JSON, and in what two of them differ."""
import dataclasses
import json
import signal

import load
import net4
import pytest
from conftest import a_run, train
from lasagne import layers
from nolearn.lasagne import NeuralNet

import theano_onednn
from fkp import cli, files, maps, models
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


def with_maps(batches):
    """As small a net as can answer with maps, in a script of anybody's."""
    return NeuralNet([("input", layers.InputLayer), ("maps", layers.Conv2DLayer), ("output", maps.SoftArgmaxLayer)],
                     input_shape=(None, 1, 96, 96), maps_num_filters=15, maps_filter_size=(1, 1), regression=True,
                     max_epochs=1, batch_iterator_train=batches, batch_iterator_test=load.PixelBatchIterator(32),
                     update_learning_rate=1e-3)


@pytest.mark.parametrize("build, kind", [
    (lambda: net4.build(epochs=1, hidden=5), (False, False)),
    (lambda: net4.build(epochs=1, hidden=5, augment=True), (False, True)),
    (lambda: with_maps(load.PixelBatchIterator(32)), (True, False)),
    (lambda: with_maps(net4.AugmentBatchIterator(batch_size=32)), (True, True))])
def test_a_net_says_of_what_kind_it_is_whatever_its_script_is_called(build, kind, drawn, tmp_path):
    train(build(), drawn.images[:20, None], drawn.keypoints[:20, :30] / 48 - 1, tmp_path / "net6.npz", a_run("net6"))
    run, _ = models.open_run(tmp_path / "net6.npz")
    assert (run.maps, run.augmented) == kind


@pytest.mark.parametrize("build, kind", [({}, (False, False)), ({"augment": True}, (False, True)),
                                         ({"augment": True, "heatmaps": True}, (True, True))])
def test_of_nets_from_before_they_said_so_their_settings_tell(build, kind):
    header = {key: value for key, value in a_run("net4", **build).to_json().items() if key not in ("maps", "augmented")}
    run = Run.from_json(header)
    assert (run.maps, run.augmented) == kind
    assert run.difference(a_run("net4", **build)) is None


def test_which_keypoints_in_words():
    said = [a_run().keypoints([name[:-2] in names for name in load.ALL_COLUMNS])
            for names in (["nose_tip"], ["nose_tip", "nose_base"], ["nose_tip", "nose_base", "mouth_middle"])]
    assert said == ["nose_tip", "nose_tip and nose_base", "nose_tip, nose_base and mouth_middle"]
