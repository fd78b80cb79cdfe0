"""Which rows a net uses, and which validate."""
import load
import net1
import numpy as np
import pytest

from fkp import Problem, files
from fkp.data import draw


def labels(rows):
    keypoints = np.full((rows, 30), 50, np.float32)
    return keypoints


def faces_with(keypoints):
    origin = {"file": "training.csv", "fingerprint": "0", "drawn": False, "rows": len(keypoints)}
    return load.Faces(np.zeros((len(keypoints), 96, 96), np.uint8), load.split_schemes(keypoints), None, origin)


def test_rows_that_miss_a_requested_label_are_dropped():
    keypoints = labels(20)
    keypoints[3, 0] = np.nan
    keep, y = load.select(faces_with(keypoints))
    assert 3 not in keep and len(keep) == 19 and not np.isnan(y).any()
    keep, y = load.select(faces_with(keypoints), cols=["nose_tip_x", "nose_tip_y"])
    assert sorted(keep) == list(range(20)) and y.shape == (20, 2)
    keep, y = load.select(faces_with(keypoints), all_rows=True)
    assert len(keep) == 20 and y.shape == (20, 34) and np.isnan(y[list(keep).index(3), 0])


def test_rows_are_shuffled_in_the_same_order_whatever_is_dropped():
    keypoints = labels(50)
    everything, _ = load.select(faces_with(keypoints))
    keypoints[::7, 5] = np.nan
    fewer, _ = load.select(faces_with(keypoints))
    assert [row for row in everything if row % 7] == fewer.tolist()
    assert everything.tolist() != list(range(50))


def test_groups_stay_together_in_the_order():
    groups = np.repeat(np.arange(10), 5)
    order = groups[load.row_order(50, groups)]
    assert (np.diff(order) != 0).sum() == 9


def test_with_groups_nobody_is_on_both_sides():
    groups = np.random.RandomState(0).randint(0, 30, 200)
    keypoints = labels(200)
    keypoints[::3, 4] = np.nan
    faces = faces_with(keypoints)._replace(groups=groups)
    rows = load.validation_rows(faces)
    others = np.setdiff1d(np.arange(200), rows)
    assert 40 <= len(rows) < 60 and not set(groups[rows]) & set(groups[others])
    for all_rows in (False, True):
        keep, y = load.select(faces, all_rows=all_rows)
        train, valid, _, _ = load.split_for(faces, all_rows=all_rows)(keep, y, net1.build())
        assert set(valid) <= set(rows) and not set(train) & set(rows) and len(valid) > 20


@pytest.mark.parametrize("n_rows", [20, 21, 24, 35])
def test_the_cascade_and_the_nets_validate_on_the_same_rows(n_rows):
    faces = faces_with(labels(n_rows))
    keep, y = load.select(faces)
    _, valid, _, _ = load.split_for(faces)(keep, y, net1.build())
    np.testing.assert_array_equal(valid, load.validation_rows(faces))


@pytest.mark.parametrize("text, message", [("1\n2\nx\n", "line 3: 'x' is no whole number"), ("1\n2\n", "has 2 lines"),
                                           ("1 2 3 4", "has 4 lines")])
def test_a_wrong_groups_file_is_refused(text, message, tmp_path):
    (tmp_path / "groups.txt").write_text(text)
    with pytest.raises(Problem, match=message):
        load.read_groups(tmp_path / "groups.txt", 3)
    with pytest.raises(Problem, match="none.txt: cannot be read"):
        load.read_groups(tmp_path / "none.txt", 3)


def test_the_cascades_validation_rows_are_left_out_by_every_net():
    random = np.random.RandomState(1)
    keypoints = labels(200)
    four = np.isin(load.COLUMNS, load.columns(load.FOUR_POINTS))
    keypoints[np.ix_(random.rand(200) < 0.6, ~four)] = np.nan
    faces = faces_with(keypoints)
    rows = load.validation_rows(faces)
    for all_rows in (False, True):
        keep, y = load.select(faces, all_rows=all_rows)
        trained_on = load.split_for(faces, all_rows=all_rows)(keep, y, net1.build())[0]
        assert not set(trained_on) & set(rows)
    assert len(rows) > 20


def test_too_few_rows_are_refused():
    with pytest.raises(Problem, match="training.csv: 4 rows have the labels asked for"):
        load.select(faces_with(labels(4)))


def test_an_unknown_column_is_refused():
    with pytest.raises(Problem, match="'chin_x' is no column"):
        load.select(faces_with(labels(9)), cols=["chin_x"])


@pytest.mark.parametrize("arrays", [
    {}, {"images": np.zeros((9, 5), np.uint8), "keypoints": np.zeros((9, 30), np.float32)},
    {"images": np.zeros((9, 96, 96), np.float32), "keypoints": np.zeros((9, 30), np.float32)},
    {"images": np.zeros((9, 96, 96), np.uint8), "keypoints": np.zeros((8, 30), np.float32)}])
def test_a_damaged_cache_of_drawn_faces_is_not_used(arrays, tmp_path, monkeypatch):
    monkeypatch.setattr("fkp.faces.DATA", tmp_path)
    files.write_cache(tmp_path / "drawn-training.npz", draw.FINGERPRINT, arrays)
    seen = load.faces(rows=6)
    assert seen.images.shape == (6, 96, 96) and seen.images.dtype == np.uint8 and seen.keypoints.shape == (6, 34)
    assert seen.images.any()
