"""Which rows a net uses, and which validate."""
import load
import net1
import numpy as np
import pytest

from fkp import Problem, files
from fkp.drawn import draw
from fkp.faces import describe


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
    faces = faces_with(keypoints)._replace(persons=groups)
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


@pytest.mark.parametrize("text",
                         ["1\n2\n3\n", "\ufeff1\r\n2\r\n3\r\n\r\n\n", "person\n1\n2\n3", '"person"\n"1"\n"2"\n"3"',
                                  "1.0\n2.0\n3.0", " 1\n2 \n3", "1 2 3\n", "1,2,3", "1, 2, 3\n"])
def test_a_groups_file_is_read_as_programs_write_it(text, tmp_path):
    (tmp_path / "groups.txt").write_bytes(text.encode())
    assert load.read_groups(tmp_path / "groups.txt", 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize("text, message", [
    ("1\n\n3\n", "line 2: empty; name each row's person by a whole number"), ("1\n2\nNaN", "line 3: 'NaN' is no"),
    ("row,person\n0,1\n1,2\n2,3", "line 2: '0,1' is no whole number; name each row's person by one, and nothing else"),
    ("0,1\n1,2\n2,3", "line 2: '1,2' is no whole number"), ("anna\nbob\ncarl", "line 2: 'bob' is no whole number"),
    ("", "line 1: empty"), ("1\n2\n3\n4", "has 4 lines, and training.csv 3 rows"),
    ("1.5\n2.5\n3.5", "line 2: '2.5' is no")])
def test_a_groups_file_that_can_mean_two_things_is_refused(text, message, tmp_path):
    (tmp_path / "groups.txt").write_text(text)
    with pytest.raises(Problem, match=message):
        load.read_groups(tmp_path / "groups.txt", 3)
    with pytest.raises(Problem):
        load.read_groups(tmp_path / "groups.txt", 3, rows=3) if "4 lines" not in message else load.read_groups(
            tmp_path / "groups.txt", 3)


def split(groups, keypoints=None, all_rows=False):
    faces = faces_with(labels(len(groups)) if keypoints is None else keypoints)._replace(persons=np.array(groups))
    keep, y = load.select(faces, all_rows=all_rows)
    train, valid, _, _ = load.split_for(faces, all_rows=all_rows)(keep, y, None)
    return train.tolist(), valid.tolist()


def test_one_person_alone_is_one_line():
    for groups in ([7] * 20, [0] * 5):
        with pytest.raises(Problem, match="groups: all %d rows are of one person" % len(groups)):
            split(groups)


@pytest.mark.parametrize("small", [1, 2, 9])
def test_of_two_persons_one_trains_and_one_validates(small):
    for first in (3, 5):  # whichever comes first in the order
        train, valid = split([first] * small + [4] * (20 - small))
        assert train and valid and sorted(train + valid) == list(range(20))
        assert {len(train), len(valid)} == {small, 20 - small}


def test_every_row_a_person_of_its_own_is_as_without_groups():
    train, valid = split(list(range(20)))
    assert len(valid) == 4 and len(train) == 16


@pytest.mark.parametrize("known, word", [(0, "train|validate"), (1, "train|validate")])
def test_persons_with_too_few_labels_to_train_or_validate_are_one_line(known, word):
    groups, keypoints = [0] * 10 + [1] * 10, labels(20)
    keypoints[np.array(groups) != known, 0] = np.nan  # the other person's rows are incomplete
    with pytest.raises(Problem, match="nobody is left to (%s) on; name more persons" % word):
        split(groups, keypoints)
    train, valid = split(groups, keypoints, all_rows=True)
    assert len(train) == len(valid) == 10


@pytest.mark.parametrize("change", [{"rows": 8}, {"fingerprint": "1"}, {"drawn": False, "file": "training.csv"},
                                    {"groups": "ab12"}])
def test_faces_that_differ_are_described_differently(change):
    one = {"file": "drawn faces", "fingerprint": "0", "drawn": True, "rows": 7049}
    assert describe(one) != describe({**one, **change})


def test_one_column_may_be_asked_for_by_its_name():
    faces = faces_with(labels(20))
    keep, y = load.select(faces, cols="left_eye_center_x")
    assert y.shape == (20, 1)
    for cols in ("left_eye", [], ["left_eye_center_x", "x"]):
        with pytest.raises(Problem, match="cols: .* is no column; known are left_eye_center_x"):
            load.select(faces, cols=cols)


@pytest.mark.parametrize("word", ["/path", "data", None])
def test_a_folder_in_the_place_of_test_is_named(word):
    for function in (load.load, load.load2d, load.faces):
        with pytest.raises(Problem, match="is not True or False; name the folder as data="):
            function(word)


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
    four = np.isin(load.COLUMNS, load.columns(load.SCHEMES[load.FOUR].points))
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


def test_a_person_s_rows_stay_in_the_file_s_order():
    groups = np.random.RandomState(1).permutation(np.repeat(np.arange(6), 50))
    order = load.row_order(300, groups)
    for person in range(6):
        rows = order[groups[order] == person]
        assert (np.diff(rows) > 0).all()
