"""Trained work stays: what a run replaces, what it refuses to replace, and the room that it makes sure of."""
import dataclasses
import errno
import os
import resource
import signal

import net1
import numpy as np
import pytest
from conftest import a_run, train

from fkp import Problem, files, models
from fkp.training import keep, session
from fkp.training.checkpoint import checkpoint_path
from fkp.training.session import Session


def leave(path, run, unfinished=False, history=()):
    """A model file, or a checkpoint, without weights."""
    header = dict(run.to_json(), history=list(history))
    files.write_npz(checkpoint_path(path) if unfinished else path, {"header": files.text(header)})


EPOCH = {"epoch": 1, "train_loss": 1.0, "valid_loss": 1.0, "dur": 1.0}
OTHERS = [({"build": {"epochs": 9}}, "settings build epochs: 9 there, 6 here"),
          ({"rows": 30}, "settings rows: 30 there, none here"),
          ({"preprocess": "plain"}, "settings preprocess: plain there, equalise here"),
          ({"precision": "bfloat16"}, "settings precision: bfloat16 there, float32 here"),
          ({"seed": 2}, "seed: 2 there, 1 here"),
          ({"data": {"file": "training.csv"}}, "data drawn: none there, True here"),
          ({"net": {"update_learning_rate": 1}}, None)]


@pytest.fixture
def run():
    return a_run(epochs=6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net2.npz"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("unfinished", [False, True])
@pytest.mark.parametrize("change, difference", OTHERS[:-1])
def test_work_of_other_settings_or_faces_is_replaced_only_if_told_to(change, difference, unfinished, resume, run, path):
    leave(path, dataclasses.replace(run, **change), unfinished)
    with pytest.raises(Problem, match="of another run .%s.; .*--force.*--models" % difference):
        keep.starting_point(path, run, resume)
    assert keep.starting_point(path, run, resume, force=True) is None


def test_an_unfinished_run_is_not_begun_anew_without_a_word(run, path):
    leave(path, run, unfinished=True, history=[EPOCH] * 213)
    with pytest.raises(Problem, match="unfinished run of these settings, as far as epoch 213; go on with --resume"):
        keep.starting_point(path, run)
    assert keep.starting_point(path, run, resume=True) == keep.starting_point(path, run, True, True) == "checkpoint"
    assert keep.starting_point(path, run, force=True) is None


def test_a_finished_net_of_the_same_settings_may_be_trained_again(run, path):
    leave(path, run)
    assert keep.starting_point(path, run) is None
    assert keep.starting_point(path, run, resume=True) == "model"


CIRCUMSTANCES = [({"computed": {"threads": 7}}, "OMP_NUM_THREADS=7"), ({"versions": {"numpy": "9"}}, "where it began"),
                 ({"computed": {"instructions": "AMX"}}, "where it began")]


@pytest.mark.parametrize("change, cure", CIRCUMSTANCES)
def test_other_threads_or_versions_do_not_make_a_finished_net_another(change, cure, run, path):
    leave(path, dataclasses.replace(run, **change))
    assert keep.starting_point(path, run, resume=True) == "model"
    assert keep.starting_point(path, run) is None


@pytest.mark.parametrize("change, cure", CIRCUMSTANCES)
def test_an_unfinished_run_goes_on_to_the_bit_or_as_far_as_asked(change, cure, run, path):
    here = dataclasses.replace(run, computed={next(iter(change.get("computed", {"a": 1}))): 2})
    leave(path, dataclasses.replace(run, **change), unfinished=True)
    with pytest.raises(Problem, match="is of another run .(versions|computed).*%s.*--resume --force" % cure):
        keep.starting_point(path, here, resume=True)
    assert keep.starting_point(path, here, resume=True, force=True) == "checkpoint"


@pytest.mark.parametrize("name", ["net2.npz", "net2.checkpoint.npz"])
def test_what_cannot_be_read_is_replaced_only_if_told_to(name, run, path):
    (path.parent / name).write_bytes(b"of another day")
    for resume in (False, True):
        with pytest.raises(Problem, match="%s: not a file of this collection" % name):
            keep.starting_point(path, run, resume)
        assert keep.starting_point(path, run, resume, force=True) is None


def test_a_checkpoint_goes_before_the_model_that_its_run_was_told_to_replace(run, path):
    leave(path, dataclasses.replace(run, seed=9))
    leave(path, run, unfinished=True)
    assert keep.starting_point(path, run, resume=True) == "checkpoint"


@pytest.mark.parametrize("force", [False, True])
def test_where_nothing_is_to_resume_a_run_begins_and_says_so(force, run, path, capsys):
    with keep.folder(path.parent, {path: run}, resume=True, force=force):
        assert capsys.readouterr().out == f"{path}: there is nothing to resume yet, so this begins.\n"


def test_of_several_nets_one_that_fits_is_enough_to_resume(run, path, capsys):
    leave(path, run)
    other = path.with_name("net3.npz")
    with keep.folder(path.parent, {other: run, path: run}, resume=True):
        assert capsys.readouterr().out == ""


def test_of_several_nets_each_is_looked_at_before_the_first_is_trained(run, path):
    last = path.with_name("net3.npz")
    leave(last, dataclasses.replace(run, rows=30), unfinished=True)
    with pytest.raises(Problem, match="net3.checkpoint.npz: is of another run"):
        with keep.folder(path.parent, {path: run, last: run}):
            pass
    assert checkpoint_path(last).exists()
    with keep.folder(path.parent, {path: run, last: run}, force=True):
        assert not checkpoint_path(last).exists()


# --- with nets ---

@pytest.fixture(scope="module")
def faces():
    random = np.random.RandomState(0)
    return random.randint(0, 256, (20, 9216)).astype(np.uint8), random.uniform(-1, 1, (20, 30)).astype(np.float32)


def test_a_net_that_was_edited_in_its_script_is_another(faces, tmp_path):
    path = tmp_path / "net1.npz"
    train(net1.build(epochs=1), *faces, path)
    edited = net1.build(epochs=1).set_params(update_learning_rate=0.02)
    before = path.read_bytes()
    for resume in (False, True):
        with pytest.raises(Problem, match="net update_learning_rate: 0.01 there, 0.02 here"):
            train(edited, *faces, path, resume=resume)
    assert path.read_bytes() == before
    train(edited, *faces, path, force=True)
    assert models.open_run(path)[0].net["update_learning_rate"] == 0.02


def test_resuming_after_a_quick_look_elsewhere_finds_the_work(faces, tmp_path):
    """What went wrong once: 213 epochs, then a quick look into the same folder, then --resume."""
    path, run = tmp_path / "net1.npz", a_run("net1", epochs=3)
    net = net1.build(epochs=3)
    net.on_batch_finished = [lambda net, history: len(history) == 1 and signal.raise_signal(signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        train(net, *faces, path, run)
    look = dataclasses.replace(run, build={"epochs": 1}, rows=30)
    with pytest.raises(Problem, match="settings build epochs: 3 there, 1 here"):
        train(net1.build(epochs=1), *faces, path, look)
    assert len(train(net1.build(epochs=3), *faces, path, run, resume=True).train_history_) == 3


def full(handle, offset, size):
    raise OSError(errno.EDQUOT, "Disk quota exceeded")


def limited(handle, offset, size):
    """As a file that may not be larger than a net's weights: too small for a checkpoint."""
    if size > 4_500_000:
        raise OSError(errno.EFBIG, "File too large")


@pytest.mark.parametrize("refuse, message", [(full, "Disk quota exceeded; 4 MB"),
                                             (limited, "File too large; 1[0-9] MB")])
def test_room_for_model_and_checkpoint_is_made_sure_of_before_the_first_epoch(refuse, message, faces, tmp_path,
                                                                              monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    net = net1.build(epochs=1)
    with pytest.raises(Problem, match="net1.npz: there is no room for it and its checkpoints .%s" % message):
        train(net, *faces, tmp_path / "net1.npz")
    assert net.train_history_ == [] and not list(tmp_path.iterdir())


def test_a_limit_on_the_size_of_files_is_noticed_as_well(faces, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 ** 6, before[1]))
    try:
        with pytest.raises(Problem, match="no room for it"):
            train(net1.build(epochs=1), *faces, tmp_path / "net1.npz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_system_that_cannot_tell_is_no_obstacle(tmp_path, monkeypatch):
    def unsupported(*args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")
    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    with files.reserve(tmp_path / "net1.npz", 10 ** 15):
        pass


def test_without_fallocate_the_free_space_counts(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    with files.reserve(tmp_path / "net1.npz", 1):
        pass
    with pytest.raises(Problem, match="No space left"):
        with files.reserve(tmp_path / "net1.npz", 10 ** 15):
            pass


def test_the_models_room_stays_taken_until_it_is_written(faces, tmp_path):
    path, taken = tmp_path / "net1.npz", []
    net = net1.build(epochs=1)
    net.on_epoch_finished = [lambda net, history: taken.extend(p.stat().st_size for p in tmp_path.glob("*.tmp"))]
    with Session(path, a_run("net1")) as work:
        net = work.fit(net, *faces)
        work.save(net)
    size, = taken
    assert path.stat().st_size <= size < path.stat().st_size + 2 * session.HEADER_BYTES
    assert [p.name for p in tmp_path.iterdir()] == ["net1.npz"]


def test_files_are_no_larger_than_was_foreseen(faces, tmp_path):
    path = tmp_path / "net1.npz"
    net = train(net1.build(epochs=30), *faces, path)
    saved = session.Checkpoint(path, a_run("net1"))
    saved.save(net)
    model, checkpoint = session.sizes(net, 30)
    assert path.stat().st_size <= model and saved.path.stat().st_size <= checkpoint
