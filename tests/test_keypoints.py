"""Names, schemes and coordinates of the keypoints."""
import load
import numpy as np
import pytest

from fkp.drawn import draw
from fkp import keypoints
from fkp.keypoints import MEAN_FACE, merge_schemes, placement, turned


def labels(rows):
    keypoints = np.full((rows, 30), 50, np.float32)
    return keypoints


def test_columns_stand_in_kaggles_order():
    assert load.COLUMNS[:3] == ["left_eye_center_x", "left_eye_center_y", "right_eye_center_x"]
    assert load.COLUMNS[20:22] == ["nose_tip_x", "nose_tip_y"]
    assert load.COLUMNS[-2:] == ["mouth_center_bottom_lip_x", "mouth_center_bottom_lip_y"]
    assert len(load.COLUMNS) == len(set(load.COLUMNS)) == 30


def test_scale_maps_the_picture_to_minus_one_to_one_and_back():
    assert load.scale([0, 48, 96]).tolist() == [-1, 0, 1]
    points = np.random.RandomState(0).uniform(0, 96, (5, 30)).astype(np.float32)
    np.testing.assert_allclose(load.unscale(load.scale(points)), points, atol=1e-5)


def test_a_loss_stands_for_its_root_times_half_the_picture():
    assert load.pixels(0.0016) == pytest.approx(1.92)


@pytest.mark.parametrize("name, other", [
    ("left_eye_center_x", "right_eye_center_x"), ("right_eyebrow_outer_end_y", "left_eyebrow_outer_end_y"),
    ("mouth_left_corner_x", "mouth_right_corner_x"), ("nose_tip_y", "nose_tip_y")])
def test_mirror_swaps_left_and_right_names(name, other):
    assert load.mirror_name(name) == other
    assert load.COLUMNS[load.mirror_order(load.COLUMNS)[load.COLUMNS.index(name)]] == other


def test_mirror_twice_is_the_identity_and_leaves_its_input_alone():
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (3, 96, 96)).astype(np.uint8)
    points = load.scale(random.uniform(0, 96, (3, 34)))
    before = images.copy(), points.copy()
    once = load.mirror(images, points, load.ALL_COLUMNS)
    twice = load.mirror(*once, load.ALL_COLUMNS)
    np.testing.assert_array_equal(twice[0], images)
    np.testing.assert_array_equal(twice[1], points)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(points, before[1])
    assert not np.array_equal(once[1], points)


def test_a_bright_pixel_and_its_label_stay_together_in_the_mirror():
    images = np.zeros((1, 96, 96), np.uint8)
    images[0, 40, 70] = 255
    points = np.full((1, 30), 48, np.float32)
    points[0, :2] = 70.5, 40.5  # left_eye_center, at the pixel's centre, counted from the edge
    flipped, labels = load.mirror(images, load.scale(points))
    row, col = np.argwhere(flipped[0] == 255)[0]
    x, y = load.unscale(labels)[0, 2:4]  # right_eye_center
    assert (x, y) == pytest.approx((col + 0.5, row + 0.5))


def test_four_point_rows_get_columns_of_their_own():
    keypoints = labels(2)
    four = [load.COLUMNS.index(name) for name in load.columns(load.SCHEMES[load.FOUR].points)]
    keypoints[1] = np.nan
    keypoints[1, four] = np.arange(8)
    both = load.split_schemes(keypoints)
    assert np.isnan(both[0, 30:]).all() and not np.isnan(both[0, :30]).any()
    at = load.ALL_COLUMNS.index
    assert np.isnan(both[1, at("nose_tip_x")]) and both[1, at("nose_base_x")] == 4
    assert both[1, at("mouth_middle_y")] == 7 and both[1, at("left_eye_center_x")] == 0


def test_both_schemes_are_merged_to_what_was_split():
    keypoints = np.random.RandomState(0).uniform(0, 96, (6, 30)).astype(np.float32)
    four = np.isin(load.COLUMNS, load.columns(load.SCHEMES[load.FOUR].points))
    keypoints[np.ix_([1, 4], ~four)] = np.nan
    both = load.split_schemes(keypoints)
    np.testing.assert_array_equal(merge_schemes(both, np.isin(np.arange(6), [1, 4]).astype(int)), keypoints)
    both[1, 30:] = np.nan  # a net that knows one scheme answers with that
    both[1, :30] = 7
    assert (merge_schemes(both, np.ones(6, int))[1] == 7).all()


def test_a_group_is_looked_for_at_the_mean_of_its_known_points():
    points = np.full((2, 30), 10, np.float32)
    index = [load.COLUMNS.index(name) for name in load.columns(load.GROUPS["LE"])]
    points[0, index] = np.arange(10)
    points[1, index] = [1, 2] + [np.nan] * 8
    np.testing.assert_allclose(load.group_centres(points, "LE"), [[4, 5], [1, 2]])


@pytest.mark.parametrize("tilt", [0, 30])
@pytest.mark.parametrize("name, nose, aside", [
    ("nose_tip", (48, 60), False), ("nose_tip", (59, 60), True), ("nose_tip", (37, 60), True),
    ("nose_base", (55, 66), False), ("nose_base", (60, 66), True), ("mouth_middle", (60, 66), False)])
def test_a_head_whose_nose_is_off_the_middle_of_the_eyes_is_turned(name, nose, aside, tilt):
    points, cos, sin = np.full((1, 34), np.nan, np.float32), np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    for point, (x, y) in {"left_eye_center": (68, 40), "right_eye_center": (28, 40), name: nose}.items():
        points[0, load.ALL_COLUMNS.index(point + "_x")] = x * cos - y * sin
        points[0, load.ALL_COLUMNS.index(point + "_y")] = x * sin + y * cos
    assert turned(points).tolist() == [aside]


def test_the_drawn_faces_know_the_same_keypoints():
    assert list(draw.KEYPOINTS) == load.KEYPOINTS


def test_a_faces_place_is_that_of_the_points_it_has():
    faces = np.stack([MEAN_FACE.reshape(-1, 2) * 1.5 + (20, -3)] * 3)
    faces[1, :6] = np.nan
    faces[2, 1:] = np.nan
    middle, usual, larger = placement(faces.reshape(3, -1))
    np.testing.assert_allclose(middle, usual * 1.5 + (20, -3))
    np.testing.assert_allclose(larger, [1.5, 1.5, 1])  # a point alone has no size
    np.testing.assert_allclose(usual[1], MEAN_FACE.reshape(-1, 2)[6:].mean(0))


def test_a_face_without_points_has_no_place():
    assert np.isnan(placement(np.full((1, 34), np.nan))[0]).all()


@pytest.mark.parametrize("known, scheme",
                         [(range(30), 0), (range(29), 0), ([0, 1, 2, 3, 20, 21, 28, 29], 1), ([0, 1], 1),
                                           ([4], 0), ([], 1)])
def test_a_row_is_of_the_scheme_of_fewest_points_that_marks_all_it_has(known, scheme):
    assert keypoints.schemes_of(np.isin(np.arange(30), known)[None]).tolist() == [scheme]


def test_a_third_scheme_is_an_entry_of_the_list(monkeypatch):
    third = keypoints.Scheme(["nose_tip", "mouth_left_corner"], {"nose_tip": "nose_base"})
    meant = [load.ALL_COLUMNS.index(name) for name in load.columns(
        third.elsewhere.get(point, point) for point in load.KEYPOINTS)]
    monkeypatch.setattr(keypoints, "SCHEMES", [*keypoints.SCHEMES, third])
    monkeypatch.setattr(keypoints, "MEANT", np.vstack([keypoints.MEANT, meant]))
    rows = np.full((2, 30), np.nan, np.float32)
    rows[0], rows[1, [20, 21, 22, 23]] = range(30), [5, 6, 7, 8]
    points = load.split_schemes(rows)
    nose = load.ALL_COLUMNS.index("nose_base_x")
    assert points[1, nose] == 5 and np.isnan(points[1, 20]) and np.isnan(points[0, nose])
    assert keypoints.schemes_of(keypoints.known_labels(points)).tolist() == [0, 2]
    np.testing.assert_array_equal(keypoints.merge_schemes(points, np.array([0, 2])), rows)


def test_a_point_that_its_scheme_does_not_know_is_that_of_the_other_scheme():
    at = load.ALL_COLUMNS.index
    points = np.full((2, len(load.ALL_COLUMNS)), np.nan, np.float32)
    points[0, at("nose_base_x")] = 7    # a complete face whose net knows the base of the nose alone,
    points[1, at("nose_tip_x")] = 9     # and one with four points whose net knows the tip alone
    merged = keypoints.merge_schemes(points, np.array([load.FULL, load.FOUR]))
    np.testing.assert_array_equal(merged[:, load.COLUMNS.index("nose_tip_x")], [7, 9])
