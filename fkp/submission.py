"""The file that Kaggle takes: one row per row of IdLookupTable.csv."""
import io
import re
from pathlib import Path

import numpy as np

from fkp import Problem, cascade, files
from fkp.faces import read_faces, read_lookup
from fkp.keypoints import COLUMNS, FOUR_POINTS, SIZE, columns, merge_schemes
from fkp.preprocess import preprocessed

HEADER = "RowId,Location"


def questions(data):
    """The test faces and the lookup table: (Faces, (row_ids, image_ids, features)).  Raises Problem for a bad file."""
    faces = read_faces(test=True, data=data)
    return faces, read_lookup(faces.ids, data)


def answer(asked, levels, rule, path):
    """Predict the test faces of `questions` by the cascade `levels` and write the submission.  Returns the points."""
    faces, lookup = asked
    images = preprocessed(faces.images, levels.preprocess)
    points = cascade.combine(levels.predict(images), rule)
    path = write(path, points, faces.ids, lookup)
    print("Submission: %s" % path, flush=True)
    return points


def write(path, points, ids, lookup):
    """Write points (n, all) in pixels of the images `ids` (n,) as Kaggle asks for them, checked.  Returns the path."""
    row_ids, image_ids, features = lookup
    values = in_scheme(points, ids, image_ids, features)
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


def in_scheme(points, ids, image_ids, features):
    """Points (n, all) -> (n, full): an image that is asked four points only follows the second scheme."""
    four = [COLUMNS.index(name) for name in columns(FOUR_POINTS)]
    full_ids = np.unique(image_ids[~np.isin(features, four)])
    return merge_schemes(points, ~np.isin(ids, full_ids))


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
