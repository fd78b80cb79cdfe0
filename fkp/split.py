"""In which order rows are used, how many of the first ones validate, and how a model file says which they were."""
import base64
import binascii
import math
from fractions import Fraction

import numpy as np

SEED = 42                         # of the rows' order, as in the tutorial
FOLDS = 5                         # parts of the rows, one of which validates, as in the tutorial
VALID_SHARE = Fraction(1, FOLDS)  # of the rows that a net can use


def row_order(n_rows, groups=None, fold=1):
    """The order in which rows are used; the first of them validate.

    All rows are shuffled before any is dropped, so that every net, whatever
    labels it needs, validates on the same faces.  With `groups` (n_rows,), a
    person's number per row, a group's rows stay together.  The order of
    another `fold`, 2 to FOLDS, begins so many parts later, with other rows.
    """
    random = np.random.RandomState(SEED)
    first = (fold - 1) * n_rows // FOLDS
    if groups is None:
        return np.roll(random.permutation(n_rows), -first)
    names, member = np.unique(groups, return_inverse=True)
    order = np.argsort(random.permutation(len(names))[member], kind="stable")
    while 0 < first < n_rows and groups[order[first]] == groups[order[first - 1]]:
        first += 1  # to the next person
    return np.roll(order, -first)


def n_validating(n_rows):
    """How many of a net's rows validate it."""
    return math.ceil(n_rows * VALID_SHARE)


def packed(unseen):
    """Rows that no net is trained on, bool (rows,), as JSON holds them: how many there are, and a bit for each."""
    return {"rows": len(unseen), "unseen": base64.b64encode(np.packbits(unseen).tobytes()).decode()}


def recorded(entry):
    """The inverse of `packed`.  Raises ValueError for what that has not made."""
    try:
        rows, bits = entry["rows"], np.frombuffer(base64.b64decode(entry["unseen"], validate=True), np.uint8)
    except (TypeError, LookupError, binascii.Error) as error:
        raise ValueError(f"no record of validation rows ({error})") from None
    if type(rows) is not int or not 0 < rows <= 8 * len(bits) < rows + 8:
        raise ValueError("a record of validation rows of another length")
    return np.unpackbits(bits, count=rows).astype(bool)
