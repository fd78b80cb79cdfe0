"""Labels that cannot be: all in another unit, filled in where they were missing, or in each other's columns."""
import numpy as np

from fkp.keypoints import SIZE

FEW = 20        # known labels; of fewer nothing is said
ODD = 0.002     # of all points may lie in a corner
BEYOND = 0.02   # of all labels may lie outside the picture
FILLED = 0.25   # of a column may be one and the same number


def doubt(keypoints, columns):
    """What the labels (n, k), in pixels, of `columns` seem to be instead, and the cure; None where they are sound.

    A few odd ones are no reason: Kaggle has some.
    """
    known = keypoints[~np.isnan(keypoints)]
    if len(known) < FEW:
        return None
    return _filled_in(keypoints, columns) or _other_unit(known) or _misplaced(keypoints, columns)


def _filled_in(keypoints, columns):
    """Missing labels that became a number."""
    points = keypoints[:, :len(columns) // 2 * 2].reshape(-1, 2)
    for value in (0, -1):
        count = int((points == value).all(1).sum())
        if count > max(3, ODD * len(points)):
            return f"{count} points are ({value}, {value}): missing labels seem to be filled in; leave them empty"
    for column, values in zip(columns, keypoints.T):
        values, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        if counts.sum() >= FEW and counts.max() > FILLED * counts.sum():
            return (f"column {column} is {values[counts.argmax()]:g} in {counts.max()} of {counts.sum()} rows: missing "
                    "labels seem to be filled in; leave them empty")
    return None


def _other_unit(known):
    low, high = np.percentile(known, [1, 99])
    if max(-low, high) <= 1.5:
        if low >= 0:
            return f"labels from 0 to 1: these seem to be divided by {SIZE}; multiply them by {SIZE}"
        return f"labels from -1 to 1: these seem to be scaled; multiply them by {SIZE // 2} and add {SIZE // 2}"
    if max(-low, high) <= 5:
        return f"labels from {low:.2g} to {high:.2g}: these seem to be standardised; give pixels, 0 to {SIZE}"
    if high <= SIZE / 2 and len(known) >= 10 * FEW:
        return (f"labels up to {known.max():.4g}: these seem to belong to pictures of {SIZE // 2} x {SIZE // 2}; "
                f"scale them to {SIZE} x {SIZE}")
    if np.mean(known > SIZE) > BEYOND:
        return f"labels up to {known.max():.4g}: these seem to belong to larger pictures; scale them to {SIZE} x {SIZE}"
    return None


def _misplaced(keypoints, columns):
    """Eyes side by side, the person's left one at the larger x, and the mouth below?"""
    def typical(one, other):
        if one not in columns or other not in columns:
            return np.nan
        difference = keypoints[:, columns.index(one)] - keypoints[:, columns.index(other)]
        difference = difference[~np.isnan(difference)]
        return np.median(difference) if len(difference) >= FEW else np.nan
    across = typical("left_eye_center_x", "right_eye_center_x")
    down = typical("left_eye_center_y", "right_eye_center_y")
    below = typical("mouth_center_bottom_lip_y", "left_eye_center_y")
    if abs(down) > 2 * abs(across):
        return "one eye is above the other: x and y seem to be swapped; swap them"
    if across < 0:
        return ("the left eyes lie left of the right ones: these seem to be swapped; left is the person's left, "
                "at the larger x")
    if below < 0:
        return f"the mouths lie above the eyes: y seems to count from the lower edge; write {SIZE} - y"
    return None
