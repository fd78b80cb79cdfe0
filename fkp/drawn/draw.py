"""Draws grey 96x96 faces with 15 keypoints, in the format of Kaggle's competition.

No photograph goes in and none comes out: keypoints are drawn from a small
statistical model (face_shapes.py) and faces painted by formula around them
(face_parts.py), so every label is exact. Some heads are turned aside, some
tilted, off the middle, smaller or larger. Same seed, same faces, and the first N rows of a longer set are
the set of N rows.

  python -m fkp.drawn.draw DIR                 # the three CSVs
  python -m fkp.drawn.draw DIR --rows 200      # only the first 200 rows
  python -m fkp.drawn.draw --sheet faces.png   # a sheet to look at

Coordinates are pixels from the left and upper edge of the picture: the centre
of column c is at x = c + 0.5, and the mirror image of x is 96 - x. left_ is
the left of the person shown, at the larger x. As on Kaggle, the rows follow
two schemes: rows 0-2283 have (nearly) all points, later ones only eye centres,
nose and mouth, and there `nose_tip` is the base of the nose and
`mouth_center_bottom_lip` the middle of the mouth.
"""
import argparse
import io
import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageDraw

from fkp import Problem, files
from fkp.drawn.face_parts import paint
from fkp.drawn.face_shapes import MARK, MARKS, Frame, held, shapes
from fkp.keypoints import ALL_COLUMNS, ALL_POINTS, COLUMNS, FOUR, FULL, KEYPOINTS, SCHEMES, SIZE, merge_schemes

# Names these faces in every model trained on them: whoever changes how they look writes a new one.
FINGERPRINT = "bfd3f676f97b9097"

# Kaggle's numbers.
ROWS, TEST_ROWS = 7049, 1783
FIRST_ROWS, COMPLETE = 2284, 2140  # rows of the first scheme, and how many of them lack nothing
ABSENT = (10, 13, 13, 17, 16, 16, 14, 59, 14, 48, 0, 15, 14, 9, 23)  # rows of the first scheme that lack each point
ABSENT_LATER = 10  # rows of the second scheme that lack the mouth too
TEST_FIRST = 591  # test images that are asked for the first scheme
# Those asked for fewer than 30 values: how many images, and which points nobody asks.
UNASKED = ((8, (9,)), (7, (7,)), (4, (7, 9)), (2, (6, 7, 8, 9)), (1, (14,)), (1, (6, 7, 9)), (1, (4, 8, 9)),
           (1, (5, 9)), (1, (11, 12)), (1, (7, 9, 12, 13, 14)), (1, (6, 8)), (1, (12, 14)), (1, (2, 6, 7, 8, 9)),
           (1, (3, 7)), (1, (2, 6, 8)), (1, (12,)), (1, (0, 1, 2, 3, 4, 5)), (1, (5,)))
UNASKED_LATER = 2  # images of the second scheme not asked for the mouth
BATCH = 32  # faces painted at once: small enough for the processor's cache
THREADS = 8  # at most: each holds dozens of pictures per face while it paints
ZOOM = 2  # of a sheet to look at


def _batch(seed, kind, index, later):
    """Batch number `index` of a set: images, and points (BATCH, all) of every scheme that the drawing knows."""
    rng = np.random.default_rng([seed, kind, index])
    marks, angle = held(rng, shapes(rng, BATCH, later))
    images = paint(marks, rng, angle)
    points = np.full((BATCH, len(ALL_POINTS), 2), np.nan, np.float32)
    points[:, [ALL_POINTS.index(name) for name in MARKS]] = Frame(marks, angle).seen()
    return images, points.reshape(BATCH, -1)


def _faces(n, seed, kind, later=False):
    """The first n faces of a set; `kind` keeps the sets of one seed apart."""
    threads = min(THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:  # NumPy lets go of the interpreter while it computes
        batches = list(pool.map(lambda i: _batch(seed, kind, i, later), range(-(-n // BATCH))))
    if not batches:
        return np.zeros((0, SIZE, SIZE), np.uint8), np.zeros((0, len(ALL_COLUMNS)), np.float32)
    return tuple(np.concatenate(parts)[:n] for parts in zip(*batches))


def draw(n, seed=42):
    """n faces with all their keypoints: images uint8 (n, 96, 96) and points float32 (n, all), pixels."""
    return _faces(n, seed, 0)


def missing(rows=ROWS, seed=42):
    """Which labels are missing, bool (rows, 30), counted out as on Kaggle; longer sets repeat the pattern."""
    rng = np.random.default_rng([seed, 3])
    mask = np.zeros((ROWS, len(KEYPOINTS)), bool)
    mask[FIRST_ROWS:, [i for i, name in enumerate(KEYPOINTS) if name not in SCHEMES[FOUR].points]] = True
    mask[rng.choice(np.arange(FIRST_ROWS, ROWS), ABSENT_LATER, False), MARK["mouth_center_bottom_lip"]] = True
    poor = rng.choice(np.arange(1, FIRST_ROWS - 1), FIRST_ROWS - COMPLETE, False)  # first and last row are complete
    for k, point in enumerate(rng.permutation(np.repeat(np.arange(len(ABSENT)), ABSENT))):
        # One each, so that none of them is complete; then any row that still has the point.
        row = poor[k] if k < len(poor) else rng.choice(poor[~mask[poor, point]])
        mask[row, point] = True
    return np.repeat(mask[np.arange(rows) % ROWS], 2, axis=1)


def _two_schemes(rows, first, seed, kind):
    """`first` faces of the full scheme, then those with four points: images and labels (rows, full) in its meaning."""
    sets = _faces(min(rows, first), seed, kind), _faces(max(rows - first, 0), seed, kind + 1, later=True)
    images, points = map(np.concatenate, zip(*sets))
    return images, merge_schemes(points, np.where(np.arange(rows) < first, FULL, FOUR))


def training(rows=ROWS, seed=42):
    """Images uint8 (rows, 96, 96) and keypoints float32 (rows, 30) with NaN where Kaggle's rows have no label."""
    images, points = _two_schemes(rows, FIRST_ROWS, seed, 10)
    points[missing(rows, seed)] = np.nan
    return images, points


def test(rows=TEST_ROWS, seed=42):
    """Test images uint8 (rows, 96, 96): other faces than the training set's of the same seed."""
    return _two_schemes(rows, TEST_FIRST, seed, 20)[0]


def lookup(rows=TEST_ROWS, seed=42):
    """What is asked of the first `rows` test images, as `reader.read_lookup` gives it; ids from 1."""
    import pandas
    rng = np.random.default_rng([seed, 4])
    asked = np.ones((TEST_ROWS, len(KEYPOINTS)), bool)
    asked[TEST_FIRST:, [i for i, name in enumerate(KEYPOINTS) if name not in SCHEMES[FOUR].points]] = False
    lacks = [points for count, points in UNASKED for _ in range(count)]
    for image, points in zip(rng.choice(TEST_FIRST, len(lacks), False), lacks):
        asked[image, list(points)] = False
    asked[rng.choice(np.arange(TEST_FIRST, TEST_ROWS), UNASKED_LATER, False), MARK["mouth_center_bottom_lip"]] = False
    found = [(image + 1, KEYPOINTS[p] + axis) for image, p in zip(*np.nonzero(asked[:rows])) for axis in ("_x", "_y")]
    return pandas.DataFrame([(row, *one) for row, one in enumerate(found, 1)],
                            columns=["RowId", "ImageId", "FeatureName"])


def _write(path, header, lines):
    """Write a CSV whole or not at all; its lines end as Kaggle's do."""
    files.write_whole(path, lambda file: file.writelines(
        f"{line}\r\n".encode() for line in itertools.chain([header], lines)))


def _pixels(image):
    return " ".join(map(str, image.ravel().tolist()))


def _number(value):
    """The shortest text that reads back as the same float32; nothing for a missing value."""
    return "" if np.isnan(value) else np.format_float_positional(value, trim="-")


def write_csvs(folder, rows=ROWS, seed=42):
    """Write training.csv, test.csv and IdLookupTable.csv into folder.  Returns their paths.

    Raises Problem where one is there: it may be Kaggle's.
    """
    paths = [os.path.join(folder, name) for name in ("training.csv", "test.csv", "IdLookupTable.csv")]
    for path in filter(os.path.lexists, paths):
        raise Problem(f"{path}: is there already; name another folder")
    files.make_folder(folder)
    images, points = training(rows, seed)
    _write(paths[0], ",".join([*COLUMNS, "Image"]),
           (",".join([_number(v) for v in p] + [_pixels(image)]) for image, p in zip(images, points)))
    tests = min(rows, TEST_ROWS)
    _write(paths[1], "ImageId,Image", (f"{i},{_pixels(image)}" for i, image in enumerate(test(tests, seed), 1)))
    _write(paths[2], "RowId,ImageId,FeatureName,Location",
           (f"{row},{image},{what}," for row, image, what in lookup(tests, seed).itertuples(index=False)))
    return paths


def write_sheet(path, seed=42, marks=False, across=10, down=6):
    """Save across x down faces as one PNG, enlarged ZOOM times, the keypoints marked if asked.

    Raises Problem where a file is there.
    """
    if os.path.lexists(path):
        raise Problem(f"{path}: is there already; name another file")
    images, points = draw(across * down, seed)
    rows = images.reshape(down, across, SIZE, SIZE).transpose(0, 2, 1, 3).reshape(down * SIZE, across * SIZE)
    sheet = Image.fromarray(rows).resize((across * SIZE * ZOOM, down * SIZE * ZOOM), Image.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(sheet)
    for i, face in enumerate(points.reshape(len(points), -1, 2)[:, :len(KEYPOINTS)] if marks else ()):
        for x, y in (face + (i % across * SIZE, i // across * SIZE)) * ZOOM:
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(255, 60, 60))
    png = io.BytesIO()
    sheet.save(png, "PNG")
    files.write_bytes(path, png.getvalue())


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", metavar="DIR", help="where to write the CSVs (made if need be)")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"training rows (default: all {ROWS})")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="other faces for another number (default 42)")
    parser.add_argument("--sheet", metavar="FILE.png", help="save a sheet of 60 faces instead of CSVs, or besides")
    parser.add_argument("--points", action="store_true", help="mark the keypoints on the sheet")
    options = parser.parse_args(arguments)
    if not (options.folder or options.sheet):
        parser.error("nothing to write: give a folder for the CSVs, or --sheet FILE.png")
    if options.rows < 0 or options.seed < 0:
        parser.error("--rows and --seed must not be negative")
    try:
        if options.folder:
            print("\n".join("wrote " + path for path in write_csvs(options.folder, options.rows, options.seed)))
        if options.sheet:
            write_sheet(options.sheet, options.seed, options.points)
            print("wrote " + options.sheet)
    except Problem as problem:
        parser.error(str(problem))
    return 0


if __name__ == "__main__":
    sys.exit(main())
