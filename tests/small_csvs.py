"""Small CSV files in the form of Kaggle's, and what their readers should say."""
import io
import zipfile

import numpy as np
import pytest

from fkp import Problem
from fkp.csvs import reader

COLUMNS = ["eye_x", "eye_y", "nose_x", "nose_y"]
TRAINING_HEADER = ",".join([*COLUMNS, "Image"])
LABELS = [[66.5, 39.25, np.nan, np.nan], [10, 20, 30, 96.5], [-3.5, 0, 1, 2]]
IMAGES = np.random.RandomState(0).randint(0, 256, (3, 96, 96)).astype(np.uint8)
TEXTS = [" ".join(map(str, image.ravel())) for image in IMAGES]
AGAIN = "; download it again from Kaggle"
DIGITS = "; write it in digits alone"


def training_lines():
    return [TRAINING_HEADER] + [
        ",".join(["" if np.isnan(v) else repr(v) for v in labels] + [text])
        for labels, text in zip(LABELS, TEXTS)]


def case_lines():
    return ["ImageId,Image"] + [f"{i},{text}" for i, text in enumerate(TEXTS, 1)]


def lookup_lines():
    return ["RowId,ImageId,FeatureName,Location", "1,1,eye_x,", "2,1,nose_y,", "3,3,eye_y,"]


LOOKUP = [[1, 1, "eye_x"], [2, 1, "nose_y"], [3, 3, "eye_y"]]
SEEDS = {"training": (training_lines, lambda path: reader.read_training(path, COLUMNS)),
         "test": (case_lines, reader.read_test),
         "lookup": (lookup_lines, lambda path: reader.read_lookup(path, COLUMNS))}


def write(path, lines, end="\n"):
    data = lines if isinstance(lines, bytes) else (end.join(lines) + end).encode()
    path.write_bytes(data)
    return path


def message(read, *arguments):
    """The text of the Problem that a call raises: always one line."""
    with pytest.raises(Problem) as caught:
        read(*arguments)
    text = str(caught.value)
    assert text.isprintable()
    return text


def assert_training(faces, rows=3):
    np.testing.assert_array_equal(faces.images, IMAGES[:rows])
    np.testing.assert_array_equal(faces.keypoints, np.float32(LABELS[:rows]))
    assert faces.images.dtype == np.uint8
    assert faces.keypoints.dtype == np.float32
    assert faces.ids is None
    assert not faces.images.flags.writeable
    assert not faces.keypoints.flags.writeable


def zipped(data):
    """The bytes of a zip that holds `data` as training.csv."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("training.csv", data)
    return file.getvalue()
