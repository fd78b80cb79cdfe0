"""The file that Kaggle takes: one row per row of IdLookupTable.csv."""
import io
import re
from pathlib import Path

import numpy as np

from fkp import Problem, files
from fkp.looking import cascade
from fkp.csvs.source import find
from fkp.faces import read_faces, read_lookup, row_order
from fkp.keypoints import COLUMNS, FOUR_POINTS, SIZE, columns, follow_second, merge_schemes
from fkp.pictures.preprocess import preprocessed

HEADER = "RowId,Location"
FOUR = [COLUMNS.index(name) for name in columns(FOUR_POINTS)]
ENOUGH = 500  # four-point faces: their mean error is known to some 0.05 pixels
FEWEST = 100


def questions(data):
    """The test faces and the lookup table: (Faces, (row_ids, image_ids, features)).  Raises Problem for a bad file."""
    faces = read_faces(test=True, data=data)
    return faces, read_lookup(faces.ids, data)


def training_faces(data):
    """The labelled faces beside `questions`, or None where the folder `data` has no training.csv."""
    return read_faces(data=data) if data is None or find(data, "training.csv").exists() else None


def answer(asked, levels, rule, path, labelled):
    """Predict the test faces of `questions` by the cascade `levels` and write the submission.  Returns the points.

    `labelled` are faces with labels, or None, that say where those of four-point faces lie: see `aside`.
    """
    faces, lookup = asked
    points = predict(levels, rule, faces.images)
    path = write(path, points, faces.ids, lookup, aside(levels, rule, labelled))
    print("Submission: %s" % path, flush=True)
    return points


def predict(levels, rule, images):
    """Points (n, all) in pixels that `rule` makes of what the cascade's levels answer."""
    return cascade.combine(levels.predict(preprocessed(images, levels.preprocess)), rule)


def aside(levels, rule, labelled):
    """How far the labels of four-point faces lie from the answers in the mean, (full,) in pixels; 0 where unknown.

    What learns mirror images too answers a face and its mirror image alike, and
    cannot learn that labels lie aside.  Those of complete faces do not; those
    with four points, of another scheme, do, by most of a pixel.
    """
    found = np.zeros(len(COLUMNS))
    if labelled is None:
        return found
    order = row_order(len(labelled.keypoints), labelled.groups)  # first those that no net was trained on
    rows = order[follow_second(labelled.keypoints)[order]][:ENOUGH]
    if len(rows) < FEWEST:
        return found
    second = np.ones(len(rows), bool)
    truth, answers = [merge_schemes(points, second) for points in (
        labelled.keypoints[rows], predict(levels, rule, labelled.images[rows]))]
    missed = (truth - answers)[:, FOUR]
    count = (~np.isnan(missed)).sum(0)
    found[FOUR] = np.where(count >= FEWEST, np.nansum(missed, 0) / np.maximum(count, 1), 0)
    print("Labels of %d faces with four points lie %.2f pixels right of the answers and %.2f below: so do these now."
          % (len(rows), found[FOUR[::2]].mean(), found[FOUR[1::2]].mean()), flush=True)
    return found


def write(path, points, ids, lookup, aside=0):
    """Write points (n, all) in pixels of the images `ids` (n,) as Kaggle asks for them, checked.  Returns the path.

    Those of four-point faces are moved by `aside`, (full,) or one number, in pixels.
    """
    row_ids, image_ids, features = lookup
    second = asked_four(ids, image_ids, features)
    values = merge_schemes(points, second)
    values[second] += aside
    row_of = {image_id: row for row, image_id in enumerate(ids.tolist())}
    rows = [row_of[image_id] for image_id in image_ids.tolist()]
    return write_rows(path, row_ids, values[rows, features].clip(0, SIZE))


def write_rows(path, row_ids, locations):
    """Write a submission of `locations` (n,) in pixels; checked before.

    Returns its path, with a number where `path` holds anything but a submission of ours.
    """
    text = io.StringIO()
    text.write(HEADER + "\n")
    for row_id, location in zip(row_ids.tolist(), locations.tolist()):
        text.write("%d,%.4f\n" % (row_id, location))
    check(text.getvalue(), row_ids)
    path = files.unclaimed(path, is_ours)
    files.write_text(path, text.getvalue())
    return path


def is_ours(path):
    """A submission as `write_rows` writes it: other programs seldom give each value four decimals."""
    try:
        return re.fullmatch(re.escape(HEADER.encode()) + rb"\n(\d+,\d+\.\d{4}\n)+", Path(path).read_bytes()) is not None
    except OSError:
        return False


def asked_four(ids, image_ids, features):
    """Which of the images `ids` (n,) are asked four points only, and so follow the second scheme."""
    full_ids = np.unique(image_ids[~np.isin(features, FOUR)])
    return ~np.isin(ids, full_ids)


def check(text, row_ids):
    """Refuse a submission that Kaggle would: form, number and order of rows, missing or absurd values."""
    lines = text.split("\n")
    if lines[0] != HEADER or lines[-1] != "" or len(lines) != len(row_ids) + 2:
        raise Problem("the submission would have %d rows; IdLookupTable.csv asks for %d"
                      % (len(lines) - 2, len(row_ids)))
    for line, row_id in zip(lines[1:], row_ids.tolist()):
        found, location = line.split(",")
        if location == "nan":
            raise Problem("the submission's row %s would hold nan, a point that no label taught these nets; "
                          "train them on rows that have it" % found)
        if int(found) != row_id or not 0 <= float(location) <= SIZE:
            raise Problem("the submission's row %s would hold %s; train the net again" % (found, location))
