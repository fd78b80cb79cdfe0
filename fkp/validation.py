"""Which faces a net was not trained on: its model file remembers, and whoever judges it asks here."""
from typing import NamedTuple, Optional

from fkp.faces import describe, order_of, validation_rows
from fkp.split import packed, recorded

import numpy as np


class Unseen(NamedTuple):
    """Rows (m,) of some faces that none of some nets was trained on, in `row_order`; else None, and the reason why."""

    rows: Optional[np.ndarray]
    why: str = ""


def record(faces):
    """What a model's header says of the rows that validated it: how many the file has, and a bit for each."""
    unseen = np.zeros(len(faces.images), bool)
    unseen[validation_rows(faces)] = True
    return packed(unseen)


def unseen_by(runs, faces):
    """The Unseen of `faces` with labels and the nets of these `runs`, {name: Run}."""
    unseen = np.ones(len(faces.images), bool)
    if all(run.data.get("drawn") and not faces.origin["drawn"] for run in runs.values()):
        return Unseen(validation_rows(faces))  # none of these faces; those that validate nets trained on them as well
    for name, run in runs.items():
        if run.data.get("drawn") and not faces.origin["drawn"]:
            continue
        why = strange(name, run, faces.origin)
        if why:
            return Unseen(None, why)
        its = recorded(run.validation)[:len(unseen)]
        unseen[:len(its)] &= its
    rows = order_of(faces)
    rows = rows[unseen[rows]]
    if len(rows) == 0:
        return Unseen(None, f"each of these faces has trained one of {', '.join(runs)}; nets that were validated on "
                            "the same faces (--groups, --fold) can be compared")
    return Unseen(rows)


def strange(name, run, origin):
    """Why the record of this run says nothing of faces of this `origin`; None where it does."""
    if run.validation is None:
        return f"{name}: its file does not say which faces it was validated on; train it again to see its error"
    same = ("drawn", "fingerprint") if origin["drawn"] else ("drawn", "fingerprint", "rows")  # more drawn ones go on
    if any(run.data.get(key) != origin[key] for key in same):
        return (f"{name} was trained on {describe(run.data)}, and these are {describe(origin)}; "
                "it may have been trained on some of them")
    return None


def other_split(name, run, origin):
    """A line where other persons or another fold were asked for than those that validated the net; None otherwise."""
    asked = {key: origin[key] for key in ("groups", "fold") if key in origin}
    if not asked or all(run.data.get(key) == value for key, value in asked.items()):
        return None
    return f"Note: {name} is judged on the faces that validated it, not on those of these --groups."
