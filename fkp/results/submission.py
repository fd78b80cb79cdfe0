"""The file that Kaggle takes: one row per row of IdLookupTable.csv."""
import numpy as np
import pandas

from fkp import tables
from fkp.looking import cascade
from fkp.csvs.source import find
from fkp.faces import read_faces, read_lookup, row_order
from fkp.keypoints import COLUMNS, SCHEMES, SIZE, columns, known_labels, merge_schemes, schemes_of
from fkp.pictures.preprocess import preprocessed

ENOUGH = 500  # faces of a scheme: their mean error is known to some 0.05 pixels
FEWEST = 100


def questions(data):
    """The test faces and the lookup table, see `read_lookup`.  Raises Problem for a bad file."""
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
    print(f"Submission: {path}", flush=True)
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
    row = pandas.Index(ids).get_indexer(lookup["ImageId"])
    column = pandas.Index(COLUMNS).get_indexer(lookup["FeatureName"])
    asked = np.zeros((len(ids), len(COLUMNS)), bool)
    asked[row, column] = True
    schemes = schemes_of(asked)
    values = merge_schemes(points, schemes)
    if offsets is not None:
        values = values + offsets[schemes]
    return tables.write_submission(path, lookup["RowId"], values[row, column].clip(0, SIZE))
