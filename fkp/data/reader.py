"""Reads Kaggle's three CSV files strictly and fast.

The pixels of a block of rows are parsed together with a few NumPy passes, which also
check them; only a block in which something is wrong is looked at number by number, to say
where.  Rows are counted from 1 without the header, lines from 1 with it (as an editor
does), so that row 1 is line 2; messages give both.
"""
from __future__ import annotations

import os
from typing import Callable, NamedTuple

import numpy as np

from fkp import Problem
from fkp.data import cache
from fkp.data.table import AGAIN, CUT, MARGIN, open_table, printable, show
from fkp.keypoints import AREA, SIZE

IMAGE, IMAGE_ID = "Image", "ImageId"
LOOKUP_COLUMNS = ("RowId", "ImageId", "FeatureName", "Location")


class Faces(NamedTuple):
    """Faces in the order of the file; all arrays are read-only."""

    images: np.ndarray  # uint8 (N, 96, 96), possibly mapped from the cache
    keypoints: np.ndarray | None  # float32 (N, 30) in pixels, NaN = missing; None for test.csv
    ids: np.ndarray | None  # int32 (N,) ImageId; None for training.csv
    fingerprint: str  # 32 hex digits that name this content


class Lookup(NamedTuple):
    """IdLookupTable.csv in the order of the file; all arrays int32 (N,), read-only."""

    row_ids: np.ndarray
    image_ids: np.ndarray
    features: np.ndarray  # index into the columns asked for


def read_training(path, columns, rows=None):
    """Reads training.csv: `columns` in any order, and Image.

    rows: read only the first so many.
    Raises Problem where the file is not what Kaggle serves.
    """
    columns = tuple(columns)
    kind = _Kind(_keypoints, _sound_keypoints, np.float32, (len(columns),))
    images, keypoints, name = _read_faces(path, columns, rows, kind)
    if np.isnan(keypoints).all():
        raise Problem(f"{printable(path)}: every label of the {len(keypoints)} rows read is missing; {AGAIN}")
    return Faces(images, keypoints, None, name)


def read_test(path, rows=None):
    """Reads test.csv: ImageId and Image.  `rows` and errors as in `read_training`."""
    images, ids, name = _read_faces(path, (IMAGE_ID,), rows, _Kind(_image_id, _sound_ids, np.int32, ()))
    return Faces(images, None, ids, name)


def read_lookup(path, columns):
    """Reads IdLookupTable.csv as a Lookup; features must be among `columns`.

    Raises Problem where the file is not what Kaggle serves.
    """
    known = {column.encode(): i for i, column in enumerate(columns)}
    found, seen = [], {}
    with open_table(path, LOOKUP_COLUMNS) as table:
        row_id, image_id, feature, _ = table.order
        for fields in table:
            number = table.integer(fields[row_id], "RowId")
            table.once(number, "RowId", seen)
            if fields[feature] not in known:
                raise table.problem("FeatureName", f"{show(fields[feature])} is none of the {len(known)} known "
                                    "features; correct the name")
            found.append((number, table.integer(fields[image_id], IMAGE_ID), known[fields[feature]]))
        table.require_rows()
    return Lookup(*(_frozen(np.array(column, np.int32)) for column in zip(*found)))


def check_lookup(lookup, ids, path):
    """Raises Problem if `lookup`, read from `path`, asks for an ImageId that is not in `ids`."""
    unknown = np.flatnonzero(~np.isin(lookup.image_ids, ids))
    if len(unknown):
        row = unknown[0] + 1
        raise Problem(f"{printable(path)}, row {row} (line {row + 1}), column ImageId: {lookup.image_ids[row - 1]} is not "
                      "in test.csv; use the two files of one download")


class _Kind(NamedTuple):
    """What the labels of a file are."""

    parse: Callable  # (table, fields, seen) -> a row's labels
    sound: Callable  # whether labels that come from a cache can be what `parse` gives
    dtype: type
    shape: tuple  # of one row's labels


def _read_faces(path, columns, rows, kind):
    """(images, labels, fingerprint) from the cache if it is good, else from the CSV."""
    if rows is not None and rows < 1:
        raise ValueError(f"rows must be at least 1, not {rows}")
    read = cache.now()
    with open_table(path, (*columns, IMAGE)) as table:
        source = cache.stamp(os.fstat(table.file.fileno()))
        cached = cache.read(path, source, columns, kind.dtype, kind.shape)
        good = cached is not None and kind.sound(cached[1])
        images, labels, name = cached if good else _parse_faces(table, rows, kind)
        if not good and table.ended and source == cache.stamp(os.fstat(table.file.fileno())):
            cache.write(path, source, columns, images, labels, name, read)
    if rows is not None and rows < len(images):
        images, labels = images[:rows], labels[:rows]
        name = cache.fingerprint(images, labels)
    return images, labels, name


def _parse_faces(table, rows, kind):
    """Parses the CSV from its second line on, as `_read_faces` returns it."""
    # The shortest possible line bounds the number of rows.  Pages of an array that are
    # never written take no memory.
    shortest = 2 * AREA - 1 + len(table.order)
    most = table.left // shortest + 1
    most = most if rows is None else min(most, rows)
    images = np.empty((most, AREA), np.uint8)
    labels = np.empty((most, *kind.shape), kind.dtype)
    # glibc returns freed blocks to the kernel until it has seen one as large as this freed;
    # getting a row's arrays anew from there each time made this a third slower.
    np.empty(1 << 24, np.uint8)
    done, seen = 0, {}
    for block in table.blocks(most):
        for i, fields in enumerate(block):
            table.row = done + i + 1
            labels[done + i] = kind.parse(table, [fields[k] for k in table.order[:-1]], seen)
        texts = [fields[table.order[-1]] for fields in block]
        values = parse_pixels(texts)
        if values is None:
            raise _pixel_problem(table, done, texts)
        images[done:done + len(block)] = values
        done += len(block)
    table.row = done
    table.require_rows()
    images.resize((done, SIZE, SIZE), refcheck=False)
    labels.resize((done, *kind.shape), refcheck=False)
    return _frozen(images), _frozen(labels), cache.fingerprint(images, labels)


def parse_pixels(texts):
    """The pixels uint8 (len(texts), AREA) of lines such as b"238 236 ...", or None.

    None unless every text is exactly AREA integers of one to three digits, at most 255,
    with single spaces between them.
    """
    count = len(texts) * AREA
    text = np.frombuffer(b" ".join((b"", b"", *texts, b"")), np.uint8)  # two spaces before, one after
    spaces = np.flatnonzero(text == 32)
    if len(spaces) != count + 2:
        return None
    spaces = spaces[1:]  # number i lies between spaces[i] and spaces[i + 1]
    borders = np.cumsum([len(t) + 1 for t in texts]) + 1
    lengths = np.diff(spaces)
    if lengths.min() < 2 or lengths.max() > 4 or (spaces[AREA::AREA] != borders).any():
        return None
    digits = text - np.uint8(48)
    is_digit = digits < 10
    if np.count_nonzero(is_digit) != len(text) - count - 2:
        return None
    # The value of what ends at each byte: digits beyond its first one are masked.
    digits &= 15  # a space becomes 0
    ones = is_digit.view(np.uint8)
    hundreds = digits[:-2] * ones[1:-1]
    hundreds *= ones[2:]
    if hundreds.max() > 2:
        return None
    hundreds *= np.uint8(100)
    values = digits[1:-1] * np.uint8(10)
    values += digits[2:]
    values += hundreds
    if (values < hundreds).any():  # beyond 255: wrapped around
        return None
    return values[spaces[1:] - 3].reshape(len(texts), AREA)


def _pixel_problem(table, done, texts):
    """The Problem with the first bad one of `texts`, which follow after `done` rows."""
    for table.row, text in enumerate(texts, done + 1):
        words = text.split(b" ")
        cut = table.unfinished and table.row == done + len(texts) and len(words) <= AREA
        if cut and not words[-1]:
            words.pop()
        for i, word in enumerate(words):
            if not word.isdigit() or len(word) > 3 or int(word) > 255:
                return table.problem(IMAGE, f"pixel {i + 1} is {show(word)}, not an integer from 0 to 255; {AGAIN}")
        if len(words) != AREA:
            return table.problem(IMAGE, f"{len(words)} pixels where {SIZE} x {SIZE} = {AREA} are needed"
                                 f"{CUT if cut else ''}; {AGAIN}")
    raise AssertionError("the fast parser refused what the slow one accepts")


def _keypoints(table, fields, seen):
    """A row's labels in pixels, NaN where the field is empty."""
    if not any(fields):
        return np.nan
    return [table.coordinate(field, column) if field else np.nan for field, column in zip(fields, table.columns)]


def _sound_keypoints(keypoints):
    return bool((np.isnan(keypoints) | (keypoints >= -MARGIN) & (keypoints <= SIZE + MARGIN)).all())


def _image_id(table, fields, seen):
    number = table.integer(fields[0], IMAGE_ID)
    table.once(number, IMAGE_ID, seen)
    return number


def _sound_ids(ids):
    return ids.min() >= 0 and len(np.unique(ids)) == len(ids)


def _frozen(array):
    array.flags.writeable = False
    return array
