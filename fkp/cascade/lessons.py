"""What a specialist of the cascade is trained on: every face's labels, and where the level before looked."""
import numpy as np

from fkp import Problem
from fkp.faces import validation_first
from fkp.keypoints import ALL_COLUMNS, COLUMNS, GROUPS, columns, mirror_name, nanmean

CENTRE = 2  # values per centre


def specialist_data(group, seen, found):
    """What CropBatchIterator needs, for every face with one of the group's labels.

    seen (n, 34): the level before, in pixels.  Returns the rows' index (m,) in
    validation-first order, y (m, 4k + 8) as `unpack` takes it apart, how many
    rows validate, and that level's errors (e, 2) in pixels on faces no level
    trained on.  Raises Problem if there are none.
    """
    names = columns(GROUPS[group])
    partner = [mirror_name(name) for name in names]  # in a mirror image these are `names`
    order, cut = validation_first(found)
    labels = found.keypoints[:, [ALL_COLUMNS.index(name) for name in names]]
    usable = ~np.isnan(labels).all(1)
    keep = order[usable[order]]
    n_valid = int(usable[order[:cut]].sum())
    parts = [labels, found.keypoints[:, [ALL_COLUMNS.index(name) for name in partner]]]
    parts += [true_centres(found.keypoints, seen, g) for g in (names, partner)]
    parts += [centres_of(seen, g) for g in (names, partner)]
    complete = ~np.isnan(found.keypoints[:, first_scheme(names)]).any(1)
    valid = keep[:n_valid][complete[keep[:n_valid]]]
    if len(valid) == 0:
        raise Problem("%s: no validation face has all labels of %s; use more rows" % (found.origin["file"], group))
    errors = (parts[4] - parts[2])[valid]
    return keep, np.concatenate(parts, 1)[keep].astype(np.float32), n_valid, errors


def unpack(y):
    """(labels, partner's labels, true centre, partner's, seen centre, partner's) of `specialist_data`'s y."""
    k = (y.shape[1] - 4 * CENTRE) // 2
    return np.split(y, [k, 2 * k, 2 * k + 2, 2 * k + 4, 2 * k + 6], axis=1)


def first_scheme(names):
    """Indices into ALL_COLUMNS of those `names` that Kaggle's full scheme has: they define the centre."""
    return [ALL_COLUMNS.index(name) for name in names if name in COLUMNS]


def centres_of(points, names):
    """The group's centre (n, 2): the mean of its points of the full scheme."""
    return points[:, first_scheme(names)].reshape(len(points), -1, 2).mean(1)


def true_centres(labels, seen, names):
    """Where the group really is (n, 2), also where some of its labels are missing.

    The seen centre, corrected by the mean error of the points whose label is
    known; with all labels known this is exactly the true centre.
    """
    error = (labels - seen)[:, first_scheme(names)].reshape(len(labels), -1, 2)
    return centres_of(seen, names) + nanmean(error, 1, empty=0)
