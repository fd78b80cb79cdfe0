"""load.py: what its functions give."""
import load
import numpy as np
import pytest



def test_load_gives_what_nets_take():
    X, y = load.load(data=None, rows=60) if load.is_drawn() else pytest.skip("data/ holds Kaggle's CSVs")
    assert X.dtype == np.uint8 and X.shape[1] == 9216 and y.shape == (len(X), 30) and y.dtype == np.float32
    assert np.abs(y).max() <= 1
    X2, y2 = load.load2d(rows=60)
    assert X2.shape == (len(X), 1, 96, 96)
    np.testing.assert_array_equal(X2.reshape(X.shape), X)
    np.testing.assert_array_equal(y, y2)


@pytest.mark.parametrize("group, win", [("LE", 38), ("M", 48)])
def test_a_specialist_sees_crops_around_what_the_level_before_saw(group, win, drawn):
    X, centres = load.crop_group(drawn.images, drawn.keypoints, group, win)
    assert X.shape == (len(drawn.images), 1, win, win) and X.dtype == np.uint8
    for n in (0, 7):
        left, upper = (centres[n] - win / 2).astype(int)
        np.testing.assert_array_equal(X[n, 0], drawn.images[n, upper:upper + win, left:left + win])
    inside = load.group_centres(drawn.keypoints, group).clip(win / 2, 96 - win / 2)
    assert np.abs(centres - inside).max() <= 0.5


def test_a_specialist_learns_from_every_face_with_one_of_its_labels(drawn):
    lesson = load.lesson("M", drawn.keypoints, drawn)
    assert len(lesson.rows) == len(lesson.y) and 0 < lesson.n_valid < len(lesson.rows)
    assert not np.isnan(lesson.y["labels"][:, 0]).all(1).any()
