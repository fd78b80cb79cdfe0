"""Kaggle's "Facial Keypoints Detection" as arrays, for every script here.

    X, y = load()                      # complete rows: X (2140, 9216), y (2140, 30)
    X, y = load2d(cols=EYE_COLUMNS)    # rows that have these labels: X (n, 1, 96, 96)
    X, _ = load2d(test=True)           # Kaggle's 1,783 test faces, in their order

The files are Kaggle's own: training.csv, test.csv and IdLookupTable.csv in
`data/`.  Without them the faces are drawn by `data/draw_faces.py`.

Coordinates count pixels from the left and upper *edge* of the picture: the
centre of the first pixel is at 0.5, so the mirror image of x is 96 - x.  (On
Kaggle's labels: `tests/test_real_faces.py` measures it.)  In arrays they are
scaled to [-1, 1], see `scale`.  Pixels stay uint8 until a batch is made; see
`PixelBatchIterator`.
"""
from collections import namedtuple
from functools import lru_cache
from pathlib import Path

from fkp import Problem, backend, files, reader  # noqa: F401  backend comes before anything that imports Theano

import numpy as np
from nolearn.lasagne import BatchIterator
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter

DATA = Path(__file__).resolve().parent / "data"
SIZE = 96         # pixels, both edges of a picture
HALF = SIZE / 2   # pixels that 1.0 stands for in scaled coordinates
SEED = 42         # of the rows' order, as in the tutorial

KEYPOINTS = """left_eye_center right_eye_center left_eye_inner_corner left_eye_outer_corner
right_eye_inner_corner right_eye_outer_corner left_eyebrow_inner_end left_eyebrow_outer_end
right_eyebrow_inner_end right_eyebrow_outer_end nose_tip mouth_left_corner mouth_right_corner
mouth_center_top_lip mouth_center_bottom_lip""".split()  # "left" is the person's left: larger x

# From Kaggle's row 2284 on only four points are marked, and two of them elsewhere: `nose_tip` at the base
# of the nose, `mouth_center_bottom_lip` in the middle of the mouth.  Here these get names of their own.
SECOND_SCHEME = {"nose_tip": "nose_base", "mouth_center_bottom_lip": "mouth_middle"}
FOUR_POINTS = ["left_eye_center", "right_eye_center", *SECOND_SCHEME]

# What a specialist of net5 looks at; the crop is centred on the mean of these points.
GROUPS = {
    "LE": ["left_eye_center", "left_eye_inner_corner", "left_eye_outer_corner",
           "left_eyebrow_inner_end", "left_eyebrow_outer_end"],
    "RE": ["right_eye_center", "right_eye_inner_corner", "right_eye_outer_corner",
           "right_eyebrow_inner_end", "right_eyebrow_outer_end"],
    "N": ["nose_tip", "mouth_center_top_lip", "nose_base"],
    "M": ["mouth_left_corner", "mouth_right_corner", "mouth_center_top_lip",
          "mouth_center_bottom_lip", "mouth_middle"],
}


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


# --- preprocessing: uint8 (n, 96, 96) -> uint8 or float32 of the same shape ---

def plain(images):
    """As photographed."""
    return images


def equalise(images):
    """Histogram equalisation, image by image: every grey level equally frequent."""
    return np.stack([np.asarray(ImageOps.equalize(Image.fromarray(image))) for image in images])


def standardise(images):
    """Mean 0 and standard deviation 1, image by image."""
    x = images.astype(np.float32)
    x -= x.mean((1, 2), keepdims=True)
    x /= np.maximum(x.std((1, 2), keepdims=True), 1)  # 1: a flat picture stays flat
    return x


def local(images, sigma=8.0):
    """Local contrast normalisation: minus the local mean, by the local deviation (Gaussian, `sigma` pixels).

    Jarrett et al., "What is the best multi-stage architecture for object recognition?" (ICCV 2009).
    """
    x = images.astype(np.float32)
    x -= gaussian_filter(x, (0, sigma, sigma))
    deviation = np.sqrt(gaussian_filter(x * x, (0, sigma, sigma)))
    x /= np.maximum(deviation, deviation.mean((1, 2), keepdims=True) + 1)  # as there: noise stays small
    return x


PREPROCESS = {"plain": plain, "equalise": equalise, "standardise": standardise, "local": local}


def preprocessed(images, method="equalise"):
    """Apply a method of `PREPROCESS` to uint8 images (n, 96, 96).  Raises Problem for an unknown one."""
    if method not in PREPROCESS:
        raise Problem("preprocess: %r is unknown; choose one of %s" % (method, ", ".join(PREPROCESS)))
    return PREPROCESS[method](images) if len(images) else images


def as_batch(X, grey=0.0):
    """uint8 pixels -> float32 in [0, 1], minus `grey`; what is float already stays as it is."""
    if X.dtype != np.uint8:
        return X
    x = np.multiply(X, np.float32(1 / 255), dtype=np.float32)
    return np.subtract(x, np.float32(grey), out=x) if grey else x


class PixelBatchIterator(BatchIterator):
    """nolearn's BatchIterator; pixels become float32 here, so that the whole set can stay uint8."""

    def __init__(self, *args, grey=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.grey = grey

    def transform(self, Xb, yb):
        return as_batch(Xb, self.grey), yb


# --- the faces ---

# keypoints (n, 34) in pixels, NaN = missing, or None for test faces; ids (n,) ImageId or None;
# origin: a dict for the model file's header, {'file', 'fingerprint', 'drawn', 'rows'}; groups (n,) or None
Faces = namedtuple("Faces", "images keypoints ids origin groups", defaults=[None])


def faces(test=False, data=None, rows=None, groups=None):
    """The raw faces in file order: uint8 images (n, 96, 96) and labels in pixels, both schemes apart.

    `data` is the folder with Kaggle's CSVs; None means data/ here, or drawn
    faces where it has no training.csv.  `groups` is a file with a person's
    number per row: see `row_order`.  Raises Problem naming file, row and column.
    """
    name = "test.csv" if test else "training.csv"
    if data is None and is_drawn():
        raw = _drawn(test, rows)
        name = "drawn faces"
    elif test:
        raw = reader.read_test(Path(data or DATA) / name, rows)
    else:
        raw = reader.read_training(Path(data or DATA) / name, COLUMNS, rows)
    origin = {"file": name, "fingerprint": raw.fingerprint, "drawn": name == "drawn faces", "rows": len(raw.images)}
    numbers = None
    if groups is not None:
        numbers = read_groups(groups, len(raw.images), rows)
        origin["groups"] = files.fingerprint_of(numbers)
    return Faces(raw.images, None if test else split_schemes(raw.keypoints), raw.ids, origin, numbers)


def read_groups(path, n_rows, rows=None):
    """A whole number per line and row, int64 (n_rows,).  Raises Problem naming file and line."""
    try:
        lines = Path(path).read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem("%s: cannot be read (%s); it must hold a whole number per row of training.csv"
                      % (path, error)) from None
    for number, line in enumerate(lines, 1):
        if not line.lstrip("-").isdecimal() or len(line) > 18:
            raise Problem("%s, line %d: %.30r is no whole number; name each row's person by one" % (path, number, line))
    if len(lines) != n_rows and (rows is None or len(lines) < n_rows):
        raise Problem("%s: has %d lines, and training.csv %d rows; it must hold a whole number per row"
                      % (path, len(lines), n_rows))
    return np.array(lines[:n_rows], np.int64)


def is_drawn(data=None):
    """True where the faces are drawn: no folder was asked for and data/ holds no training.csv."""
    return data is None and not (DATA / "training.csv").exists()


def lookup(ids, data=None):
    """IdLookupTable.csv: (row_ids, image_ids, features), features being indices into COLUMNS.

    `ids` are the test faces' ImageIds; Problem if it asks for one that is not among them.
    """
    if is_drawn(data):
        from data import draw_faces
        row_ids, image_ids, names = zip(*draw_faces.lookup())
        return np.array(row_ids), np.array(image_ids), np.array([COLUMNS.index(name) for name in names])
    path = Path(data or DATA) / "IdLookupTable.csv"
    table = reader.read_lookup(path, COLUMNS)
    reader.check_lookup(table, ids, path)
    return table


def _fits(arrays, test):
    """Are these pictures and labels, as many of the one as of the other?"""
    wanted = {"images": (SIZE, SIZE)} if test else {"images": (SIZE, SIZE), "keypoints": (len(COLUMNS),)}
    return (set(arrays) == set(wanted) and all(arrays[name].shape[1:] == shape for name, shape in wanted.items())
            and arrays["images"].dtype == np.uint8 and len({len(array) for array in arrays.values()}) == 1)


def _drawn(test, rows):
    """Drawn faces as `reader.Faces`; a whole set is kept in data/ since drawing takes half a minute."""
    from data import draw_faces
    fingerprint = files.fingerprint(*sorted(DATA.glob("*.py")))
    kept = DATA / ("drawn-test.npz" if test else "drawn-training.npz")
    arrays = files.read_cache(kept, fingerprint)
    if arrays is None or not _fits(arrays, test):
        if rows is None:
            print("Drawing %s faces, once ..." % ("test" if test else "training"), flush=True)
        size = {} if rows is None else {"rows": rows}
        drawn = (draw_faces.test(**size),) if test else draw_faces.training(**size)
        arrays = dict(zip(("images", "keypoints"), drawn))
        if rows is None:
            files.write_cache(kept, fingerprint, arrays)
    images = arrays["images"][:rows]
    if test:
        return reader.Faces(images, None, np.arange(1, len(images) + 1, dtype=np.int32), fingerprint)
    return reader.Faces(images, arrays["keypoints"][:rows], None, fingerprint)


def split_schemes(keypoints):
    """Labels (n, 30) -> (n, 34) in the order of ALL_COLUMNS: see SECOND_SCHEME.

    A row follows the second scheme if it has none of the other eleven points.
    """
    four = np.isin(COLUMNS, columns(FOUR_POINTS))
    second = np.isnan(keypoints[:, ~four]).all(axis=1)
    moved = [COLUMNS.index(name) for name in columns(SECOND_SCHEME)]
    both = np.full((len(keypoints), len(ALL_COLUMNS)), np.nan, np.float32)
    both[:, :len(COLUMNS)] = keypoints
    both[second, len(COLUMNS):] = keypoints[np.ix_(second, moved)]
    both[np.ix_(second, moved)] = np.nan
    return both


def row_order(n_rows, groups=None):
    """The order in which rows are used; the first of them validate.

    All rows are shuffled before any is dropped, so that every net, whatever
    labels it needs, validates on the same faces.  With `groups` (n_rows,), a
    person's number per row, a group's rows stay together.
    """
    random = np.random.RandomState(SEED)
    if groups is None:
        return random.permutation(n_rows)
    names, member = np.unique(groups, return_inverse=True)
    return np.argsort(random.permutation(len(names))[member], kind="stable")


def load(test=False, cols=None, preprocess="equalise", data=None, rows=None, all_rows=False, groups=None):
    """Faces as nets take them.

    Returns X (n, 9216), uint8 (float32 where `preprocess` makes it so), and y
    (n, k) float32, scaled; y is None for test faces.  Rows that miss a label in
    `cols` (names; default: Kaggle's 30) are dropped and the others come in
    `row_order`; `all_rows` keeps every row with a label: then NaN marks a
    missing one, and y has the 34 ALL_COLUMNS.
    """
    found = faces(test, data, rows, groups)
    if test:
        return preprocessed(found.images, preprocess).reshape(-1, SIZE * SIZE), None
    keep, y = select(found, cols, all_rows)
    return preprocessed(found.images[keep], preprocess).reshape(-1, SIZE * SIZE), scale(y)


def load2d(*args, **kwargs):
    """As `load`, but X is (n, 1, 96, 96)."""
    X, y = load(*args, **kwargs)
    return X.reshape(-1, 1, SIZE, SIZE), y


def select(found, cols=None, all_rows=False):
    """Rows of `found` to use, in `row_order`, and their labels in pixels: (index (n,), y (n, k))."""
    names = list(cols) if cols is not None else ALL_COLUMNS if all_rows else COLUMNS
    unknown = [name for name in names if name not in ALL_COLUMNS]
    if unknown:
        raise Problem("cols: %r is no column; known are %s" % (unknown[0], ", ".join(ALL_COLUMNS)))
    y = found.keypoints[:, [ALL_COLUMNS.index(name) for name in names]]
    known = ~np.isnan(y)
    usable = known.any(axis=1) if all_rows else known.all(axis=1)
    order = row_order(len(y), found.groups)
    keep = order[usable[order]]
    if len(keep) < 5:
        raise Problem("%s: %d rows have the labels asked for (%s, ...); training needs 5 or more"
                      % (found.origin["file"], len(keep), names[0]))
    return keep, y[keep]


def validation_first(found):
    """(order (n,), cut): rows `order[:cut]` are those that no net here trains on.

    nolearn lets the first fifth of the rows a net can use validate; `cut`
    counts the rows up to the last of them that every net leaves out.  With
    groups it is the end of the group in which a fifth of all rows is reached.
    """
    order = row_order(len(found.keypoints), found.groups)
    if found.groups is not None:
        ends = np.flatnonzero(np.diff(found.groups[order])) + 1
        return order, int(next(iter(ends[ends >= len(order) / 5]), len(order)))
    known = ~np.isnan(found.keypoints[order])
    usable = known[:, :len(COLUMNS)].all(1), known.any(1)  # by nets for complete rows, and for all
    for rows, kind in zip(usable, ("all labels", "any label")):
        if rows.sum() < 5:
            raise Problem("%s: %d rows have %s; validation needs 5 or more"
                          % (found.origin["file"], rows.sum(), kind))
    return order, min(np.flatnonzero(rows)[rows.sum() // 5 - 1] + 1 for rows in usable)


class FirstRows:
    """nolearn's `train_split`: the first n rows validate."""

    def __init__(self, n):
        self.n = n

    def __call__(self, X, y, net):
        return X[self.n:], X[:self.n], y[self.n:], y[:self.n]


def split_for(found, all_rows=False):
    """A `train_split` for what `load` returns of these faces: by group, or None for nolearn's own."""
    if found.groups is None:
        return None
    order, cut = validation_first(found)
    keep, _ = select(found, all_rows=all_rows)
    return FirstRows(int(np.isin(keep, order[:cut]).sum()))


# --- crops for the specialists of net5 ---

def corner(centres, win):
    """Left upper corner (n, 2), in whole pixels, of a win x win window around `centres`, moved into the picture."""
    return np.rint(np.asarray(centres) - win / 2).astype(int).clip(0, SIZE - win)


def crop(images, centres, win):
    """Cut win x win windows around `centres` (n, 2), x and y in pixels from the edge.

    Returns crops (n, win, win) and their true centres (n, 2), see `corner`.
    """
    at = corner(centres, win)
    return windows(images, at, win), middle(at, win)


def windows(images, at, win):
    """The win x win pixels (n, win, win) right of and below `at` (n, 2), whole pixels."""
    offset = np.arange(win)
    row = at[:, 1, None, None] + offset[:, None]
    col = at[:, 0, None, None] + offset
    return images[np.arange(len(images))[:, None, None], row, col]


def middle(at, win):
    """Centres (n, 2) of win x win windows with their corners at `at`."""
    return (at + win / 2).astype(np.float32)


def to_crop(points, centres, win):
    """Points (n, 2k) in pixels of the face -> relative to the crop's centre, in units of win / 2."""
    return ((points.reshape(len(points), -1, 2) - centres[:, None]) / (win / 2)).reshape(points.shape).astype(np.float32)


def from_crop(targets, centres, win):
    """Inverse of `to_crop`: a specialist's answer in pixels of the face."""
    return (targets.reshape(len(targets), -1, 2) * (win / 2) + centres[:, None]).reshape(targets.shape).astype(np.float32)


def group_centres(points, group, names=COLUMNS):
    """Where to look: the mean (n, 2) of the group's points among `names`, those missing left out.

    points (n, len(names)) in pixels.  A face with none of them gets NaN.
    """
    here = [name for name in columns(GROUPS[group]) if name in names]
    xy = points[:, [names.index(name) for name in here]].reshape(len(points), -1, 2)
    known = ~np.isnan(xy)
    with np.errstate(invalid="ignore"):
        return (np.where(known, xy, 0).sum(1) / known.sum(1)).astype(np.float32)


def load_specialist_train(group, preprocess="equalise", data=None, rows=None):
    """Faces and labels for the specialist `group`, a key of GROUPS.

    Returns X (n, 96, 96) whole faces, since the crop moves from batch to batch,
    y (n, 2k) in pixels with NaN where a label is missing, and the rows' index
    (n,) in the file.  Only rows with none of the group's labels are dropped.
    """
    if group not in GROUPS:
        raise Problem("group: %r is unknown; choose one of %s" % (group, ", ".join(GROUPS)))
    found = faces(False, data, rows)
    keep, y = select(found, columns(GROUPS[group]), all_rows=True)
    return preprocessed(found.images[keep], preprocess), y, keep


def load_specialist_test(images, points, group, win, names=COLUMNS):
    """Crops (n, 1, win, win) around the group as the level before found it, and their centres (n, 2).

    images (n, 96, 96); points (n, len(names)), that level's answer in pixels.
    """
    crops, centres = crop(images, group_centres(points, group, names), win)
    return crops[:, None], centres


def open_net(path):
    """A trained net from a model file, ready for `predict`: a nolearn NeuralNet with its `train_history_`.

    Its header (a dict: script, settings, seed, versions, data, ...) is `net.header_`.
    Raises Problem for a file that is not one of ours.
    """
    from fkp import models  # imports the net scripts, which import this module
    return models.open_net(Path(path))


