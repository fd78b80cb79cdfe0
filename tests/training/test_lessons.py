"""What the specialists of the cascade are trained and validated on."""
import load
import net5
import numpy as np
import pytest

from fkp import keypoints
from fkp.training import lessons


def specialist_row(drawn, group, seen_error=0.0):
    seen = drawn.keypoints + np.float32(seen_error)
    seen = np.where(np.isnan(seen), 48, seen)
    return lessons.lesson(group, seen, drawn)


def test_the_true_centre_of_a_complete_group_is_the_mean_of_its_points(drawn):
    keep, y, n_valid, errors = specialist_row(drawn, "LE", seen_error=3.0)
    labels, centre = y["labels"][:, 0], y["centre"][:, 0]
    complete = ~np.isnan(labels).any(1)
    np.testing.assert_allclose(centre[complete], labels[complete].reshape(-1, 5, 2).mean(1), atol=1e-3)
    np.testing.assert_allclose(errors, 3.0, atol=1e-3)
    assert 0 < n_valid < len(keep)


@pytest.mark.parametrize("group, partner", [("LE", "RE"), ("M", "M")])
def test_a_mirrored_crop_has_its_partners_labels(group, partner, drawn):
    keep, y, _, _ = specialist_row(drawn, group)
    complete = ~np.isnan(y["labels"][:, 0, :8]).any(1)
    keep, y = keep[complete][:8], y[complete][:8]
    iterator = net5.CropBatchIterator(8, 38, errors=np.zeros((1, 2), np.float32))
    (crops, targets), = iterator(drawn.images[keep], y)
    mirrored = drawn.images[keep][:, :, ::-1]
    partner_centre = keypoints.mirror_pixels(y["centre"][:, 1])
    plain, plain_centre = load.crop(drawn.images[keep], y["centre"][:, 0], 38)
    flipped, flipped_centre = load.crop(mirrored, partner_centre, 38)
    is_flipped = np.array([np.allclose(c[0] * 255, f, atol=1e-3) for c, f in zip(crops, flipped)])
    is_plain = np.array([np.allclose(c[0] * 255, f, atol=1e-3) for c, f in zip(crops, plain)])
    assert is_flipped.sum() == is_plain.sum() == 4
    own = [load.ALL_COLUMNS.index(load.mirror_name(name)) for name in load.columns(load.GROUPS[group])]
    other = keypoints.mirror_pixels(drawn.keypoints[keep][:, own])
    expected = np.where(is_flipped[:, None], load.to_crop(other, flipped_centre, 38),
                        load.to_crop(y["labels"][:, 0], plain_centre, 38))
    np.testing.assert_allclose(targets, expected, atol=1e-5)


def test_training_crops_miss_by_the_errors_of_the_level_before(drawn):
    keep, y, _, _ = specialist_row(drawn, "N")
    iterator = net5.CropBatchIterator(len(keep), 32, errors=np.array([[6, 2]], np.float32))
    (_, targets), = iterator(drawn.images[keep], y)
    points = load.from_crop(targets, np.zeros((len(keep), 2), np.float32), 32)
    tip = points[:, :2][~np.isnan(points[:, 0])]
    labels, centre = y["labels"][:, 0], y["centre"][:, 0]
    usual = (labels[:, :2] - centre)[~np.isnan(labels[:, 0])].mean(0)
    moved = tip.mean(0) - usual
    assert moved[1] == pytest.approx(-2, abs=0.6)  # the crop is 2 lower, so the nose is 2 higher in it
    assert abs(moved[0]) < 1.5                     # to the right in half the crops, to the left in the mirrored
    assert np.abs(tip[:, 0]).mean() > 4


def test_validation_crops_are_where_the_level_before_looked(drawn):
    keep, y, _, _ = specialist_row(drawn, "M", seen_error=2.0)
    (crops, targets), = net5.CropBatchIterator(len(keep), 38)(drawn.images[keep], y)
    expected, centres = load.crop(drawn.images[keep], y["seen"][:, 0], 38)
    np.testing.assert_allclose(crops[:, 0] * 255, expected, atol=1e-3)
    np.testing.assert_allclose(targets, load.to_crop(y["labels"][:, 0], centres, 38))


@pytest.mark.parametrize("augment", [False, True])
def test_a_training_crop_shows_what_its_labels_mark(augment):
    random = np.random.RandomState(0)
    left = random.uniform([64, 30], [72, 50], (60, 2))  # a soft bright spot is each eye; its five points are one
    right = random.uniform([24, 30], [32, 50], (60, 2))
    grid = np.arange(96) + 0.5
    spots = [np.exp(-((grid - at[:, :1])[:, None, :] ** 2 + (grid - at[:, 1:])[:, :, None] ** 2) / 8)
             for at in (left, right)]
    images = (250 * sum(spots)).astype(np.uint8)
    y = np.empty(60, lessons.lesson_type("LE"))
    y["labels"] = np.stack([np.tile(left, 5), np.tile(right, 5)], 1)
    y["centre"] = y["seen"] = np.stack([left, right], 1)
    errors = random.uniform(-4, 4, (50, 2))
    (crops, targets), = net5.CropBatchIterator(60, 38, errors, seed=1, augment=augment)(images, y)
    weights = np.where(crops[:, 0] > 0.3 * crops.max(axis=(1, 2, 3), keepdims=True)[:, 0], crops[:, 0], 0)
    middle = np.arange(38) + 0.5
    at = np.stack([(weights.sum(1) * middle).sum(1), (weights.sum(2) * middle).sum(1)],
                  1) / weights.sum((1, 2))[:, None]
    np.testing.assert_allclose((at - 19) / 19, targets[:, :2], atol=0.5 / 19)


def test_crops_are_off_by_errors_on_validation_faces_alone(drawn):
    seen = np.where(np.isnan(drawn.keypoints), 48, drawn.keypoints) + np.float32(30)   # far off where a net was trained
    rows = load.validation_rows(drawn)
    seen[rows] = np.where(np.isnan(drawn.keypoints[rows]), 48, drawn.keypoints[rows]) + np.float32([1, 2] * 17)
    errors = lessons.lesson("M", seen, drawn).errors
    np.testing.assert_allclose(errors, np.tile([1, 2], (len(errors), 1)), atol=1e-4)


@pytest.mark.parametrize("persons", [None, np.arange(120) // 3])
@pytest.mark.parametrize("group", keypoints.GROUPS)
def test_a_specialist_is_trained_on_no_validation_face(group, persons, drawn):
    faces = drawn._replace(persons=persons, keypoints=drawn.keypoints.copy())
    faces.keypoints[::7] = np.nan   # these teach no specialist
    lesson = lessons.lesson(group, np.zeros((120, 34), np.float32), faces)
    names = keypoints.columns(keypoints.GROUPS[group])
    labels = faces.keypoints[:, [keypoints.ALL_COLUMNS.index(name) for name in names]]
    valid = load.validation_rows(faces)
    np.testing.assert_array_equal(lesson.rows[:lesson.n_valid], valid[~np.isnan(labels[valid]).all(1)])
    assert not np.isin(lesson.rows[lesson.n_valid:], valid).any()
