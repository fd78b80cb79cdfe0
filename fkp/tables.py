"""Tables that the scripts print and write as CSV: pandas DataFrames."""
import re

import numpy as np
import pandas
from pandas.api import types

from fkp import Problem, files
from fkp.keypoints import SIZE


def show(frame, decimals=2):
    """A table as text: numbers with so many decimals, `-` where there is none."""
    return frame.to_string(float_format=f"%.{decimals}f", na_rep="-")


def write(path, frame, decimals):
    """Write a table as CSV, its numbers with so many decimals.  Returns its path.

    That is one with a number where `path` holds anything but a table of ours of the same form: see `is_ours`.
    """
    content = frame.to_csv(index=False, float_format=f"%.{decimals}f", lineterminator="\n")
    path = files.unclaimed(path, lambda there: is_ours(there, frame, decimals))
    files.write_text(path, content)
    return path


def is_ours(path, frame, decimals):
    """Does the file hold a table that `write` makes of such a frame?  Other programs seldom give so many decimals."""
    header = re.escape(",".join(frame.columns))
    fields = ",".join(_form(frame[column], decimals) for column in frame.columns)
    try:
        return re.fullmatch(f"{header}\n({fields}\n)*", path.read_bytes().decode()) is not None
    except (OSError, UnicodeDecodeError):
        return False


def _form(column, decimals):
    """A regular expression of the fields of a column."""
    if types.is_float_dtype(column):
        return rf"(-?\d+\.\d{{{decimals}}})?"
    return r"-?\d+" if types.is_integer_dtype(column) else r"[^,\n]*"


def points_frame(points, names):
    """Points (n, 2k) of n faces as a table: face (from 1), keypoint, x, y; none for a point that is NaN."""
    k = len(names)
    return pandas.DataFrame({
        "face": [face for face in range(1, len(points) + 1) for _ in range(k)], "keypoint": [*names] * len(points),
        "x": points[:, 0::2].ravel(), "y": points[:, 1::2].ravel()}).dropna(ignore_index=True)


def write_submission(path, row_ids, locations):
    """Write a submission of `locations` (n,) in pixels; checked before.

    Returns its path, with a number where `path` holds anything but a submission of ours.
    """
    rows = pandas.DataFrame({"RowId": row_ids, "Location": locations})
    check_submission(rows)
    return write(path, rows, 4)


def check_submission(rows):
    """Refuse a submission that Kaggle would, for a value that is missing or absurd."""
    for row_id, location in rows[~rows["Location"].between(0, SIZE)].itertuples(index=False):
        if np.isnan(location):
            raise Problem(f"the submission's row {row_id} would hold nan, a point that no label taught these nets; "
                          "train them on rows that have it")
        raise Problem(f"the submission's row {row_id} would hold {location}; train the net again")
