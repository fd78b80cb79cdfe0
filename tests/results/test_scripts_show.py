"""What test1, test2 and test3 show, and the nets that come with the collection."""
import shutil

import pytest
from PIL import Image
from running import assert_picture, run

from fkp.looking import cascade
from fkp import cli, greeting, models

pytestmark = pytest.mark.slow


def test_test1_shows_faces_and_writes_a_submission(trained, folder, tmp_path):
    done = run("test1", "--data", folder, "--models", trained[0], "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert_picture(tmp_path / "test1.png")
    lines = (tmp_path / "submission.csv").read_text().split("\n")
    asked = (folder / "IdLookupTable.csv").read_text().count("\n") - 1
    assert lines[0] == "RowId,Location" and len(lines) == asked + 2
    assert all(0 <= float(line.split(",")[1]) <= 96 for line in lines[1:-1])


def test_test1_submits_level_1_where_there_are_no_specialists(trained, folder, tmp_path):
    shutil.copy(trained[0] / "net4.npz", tmp_path)
    done = run("test1", "--data", folder, "--models", tmp_path, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    asked = (folder / "IdLookupTable.csv").read_text().count("\n")
    assert (tmp_path / "submission.csv").read_text().count("\n") == asked


def test_test1_misses_a_specialist_where_there_are_others(trained, folder, tmp_path):
    for name in ("net4.npz", "net5-LE-38.npz"):
        shutil.copy(trained[0] / name, tmp_path)
    done = run("test1", "--data", folder, "--models", tmp_path, "--out", tmp_path)
    assert done.returncode == 2 and "net5-RE-38.npz: not found" in done.stderr


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
    from fkp.drawn import draw
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


def test_before_anything_is_trained_the_shipped_nets_are_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "MODELS", tmp_path)
    assert greeting.nets_to_show(tmp_path) == cli.SHIPPED
    assert "No net trained yet: showing those of models/drawn, trained on drawn faces." in capsys.readouterr().out
    assert greeting.nets_to_show(tmp_path / "other") == tmp_path / "other"
    (tmp_path / "net1.npz").touch()
    assert greeting.nets_to_show(tmp_path) == tmp_path


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
