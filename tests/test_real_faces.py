"""On real faces, where FKP_DATA names a folder with Kaggle's CSVs."""
import load
import numpy as np
import pytest

from fkp import keypoints
from fkp.results import submission


@pytest.fixture(scope="module")
def faces(real_data):
    return load.faces(data=real_data)


def test_the_files_have_kaggles_size(faces, real_data):
    assert faces.images.shape == (7049, 96, 96) and faces.keypoints.shape == (7049, 34)
    complete = ~np.isnan(faces.keypoints[:, :30]).any(1)
    assert complete.sum() == 2140
    test = load.faces(test=True, data=real_data)
    assert test.ids.tolist() == list(range(1, 1784))


def test_the_second_scheme_starts_at_row_2284(faces):
    second = ~np.isnan(faces.keypoints[:, 30:]).all(1)
    assert second[2284:].mean() > 0.99 and second[:2284].mean() < 0.01


def test_labels_count_from_the_edge(faces):
    """Dark pupils: the grey-weighted centre of the 5 x 5 pixels around an eye's label, mirrored as 96 - x.

    If labels counted pixel centres (mirror 95 - x), left eyes' offsets would
    differ from the mirrored right eyes' by a whole pixel.
    """
    rows = np.flatnonzero(~np.isnan(faces.keypoints[:, :30]).any(1))
    images, points = faces.images[rows], faces.keypoints[rows]
    flipped, labels = load.mirror(images, load.scale(points[:, :30]))
    offsets = [pupil_offset(images, points[:, :2]), pupil_offset(flipped, load.unscale(labels)[:, :2])]
    assert abs(np.mean(offsets[0]) - np.mean(offsets[1])) < 0.3


def pupil_offset(images, eye):
    """x of the darkness around `eye` (n, 2), minus the label's x, both in pixels from the edge."""
    crops, centres = load.crop(images, eye, 10)
    dark = np.maximum(crops.mean((1, 2), keepdims=True) - crops, 0)
    x = (dark.sum(1) * (np.arange(10) + 0.5)).sum(1) / dark.sum((1, 2))
    return x - 5 + centres[:, 0] - eye[:, 0]


def test_the_mean_face_is_a_submission_that_kaggle_takes(faces, real_data, tmp_path):
    mean = keypoints.nanmean(faces.keypoints, 0, empty=0)
    test = load.faces(test=True, data=real_data)
    lookup = load.lookup(test.ids, real_data)
    submission.write(tmp_path / "mean.csv", np.tile(mean, (len(test.ids), 1)), test.ids, lookup)
    lines = (tmp_path / "mean.csv").read_text().split("\n")
    assert len(lines) == 27124 + 2 and lines[1].startswith("1,") and lines[-2].startswith("27124,")
