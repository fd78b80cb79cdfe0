"""Specialists that train side by side: the same models, whatever the number of workers and what becomes of them."""
import argparse
import os
import signal
import subprocess
import sys
import time

import load
import net5
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from conftest import ROOT, assert_same_run

from fkp import Problem, files, models, workers
from fkp.looking import cascade
from fkp.training import checkpoint
from fkp.looking import cascade as predict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def new_workers():
    """joblib keeps processes for the next test, and they print where the first one's output went."""
    get_reusable_executor().shutdown(wait=True)


def arguments(folder, epochs, **options):
    """What net5.py's command line would give."""
    return argparse.Namespace(**{**dict(models=folder, epochs=epochs, seed=1, augment=False, tuned=False,
                                        heatmaps=False,
                                        preprocess="plain", rows=None, precision="float32", jobs=2, scheduler=None,
                                        resume=False, force=False), **options})


@pytest.fixture(scope="module")
def tasks_for(drawn):
    """A function: (folder, epochs) -> what net5.train_level has to train on drawn faces, and its options."""
    def prepare(folder, epochs, **options):
        args = arguments(folder, epochs, **options)
        seen = np.full((len(drawn.images), 34), 48, np.float32)
        return [net5.task(group, 2, seen, {}, drawn, drawn.images, args) for group in ("LE", "N")], args
    return prepare


@pytest.fixture(scope="module")
def alone(tasks_for, tmp_path_factory):
    """The same specialists, trained one after the other in this process: a function of the epochs."""
    kept = {}

    def train(epochs):
        if epochs not in kept:
            tasks, _ = tasks_for(tmp_path_factory.mktemp("alone"), epochs)
            for task in tasks:
                net5.train(resume=False, **task)
            kept[epochs] = [models.read(task["path"]) for task in tasks]
        return kept[epochs]
    return train


def assert_same(tasks, expected):
    for task, (params, header) in zip(tasks, expected):
        found, found_header = models.read(task["path"])
        for a, b in zip(found, params):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(found_header["history"], header["history"]):
            assert (a["train_loss"], a["valid_loss"]) == (b["train_loss"], b["valid_loss"])


def test_side_by_side_is_the_same_as_one_after_the_other(tasks_for, alone, tmp_path, capfd):
    tasks, args = tasks_for(tmp_path, 3)
    workers.train("net5", tasks, args)
    out = capfd.readouterr().out
    assert_same(tasks, alone(3))
    assert out.count("Best epoch") == 2 and "epoch    trn loss" not in out
    assert not list(tmp_path.glob(".stop")) and not list(tmp_path.glob("*.checkpoint.npz"))


def test_finished_specialists_are_not_trained_again(tasks_for, tmp_path):
    def written():
        return [task["path"].stat().st_mtime_ns for task in tasks]
    tasks, args = tasks_for(tmp_path, 1)
    workers.train("net5", tasks, args)
    first = written()
    workers.train("net5", *tasks_for(tmp_path, 1, resume=True))
    assert written() == first
    workers.train("net5", *tasks_for(tmp_path, 1))
    assert all(a != b for a, b in zip(written(), first))


def test_a_problem_in_a_worker_is_told_in_its_own_words(tasks_for, tmp_path):
    tasks, args = tasks_for(tmp_path, 2)
    tasks[0]["X"] = np.full(tasks[0]["X"].shape, np.nan, np.float32)
    with pytest.raises(Problem, match="epoch 1: the training loss is nan; lower the learning rate"):
        workers.train("net5", tasks, args)


def test_a_worker_that_dies_is_a_problem_that_says_so(tmp_path, tasks_for, monkeypatch):
    tasks, args = tasks_for(tmp_path, 1)
    monkeypatch.setattr(workers, "train_one", die)
    with pytest.raises(Problem, match="a worker process died"):
        workers.train("net5", tasks, args)


def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_workers_save_and_go_on_where_they_stopped(number, code, tmp_path):
    command = [sys.executable, str(ROOT / "net5.py"), "--jobs", "2", "--rows", "120", "--models", str(tmp_path),
               "--out", str(tmp_path), "--no-show"]
    net4 = [sys.executable, str(ROOT / "net4.py"), "--rows", "120", "--epochs", "1", "--models", str(tmp_path)]
    subprocess.run(net4, check=True, capture_output=True)
    with subprocess.Popen(command + ["--epochs", "100000"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as process:
        for line in process.stdout:
            if line == "Training 4 nets, 2 at a time ...\n":
                break
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code and "Finishing this epoch" in err, err
    saved = sorted(path.name for path in tmp_path.glob("net5-*.checkpoint.npz"))
    assert saved == sorted("net5-%s-38.checkpoint.npz" % group for group in load.GROUPS)


def test_a_scheduler_that_does_not_answer_is_a_problem(tasks_for, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.1)
    with pytest.raises(Problem, match="--scheduler tcp://127.0.0.1:1: no Dask scheduler answers there"):
        workers.train("net5", *tasks_for(tmp_path, 1, scheduler="tcp://127.0.0.1:1"))


def test_without_dask_the_option_says_what_to_install(tasks_for, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Problem, match="pip install distributed"):
        workers.train("net5", *tasks_for(tmp_path, 1, scheduler="tcp://127.0.0.1:1"))


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


def checkpoint_every_epoch():
    checkpoint.SECONDS = checkpoint.SHARE = 1e-9


def test_a_worker_of_a_cluster_may_die_and_nothing_is_lost(cluster, tasks_for, alone, tmp_path):
    import threading
    from distributed import Client

    epochs = 12
    tasks, args = tasks_for(tmp_path, epochs, scheduler=cluster.scheduler_address)
    with Client(cluster) as client:
        client.run(checkpoint_every_epoch)
        pids = client.run(os.getpid)

    def kill_one():
        while not list(tmp_path.glob("*.checkpoint.npz")):
            time.sleep(0.01)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
    killer = threading.Thread(target=kill_one)
    killer.start()
    workers.train("net5", tasks, args)
    killer.join()
    assert_same(tasks, alone(epochs))


def test_a_worker_that_does_not_see_the_models_folder_sends_its_model_home(tasks_for, alone, tmp_path):
    tasks, args = tasks_for(tmp_path / "elsewhere", 3)
    content = workers.train_one("net5", tasks[0], args, workers.StopFile(tmp_path))
    assert not (tmp_path / "elsewhere").exists()
    files.write_bytes(tasks[0]["path"], content)
    assert_same(tasks[:1], alone(3))
    assert tasks[0]["path"] == cascade.path(tmp_path / "elsewhere", "LE", 38)


def test_net5_goes_on_at_the_specialist_where_it_stopped(drawn, tmp_path, monkeypatch, capsys):
    seen = np.full((len(drawn.images), 34), 48, np.float32)

    def train(name, resume=False):
        args = arguments(tmp_path / name, 4, augment=True, jobs=1, resume=resume)
        return net5.train_level(2, seen, {}, drawn, drawn.images, args)

    def states():
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "net").glob("*.npz")}
    build = net5.build

    def stopping(group, **settings):
        net = build(group, **settings)
        if group == "N":  # in its second epoch, which has one batch
            net.on_batch_finished = [lambda net, history: len(history) == 1 and signal.raise_signal(signal.SIGINT)]
        return net
    whole = train("whole")
    with monkeypatch.context() as patch:
        patch.setattr(net5, "build", stopping)
        with pytest.raises(KeyboardInterrupt):
            train("net")
    before = states()
    assert sorted(before) == ["net5-LE-38.npz", "net5-N-38.checkpoint.npz", "net5-RE-38.npz"]
    capsys.readouterr()
    resumed = train("net", resume=True)
    out = capsys.readouterr().out
    assert out.count("trained already (4 epochs)") == 2 and "net5-N-38.npz: going on after epoch 2" in out
    for group in load.GROUPS:
        assert_same_run(*(cascade.path(tmp_path / name, group, 38) for name in ("whole", "net")))
    assert all(states()[name] == before[name] for name in ("net5-LE-38.npz", "net5-RE-38.npz"))
    np.testing.assert_array_equal(*(predict.look_closer(nets, drawn.images, seen, 38) for nets in (whole, resumed)))


def test_a_stop_file_left_by_a_killed_run_is_no_obstacle(tasks_for, tmp_path):
    tasks, args = tasks_for(tmp_path, 1)
    workers.StopFile(tmp_path).demand()
    workers.train("net5", tasks, args)
    assert all(task["path"].exists() for task in tasks)


def test_a_worker_whose_parent_was_killed_stops(tmp_path):
    assert workers.StopFile(tmp_path).caught is None
    assert workers.StopFile(tmp_path, os.getpid()).caught is None
    assert workers.StopFile(tmp_path, os.getppid()).caught is None  # in a child of it
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True).stdout
    assert workers.StopFile(tmp_path, int(gone)).caught == signal.SIGINT


class StopsInThirdEpoch(workers.StopFile):
    """Interrupts the parent at the worker's third look, and waits for its answer."""
    looks = 0

    @property
    def caught(self):
        self.looks += 1
        if self.looks == 3:
            os.kill(self.parent, signal.SIGINT)
            while not self.path.exists():
                time.sleep(0.01)
        return super().caught


def train_and_interrupt(script, task, args, stop):
    if task["path"].name == "net5-LE-38.npz":
        stop = StopsInThirdEpoch(stop.path.parent, stop.parent)
    return train_one(script, task, args, stop)


train_one = workers.train_one


def test_interrupted_workers_go_on_to_the_bit(tasks_for, alone, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(workers, "train_one", train_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            workers.train("net5", *tasks_for(tmp_path, 12))
    assert (tmp_path / "net5-LE-38.checkpoint.npz").exists()
    tasks, args = tasks_for(tmp_path, 12, resume=True)
    workers.train("net5", tasks, args)
    assert_same(tasks, alone(12))
