"""Outputs that no label taught are in no answer."""
import argparse
import signal

import load
import net1
import net4
import net5
import numpy as np
import pytest
from conftest import a_run, train

from fkp import Problem, cli, files, greeting, keypoints, models, tables
from fkp.looking import answers, photo
from fkp.training import lessons
from fkp.training.checkpoint import checkpoint_path

SECOND = load.columns(load.SCHEMES[load.FOUR].elsewhere.values())
FULL_ONLY = [i for i, name in enumerate(load.ALL_COLUMNS) if name not in SECOND]


@pytest.fixture(scope="module")
def pictures():
    """Pictures and labels of both schemes: 15 rows of the full one, 15 of four points."""
    random = np.random.RandomState(0)
    y = random.uniform(-1, 1, (30, 34)).astype(np.float32)
    y[::2, 30:] = np.nan
    four = [load.ALL_COLUMNS.index(name) for name in load.columns(load.SCHEMES[load.FOUR].points[:2]) + SECOND]
    y[1::2, np.setdiff1d(range(34), four)] = np.nan
    return random.randint(0, 256, (30, 1, 96, 96)).astype(np.uint8), y


def trained(X, y, path, **build):
    return train(net4.build(epochs=1, hidden=5, all_rows=True, **build), X, y, path,
                 a_run("net4", epochs=1, hidden=5, all_rows=True, **build))


def answered(net, X):
    return np.flatnonzero(~np.isnan(net.predict(X)).any(0))


def test_what_no_row_teaches_is_left_out_and_said_before_training(pictures, tmp_path, capsys):
    X, y = pictures[0][::2], pictures[1][::2]  # the full scheme alone, as with --rows 300 --all-rows
    net = trained(X, y, tmp_path / "net4.npz")
    out = capsys.readouterr().out
    line = "net4: no label here teaches nose_base and mouth_middle, so the net will not answer them.\n"
    assert line in out and out.index(line) < out.index("epoch")
    for each in (net, models.open_net(tmp_path / "net4.npz")):
        assert answered(each, X).tolist() == FULL_ONLY
    points = answers.net_points(models.open_net(tmp_path / "net4.npz"), X)
    assert np.isnan(points[:, 30:]).all() and not np.isnan(points[:, :30]).any()


def test_a_net_of_four_points_alone_answers_four_points(pictures, tmp_path, capsys):
    X, y = pictures[0][1::2], pictures[1][1::2]
    net = trained(X, y, tmp_path / "net4.npz")
    names = {load.ALL_COLUMNS[i][:-2] for i in answered(net, X)}
    assert names == {*load.SCHEMES[load.FOUR].points[:2], *load.SCHEMES[load.FOUR].elsewhere.values()}
    assert "left_eye_inner_corner, left_eye_outer_corner" in capsys.readouterr().out


def test_a_point_known_on_one_side_teaches_the_other_through_mirror_images(pictures, tmp_path):
    X, y = pictures[0], pictures[1].copy()
    left = [i for i, name in enumerate(load.ALL_COLUMNS) if name.startswith("left_eye_inner")]
    nose = [i for i, name in enumerate(load.ALL_COLUMNS) if name.startswith("nose_tip")]
    y[:, left + nose] = np.nan
    assert answered(trained(X, y, tmp_path / "net4.npz"), X).tolist() == sorted(set(range(34)) - set(nose))


def test_with_all_labels_every_output_answers_and_nothing_is_said(pictures, tmp_path, capsys):
    X, y = pictures
    assert len(answered(trained(X, y, tmp_path / "net4.npz"), X)) == 34
    run, _ = models.open_run(tmp_path / "net4.npz")
    assert run.taught == run.validated == [True] * 34
    assert "teaches" not in capsys.readouterr().out


def test_a_point_that_nobody_validates_is_said_and_answered(pictures, tmp_path, capsys):
    X, y = pictures[0], pictures[1].copy()
    y[:6, 30:] = np.nan  # the first fifth validates
    net = trained(X, y, tmp_path / "net4.npz")
    assert len(answered(net, X)) == 34
    assert "net4: no validation face has nose_base and mouth_middle" in capsys.readouterr().out
    assert models.open_run(tmp_path / "net4.npz")[0].validated == [True] * 30 + [False] * 4


def test_a_specialist_learns_from_its_mirror_partner_and_leaves_out_what_neither_has(tmp_path):
    y = np.zeros(20, lessons.lesson_type("N"))
    y["labels"] = 48
    y["labels"][:, :, 4:] = np.nan  # nose_base
    y["centre"] = y["seen"] = 48
    net = net5.build("N", 38, epochs=1, errors=np.zeros((3, 2), np.float32))
    net.train_split = load.FirstRows(5)
    X = np.random.RandomState(0).randint(0, 256, (20, 96, 96)).astype(np.uint8)
    net = train(net, X, y, tmp_path / "n.npz", a_run("net5", group="N", win=38))
    assert np.isnan(net.predict(X[:3, None, :38, :38])[:, 4:]).all()
    assert models.open_run(tmp_path / "n.npz")[0].taught == [True] * 4 + [False] * 2
    sides = np.zeros(3, lessons.lesson_type("LE"))
    sides["labels"][:, 0, 0] = np.nan
    assert net5.CropBatchIterator(3, 38, errors=np.zeros((3, 2))).taught(sides).all()
    assert net5.CropBatchIterator(3, 38).taught(sides).tolist() == [False] + [True] * 9


def test_a_resumed_run_leaves_out_the_same(pictures, tmp_path):
    X, y, path = pictures[0][::2], pictures[1][::2], tmp_path / "net4.npz"
    run = a_run("net4", epochs=2, hidden=5, all_rows=True)
    net = net4.build(epochs=2, hidden=5, all_rows=True)
    net.on_batch_finished = [lambda net, history: not history and signal.raise_signal(signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        train(net, X, y, path, run)
    assert checkpoint_path(path).exists()
    net = train(net4.build(epochs=2, hidden=5, all_rows=True), X, y, path, run, resume=True)
    assert answered(net, X).tolist() == FULL_ONLY


# --- where answers go ---

def test_a_scheme_that_the_net_does_not_know_is_answered_in_the_other():
    points = np.arange(34, dtype=np.float32)[None].repeat(2, 0)
    first, second = points.copy(), points.copy()
    first[:, 30:] = np.nan
    second[:, [load.COLUMNS.index(name) for name in load.columns(load.SCHEMES[load.FOUR].elsewhere)]] = np.nan
    for_both = np.array([load.FULL, load.FOUR])
    np.testing.assert_array_equal(keypoints.merge_schemes(first, for_both), points[:, :30])
    merged = keypoints.merge_schemes(second, for_both)
    assert merged[0].tolist() == merged[1].tolist() and merged[0, load.COLUMNS.index("nose_tip_x")] == 30


def test_a_submission_of_points_that_no_label_taught_is_refused_in_one_line(tmp_path):
    with pytest.raises(Problem, match="row 2 would hold nan, a point that no label taught these nets"):
        tables.write_submission(tmp_path / "s.csv", np.array([1, 2]), np.array([4.0, np.nan]))
    assert not list(tmp_path.iterdir())


def test_a_photos_table_has_no_row_for_what_the_net_does_not_know(tmp_path):
    points = np.ones((1, 30), np.float32)
    points[0, 20:22] = np.nan
    photo.write_csv(tmp_path / "me.csv", points)
    lines = (tmp_path / "me.csv").read_text().split("\n")
    assert len(lines) == 1 + 14 + 1 and not any("nose_tip" in line or "nan" in line for line in lines)


@pytest.mark.parametrize("rows, said", [(10, True), (None, False)])
def test_few_rows_say_that_they_follow_one_scheme_only(rows, said, drawn, capsys):
    full = drawn.keypoints.copy()
    full[:, 30:] = np.nan
    greeting.greet(argparse.Namespace(rows=rows), drawn._replace(keypoints=full))
    out = capsys.readouterr().out
    assert ("No label in the first 120 rows: nose_base, mouth_middle." in out) == said


def test_nets_from_before_outputs_were_recorded_answer_all(tmp_path):
    arrays = files.read_npz(cli.SHIPPED / "net4.npz")
    header = files.untext(arrays["header"], tmp_path)
    files.write_npz(tmp_path / "net4.npz", dict(arrays, header=files.text(
        {key: value for key, value in header.items() if key not in ("taught", "validated")})))
    net = models.open_net(tmp_path / "net4.npz")
    assert net.run_.taught is None and len(answered(net, np.zeros((1, 1, 96, 96), np.uint8))) == 34


@pytest.mark.parametrize("taught", [3, [1], [True], {"a": 1}, "x"])
def test_a_strange_record_of_outputs_is_refused(taught, tmp_path, drawn):
    X, y = drawn.images[:10].reshape(10, -1), np.zeros((10, 30), np.float32)
    train(net1.build(epochs=1), X, y, tmp_path / "net1.npz", a_run("net1", epochs=1))
    arrays = files.read_npz(tmp_path / "net1.npz")
    header = dict(files.untext(arrays["header"], tmp_path), taught=taught)
    files.write_npz(tmp_path / "net1.npz", dict(arrays, header=files.text(header)))
    with pytest.raises(Problem, match="settings are damaged"):
        load.open_net(tmp_path / "net1.npz")
