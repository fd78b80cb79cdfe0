"""What the scripts write: nothing of the user's is replaced, and no name is cut out of free text."""
import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas
import pytest
import test2
from matplotlib.figure import Figure
from fkp import Problem, cli, files, models, tables
from fkp.results import figures
from fkp.looking import photo
from fkp.results import report
from fkp.drawn import draw
from PIL import Image
from conftest import ROOT
from running import run


def picture(title, path):
    """Save an empty figure as `figures.save` does; where it went."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    return figures.save(plt.figure(figsize=(1, 1)), path, show=False, title=title)


def test_a_picture_is_replaced_by_the_same_one_only(tmp_path):
    path = tmp_path / "a.10.32.png"
    assert picture("one", path) == picture("one", path) == path
    assert picture("other", path) == tmp_path / "a.10.32-2.png"
    assert picture("third", path) == tmp_path / "a.10.32-3.png"
    assert picture("other", path) == tmp_path / "a.10.32-2.png"
    assert Image.open(path).info["Title"] == "one"


@pytest.mark.parametrize("content", [b"", b"a text", None])
def test_what_is_no_picture_of_ours_stays(content, tmp_path):
    path = tmp_path / "test1.png"
    if content is None:
        Image.new("L", (9, 9)).save(path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    assert picture(None, path) == tmp_path / "test1-2.png"
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("nowhere")])
def test_a_folder_or_a_dangling_link_in_the_way_stays(make, tmp_path):
    make(tmp_path / "test1.png")
    assert picture(None, tmp_path / "test1.png") == tmp_path / "test1-2.png"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("content, ours",
                         [("RowId,Location\n1,12.0000\n2,3.5000\n", True), ("RowId,Location\n1,0\n", False),
                                           ("RowId,Location\n1,12.00001\n", False), ("my notes\n", False), ("", False)])
def test_a_submission_of_another_hand_stays(content, ours, tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text(content)
    written = tables.write_submission(path, np.array([1, 2]), np.array([10.0, 20.0]))
    assert written == (path if ours else tmp_path / "submission-2.csv")
    assert (path.read_text() == content) != ours
    assert written.read_text() == "RowId,Location\n1,10.0000\n2,20.0000\n"


def test_keypoints_do_not_replace_another_table(tmp_path, capsys):
    path = tmp_path / "me.jpg-net1.csv"
    path.write_text("x,y\n1,2\n")
    for _ in range(2):
        photo.write_csv(path, np.zeros((1, 30)))
    assert path.read_text() == "x,y\n1,2\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["me.jpg-net1-2.csv", "me.jpg-net1.csv"]
    assert "me.jpg-net1-2.csv" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["[1, 2]", '{"a": {}}', "notes"])
def test_another_s_net5_json_is_named_and_stays(content, tmp_path):
    (tmp_path / "net5.json").write_text(content)
    with pytest.raises(Problem, match="net5.json: cannot be read .*; move it away"):
        report.best_rule(tmp_path, {1: [], 2: []})


def test_what_stands_in_a_lock_and_what_is_named_like_our_leftovers_stays(tmp_path):
    kept = {tmp_path / ".lock": "notes", tmp_path / "net2.npz.old.tmp": "mine", tmp_path / "net2.npz.tmp": "mine"}
    for path, text in kept.items():
        path.write_text(text)
    (tmp_path / "net2.npz.ab12_xyz.tmp").touch()  # of a killed run
    with files.locked(tmp_path):
        pass
    assert {path: path.read_text() for path in tmp_path.iterdir()} == kept


def test_drawn_csvs_do_not_replace_kaggle_s(tmp_path, capsys):
    (tmp_path / "test.csv").write_text("Kaggle's")
    with pytest.raises(SystemExit) as ended:
        draw.main([str(tmp_path), "--rows", "1"])
    assert ended.value.code == 2 and "test.csv: is there already; name another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test.csv"]
    with pytest.raises(SystemExit):
        draw.main(["--sheet", str(tmp_path / "test.csv")])
    assert (tmp_path / "test.csv").read_text() == "Kaggle's"


# --- names of nets and folders ---

@pytest.mark.parametrize("name, label, path", [
    ("net1", "net1", "M/net1.npz"), ("net1.npz", "net1", "M/net1.npz"), ("net1.py", "net1", "M/net1.npz"),
    ("net1.checkpoint.npz", "net1", "M/net1.npz"), ("net1-plain", "net1-plain", "M/net1-plain.npz"),
    ("a/net1.npz", "a/net1", "a/net1.npz"), ("b.c/net1", "b.c/net1", "b.c/net1.npz"),
    ("my.net", "my.net", "M/my.net.npz")])
def test_a_net_is_named_as_one_likes(name, label, path, tmp_path):
    found, where = models.named(tmp_path / "M", name)
    assert (found, str(where).replace(str(tmp_path) + "/", "")) == (label, path)


def test_a_net_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(Problem, match="net1-plain.npz: not found; train it first: python net1.py$"):
        models.read(tmp_path / "net1-plain.npz")
    with pytest.raises(Problem, match="mine.npz: not found; .* holds no trained net$"):
        models.read(tmp_path / "mine.npz")
    (tmp_path / "net3.npz").touch()
    with pytest.raises(Problem, match="mine.npz: not found; .* holds net3$"):
        models.read(tmp_path / "mine.npz")


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for option in ("--data", "--models", "--out", "--groups"):
        name = option[2:]
        args = cli.parser("", name).parse_args([option + "=~/x"])
        assert getattr(args, name) == tmp_path / "x"
    with pytest.raises(Problem, match="begins with no user's name"):
        cli.parser("", "data").parse_args(["--data=~nobody-of-this-name/x"])


@pytest.mark.parametrize("option", ["--out", "--models"])
def test_a_file_is_no_folder(option, tmp_path):
    (tmp_path / "a.png").touch()
    for path in (tmp_path / "a.png", tmp_path / "a.png" / "b"):
        with pytest.raises(Problem, match="a.png is a file; name a folder"):
            cli.parser("", option[2:]).parse_args([option, str(path)])


@pytest.mark.parametrize("words", [[], ["--out", "here/not/yet"]])
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_computed(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.parser("", "out").parse_args(words).out == Path(words[-1] if words else ".")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # chmod would not stop root
    with pytest.raises(Problem, match="cannot be written; choose another folder"):
        cli.parser("", "out").parse_args(words)


@pytest.mark.parametrize("words",
                         [["--box", "-10,0,90,90"], ["--box=-10,0,90,90"], ["--box", "-10,-5,90,90", "--seed", "3"]])
def test_a_value_may_begin_with_a_minus(words):
    p = cli.parser("", "seed")
    p.add_argument("--box")
    assert p.parse_args(words).box.startswith("-10,")


# --- a user's photos, whole ---

@pytest.mark.slow
def test_each_photo_and_each_net_has_results_of_its_own(trained, tmp_path):
    names = ["Screenshot 2024-01-01 at 10.32.15.png", "Screenshot 2024-01-01 at 10.32.png", "me.jpg", "me.png"]
    face = draw.draw(1)[0][0]
    before = {}
    for size, name in enumerate(names, 100):
        Image.fromarray(face).resize((size, size)).save(tmp_path / name)
        before[name] = (tmp_path / name).read_bytes()
    for net in ("net1", "net2"):
        for name in names[:2]:
            done = run("test2", net, "--models", trained[0], "--image", tmp_path / name)
            assert (done.returncode, done.stderr) == (0, "")
    for name in names[2:]:
        done = run("test2", "net1.npz", "--models", trained[0], "--image", tmp_path / name, "--box", "-5,-5,90,90")
        assert (done.returncode, done.stderr) == (0, "") and "the face in --box -5,-5,90,90" in done.stdout
    assert {name: (tmp_path / name).read_bytes() for name in names} == before
    results = {each.name for each in tmp_path.iterdir()} - set(names)
    assert results == {"%s-%s.%s" % (name, net, kind) for name in names for net in ("net1", "net2")
                       for kind in ("png", "csv") if (name, net)[0][0] == "S" or net == "net1"}


@pytest.mark.slow
def test_photos_of_one_name_from_two_folders_are_kept_apart(trained, tmp_path):
    for i, place in enumerate(("a", "b")):
        (tmp_path / place).mkdir()
        Image.fromarray(draw.draw(2)[0][i]).save(tmp_path / place / "me.png")
    for place in ("a", "b", "a"):
        done = run("test2", "net1", "--models", trained[0], "--image", tmp_path / place / "me.png", "--out", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert {each.name for each in tmp_path.glob("me*")} == {"me.png-net1.png", "me.png-net1.csv", "me.png-net1-2.png",
                                                           "me.png-net1-2.csv"}


def test_a_photo_s_folder_that_cannot_be_written_is_named_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # chmod would not stop root
    with pytest.raises(Problem, match="cannot be written, so the result cannot go there; name another .* --out"):
        test2.main(["--image", str(tmp_path / "me.png")])


@pytest.mark.parametrize("table", [None, {"agg": None}])
def test_pictures_are_drawn_in_an_ipython_that_dropped_what_matplotlib_asks_it_for(table, monkeypatch):
    tools = types.ModuleType("IPython.core.pylabtools")
    if table is not None:
        tools.backend2gui = table
    for name in ("IPython", "IPython.core"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "IPython.core.pylabtools", tools)
    monkeypatch.delitem(sys.modules, "fkp.results.figures")
    importlib.import_module("fkp.results.figures")
    assert tools.backend2gui == (table or {})


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline",
                                     "module://nowhere", "nonsense", "agg"])
def test_a_picture_is_written_whatever_backend_a_notebook_hands_down(backend, tmp_path):
    code = ("from pathlib import Path; from fkp.results import figures; figures.use_display(None)\n"
            "import matplotlib.pyplot as plt; figures.save(plt.figure(), Path('a.png'))")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                          env=dict(os.environ, MPLBACKEND=backend, PYTHONPATH=str(ROOT)))
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "a.png").exists()


def test_a_window_that_cannot_be_opened_is_done_without(monkeypatch):
    def refuse(backend):
        raise ImportError("no Qt")
    monkeypatch.setattr("matplotlib.pyplot.switch_backend", refuse)
    assert not figures.opens_windows()


def test_the_error_pictures_show_the_table_s_own_mean():
    overall = "all, on complete faces"
    errors = pandas.DataFrame({"net1": {"nose_tip": 1.0, "chin": 9.0, overall: 2.57},
                               "a/net1": {"nose_tip": 2.0, "chin": np.nan, overall: 3.14}})
    figure = figures.errors_per_keypoint("net1", errors["net1"], overall)
    line, = figure.axes[0].lines
    assert line.get_xdata()[0] == 2.57 and line.get_label() == "all, on complete faces: 2.57"
    figure = figures.compared_errors("nets", errors, overall)
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["net1: 2.57", "a/net1: 3.14"]
    assert legend.get_title().get_text() == "all, on complete faces"


def test_points_are_drawn_right_and_below():
    axes = Figure().add_subplot()
    figures.draw_face(axes, np.zeros((96, 96), np.uint8), np.array([10, 20, 30, 40]), np.array([11, 22, 33, 44]))
    truth, answer = (each.get_offsets().tolist() for each in axes.collections)
    assert truth == [[11, 22], [33, 44]] and answer == [[10, 20], [30, 40]]
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[11, 22], [10, 20]], [[33, 44], [30, 40]]]
    assert axes.get_xlim() == (0, 96) and axes.get_ylim() == (96, 0)
