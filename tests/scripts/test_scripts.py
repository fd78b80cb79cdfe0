"""Every script, whole, as a user runs it: for an epoch, on few drawn faces, into a temporary folder, no window."""
import signal
import subprocess
import sys

import load
import numpy as np
import pytest
from conftest import ROOT, assert_same_run
from running import NETS, assert_picture, run, stop_at_epoch

from fkp import models

pytestmark = pytest.mark.slow

ROWS = ["--rows", "60"]


def test_net1_ranks_its_four_methods(trained):
    models, out = trained
    ranking = out["net1"].split("method        valid loss")[1].split("\n")[1:5]
    losses = [float(line.split()[1]) for line in ranking]
    assert {line.split()[0] for line in ranking} == set(load.PREPROCESS)
    assert losses == sorted(losses)
    best = ranking[0].split()[0]
    assert (models / "net1.npz").read_bytes()[:2] == b"PK"
    assert load.open_net(models / "net1.npz").header_["settings"]["preprocess"] == best


@pytest.mark.parametrize("net", NETS)
def test_a_script_says_what_computes_and_how_it_ended(net, trained):
    out = trained[1][net]
    assert out.startswith("Theano 1.0.5 on cpu")
    assert "Best epoch 1 of 1: valid loss" in out


def test_net5_trains_eight_specialists_and_reports_the_cascade(trained):
    models, out = trained
    names = {path.name for path in models.glob("net5-*.npz")}
    assert names == {"net5-%s-%d.npz" % (group, win) for group in load.GROUPS for win in (38, 32)}
    assert "all points" in out["net5"] and "1+2+3" in out["net5"]
    assert (models / "submission-net5.csv").exists()
    assert_picture(models / "net5.png")


def test_a_cascade_with_maps_is_what_the_other_scripts_show(folder, tmp_path):
    where = ["--data", folder, "--models", tmp_path]
    for script, options in (("net4", ["--heatmaps", "--augment", "--all-rows", "--epochs", 1]),
                            ("net5", ["--heatmaps", "--augment", "--epochs", 1, "--out", tmp_path]),
                            ("test1", ["--out", tmp_path]), ("test2", ["net5", "--out", tmp_path])):
        done = run(script, *options, *where)
        assert (done.returncode, done.stderr) == (0, "")
        if script == "net5":
            assert "1+1+2" in done.stdout and "1+2+3" not in done.stdout
    assert {path.name for path in tmp_path.glob("net5-*.npz")} == {"net5-%s-48.npz" % group for group in load.GROUPS}
    done = run("net5", "--augment", "--epochs", 1, "--out", tmp_path, *where)
    assert done.returncode == 2 and "holds specialists with maps" in done.stderr


def test_net4_goes_on_to_the_bit_in_another_process(folder, tmp_path):
    options = ["--all-rows", "--augment", "--tuned", "--hidden", 20, "--epochs", 12, "--data", folder, "--models"]
    assert run("net4", *options, tmp_path / "whole", env={"PYTHONHASHSEED": "1"}).returncode == 0
    code, err = stop_at_epoch(2, "net4", [*options, tmp_path / "net"], signal.SIGTERM, {"PYTHONHASHSEED": "2"})
    assert code == 143, err
    done = run("net4", *options, tmp_path / "net", "--resume", env={"PYTHONHASHSEED": "3"})
    assert done.returncode == 0 and "going on after epoch" in done.stdout, done.stderr
    assert_same_run(tmp_path / "whole" / "net4.npz", tmp_path / "net" / "net4.npz")


def test_without_csvs_a_script_says_so_and_draws_faces(tmp_path):
    if not load.is_drawn():
        pytest.skip("data/ holds Kaggle's CSVs")
    done = run("net2", "--epochs", 1, *ROWS, "--models", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No data/training.csv: using drawn sample faces" in done.stdout
    assert load.open_net(tmp_path / "net2.npz").header_["data"]["drawn"] is True


def test_the_same_seed_prints_the_same_losses(folder, tmp_path):
    runs = [run("net2", "--epochs", 2, "--data", folder, "--models", tmp_path, "--seed", 7) for _ in range(2)]
    histories = [[line.split()[:4] for line in done.stdout.split("\n") if line.strip()[:2] in ("1 ", "2 ")]
                 for done in runs]
    assert histories[0] == histories[1] and len(histories[0]) >= 2


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_script_saves_and_resumes(number, code, folder, tmp_path):
    options = ["--epochs", "100000", "--data", str(folder), "--models", str(tmp_path)]
    ended, err = stop_at_epoch(3, "net2", options, number)
    assert ended == code, err
    assert "go on with --resume" in err and "Traceback" not in err
    assert run("test3", "--models", tmp_path, "--out", tmp_path).returncode == 0  # shows the checkpoint's history
    assert (tmp_path / "net2.checkpoint.npz").exists()
    done = run("net2", "--epochs", "99999", "--resume", *options[2:])
    assert done.returncode == 2 and "settings build" in done.stderr


def test_a_pipe_that_closes_is_no_error(folder, tmp_path):
    command = "%s %s --epochs 3 --data %s --models %s | head -1" % (sys.executable, ROOT / "net2.py", folder, tmp_path)
    done = subprocess.run(["bash", "-c", command], text=True, capture_output=True, timeout=300)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", [*NETS, "test1", "test2", "test3"])
def test_help_is_there_and_fits_a_terminal_of_80_columns(script):
    done = run(script, "--help", env={"COLUMNS": "80"})
    assert done.returncode == 0 and "--models DIR" in done.stdout and "python %s.py" % script in done.stdout
    assert max(map(len, done.stdout.split("\n"))) < 80


def test_net3_learns_the_same_from_theanos_own_ops_and_without_a_warning(folder, tmp_path):
    losses = {}
    for mode in ("0", "1"):
        done = run("net3", "--epochs", 3, "--data", folder, "--models", tmp_path / mode, env={"FKP_ONEDNN": mode})
        assert (done.returncode, done.stderr) == (0, "")
        assert ("Theano's own Ops: FKP_ONEDNN=0" in done.stdout) == (mode == "0")
        history = models.open_header(tmp_path / mode / "net3.npz")["history"]
        losses[mode] = [[row["train_loss"], row["valid_loss"]] for row in history]
    assert len(losses["0"]) == 3 and losses["0"] != losses["1"]
    np.testing.assert_allclose(losses["1"], losses["0"], rtol=1e-3)
