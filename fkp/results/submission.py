"""The file that Kaggle takes: one row per row of IdLookupTable.csv."""
import json

import numpy as np
import pandas

from fkp import files, tables, validation
from fkp.looking import cascade
from fkp.looking.parts import fingerprints, runs
from fkp.csvs.source import find
from fkp.faces import read_faces, read_lookup
from fkp.keypoints import COLUMNS, SCHEMES, SIZE, columns, known_labels, merge_schemes, schemes_of
from fkp.pictures.preprocess import preprocessed

ENOUGH = 500  # faces of a scheme: their mean error is known to some 0.05 pixels
FEWEST = 100
TRACE = "made for the submission"


def questions(data):
    """The test faces and the lookup table, see `read_lookup`.  Raises Problem for a bad file."""
    faces = read_faces(test=True, data=data)
    return faces, read_lookup(faces.ids, data)


def training_faces(data):
    """The labelled faces beside `questions`, or None where the folder `data` has no training.csv."""
    return read_faces(data=data) if data is None or find(data, "training.csv").exists() else None


def answer(asked, levels, rule, path, labelled, shift=True):
    """Predict the test faces of `questions` by the cascade `levels` and write the submission.  Returns the points.

    `labelled` are faces with labels, or None; with `shift` they say where those of each scheme lie: see
    `label_offsets`.  Beside the submission a JSON file says which nets answered, and the shift.
    """
    faces, lookup = asked
    points = predict(levels, rule, faces.images)
    offsets, measured = label_offsets(levels, rule, labelled) if shift else (None, {"why": "--no-shift"})
    path = write(path, points, faces.ids, lookup, offsets)
    print(f"Submission: {path}", flush=True)
    write_trace(path, {"levels averaged": rule, "nets": fingerprints(levels.parts()), "shift": measured})
    return points


def predict(levels, rule, images):
    """Points (n, all) in pixels that `rule` makes of what the cascade's levels answer."""
    return cascade.combine(levels.predict(preprocessed(images, levels.preprocess)), rule)


def label_offsets(levels, rule, labelled):
    """How far each scheme's labels lie from the answers in the mean, (schemes, full) in pixels; 0 where unknown.

    What learns mirror images too answers a face and its mirror image alike, and
    cannot learn that labels lie to one side.  Those of the full scheme do not;
    those with four points do, by most of a pixel.  It is measured on faces that
    no net of the `levels` was trained on.  Returns this and the same in words, a dict.
    """
    offsets, measured = np.zeros((len(SCHEMES), len(COLUMNS))), {}
    if labelled is None:
        return offsets, {"why": "there is no training.csv"}
    unseen = validation.unseen_by(runs(levels.parts()), labelled)
    if unseen.rows is None:
        print(f"The submission is not shifted to where labels lie. {unseen.why}.", flush=True)
        return offsets, {"why": unseen.why}
    schemes = schemes_of(known_labels(labelled.keypoints[unseen.rows]))
    for number in range(1, len(SCHEMES)):
        offsets[number], said = scheme_offset(levels, rule, labelled, unseen.rows[schemes == number][:ENOUGH], number)
        measured[f"{len(SCHEMES[number].points)} points"] = said
    return offsets, measured


def scheme_offset(levels, rule, labelled, rows, number):
    """The offset (full,) of the labels of these rows, which are of scheme `number`, and the same in words, a dict."""
    found = np.zeros(len(COLUMNS))
    if len(rows) < FEWEST:
        return found, {"why": f"{len(rows)} validation faces have such labels, and {FEWEST} are needed"}
    truth, answers = [merge_schemes(points, np.full(len(rows), number)) for points in (
        labelled.keypoints[rows], predict(levels, rule, labelled.images[rows]))]
    names = SCHEMES[number].points
    marked = [COLUMNS.index(name) for name in columns(names)]
    missed = (truth - answers)[:, marked]
    count = (~np.isnan(missed)).sum(0)
    found[marked] = np.where(count >= FEWEST, np.nansum(missed, 0) / np.maximum(count, 1), 0)
    right, below = found[marked[::2]].mean(), found[marked[1::2]].mean()
    print(f"Labels with {len(names)} points lie {right:.2f} px right of the nets' answers and {below:.2f} px below, on "
          f"{len(rows)} validation faces; the submission is shifted by that (--no-shift leaves it out).", flush=True)
    return found, {"validation faces": len(rows), "pixels": {COLUMNS[i]: round(float(found[i]), 4) for i in marked}}


def write_trace(path, content):
    """Say beside the submission `path` what it was made by: submission.csv, submission.json."""
    text = json.dumps({TRACE: path.name, **content}, indent=2) + "\n"
    path = files.unclaimed(path.with_suffix(".json"), is_trace)
    files.write_text(path, text)


def is_trace(path):
    """Did `write_trace` write this file?"""
    try:
        return TRACE in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


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
