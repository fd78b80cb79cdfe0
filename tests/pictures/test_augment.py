"""Faces turned aside, tilted, scaled, shifted and relit: labels stay with what they mark."""
import load
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fkp.pictures import augment


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


def augmented(images, points, random):
    drawn = augment.Augmentation(len(images), random, heads=points)
    return drawn.images(images), drawn.points(points)


def warp(images, points, random):
    drawn = augment.RandomWarp(len(images), 96, random)
    return drawn.images(images), drawn.points(points)


def heads(n):
    """Labels (n, 34) of straight heads in the middle of the picture, full scheme."""
    labels = np.full((1, len(load.ALL_COLUMNS)), np.nan, np.float32)
    for name, place in {"left_eye_center": (66, 38), "right_eye_center": (30, 38), "nose_tip": (48, 58)}.items():
        labels[0, [load.ALL_COLUMNS.index(name + axis) for axis in ("_x", "_y")]] = place
    return labels.repeat(n, 0)


@pytest.mark.parametrize("degrees", [-35, -10, 20, 35])
def test_a_label_stays_on_its_pixel_as_the_head_turns(degrees):
    points = np.random.RandomState(0).uniform(30, 66, (40, 10)).astype(np.float32)
    before = points.copy()
    ramp = np.tile(np.arange(96, dtype=np.uint8) * 2, (40, 96, 1))  # grey says where a pixel comes from
    turn = augment.Turn(heads(40), np.full(40, np.deg2rad(degrees)))
    moved, images = turn.points(points), turn.images(ramp)
    for image, old, new in zip(images, points, moved):
        grey = map_coordinates(image.astype(float), [new[1::2] - 0.5, new[0::2] - 0.5], order=1)
        np.testing.assert_allclose(grey / 2 + 0.5, old[0::2], atol=0.4)
    assert np.abs(moved - points).max() > abs(degrees) / 10 and (moved[:, 1::2] == points[:, 1::2]).all()
    np.testing.assert_array_equal(points, before)
    assert (ramp == ramp[0, 0]).all()


def test_the_nose_points_where_the_head_looks():
    labels, base = heads(2), heads(2)
    nose = [load.ALL_COLUMNS.index("nose_tip" + axis) for axis in ("_x", "_y")]
    base[:, [load.ALL_COLUMNS.index("nose_base" + axis) for axis in ("_x", "_y")]] = base[:, nose] + [0, 7]
    base[:, nose] = np.nan
    for known in labels, base:
        moved = augment.Turn(known, np.deg2rad([-30.0, 30.0])).points(known)
        eyes, noses = moved[:, [0, 2]].mean(1), np.nanmean(moved[:, [20, 30]], 1)
        assert noses[0] < eyes[0] - 5 and noses[1] > eyes[1] + 5
        assert (np.ptp(moved[:, [0, 2]], 1) < 0.9 * 36).all()  # and the eyes come closer together


def test_a_head_without_eyes_or_nose_is_not_turned():
    labels = heads(4)
    labels[0, 0] = labels[1, 20] = np.nan
    labels[2, :2] = labels[2, 2:4]
    turn = augment.Turn(labels, np.array([0.5, 0.5, 0.5, 0.0]))
    images = np.random.RandomState(0).randint(0, 256, (4, 96, 96)).astype(np.uint8)
    np.testing.assert_array_equal(turn.images(images), images)
    np.testing.assert_array_equal(turn.points(labels), labels)


def test_faces_keep_their_number_and_what_is_missing():
    images, _ = spots()
    before, labels = images.copy(), heads(40)
    for known in labels, labels[:, :30]:
        new, moved = augmented(images, known, np.random.RandomState(0))
        assert new.shape == images.shape and new.dtype == np.uint8 and moved.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(moved), np.isnan(known))
    np.testing.assert_array_equal(images, before)


def test_a_label_stays_on_what_it_marks():
    images, points = spots()
    before = images.copy(), points.copy()
    warped, moved = warp(images, points, np.random.RandomState(1))
    np.testing.assert_allclose(places(warped), moved, atol=0.15)
    assert np.abs(moved - points).max() > 3 and warped.dtype == np.uint8
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(points, before[1])


def test_the_middle_moves_by_the_shift_only():
    _, moved = warp(np.zeros((500, 96, 96), np.uint8), np.full((500, 2), 48, np.float32),
                            np.random.RandomState(0))
    assert np.abs(moved - 48).max() <= augment.SHIFT and np.abs(moved - 48).max() > 0.9 * augment.SHIFT


def test_a_specialists_faces_move_less():
    warps = [augment.RandomWarp(500, 96, np.random.RandomState(0), strength, strength)
             for strength in (1.0, augment.CLOSER)]
    moved = [warp.points(np.full((500, 2), 70, np.float32)) - 70 for warp in warps]
    assert 0.3 < np.abs(moved[1]).max() / np.abs(moved[0]).max() < 0.5


def test_a_gentle_augmentation_moves_less_and_turns_fewer_heads():
    strong, gentle = (augment.Augmentation(1000, np.random.RandomState(0), strength, heads=heads(1000))
                      for strength in (1.0, 0.4))
    assert len(strong.turn.turned) > 550 and 200 < len(gentle.turn.turned) < 280
    moved = [drawn.warp.points(np.full((1000, 2), 48, np.float32)) - 48 for drawn in (strong, gentle)]
    assert 0.39 < np.abs(moved[1]).max() / np.abs(moved[0]).max() < 0.41
    wide = [np.ptp(drawn.warp.points(np.tile(np.float32([28, 48, 68, 48]), (1000, 1)))[:, [0, 2]], 1)
            for drawn in (strong, gentle)]
    assert wide[1].max() > 50 and wide[1].min() < 32  # they are as small and as large


def test_a_missing_label_stays_missing_and_the_others_stay():
    points = np.array([[30, 40, np.nan, np.nan, 50, 60]], np.float32)
    _, moved = warp(np.zeros((1, 96, 96), np.uint8), points, np.random.RandomState(0))
    assert np.isnan(moved).tolist() == np.isnan(points).tolist()


def test_a_flat_picture_has_no_edges_after_turning():
    warped, _ = warp(np.full((20, 96, 96), 77, np.uint8), np.zeros((20, 2), np.float32),
                             np.random.RandomState(0))
    assert (warped == 77).all()
    turn = augment.Turn(heads(20), np.linspace(-0.6, 0.6, 20))
    assert (turn.images(np.full((20, 96, 96), 77, np.uint8)) == 77).all()


def test_a_window_is_cut_out_of_the_warped_face():
    images = np.random.RandomState(0).randint(0, 256, (30, 96, 96)).astype(np.uint8)
    drawn = augment.RandomWarp(30, 96, np.random.RandomState(1))
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
    random = np.random.RandomState(1)
    random.uniform(size=80)  # by how much 40 heads would turn, had they two eyes
    warped, moved = warp(images, points, random)
    faces, labels = augmented(images, points, np.random.RandomState(1))
    np.testing.assert_array_equal(labels, moved)
    np.testing.assert_array_equal(faces, augment.relight(warped, random))


def test_what_is_done_to_whole_faces_is_done_to_windows_of_them():
    images, labels = spots()[0], heads(40)
    drawn = augment.Augmentation(40, np.random.RandomState(1), heads=labels)
    state = drawn.random.get_state()
    whole = drawn.images(images)
    drawn.random.set_state(state)
    corner = np.random.RandomState(2).randint(0, 96 - 38 + 1, (40, 2))
    for window, face, (x, y) in zip(drawn.windows(images, corner, 38).astype(int), whole, corner):
        assert np.abs(window - face[y:y + 38, x:x + 38]).max() <= 2  # Pillow rounds, then the light does


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


def test_contrast_is_about_the_middle_grey():
    greys = augment.relight(np.full((300, 96, 96), 128, np.uint8), np.random.RandomState(0))[:, 0, 0].astype(float)
    low, high = 128 * (1 - augment.LIGHT), 128 * (1 + augment.LIGHT)   # brightness alone moves it
    assert low - 1 <= greys.min() < low + 10 and high - 10 < greys.max() <= high + 1


def test_three_heads_in_five_are_turned_as_many_to_the_left_as_to_the_right(drawn):
    heads = np.tile(load.select(drawn, load.COLUMNS)[1][:1], (4000, 1))
    turn = augment.Augmentation(4000, np.random.RandomState(0), heads=heads).turn
    assert abs(len(turn.turned) / 4000 - 0.6) < 0.03
    assert abs((turn.head.angle > 0).mean() - 0.5) < 0.04
    assert np.deg2rad(33) < abs(turn.head.angle).max() <= np.deg2rad(35)


def test_faces_are_tilted_both_ways_alike():
    tilt = np.arctan2(*augment.RandomWarp(2000, 96, np.random.RandomState(0)).there[:, [1, 0], 0].T)
    assert abs((tilt > 0).mean() - 0.5) < 0.05
    assert abs(np.deg2rad([18, 20]) - [-tilt.min(), tilt.max()]).max() < np.deg2rad(2.1)


def test_the_tip_of_a_nose_is_above_its_base():
    head = np.full((1, len(load.ALL_COLUMNS)), np.nan, np.float32)
    for name, xy in {"left_eye_center": (68, 36), "right_eye_center": (28, 36), "nose_base": (48, 62)}.items():
        head[0, [load.ALL_COLUMNS.index(name + axis) for axis in ("_x", "_y")]] = xy
    turn = augment.Turn(head, np.array([0.3]))
    tip = (turn.head.nose_y * turn.radius).item()
    assert 62 - tip == pytest.approx(0.1955 * 40, abs=0.01)
