"""Faces turned, scaled, shifted and relit: labels stay with what they mark."""
import numpy as np
import pytest

from fkp import augment


def spots(n=40, seed=0):
    """Pictures with one soft bright spot each, and the spot's place."""
    random = np.random.RandomState(seed)
    at = random.uniform(25, 70, (n, 2))
    grid = np.arange(96) + 0.5
    distance = (grid - at[:, :1])[:, None, :] ** 2 + (grid - at[:, 1:])[:, :, None] ** 2
    return (250 * np.exp(-distance / 8)).astype(np.uint8), at.astype(np.float32)


def places(images):
    weights = images.astype(float)
    grid = np.arange(96) + 0.5
    total = weights.sum((1, 2))
    return np.stack([(weights.sum(1) * grid).sum(1), (weights.sum(2) * grid).sum(1)], 1) / total[:, None]


def test_a_label_stays_on_what_it_marks():
    images, points = spots()
    before = images.copy(), points.copy()
    warped, moved = augment.warp(images, points, np.random.RandomState(1))
    np.testing.assert_allclose(places(warped), moved, atol=0.15)
    assert np.abs(moved - points).max() > 3 and warped.dtype == np.uint8
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(points, before[1])


def test_the_middle_moves_by_the_shift_only():
    _, moved = augment.warp(np.zeros((500, 96, 96), np.uint8), np.full((500, 2), 48, np.float32),
                            np.random.RandomState(0))
    assert np.abs(moved - 48).max() <= augment.SHIFT and np.abs(moved - 48).max() > 0.9 * augment.SHIFT


def test_a_missing_label_stays_missing_and_the_others_stay():
    points = np.array([[30, 40, np.nan, np.nan, 50, 60]], np.float32)
    _, moved = augment.warp(np.zeros((1, 96, 96), np.uint8), points, np.random.RandomState(0))
    assert np.isnan(moved).tolist() == np.isnan(points).tolist()


def test_a_flat_picture_has_no_edges_after_turning():
    warped, _ = augment.warp(np.full((20, 96, 96), 77, np.uint8), np.zeros((20, 2), np.float32),
                             np.random.RandomState(0))
    assert (warped == 77).all()


def test_a_window_is_cut_out_of_the_warped_face():
    images = np.random.RandomState(0).randint(0, 256, (30, 96, 96)).astype(np.uint8)
    drawn = augment.Warp(30, 96, np.random.RandomState(1))
    whole = drawn.windows(images, np.zeros((30, 2)), 96).astype(int)
    corner = np.random.RandomState(2).randint(0, 96 - 38 + 1, (30, 2))
    for window, face, (x, y) in zip(drawn.windows(images, corner, 38), whole, corner):
        assert np.abs(window - face[y:y + 38, x:x + 38]).max() <= 1  # Pillow rounds


def test_light_changes_but_stays_in_range():
    images = np.random.RandomState(0).randint(0, 256, (50, 96, 96)).astype(np.uint8)
    before = images.copy()
    lit = augment.relight(images, np.random.RandomState(1))
    assert lit.dtype == np.uint8 and lit.shape == images.shape
    means = lit.mean((1, 2))
    assert means.std() > 5 and abs(means.mean() - 128) < 6
    np.testing.assert_array_equal(images, before)


def test_no_light_makes_bright_pixels_dark():
    ramps = np.tile(np.arange(256, dtype=np.uint8), (50, 1, 1))
    lit = augment.relight(ramps, np.random.RandomState(1))
    assert (np.diff(lit.astype(int), axis=2) >= 0).all()  # beyond 255 a byte begins again at 0


def test_whole_faces_are_warped_and_relit():
    images, points = spots()
    warped, moved = augment.warp(images, points, np.random.RandomState(1))
    faces, labels = augment.faces(images, points, np.random.RandomState(1))
    np.testing.assert_array_equal(labels, moved)
    assert faces.dtype == np.uint8 and faces.shape == images.shape and not np.array_equal(faces, warped)


def test_batches_made_ahead_are_the_same_in_the_same_order():
    assert list(augment.ahead([1, 2, 3])) == [1, 2, 3]
    assert list(augment.ahead([])) == []


def test_what_goes_wrong_ahead_is_raised():
    def broken():
        yield 1
        raise ValueError("no")
    found = augment.ahead(broken())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no"):
        next(found)
