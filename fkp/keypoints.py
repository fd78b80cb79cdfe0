"""Names, schemes and coordinates of the keypoints.

Coordinates count pixels from the left and upper *edge* of the picture: the
centre of the first pixel is at 0.5, so the mirror image of x is 96 - x.  (On
Kaggle's labels: `tests/test_real_faces.py` measures it.)  In arrays that nets
see they are scaled to [-1, 1], see `scale`.

Where a docstring here or elsewhere says (n, full), an array has a column for
each of COLUMNS, Kaggle's full scheme; where it says (n, all), for each of
ALL_COLUMNS.
"""
import warnings
from functools import lru_cache
from typing import Dict, List, NamedTuple

import numpy as np

SIZE = 96           # pixels, both edges of a picture
AREA = SIZE * SIZE  # pixels of a picture
HALF = SIZE / 2     # pixels that 1.0 stands for in scaled coordinates

KEYPOINTS = """left_eye_center right_eye_center left_eye_inner_corner left_eye_outer_corner
right_eye_inner_corner right_eye_outer_corner left_eyebrow_inner_end left_eyebrow_outer_end
right_eyebrow_inner_end right_eyebrow_outer_end nose_tip mouth_left_corner mouth_right_corner
mouth_center_top_lip mouth_center_bottom_lip""".split()  # "left" is the person's left: larger x


class Scheme(NamedTuple):
    """A way of labelling faces: which of KEYPOINTS it marks."""

    points: List[str]
    elsewhere: Dict[str, str]   # those that it marks elsewhere than the first scheme does, and their names here


# Kaggle's labels follow these schemes.  From row 2284 on only four points are marked, and two of them elsewhere:
# `nose_tip` at the base of the nose, `mouth_center_bottom_lip` in the middle of the mouth.
SCHEMES = [
    Scheme(KEYPOINTS, {}),
    Scheme(["left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip"],
           {"nose_tip": "nose_base", "mouth_center_bottom_lip": "mouth_middle"}),
]
FULL, FOUR = 0, 1
ALL_POINTS = [*KEYPOINTS, *dict.fromkeys(name for scheme in SCHEMES for name in scheme.elsewhere.values())]
LEFT_EYE, RIGHT_EYE, NOSE_TIP, NOSE_BASE = map(
    ALL_POINTS.index, ["left_eye_center", "right_eye_center", "nose_tip", "nose_base"])

# What a specialist of net5 looks at and answers; its crop is centred on `group_centres`.
GROUPS = {
    "LE": ["left_eye_center", "left_eye_inner_corner", "left_eye_outer_corner",
           "left_eyebrow_inner_end", "left_eyebrow_outer_end"],
    "RE": ["right_eye_center", "right_eye_inner_corner", "right_eye_outer_corner",
           "right_eyebrow_inner_end", "right_eyebrow_outer_end"],
    "N": ["nose_tip", "mouth_center_top_lip", "nose_base"],
    "M": ["mouth_left_corner", "mouth_right_corner", "mouth_center_top_lip",
          "mouth_center_bottom_lip", "mouth_middle"],
}
TINY = 0.01             # pixels: no face is smaller
NOSE_OFF = 0.25         # distances between the eyes: a nose so far off their middle says that the head is turned aside
TIP_ABOVE_BASE = 0.1955  # the same: how far the tip of the nose is above its base

# The mean of the labels of complete rows, in pixels, in the order of COLUMNS: the usual face.
MEAN_FACE = np.array([
    66.4, 36.89, 29.46, 37.25, 59.39, 38.08, 73.6, 37.55, 36.35, 38.29, 22.1, 38.04, 56.8, 28.92,
    79.91, 29.05, 39, 29.32, 15.59, 29.69, 48.41, 58.45, 63.62, 75.12, 32.91, 75.49, 48.3, 72.68, 48.46, 82.48])


def columns(keypoints):
    """Column names of `keypoints`: each one's x, then its y."""
    return [point + axis for point in keypoints for axis in ("_x", "_y")]


COLUMNS = columns(KEYPOINTS)       # 30, in Kaggle's order
ALL_COLUMNS = columns(ALL_POINTS)  # 34, of all schemes
# For each scheme, where in ALL_COLUMNS what it means by each of Kaggle's COLUMNS stands.
MEANT = np.array([[ALL_COLUMNS.index(name) for name in columns(scheme.elsewhere.get(point, point)
                                                                 for point in KEYPOINTS)] for scheme in SCHEMES])


@lru_cache(maxsize=None)  # asked for each batch
def mirror_name(name):
    """The column or keypoint that `name` becomes in a mirror image."""
    swap = {"left": "right", "right": "left"}
    return "_".join(swap.get(word, word) for word in name.split("_"))


def mirror_order(names):
    """Index array: `y[:, mirror_order(names)]` swaps left and right labels."""
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[mirror_name(name)] for name in names])


def schemes_of(known):
    """Each row's scheme, an index (n,) into SCHEMES: of those that mark all it has, that of the fewest points.

    known: bool (n, full), which labels a row has, or which of an image are asked for.
    """
    schemes = np.zeros(len(known), int)
    for number in sorted(range(len(SCHEMES)), key=lambda number: -len(SCHEMES[number].points)):
        marked = np.isin(COLUMNS, columns(SCHEMES[number].points))
        schemes[~known[:, ~marked].any(1)] = number
    return schemes


def known_labels(points):
    """Which labels of Kaggle's columns there are, bool (n, full), of points (n, all)."""
    return np.any([~np.isnan(points[:, meant]) for meant in MEANT], 0)


def split_schemes(labels):
    """Labels (n, full) -> (n, all): a point that a scheme marks elsewhere comes into a column of its own."""
    points = np.full((len(labels), len(ALL_COLUMNS)), np.nan, np.float32)
    points[np.arange(len(labels))[:, None], MEANT[schemes_of(~np.isnan(labels))]] = labels
    return points


def merge_schemes(points, schemes):
    """Points (n, all) -> (n, full): what Kaggle's columns hold in each row's scheme, `schemes` (n,).

    The inverse of `split_schemes`.  A point that is not known in the row's scheme is given in another.
    """
    merged = np.take_along_axis(points, MEANT[schemes], 1)
    for meant in MEANT:
        merged = np.where(np.isnan(merged), points[:, meant], merged)
    return merged


def never_labelled(points):
    """Names of the points that no row of points (n, all) has."""
    has_column = ~np.isnan(points).all(0)
    return [name for name, has in zip(ALL_POINTS, has_column[0::2]) if not has]


def scale(points):
    """Pixels from the edge, 0..96 -> [-1, 1].  `unscale` is its inverse."""
    return (np.asarray(points, np.float32) - np.float32(HALF)) / np.float32(HALF)


def unscale(points):
    """[-1, 1] -> pixels from the left or upper edge, 0..96."""
    return np.asarray(points, np.float32) * np.float32(HALF) + np.float32(HALF)


def pixels(loss, half=HALF):
    """Root mean square error in pixels that a mean squared error `loss` in scaled coordinates stands for."""
    return float(np.sqrt(loss)) * half


def mirror(images, points, names=COLUMNS):
    """Mirror images (n, ..., width), as a view, and scaled points (n, len(names)), as a copy."""
    flipped = np.asarray(points)[:, mirror_order(names)]
    flipped[:, 0::2] *= -1  # 96 - x in scaled coordinates
    return images[..., ::-1], flipped


def mirror_pixels(points):
    """x -> 96 - x for points (n, 2k) in pixels."""
    flipped = points.copy()
    flipped[:, 0::2] = SIZE - flipped[:, 0::2]
    return flipped


def mirror_faces(points):
    """Points (n, all) in pixels as they are in the mirror image: left and right swapped too."""
    return mirror_pixels(points[:, mirror_order(ALL_COLUMNS)])


def group_columns(group):
    """Where the group's points of Kaggle's full scheme stand in COLUMNS, and so in ALL_COLUMNS."""
    return [COLUMNS.index(name) for name in columns(GROUPS[group]) if name in COLUMNS]


def group_centres(points, group):
    """The group's centre (n, 2): the mean of its points of the full scheme, those missing left out.

    points (n, full) or (n, all) in pixels.  A face with none of them gets NaN.
    """
    return nanmean(points[:, group_columns(group)].reshape(len(points), -1, 2), 1, empty=np.nan)


def placement(points):
    """Where faces are: their middle (n, 2), that of MEAN_FACE (n, 2), and how many times larger than it they are (n,).

    points (n, full) or (n, all), in pixels.  A point that is NaN counts in neither face; a face without any gets NaN.
    """
    faces = points[:, :len(COLUMNS)].reshape(len(points), -1, 2)
    usual = np.where(np.isnan(faces), np.nan, MEAN_FACE.reshape(-1, 2))
    middles = [nanmean(xy, 1, empty=np.nan) for xy in (faces, usual)]
    own, its = (np.maximum(rms(xy - middle[:, None], (1, 2)), TINY) for xy, middle in zip((faces, usual), middles))
    return (*middles, own / its)


def tilt(points):
    """By how much faces (n, full) or (n, all) are tilted, in radians (n,); NaN without an eye."""
    xy = points.reshape(len(points), -1, 2)
    across = xy[:, LEFT_EYE] - xy[:, RIGHT_EYE]
    return np.arctan2(across[:, 1], across[:, 0])


def turned(points):
    """Which heads are turned aside, bool (n,): their nose is off the middle of the eyes by over NOSE_OFF.

    points (n, all) in pixels; a face without both eyes or a nose is not said to be turned.
    """
    xy = points.reshape(len(points), -1, 2)
    left, right, tip, base = (xy[:, point] for point in (LEFT_EYE, RIGHT_EYE, NOSE_TIP, NOSE_BASE))
    across, nose = left - right, np.where(np.isnan(tip), base, tip) - (left + right) / 2
    return np.abs((nose * across).sum(1)) > NOSE_OFF * (across ** 2).sum(1)


def mirror_group(group):
    """The group that `group` becomes in a mirror image: LE and RE for one another, N and M for themselves."""
    points = {mirror_name(name) for name in GROUPS[group]}
    return next(name for name, others in GROUPS.items() if set(others) == points)


def nanmean(x, axis, empty):
    """Mean of what is no NaN; `empty` where nothing is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nan_to_num(np.nanmean(x, axis), nan=empty)


def rms(error, axis=None):
    """Root mean square of what is no NaN, in pixels; NaN if there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.sqrt(np.nanmean(np.square(error), axis))
