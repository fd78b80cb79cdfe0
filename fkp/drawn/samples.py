"""Drawn faces in the form of Kaggle's; a whole set is kept in a folder, since drawing takes half a minute."""
import numpy as np

from fkp import files
from fkp.drawn import draw
from fkp.csvs import reader
from fkp.keypoints import COLUMNS, SIZE

SHAPES = {"images": (SIZE, SIZE), "keypoints": (len(COLUMNS),)}  # of a row


def read_training(folder, rows=None):
    """As `reader.read_training`: the first `rows`, or as many as Kaggle has."""
    kept = _kept("training", ("images", "keypoints"), folder, rows)
    return reader.Faces(kept["images"], kept["keypoints"], None, draw.FINGERPRINT)


def read_test(folder, rows=None):
    """As `reader.read_test`."""
    images = _kept("test", ("images",), folder, rows)["images"]
    return reader.Faces(images, None, np.arange(1, len(images) + 1, dtype=np.int32), draw.FINGERPRINT)


def _kept(what, names, folder, rows):
    """{name: array} of the first `rows` faces, from folder/drawn-WHAT.npz or drawn now; only a whole set is kept."""
    path = folder / f"drawn-{what}.npz"
    arrays = files.read_cache(path, draw.FINGERPRINT)
    if arrays is None or not _fits(arrays, names):
        if rows is None:
            print(f"Drawing {what} faces, once ...", flush=True)
        size = {} if rows is None else {"rows": rows}
        arrays = dict(zip(names, draw.training(**size) if what == "training" else (draw.test(**size),)))
        if rows is None:
            files.write_cache(path, draw.FINGERPRINT, arrays)
    return {name: array[:rows] for name, array in arrays.items()}


def _fits(arrays, names):
    """Are these pictures and labels, as many of the one as of the other?"""
    return (set(arrays) == set(names) and all(arrays[name].shape[1:] == SHAPES[name] for name in names)
            and arrays["images"].dtype == np.uint8 and len({len(array) for array in arrays.values()}) == 1)
