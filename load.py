"""Kaggle's "Facial Keypoints Detection" as arrays, for every script here.

    X, y = load()                      # complete rows: X (2140, 9216), y (2140, 30)
    X, y = load2d(cols=EYE_COLUMNS)    # rows that have these labels: X (n, 1, 96, 96)
    X, _ = load2d(test=True)           # Kaggle's 1,783 test faces, in their order
    what = lesson("LE", seen, faces)   # what net 5's specialist for the left eye learns
    X, at = crop_group(images, seen, "LE", 38)   # and what it sees: X (n, 1, 38, 38)

The files are Kaggle's own: training.csv, test.csv and IdLookupTable.csv in
`data/`.  Without them the faces are drawn (fkp/drawn/draw.py).

Labels are scaled to [-1, 1] (fkp/keypoints.py says how); pixels stay uint8
until a batch is made (`PixelBatchIterator`).  What the functions here stand on:
fkp/keypoints.py, fkp/faces.py, fkp/pictures/preprocess.py and fkp/pictures/crops.py.
"""
from pathlib import Path

from fkp import endings  # noqa: F401  first: whatever fails from here on ends a script with one line
import theano_onednn  # noqa: F401, I001  before NumPy, whose BLAS reads its settings, and before Theano
from fkp import models
from fkp.pictures.crops import corner, crop, crop_group, from_crop, middle, to_crop, windows
from fkp.faces import (Faces, FirstRows, frame, is_drawn, read_faces, read_groups, read_lookup, select, split_for,
                       validation_rows)
from fkp.keypoints import (ALL_COLUMNS, ALL_POINTS, AREA, COLUMNS, FOUR, FULL, GROUPS, HALF, KEYPOINTS, SCHEMES, SIZE,
                           columns, group_centres, mirror, mirror_name, mirror_order, pixels, scale, split_schemes,
                           unscale)
from fkp.pictures.preprocess import PREPROCESS, PixelBatchIterator, as_batch, preprocessed
from fkp.split import row_order
from fkp.training.lessons import lesson

faces, lookup = read_faces, read_lookup  # load.faces() reads better than load.read_faces()


def load(test=False, cols=None, preprocess="equalise", data=None, rows=None, all_rows=False, groups=None,
         fold=1):
    """Faces as nets take them.

    Returns X (n, 9216), uint8 (float32 where `preprocess` makes it so), and y
    (n, k) float32, scaled; y is None for test faces.  Rows that miss a label in
    `cols` (names; default: Kaggle's 30) are dropped and the others come in
    `row_order`; `all_rows` keeps every row with a label: then NaN marks a
    missing one, and y has the 34 ALL_COLUMNS.
    """
    return arrays(read_faces(test, data, rows, groups, fold), cols, preprocess, all_rows)


def load2d(*args, **kwargs):
    """As `load`, but X is (n, 1, 96, 96)."""
    return in_2d(*load(*args, **kwargs))


def arrays(faces, cols=None, preprocess="equalise", all_rows=False):
    """As `load`, of faces that `faces` has read already."""
    if faces.keypoints is None:
        return preprocessed(faces.images, preprocess).reshape(-1, AREA), None
    keep, y = select(faces, cols, all_rows)
    return preprocessed(faces.images[keep], preprocess).reshape(-1, AREA), scale(y)


def arrays2d(*args, **kwargs):
    """As `arrays`, but X is (n, 1, 96, 96)."""
    return in_2d(*arrays(*args, **kwargs))


def in_2d(X, y):
    """Rows of pixels as pictures."""
    return X.reshape(-1, 1, SIZE, SIZE), y


def open_net(path):
    """A trained net from a model file, ready for `predict`: a nolearn NeuralNet with its `train_history_`.

    Its header (a dict: script, settings, seed, versions, data, ...) is `net.header_`.
    Raises Problem for a file that is not one of ours.
    """
    return models.open_net(Path(path).expanduser())
