"""Every script, whole, as a user runs it: for an epoch, on few drawn faces, into a temporary folder, without a window."""
import os
import shutil
import signal
import subprocess
import sys

import load
import numpy as np
import pytest
from conftest import ROOT, assert_same_run
from fkp import cascade, cli, models
from PIL import Image

ROWS = ["--rows", "60"]
NETS = ["net1", "net2", "net3", "net4", "net5"]


def run(script, *options, env=None):
    return subprocess.run([sys.executable, str(ROOT / (script + ".py")), *map(str, options)], text=True,
                          capture_output=True, env={**os.environ, "MPLBACKEND": "", **(env or {})}, timeout=600)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with Kaggle-like CSVs of drawn faces: 60 for training, 12 for testing."""
    from fkp.data import draw
    path = tmp_path_factory.mktemp("csvs")
    draw.write_csvs(path, rows=60)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, folder):
    """A folder with all nets, trained for an epoch by their scripts, and what they printed."""
    models = tmp_path_factory.mktemp("models")
    out = {}
    for net in NETS:
        options = ["--out", models] if net == "net5" else []
        done = run(net, "--epochs", 1, "--data", folder, "--models", models, *options)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        out[net] = done.stdout
    return models, out


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


def assert_picture(path):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert min(pixels.shape) > 300 and pixels.std() > 10


def test_test1_shows_faces_and_writes_a_submission(trained, folder, tmp_path):
    done = run("test1", "--data", folder, "--models", trained[0], "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert_picture(tmp_path / "test1.png")
    lines = (tmp_path / "submission.csv").read_text().split("\n")
    asked = (folder / "IdLookupTable.csv").read_text().count("\n") - 1
    assert lines[0] == "RowId,Location" and len(lines) == asked + 2
    assert all(0 <= float(line.split(",")[1]) <= 96 for line in lines[1:-1])


@pytest.mark.parametrize("net", ["net1", "net3", "net5", None])
def test_test2_shows_predictions_and_errors(net, trained, folder, tmp_path):
    done = run("test2", *([net] if net else []), "--data", folder, "--models", trained[0], "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for what in ("test", "valid", "errors"):
        assert_picture(tmp_path / ("test2-%s-%s.png" % (net or "net5", what)))
    assert "left_eye_center" in done.stdout


def test_test2_compares_nets_on_the_same_faces(trained, folder, tmp_path):
    done = run("test2", "net1", "net3", "net5", "--data", folder, "--models", trained[0], "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for what in ("valid", "errors"):
        assert_picture(tmp_path / ("test2-nets-%s.png" % what))
    header, first = (line.split() for line in done.stdout.split("error in pixels")[1].split("\n")[:2])
    assert header == ["net1", "net3", "net5"] and first[0] == "left_eye_center" and len(first) == 4


def test_test2_predicts_on_a_photo(trained, tmp_path):
    from fkp.data import draw
    photo = Image.fromarray(draw.draw(1)[0][0]).resize((300, 300))
    photo.save(tmp_path / "me.jpg")
    done = run("test2", "net1", "--models", trained[0], "--image", tmp_path / "me.jpg", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "me.jpg: the whole photo, taken as one face" in done.stdout
    assert_picture(tmp_path / "me.jpg-net1.png")
    assert (tmp_path / "me.jpg-net1.csv").read_text().count("\n") == 16


def test_a_box_needs_a_photo_and_four_numbers(tmp_path):
    for options, message in ((["--box", "1,2,3,4"], "goes with --image"), (["--box", "1,2"], "not of the form")):
        done = run("test2", *options)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_test3_plots_the_loss_history(trained, tmp_path):
    done = run("test3", "--models", trained[0], "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert_picture(tmp_path / "test3.png")
    assert "net5-LE-38" in done.stdout and "net1-plain" in done.stdout


def stop_at_epoch(epoch, script, options, number, env=None):
    """Start a script and signal it when it has shown this epoch's row: its exit code and stderr."""
    process = subprocess.Popen([sys.executable, "-u", str(ROOT / (script + ".py")), *map(str, options)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
    for line in process.stdout:
        if line.split()[:1] == [str(epoch)] and "s" in line:  # a row of layers has no "s"
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def test_net4_goes_on_to_the_bit_in_another_process(folder, tmp_path):
    options = ["--all-rows", "--augment", "--tuned", "--hidden", 20, "--epochs", 12, "--data", folder, "--models"]
    assert run("net4", *options, tmp_path / "whole", env={"PYTHONHASHSEED": "1"}).returncode == 0
    code, err = stop_at_epoch(2, "net4", [*options, tmp_path / "net"], signal.SIGTERM, {"PYTHONHASHSEED": "2"})
    assert code == 143, err
    done = run("net4", *options, tmp_path / "net", "--resume", env={"PYTHONHASHSEED": "3"})
    assert done.returncode == 0 and "going on after epoch" in done.stdout, done.stderr
    assert_same_run(tmp_path / "whole" / "net4.npz", tmp_path / "net" / "net4.npz")


def test_a_checkpoint_of_other_faces_is_refused(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    lines = (folder / "training.csv").read_text().split("\n")
    first, _, rest = lines[1].rpartition(",")[2].partition(" ")
    lines[1] = lines[1].rpartition(",")[0] + ",%d %s" % (int(first) ^ 1, rest)  # one pixel
    (other / "training.csv").write_text("\n".join(lines))
    options = ["--epochs", 100000, "--models", tmp_path / "models", "--data"]
    code, err = stop_at_epoch(2, "net2", [*options, folder], signal.SIGINT)
    assert code == 130, err
    done = run("net2", *options, other, "--resume")
    assert done.returncode == 2 and "data fingerprint: " in done.stderr and done.stderr.count("\n") == 1


def broken(folder, name, case, to):
    """A copy of the CSVs, one of them missing or cut off: in its last row, in the pixels or a feature's name."""
    shutil.copytree(folder, to)
    if case == "missing":
        (to / name).unlink()
    else:
        data = (to / name).read_bytes()
        (to / name).write_bytes(data[:len(data.rstrip()) - 15])
    return to


@pytest.mark.parametrize("script, name, case", [
    ("net2", "training.csv", "cut off"), ("test1", "test.csv", "cut off"), ("test1", "IdLookupTable.csv", "cut off"),
    ("test1", "test.csv", "missing"), ("test1", "IdLookupTable.csv", "missing")])
def test_a_broken_file_ends_a_script_with_one_line_and_no_output(script, name, case, trained, folder, tmp_path):
    data, out = broken(folder, name, case, tmp_path / "csvs"), tmp_path / "out"
    done = run(script, "--data", data, "--models", trained[0] if script == "test1" else out,
               *(["--out", out] if script == "test1" else ["--epochs", 1]))
    assert done.returncode == 2 and str(data / name) in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not list(out.glob("*.npz")) and not list(out.glob("*.csv"))


@pytest.mark.parametrize("name", ["test.csv", "IdLookupTable.csv"])
def test_net5_looks_at_the_files_of_the_submission_before_it_trains(name, trained, folder, tmp_path):
    (tmp_path / "models").mkdir()
    shutil.copy(trained[0] / "net4.npz", tmp_path / "models")
    data = broken(folder, name, "missing", tmp_path / "csvs")
    done = run("net5", "--epochs", 1, "--data", data, "--models", tmp_path / "models", "--out", tmp_path)
    assert done.returncode == 2 and name in done.stderr and done.stderr.count("\n") == 1
    assert "--- level 2" not in done.stdout


@pytest.mark.parametrize("script", [["net2", "--epochs", "1"], ["test2", "net1", "--out", "."]])
def test_a_training_csv_of_one_row_is_one_line(script, trained, folder, tmp_path):
    data = tmp_path / "csvs"
    shutil.copytree(folder, data)
    (data / "training.csv").write_bytes(b"\n".join((folder / "training.csv").read_bytes().split(b"\n")[:2]) + b"\n")
    options = [str(tmp_path) if word == "." else word for word in script[1:]]
    done = run(script[0], *options, "--data", data, "--models", trained[0] if script[0] == "test2" else tmp_path)
    assert done.returncode == 2 and "training.csv" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_before_anything_is_trained_the_shipped_nets_are_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "MODELS", tmp_path)
    assert cli.nets_to_show(tmp_path) == cli.SHIPPED
    assert "No net trained yet: showing those of models/drawn, trained on drawn faces." in capsys.readouterr().out
    assert cli.nets_to_show(tmp_path / "other") == tmp_path / "other"
    (tmp_path / "net1.npz").touch()
    assert cli.nets_to_show(tmp_path) == tmp_path


def test_the_shipped_nets_are_small_whole_and_marked_as_drawn():
    paths = sorted(cli.SHIPPED.glob("*.npz"))
    assert cascade.is_complete(cli.SHIPPED) and cli.SHIPPED / "net1.npz" in paths
    assert sum(path.stat().st_size for path in paths) < 25e6
    assert all(models.open_header(path)["data"]["drawn"] is True for path in paths)


def test_the_shipped_nets_know_faces(folder, tmp_path):
    for script, picture in (("test1", "test1"), ("test2", "test2-net5-valid"), ("test3", "test3")):
        data = [] if script == "test3" else ["--data", folder]
        done = run(script, *data, "--models", cli.SHIPPED, "--out", tmp_path)
        assert done.returncode == 0, done.stderr
        assert_picture(tmp_path / (picture + ".png"))
        if script == "test2":
            error, = [line for line in done.stdout.splitlines() if line.startswith("all, on complete faces")]
            assert float(error.split()[-1]) < 1.5


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


@pytest.mark.parametrize("options, message", [
    (["--epochs", "0"], "'0' is no whole number of 1 or more"),
    (["--epochs", "many"], "'many' is no whole number of 1 or more"),
    (["--rows", "-3"], "'-3' is no whole number of 1 or more"),
    (["--seed", "-1"], "'-1' is no whole number from 0 to 4294967295"),
    (["--epoch", "3"], "unrecognized arguments: --epoch"),
    (["--data", "nowhere"], "nowhere"),
    (["--data", "."], "training.csv"),
    (["--rows", "3"], "training needs 5 or more")])
def test_bad_input_ends_with_one_line_and_exit_code_2(options, message, tmp_path):
    done = run("net2", *options, "--models", tmp_path / "models")
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize("option", [["--tuned"], ["--hidden", "500"]])
def test_what_dense_layers_have_does_not_go_with_heatmaps(option, tmp_path):
    done = run("net4", "--heatmaps", *option, "--models", tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--heatmaps: has no dense layers" in done.stderr


@pytest.mark.parametrize("script, options, message", [
    ("test1", [], "net4.npz: not found; train it first: python net4.py"),
    ("net5", ["--rows", "60"], "net4.npz: not found; train it first: python net4.py"),
    ("test2", [], "holds no trained net; train one first: python net1.py"),
    ("test3", [], "holds no trained net; train one first: python net1.py"),
    ("test3", ["net9"], "net9.npz: not found"),
    ("test3", ["--show"], "--show: there is no display")])
def test_without_a_trained_net_a_script_says_which_to_train(script, options, message, folder, tmp_path):
    data = [] if script == "test3" else ["--data", folder]
    done = run(script, *options, *data, "--models", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_level_1_trained_on_other_faces_is_refused(trained, folder, tmp_path):
    done = run("net5", "--rows", 50, "--data", folder, "--models", trained[0], "--out", tmp_path)
    assert done.returncode == 2
    assert "net4.npz: was trained on training.csv (60 rows" in done.stderr


@pytest.mark.parametrize("script", [*NETS, "test1", "test2", "test3"])
def test_help_is_there(script):
    done = run(script, "--help")
    assert done.returncode == 0 and "--models DIR" in done.stdout and "python %s.py" % script in done.stdout


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


def test_two_runs_into_one_folder_are_not_mixed(folder, tmp_path):
    options = ["--data", str(folder), "--models", str(tmp_path)]
    first = subprocess.Popen([sys.executable, "-u", str(ROOT / "net2.py"), "--epochs", "100000", *options], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for line in first.stdout:
            if line.strip().startswith("1 "):
                break
        done = run("net1", "--epochs", 1, *options)
        assert done.returncode == 2 and "another run trains into this folder" in done.stderr
    finally:
        first.kill()
        first.communicate()
    done = run("net2", "--epochs", 1, *options)  # a dead run's lock is no obstacle
    assert done.returncode == 0, done.stderr


def test_a_pipe_that_closes_is_no_error(folder, tmp_path):
    command = "%s %s --epochs 3 --data %s --models %s | head -1" % (sys.executable, ROOT / "net2.py", folder, tmp_path)
    done = subprocess.run(["bash", "-c", command], text=True, capture_output=True, timeout=300)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", NETS + ["test1", "test2", "test3"])
def test_help_fits_a_terminal_of_80_columns(script):
    done = run(script, "--help", env={"COLUMNS": "80"})
    assert done.returncode == 0 and script in done.stdout
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


@pytest.mark.parametrize("script, options", [("net1", []), ("net4", []), ("net5", []), ("net5", ["--jobs", "2"])])
def test_nets_of_other_settings_are_kept_unless_told_otherwise(script, options, trained, folder, tmp_path):
    shutil.copytree(trained[0], tmp_path / "models")
    before = {path: path.read_bytes() for path in (tmp_path / "models").glob("*.npz")}
    options = ["--epochs", 2, "--data", folder, "--models", tmp_path / "models", *options]
    for resume in ([], ["--resume"]):
        done = run(script, *options, *resume)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "---" not in done.stdout, done.stderr
        assert "settings build epochs: 1 there, 2 here" in done.stderr and "--force" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "models").glob("*.npz")} == before
