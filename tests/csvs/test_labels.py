"""Labels that cannot be are named for what they look like; a few odd ones are none of anybody's business."""
import numpy as np
import pytest
from small_csvs import message

from fkp.drawn import draw
from fkp.csvs import reader
from fkp.csvs.labels import doubt
from fkp.keypoints import COLUMNS

pytestmark = pytest.mark.usefixtures("own_cache_folder")


@pytest.fixture(scope="module")
def labels():
    """150 drawn faces' labels in pixels, the last 70 of them with four points only."""
    _, points = draw.training(rows=150)
    four = [c.startswith(("left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom")) for c in COLUMNS]
    points[np.ix_(np.arange(150) >= 80, ~np.array(four))] = np.nan
    return points


def at(*names):
    return [COLUMNS.index(name) for name in names]


def swapped(k, one, other):
    """Columns whose name has `one` and those that have `other` there instead."""
    k = k.copy()
    for i, name in enumerate(COLUMNS):
        if one in name:
            j = COLUMNS.index(name.replace(one, other))
            k[:, [i, j]] = k[:, [j, i]]
    return k


def filled_forward(k):
    k = k.copy()
    for row in range(1, len(k)):
        k[row] = np.where(np.isnan(k[row]), k[row - 1], k[row])
    return k


IMPOSSIBLE = {
    "divided by 96": (lambda k: k / 96, "labels from 0 to 1: these seem to be divided by 96; multiply them by 96"),
    "scaled": (lambda k: (k - 48) / 48, "labels from -1 to 1: these seem to be scaled; multiply them by 48 and add 48"),
    "standardised": (lambda k: (k - np.nanmean(k, 0)) / np.nanstd(k, 0), "these seem to be standardised; give pixels"),
    "zeros for missing": (lambda k: np.nan_to_num(k, nan=0),
                          "778 points are (0, 0): missing labels seem to be filled in"),
    "-1 for missing": (lambda k: np.nan_to_num(k, nan=-1),
                       "778 points are (-1, -1): missing labels seem to be filled in"),
    "zeros in a few rows": (lambda k: np.nan_to_num(k[70:84], nan=0), "47 points are (0, 0)"),
    "means for missing": (lambda k: np.where(np.isnan(k), np.nanmean(k, 0), k), "column left_eye_inner_corner_x is "),
    "filled forward": (filled_forward, "missing labels seem to be filled in; leave them empty"),
    "x and y": (lambda k: swapped(k, "_x", "_y"), "x and y seem to be swapped; swap them"),
    "left and right": (lambda k: swapped(k, "left_eye", "right_eye"), "left is the person's left, at the larger x"),
    "mirrored": (lambda k: np.where(np.arange(30) % 2 == 0, 96 - k, k), "left is the person's left, at the larger x"),
    "upside down": (lambda k: np.where(np.arange(30) % 2, 96 - k, k),
                    "y seems to count from the lower edge; write 96 - y"),
    "48 x 48": (lambda k: k / 2, "these seem to belong to pictures of 48 x 48; scale them to 96 x 96"),
    "128 x 128": (lambda k: (k * 128 / 96).clip(0, 116),
                  "these seem to belong to larger pictures; scale them to 96 x 96"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_labels_that_cannot_be_are_named_with_the_cure(case, labels):
    change, expected = IMPOSSIBLE[case]
    before = labels.copy()
    assert expected in doubt(np.float32(change(labels)), COLUMNS)
    np.testing.assert_array_equal(labels, before)


def odd(k, row, names, values):
    k = k.copy()
    k[row, at(*names)] = values
    return k


ODD = {
    "all as drawn": lambda k: k,
    "eyes interchanged once": lambda k: odd(k, 3, ["left_eye_center_x", "right_eye_center_x"], [30, 66]),
    "a point in the corner": lambda k: odd(k, 3, ["nose_tip_x", "nose_tip_y"], [0, 0]),
    "a point out of sight": lambda k: odd(k, 3, ["nose_tip_x", "nose_tip_y"], [-12, 110]),
    "a face upside down": lambda k: np.concatenate([96 - k[:3], k[3:]]),
    "a face twice": lambda k: np.concatenate([k, k[:1]]),
    "whole pixels": lambda k: np.rint(k),
    "few rows": lambda k: k[:1] / 2,
    "four points only": lambda k: k[80:],
}


@pytest.mark.parametrize("case", ODD)
def test_a_few_odd_labels_are_no_reason_to_stop(case, labels):
    assert doubt(np.float32(ODD[case](labels)), COLUMNS) is None


def test_the_reader_stops_at_such_a_file_and_keeps_no_cache(tmp_path, labels):
    path = tmp_path / "training.csv"
    text = " ".join(["7"] * 9216)
    with open(path, "w") as file:
        print(*COLUMNS, "Image", sep=",", file=file)
        for row in labels[:9] / 96:
            print(*row, text, sep=",", file=file)
    assert message(reader.read_training, path, COLUMNS) == (
        f"{path}: labels from 0 to 1: these seem to be divided by 96; multiply them by 96")
    assert [each.name for each in tmp_path.iterdir()] == ["training.csv"]


def test_a_label_of_a_larger_picture_is_named(tmp_path, labels):
    path = tmp_path / "training.csv"
    path.write_text("%s,Image\n%s,7\n" % (",".join(COLUMNS), ",".join("%.4f" % v for v in labels[0] * 250 / 96)))
    assert "or scale all labels if they belong to larger pictures" in message(reader.read_training, path, COLUMNS)


def test_real_labels_are_sound(real_data):
    keypoints = reader.read_training(real_data / "training.csv", COLUMNS).keypoints
    for rows in (slice(None), slice(30), slice(300), slice(2284, None), slice(2284, 2300)):
        assert doubt(keypoints[rows], COLUMNS) is None
