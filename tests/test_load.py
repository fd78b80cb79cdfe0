"""load.py: columns, scale, mirror, preprocessing, selection of rows, crops."""
import tracemalloc

import load
import net1
import net2
import net4
import net5
import numpy as np
import pytest

from fkp import Problem, files
from fkp.cascade.lessons import lesson_type
from fkp.data import draw


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


@pytest.mark.parametrize("method", load.PREPROCESS)
def test_preprocessing_keeps_the_shape_and_its_input(method, drawn):
    images = drawn.images[:4]
    before = images.copy()
    out = load.preprocessed(images, method)
    assert out.shape == images.shape and out.dtype in (np.uint8, np.float32)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("method", load.PREPROCESS)
def test_preprocessing_takes_a_flat_picture(method):
    assert np.isfinite(load.preprocessed(np.full((1, 96, 96), 7, np.uint8), method)).all()


def test_equalised_pictures_use_all_greys_equally():
    ramp = (np.arange(96 * 96) // 300).astype(np.uint8).reshape(1, 96, 96)  # dark: 31 greys, all below 31
    out = load.preprocessed(ramp, "equalise")
    assert out.min() == 0 and out.max() == 255
    assert abs(out.mean() - 127.5) < 5


def test_unknown_preprocessing_is_refused():
    with pytest.raises(Problem, match="'fourier' is unknown; choose one of plain, equalise, standardise, local"):
        load.preprocessed(np.zeros((1, 96, 96), np.uint8), "fourier")


def test_pixels_become_float_only_in_a_batch():
    X = np.arange(256, dtype=np.uint8).reshape(2, 128)
    (Xb, _), = load.PixelBatchIterator(batch_size=2)(X)
    assert Xb.dtype == np.float32 and Xb.max() == pytest.approx(1) and Xb.min() == 0
    assert X.dtype == np.uint8


# --- rows ---

def labels(rows):
    keypoints = np.full((rows, 30), 50, np.float32)
    return keypoints


def found(keypoints):
    origin = {"file": "training.csv", "fingerprint": "0", "drawn": False, "rows": len(keypoints)}
    return load.Faces(np.zeros((len(keypoints), 96, 96), np.uint8), load.split_schemes(keypoints), None, origin)


def test_rows_that_miss_a_requested_label_are_dropped():
    keypoints = labels(20)
    keypoints[3, 0] = np.nan
    keep, y = load.select(found(keypoints))
    assert 3 not in keep and len(keep) == 19 and not np.isnan(y).any()
    keep, y = load.select(found(keypoints), cols=["nose_tip_x", "nose_tip_y"])
    assert sorted(keep) == list(range(20)) and y.shape == (20, 2)
    keep, y = load.select(found(keypoints), all_rows=True)
    assert len(keep) == 20 and y.shape == (20, 34) and np.isnan(y[list(keep).index(3), 0])


def test_rows_are_shuffled_in_the_same_order_whatever_is_dropped():
    keypoints = labels(50)
    everything, _ = load.select(found(keypoints))
    keypoints[::7, 5] = np.nan
    fewer, _ = load.select(found(keypoints))
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
    faces = found(keypoints)._replace(groups=groups)
    rows = load.validation_rows(faces)
    others = np.setdiff1d(np.arange(200), rows)
    assert 40 <= len(rows) < 60 and not set(groups[rows]) & set(groups[others])
    for all_rows in (False, True):
        keep, y = load.select(faces, all_rows=all_rows)
        train, valid, _, _ = load.split_for(faces, all_rows=all_rows)(keep, y, net1.build())
        assert set(valid) <= set(rows) and not set(train) & set(rows) and len(valid) > 20


@pytest.mark.parametrize("n_rows", [20, 21, 24, 35])
def test_the_cascade_and_the_nets_validate_on_the_same_rows(n_rows):
    faces = found(labels(n_rows))
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


def test_four_point_rows_get_columns_of_their_own():
    keypoints = labels(2)
    four = [load.COLUMNS.index(name) for name in load.columns(load.FOUR_POINTS)]
    keypoints[1] = np.nan
    keypoints[1, four] = np.arange(8)
    both = load.split_schemes(keypoints)
    assert np.isnan(both[0, 30:]).all() and not np.isnan(both[0, :30]).any()
    at = load.ALL_COLUMNS.index
    assert np.isnan(both[1, at("nose_tip_x")]) and both[1, at("nose_base_x")] == 4
    assert both[1, at("mouth_middle_y")] == 7 and both[1, at("left_eye_center_x")] == 0


def test_the_cascades_validation_rows_are_left_out_by_every_net():
    random = np.random.RandomState(1)
    keypoints = labels(200)
    four = np.isin(load.COLUMNS, load.columns(load.FOUR_POINTS))
    keypoints[np.ix_(random.rand(200) < 0.6, ~four)] = np.nan
    faces = found(keypoints)
    rows = load.validation_rows(faces)
    for all_rows in (False, True):
        keep, y = load.select(faces, all_rows=all_rows)
        trained_on = load.split_for(faces, all_rows=all_rows)(keep, y, net1.build())[0]
        assert not set(trained_on) & set(rows)
    assert len(rows) > 20


def test_too_few_rows_are_refused():
    with pytest.raises(Problem, match="training.csv: 4 rows have the labels asked for"):
        load.select(found(labels(4)))


def test_an_unknown_column_is_refused():
    with pytest.raises(Problem, match="'chin_x' is no column"):
        load.select(found(labels(9)), cols=["chin_x"])


def test_load_gives_what_nets_take():
    X, y = load.load(data=None, rows=60) if load.is_drawn() else pytest.skip("data/ holds Kaggle's CSVs")
    assert X.dtype == np.uint8 and X.shape[1] == 9216 and y.shape == (len(X), 30) and y.dtype == np.float32
    assert np.abs(y).max() <= 1
    X2, y2 = load.load2d(rows=60)
    assert X2.shape == (len(X), 1, 96, 96)
    np.testing.assert_array_equal(X2.reshape(X.shape), X)
    np.testing.assert_array_equal(y, y2)


def test_the_drawn_faces_know_the_same_keypoints():
    assert list(draw.KEYPOINTS) == load.KEYPOINTS


# --- crops ---

def coordinates():
    """A picture whose value is its column; and one whose value is its row."""
    grid = np.arange(96, dtype=np.uint8)
    return np.stack([np.tile(grid, (96, 1)), np.tile(grid[:, None], (1, 96))])


def test_a_crop_is_where_it_says():
    images = coordinates()
    crops, centres = load.crop(images, np.array([[50.0, 30.0]] * 2), 38)
    np.testing.assert_array_equal(centres, [[50, 30]] * 2)
    np.testing.assert_array_equal(crops[0][0], np.arange(31, 69))
    np.testing.assert_array_equal(crops[1][:, 0], np.arange(11, 49))


@pytest.mark.parametrize("centre, left", [(50.0, 31), (50.4, 31), (50.6, 32), (49.6, 31)])
def test_a_crop_begins_at_the_nearest_whole_pixel(centre, left):
    crops, centres = load.crop(coordinates()[:1], np.array([[centre, 30.0]]), 38)
    assert crops[0][0, 0] == left and centres[0, 0] == left + 19


@pytest.mark.parametrize("centre, corner", [((0, 0), (0, 0)), ((96, 96), (58, 58)), ((3, 90), (0, 58)),
                                            ((200, -50), (58, 0))])
def test_a_crop_at_the_border_is_moved_inside(centre, corner):
    crops, centres = load.crop(coordinates(), np.array([centre] * 2, float), 38)
    assert crops.shape == (2, 38, 38)
    assert (crops[0][0, 0], crops[1][0, 0]) == corner
    np.testing.assert_array_equal(centres[0], np.array(corner) + 19)


def test_a_specialists_targets_lead_back_to_the_face():
    random = np.random.RandomState(0)
    points = random.uniform(0, 96, (6, 10)).astype(np.float32)
    _, centres = load.crop(np.zeros((6, 96, 96), np.uint8), random.uniform(-5, 100, (6, 2)), 32)
    targets = load.to_crop(points, centres, 32)
    np.testing.assert_allclose(load.from_crop(targets, centres, 32), points, atol=1e-4)
    np.testing.assert_allclose(load.to_crop(centres, centres, 32), 0)
    np.testing.assert_allclose(load.to_crop(centres + 16, centres, 32), 1)  # the window's corner


def test_a_group_is_looked_for_at_the_mean_of_its_known_points():
    points = np.full((2, 30), 10, np.float32)
    index = [load.COLUMNS.index(name) for name in load.columns(load.GROUPS["LE"])]
    points[0, index] = np.arange(10)
    points[1, index] = [1, 2] + [np.nan] * 8
    np.testing.assert_allclose(load.group_centres(points, "LE"), [[4, 5], [1, 2]])


def test_specialists_load_only_rows_with_their_labels():
    if not load.is_drawn():
        pytest.skip("data/ holds Kaggle's CSVs")
    X, y, rows = load.load_specialist_train("M", rows=60)
    assert X.shape == (len(y), 96, 96) and y.shape[1] == 10 and len(rows) == len(y)
    assert not np.isnan(y).all(1).any()
    with pytest.raises(Problem, match="'EAR' is unknown"):
        load.load_specialist_train("EAR")


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


ITERATORS = {
    "pixels": (lambda: load.PixelBatchIterator(128, grey=0.5), (9216,), "30f4"),
    "mirrored": (lambda: net2.FlipBatchIterator(128), (9216,), "30f4"),
    "augmented": (lambda: net4.AugmentBatchIterator(128, grey=0.5), (1, 96, 96), "30f4"),
    "crops": (lambda: net5.CropBatchIterator(128, 38, np.zeros((1, 2))), (96, 96), lesson_type("LE")),
}


@pytest.mark.parametrize("kind", ITERATORS)
def test_an_epoch_makes_no_float_copy_of_the_pixels(kind):
    make, shape, label = ITERATORS[kind]
    X, y = np.zeros((4000, *shape), np.uint8), np.zeros(4000, label)
    tracemalloc.start()
    try:
        assert {Xb.dtype for Xb, _ in make()(X, y)} == {np.dtype(np.float32)}
        assert tracemalloc.get_traced_memory()[1] < X.nbytes  # a float copy takes four times as much
    finally:
        tracemalloc.stop()
