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

import numpy as np

SIZE = 96           # pixels, both edges of a picture
AREA = SIZE * SIZE  # pixels of a picture
HALF = SIZE / 2     # pixels that 1.0 stands for in scaled coordinates

KEYPOINTS = """left_eye_center right_eye_center left_eye_inner_corner left_eye_outer_corner
right_eye_inner_corner right_eye_outer_corner left_eyebrow_inner_end left_eyebrow_outer_end
right_eyebrow_inner_end right_eyebrow_outer_end nose_tip mouth_left_corner mouth_right_corner
mouth_center_top_lip mouth_center_bottom_lip""".split()  # "left" is the person's left: larger x

# From Kaggle's row 2284 on only four points are marked, and two of them elsewhere: `nose_tip` at the base
# of the nose, `mouth_center_bottom_lip` in the middle of the mouth.  Here these get names of their own.
SECOND_SCHEME = {"nose_tip": "nose_base", "mouth_center_bottom_lip": "mouth_middle"}
FOUR_POINTS = ["left_eye_center", "right_eye_center", *SECOND_SCHEME]

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
TINY = 0.01   # pixels: no face is smaller
ASIDE = 0.25  # distances between the eyes: a nose that is farther off their middle says that the head is turned


def columns(keypoints):
    """Column names of `keypoints`: each one's x, then its y."""
    return [point + axis for point in keypoints for axis in ("_x", "_y")]


COLUMNS = columns(KEYPOINTS)                                   # 30, in Kaggle's order
ALL_COLUMNS = COLUMNS + columns(SECOND_SCHEME.values())        # 34, both schemes


@lru_cache(maxsize=None)  # asked for each batch
def mirror_name(name):
    """The column or keypoint that `name` becomes in a mirror image."""
    swap = {"left": "right", "right": "left"}
    return "_".join(swap.get(word, word) for word in name.split("_"))


def mirror_order(names):
    """Index array: `y[:, mirror_order(names)]` swaps left and right labels."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[mirror_name(name)] for name in names])


def follow_second(keypoints):
    """Which labels (n, full) or (n, all) are of the second scheme: those without the other eleven points, bool (n,)."""
    others = ~np.isin(COLUMNS, columns(FOUR_POINTS))
    return np.isnan(keypoints[:, :len(COLUMNS)][:, others]).all(axis=1)


def split_schemes(keypoints):
    """Labels (n, full) -> (n, all): see SECOND_SCHEME and `follow_second`."""
    second = follow_second(keypoints)
    moved = [COLUMNS.index(name) for name in columns(SECOND_SCHEME)]
    both = np.full((len(keypoints), len(ALL_COLUMNS)), np.nan, np.float32)
    both[:, :len(COLUMNS)] = keypoints
    both[second, len(COLUMNS):] = keypoints[np.ix_(second, moved)]
    both[np.ix_(second, moved)] = np.nan
    return both


def merge_schemes(points, second):
    """Points (n, all) -> (n, full): what Kaggle's columns hold, where `second` (n,) is true, in the second scheme.

    The inverse of `split_schemes`.  A point that is only known in one scheme is given in that.
    """
    merged = points[:, :len(COLUMNS)].copy()
    moved = points[:, len(COLUMNS):]
    place = np.array([COLUMNS.index(name) for name in columns(SECOND_SCHEME)])
    use = (second[:, None] | np.isnan(merged[:, place])) & ~np.isnan(moved)
    merged[:, place] = np.where(use, moved, merged[:, place])
    return merged


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


def place(points, usual):
    """Where faces are: their middle (n, 2), that of the `usual` face (n, 2), and how many times larger they are (n,).

    points (n, full) or (n, all) and usual (full,), in pixels.  A point that is NaN counts in neither face; a face
    without any gets NaN.
    """
    faces = points[:, :len(COLUMNS)].reshape(len(points), -1, 2)
    usual = np.where(np.isnan(faces), np.nan, usual.reshape(-1, 2))
    middles = [nanmean(xy, 1, empty=np.nan) for xy in (faces, usual)]
    own, its = (np.maximum(rms(xy - middle[:, None], (1, 2)), TINY) for xy, middle in zip((faces, usual), middles))
    return (*middles, own / its)


def turned(points):
    """Which heads are turned aside, bool (n,): their nose is off the middle of the eyes by over ASIDE.

    points (n, all) in pixels; a face without both eyes or a nose is not said to be turned.
    """
    xy = points.reshape(len(points), -1, 2)
    left, right, tip, base = (xy[:, ALL_COLUMNS.index(name + "_x") // 2]
                              for name in ("left_eye_center", "right_eye_center", "nose_tip", "nose_base"))
    across, nose = left - right, np.where(np.isnan(tip), base, tip) - (left + right) / 2
    return np.abs((nose * across).sum(1)) > ASIDE * (across ** 2).sum(1)


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
