"""The file that Kaggle takes: one row per row of IdLookupTable.csv."""
import io
import re
from pathlib import Path

import numpy as np

from fkp import Problem, files
from fkp.looking import cascade
from fkp.csvs.source import find
from fkp.faces import read_faces, read_lookup, row_order
from fkp.keypoints import COLUMNS, SCHEMES, SIZE, columns, known_labels, merge_schemes, schemes_of
from fkp.pictures.preprocess import preprocessed

HEADER = "RowId,Location"
ENOUGH = 500  # faces of a scheme: their mean error is known to some 0.05 pixels
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

    `labelled` are faces with labels, or None, that say where those of each scheme lie: see `label_offsets`.
    """
    faces, lookup = asked
    points = predict(levels, rule, faces.images)
    path = write(path, points, faces.ids, lookup, label_offsets(levels, rule, labelled))
    print("Submission: %s" % path, flush=True)
    return points


def predict(levels, rule, images):
    """Points (n, all) in pixels that `rule` makes of what the cascade's levels answer."""
    return cascade.combine(levels.predict(preprocessed(images, levels.preprocess)), rule)


def label_offsets(levels, rule, labelled):
    """How far each scheme's labels lie from the answers in the mean, (schemes, full) in pixels; 0 where unknown.

    What learns mirror images too answers a face and its mirror image alike, and
    cannot learn that labels lie aside.  Those of the full scheme do not; those
    with four points do, by most of a pixel.
    """
    offsets = np.zeros((len(SCHEMES), len(COLUMNS)))
    if labelled is not None:
        order = row_order(len(labelled.keypoints), labelled.groups)  # first those that no net was trained on
        schemes = schemes_of(known_labels(labelled.keypoints[order]))
        for number in range(1, len(SCHEMES)):
            offsets[number] = scheme_offset(levels, rule, labelled, order[schemes == number][:ENOUGH], number)
    return offsets


def scheme_offset(levels, rule, labelled, rows, number):
    """The offset (full,) of the labels of these rows, which are of scheme `number`."""
    found = np.zeros(len(COLUMNS))
    if len(rows) < FEWEST:
        return found
    truth, answers = [merge_schemes(points, np.full(len(rows), number)) for points in (
        labelled.keypoints[rows], predict(levels, rule, labelled.images[rows]))]
    names = SCHEMES[number].points
    marked = [COLUMNS.index(name) for name in columns(names)]
    missed = (truth - answers)[:, marked]
    count = (~np.isnan(missed)).sum(0)
    found[marked] = np.where(count >= FEWEST, np.nansum(missed, 0) / np.maximum(count, 1), 0)
    print(f"Labels of {len(rows)} faces with {len(names)} points lie {found[marked[::2]].mean():.2f} pixels right of "
          f"the answers and {found[marked[1::2]].mean():.2f} below: the submission is shifted by that.", flush=True)
    return found


def write(path, points, ids, lookup, offsets=None):
    """Write points (n, all) in pixels of the images `ids` (n,) as Kaggle asks for them, checked.  Returns the path.

    Each image's are shifted by its scheme's `offsets` (schemes, full), in pixels.
    """
    row_ids, image_ids, features = lookup
    schemes = schemes_asked(ids, image_ids, features)
    values = merge_schemes(points, schemes)
    if offsets is not None:
        values = values + offsets[schemes]
    return write_rows(path, row_ids, values[rows_of(ids, image_ids), features].clip(0, SIZE))


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


def schemes_asked(ids, image_ids, features):
    """The scheme (n,) that each of the images `ids` (n,) is asked in: see `schemes_of`."""
    asked = np.zeros((len(ids), len(COLUMNS)), bool)
    asked[rows_of(ids, image_ids), features] = True
    return schemes_of(asked)


def rows_of(ids, image_ids):
    """Where in `ids` each of `image_ids` stands."""
    row = {image_id: row for row, image_id in enumerate(ids.tolist())}
    return np.array([row[image_id] for image_id in image_ids.tolist()], int)


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
