"""The faces: Kaggle's, or drawn ones where there are none; which rows a net uses, and which validate."""
import re
from collections import namedtuple
from pathlib import Path

from fkp import ROOT, Problem, files
import theano_onednn  # noqa: F401  comes before nolearn, which imports Theano
from fkp.drawn import draw, samples
from fkp.csvs import reader
from fkp.csvs.source import find
from fkp.keypoints import ALL_COLUMNS, COLUMNS, split_schemes
from fkp.split import VALID_SHARE, n_validating, row_order

import numpy as np
from nolearn.lasagne import TrainSplit

DATA = ROOT / "data"
WHOLE = re.compile(r"-?\d{1,18}(\.0*)?")  # also as 12.0
FEWEST = 5                    # rows of which some can train and some validate

# keypoints (n, all) in pixels, NaN = missing, or None for test faces; ids (n,) ImageId or None;
# origin: a dict for the model file's header, {'file', 'fingerprint', 'drawn', 'rows'}; persons (n,) or None: a number
# each; fold: which of the FOLDS parts of the rows validates
Faces = namedtuple("Faces", "images keypoints ids origin persons fold", defaults=[None, 1])


def read_faces(test=False, data=None, rows=None, groups=None, fold=1):
    """The raw faces in file order: uint8 images (n, SIZE, SIZE) and labels in pixels, both schemes apart.

    `data` is the folder with Kaggle's CSVs; None means data/ here, or drawn
    faces where it has no training.csv.  `groups` is a file with a person's
    number per row, `fold` the part of the rows that validates: see `row_order`.
    Raises Problem naming file, row and column.
    """
    if not isinstance(test, (bool, np.bool_, int)):
        raise Problem(f"test: {test!r} is not True or False; name the folder as data={test!r}")
    name = "test.csv" if test else "training.csv"
    if is_drawn(data):
        raw = samples.read_test(DATA, rows) if test else samples.read_training(DATA, rows)
        name = "drawn faces"
    elif test:
        raw = reader.read_test(find(data or DATA, name), rows)
    else:
        raw = reader.read_training(find(data or DATA, name), COLUMNS, rows)
    origin = {"file": name, "fingerprint": raw.fingerprint, "drawn": name == "drawn faces", "rows": len(raw.images)}
    numbers = None
    if groups is not None:
        numbers = read_groups(groups, len(raw.images), rows)
        origin["groups"] = files.fingerprint(numbers)
    if fold != 1:
        origin["fold"] = fold
    return Faces(raw.images, None if test else split_schemes(raw.keypoints), raw.ids, origin, numbers, fold)


def read_groups(path, n_rows, rows=None):
    """A whole number per line and row, int64 (n_rows,); a heading is no row.  Raises Problem naming file and line."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig").strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: cannot be read ({error}); it must hold a whole number per row of "
                      "training.csv") from None
    lines = [line.strip().strip('"') for line in text.split("\n")]
    if len(lines) == 1:
        lines = re.split(r"[\s,;]+", text)  # all in one line
    first = 1 + (not WHOLE.fullmatch(lines[0]) and len(lines) > 1)
    for number, line in enumerate(lines[first - 1:], first):
        if not line:
            raise Problem(f"{path}, line {number}: empty; name each row's person by a whole number")
        if not WHOLE.fullmatch(line):
            raise Problem(f"{path}, line {number}: {line!r:.30} is no whole number; name each row's person by one, and "
                          "nothing else")
    lines = lines[first - 1:]
    if len(lines) != n_rows and (rows is None or len(lines) < n_rows):
        raise Problem(f"{path}: has {len(lines)} lines, and training.csv {n_rows} rows; it must hold a whole number "
                      "per row")
    return np.array([line.partition(".")[0] for line in lines[:n_rows]], np.int64)


def is_drawn(data=None):
    """True where the faces are drawn: no folder was asked for and data/ holds no training.csv."""
    return data is None and not find(DATA, "training.csv").exists()


def read_lookup(ids, data=None):
    """IdLookupTable.csv as a pandas table: RowId, ImageId and FeatureName, one of COLUMNS.

    `ids` are the test faces' ImageIds; Problem if it asks for one that is not among them.
    """
    if is_drawn(data):
        return draw.lookup()
    path = find(data or DATA, "IdLookupTable.csv")
    table = reader.read_lookup(path, COLUMNS)
    reader.check_lookup(table, ids, path)
    return table


def frame(data=None, rows=None):
    """The labels of training.csv as a pandas table: a row per face, a column for each of ALL_COLUMNS, in pixels.

    NaN marks a missing label.  Row i is the picture `read_faces(data=data).images[i]`.
    """
    import pandas  # here: nets that train need none, and it takes half a second
    return pandas.DataFrame(read_faces(data=data, rows=rows).keypoints, columns=ALL_COLUMNS)


def order_of(faces):
    """The `row_order` of these faces."""
    return row_order(len(faces.images), faces.persons, faces.fold)


def select(faces, cols=None, all_rows=False):
    """Rows of `faces` to use, in `row_order`, and their labels in pixels: (index (n,), y (n, k))."""
    cols = [cols] if isinstance(cols, str) else cols
    names = list(cols) if cols is not None else ALL_COLUMNS if all_rows else COLUMNS
    for name in names or [""]:
        if name not in ALL_COLUMNS:
            raise Problem(f"cols: {name!r} is no column; known are {', '.join(ALL_COLUMNS)}")
    y = faces.keypoints[:, [ALL_COLUMNS.index(name) for name in names]]
    known = ~np.isnan(y)
    usable = known.any(axis=1) if all_rows else known.all(axis=1)
    order = order_of(faces)
    keep = order[usable[order]]
    if len(keep) < FEWEST:
        raise Problem(f"{faces.origin['file']}: {len(keep)} rows have the labels asked for ({names[0]}, ...); training "
                      f"needs {FEWEST} or more")
    return keep, y[keep]


def validation_rows(faces):
    """Index of the rows that no net here trains on, in `row_order`.

    They are the first ones, up to the last of them that both validate: the
    nets for complete rows, and those for all.  With persons they are those of
    whole persons.
    """
    order = order_of(faces)
    if faces.persons is not None:
        ends = np.flatnonzero(np.diff(faces.persons[order])) + 1
        if len(ends) == 0:
            raise Problem(f"groups: all {len(order)} rows are of one person, so nobody is left to validate on; name "
                          "more persons, or leave out --groups")
        return order[:next((end for end in ends if end >= n_validating(len(order))), ends[-1])]
    kept = [select(faces, all_rows=all_rows)[0] for all_rows in (False, True)]
    last = [np.flatnonzero(order == rows[n_validating(len(rows)) - 1])[0] for rows in kept]
    return order[:min(last) + 1]


class FirstRows:
    """nolearn's `train_split`: the first n rows validate."""

    def __init__(self, n):
        self.n = n

    def __call__(self, X, y, net):
        return X[self.n:], X[:self.n], y[self.n:], y[:self.n]


def split_for(faces, cols=None, all_rows=False):
    """The `train_split` of a net that trains on what `select` gives for these arguments."""
    if faces.persons is None:
        return TrainSplit(float(VALID_SHARE))  # the first rows, too: it does not shuffle
    keep, _ = select(faces, cols, all_rows)
    n_valid = int(np.isin(keep, validation_rows(faces)).sum())
    if n_valid in (0, len(keep)):
        raise Problem(f"groups: {n_valid} of the {len(keep)} rows with the labels asked for validate, and nobody is "
                      f"left to {'train' if n_valid else 'validate'} on; name more persons, use more rows, or leave "
                      "out --groups")
    return FirstRows(n_valid)


def describe(origin):
    """'training.csv (7049 rows, 1f0c9ab2)', with the groups' fingerprint and the fold if there are some.

    Where two origins differ, so do their descriptions.
    """
    groups = f", --groups {origin['groups']:.8}" if origin.get("groups") else ""
    fold = f", --fold {origin['fold']}" if origin.get("fold") else ""
    name = "drawn faces" if origin.get("drawn") else origin.get("file")
    return f"{name} ({origin.get('rows')} rows, {str(origin.get('fingerprint')):.8}{groups}{fold})"
