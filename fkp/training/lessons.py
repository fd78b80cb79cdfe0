"""What a specialist of the cascade is trained on: every face's labels, and where the level before looked."""
from typing import NamedTuple

import numpy as np

from fkp import Problem
from fkp.faces import order_of, validation_rows
from fkp.keypoints import (ALL_COLUMNS, GROUPS, columns, group_centres, group_columns, mirror_group, mirror_name,
                           mirror_pixels, nanmean)


class Lesson(NamedTuple):
    """A specialist's training set, of every face with one of its group's labels."""

    rows: np.ndarray    # (m,) index into the faces, those that validate first
    y: np.ndarray       # (m,) of `lesson_type`
    n_valid: int        # how many of them validate
    errors: np.ndarray  # (e, 2) by what the level before misses the centre, in pixels, on faces no level trained on


def lesson_type(group):
    """What is known of a face: a NumPy record, in pixels.

    Every field has two sides, the group's own and its mirror partner's, which
    the mirror image shows as the group: see `mirrored`.
    """
    return np.dtype([("labels", np.float32, (2, 2 * len(GROUPS[group]))),
                     ("centre", np.float32, (2, 2)),   # where the group is
                     ("seen", np.float32, (2, 2))])    # where the level before saw it


def lesson(group, seen, faces):
    """The Lesson for `group` where the level before saw the points `seen` (n, all), in pixels.

    Raises Problem where no face is left to measure that level on, or to train on.
    """
    y = known(group, seen, faces)
    usable = ~np.isnan(y["labels"][:, 0]).all(1)
    order, valid = order_of(faces), validation_rows(faces)
    rows, n_valid = order[usable[order]], int(usable[valid].sum())
    complete = ~np.isnan(faces.keypoints[:, group_columns(group)]).any(1)
    measured = valid[complete[valid]]
    if len(measured) == 0:
        raise Problem(f"{faces.origin['file']}: no validation face has all labels of {group}; use more rows")
    if n_valid == len(rows):
        raise Problem(f"{faces.origin['file']}: all {n_valid} faces with labels of {group} validate, and none is left "
                      "to train on; use more rows, or name more persons in --groups")
    return Lesson(rows, y[rows], n_valid, (y["seen"] - y["centre"])[measured, 0])


def known(group, seen, faces):
    """A record of `lesson_type` for every face (n,)."""
    names = columns(GROUPS[group])
    sides = (names, group), (map(mirror_name, names), mirror_group(group))
    y = np.empty(len(seen), lesson_type(group))
    for side, (its_names, its_group) in enumerate(sides):
        y["labels"][:, side] = faces.keypoints[:, [ALL_COLUMNS.index(name) for name in its_names]]
        y["centre"][:, side] = true_centres(faces.keypoints, seen, its_group)
        y["seen"][:, side] = group_centres(seen, its_group)
    return y


def true_centres(labels, seen, group):
    """Where the group really is (n, 2), also where some of its labels are missing.

    The seen centre, corrected by the mean error of the points whose label is
    known; with all labels known this is exactly the true centre.
    """
    error = (labels - seen)[:, group_columns(group)].reshape(len(labels), -1, 2)
    return group_centres(seen, group) + nanmean(error, 1, empty=0)


def mirrored(field, flip):
    """A lesson's field (n, 2, 2k), its sides chosen and mirrored as the faces are: (n, 2k).  flip (n,) is bool."""
    return np.where(flip[:, None], mirror_pixels(field[:, 1]), field[:, 0])


def moved(y, move):
    """A lesson's y with all its points moved as their faces are by `move`: points (n, 2k) -> (n, 2k)."""
    points = y.view(np.float32).reshape(len(y), -1)
    return move(points).view(y.dtype).reshape(len(y))
