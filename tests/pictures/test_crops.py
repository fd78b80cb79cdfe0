"""Crops: where they are cut, and the way back to the face."""
import load
import numpy as np
import pytest


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
