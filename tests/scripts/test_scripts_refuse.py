"""What a user may do wrong: a script ends with one line and exit code 2, and nothing is lost."""
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from running import run, stop_at_epoch

pytestmark = pytest.mark.slow


ROWS = ["--rows", "60"]


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
    """No net can be trained on it; a net of other faces may have been trained on that one, so no error is shown."""
    data = tmp_path / "csvs"
    shutil.copytree(folder, data)
    (data / "training.csv").write_bytes(b"\n".join((folder / "training.csv").read_bytes().split(b"\n")[:2]) + b"\n")
    options = [str(tmp_path) if word == "." else word for word in script[1:]]
    done = run(script[0], *options, "--data", data, "--models", trained[0] if script[0] == "test2" else tmp_path)
    if script[0] == "test2":
        assert (done.returncode, done.stderr) == (0, "")
        assert "No error is shown. net1 was trained on training.csv (60 rows, " in done.stdout
    else:
        assert done.returncode == 2 and "training.csv" in done.stderr and done.stderr.count("\n") == 1, done.stderr


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
