"""Reads Kaggle's three CSV files strictly and fast, also as other programs saved them again.

Whatever can mean one thing only is read: names in other letters, other separators, row
numbers beside the table, `nan` for a missing label.  Everything else is a Problem that
names the cure.  The pixels of a block of rows are parsed together, and only a block in
which something is wrong is looked at number by number, to say where.  Rows are counted
from 1 without the header, lines from 1 with it (as an editor does), so that row 1 is
line 2; messages give both.
"""
from __future__ import annotations

import os
from typing import Callable, NamedTuple

import numpy as np

from fkp import Problem
from fkp.csvs import cache, pixels
from fkp.csvs.labels import doubt
from fkp.csvs.table import AGAIN, MARGIN, open_table, show
from fkp.keypoints import AREA, SIZE

IMAGE, IMAGE_ID = "Image", "ImageId"


class Faces(NamedTuple):
    """Faces in the order of the file; all arrays are read-only."""

    images: np.ndarray  # uint8 (N, 96, 96), possibly mapped from the cache
    keypoints: np.ndarray | None  # float32 (N, 30) in pixels, NaN = missing; None for test.csv
    ids: np.ndarray | None  # int32 (N,) ImageId; None for training.csv
    fingerprint: str  # 32 hex digits that name this content


def read_training(path, columns, rows=None):
    """Read training.csv: `columns` in any order, and Image.

    rows: read only the first so many.
    Raises Problem where the file is not what Kaggle serves.
    """
    columns = tuple(columns)
    kind = _Kind(_keypoints, _sound_keypoints, _doubt_keypoints, np.float32, (len(columns),))
    images, keypoints, name = _read_faces(path, columns, rows, kind)
    return Faces(images, keypoints, None, name)


def read_test(path, rows=None):
    """Read test.csv: ImageId and Image.  `rows` and errors as in `read_training`."""
    kind = _Kind(_image_id, _sound_ids, lambda ids, columns: None, np.int32, ())
    images, ids, name = _read_faces(path, (IMAGE_ID,), rows, kind)
    return Faces(images, None, ids, name)


def read_lookup(path, columns):
    """Read IdLookupTable.csv as a table of RowId, ImageId and FeatureName, which must be among `columns`.

    Raises Problem where the file is not what Kaggle serves.
    """
    known = {column.lower().encode(): column for column in columns}

    def feature(table, field):
        name = known.get(field.strip().lower())
        if name is None:
            raise table.problem("FeatureName", f"{show(field)} is none of the {len(known)} known features; correct "
                                "the name")
        return name
    return _read_table(path, {IMAGE_ID: lambda table, field: table.integer(field, IMAGE_ID), "FeatureName": feature},
                       optional=("Location",))


def read_submission(path):
    """Read a submission as a table of RowId and Location, pixels.  Raises Problem where it is none."""
    def location(table, field):
        value = table.coordinate(field, "Location")
        if not np.isfinite(value):
            raise table.problem("Location", f"{show(field)} is not a number; write the submission again")
        return value
    return _read_table(path, {"Location": location}, get="test1.py and net5.py write submissions",
                       again="write the submission again")


def check_lookup(lookup, ids, path):
    """Raise Problem if `lookup`, read from `path`, asks for an ImageId that is not in `ids`."""
    unknown = np.flatnonzero(~lookup[IMAGE_ID].isin(ids))
    if len(unknown):
        row = unknown[0] + 1
        raise Problem(f"{path}, row {row} (line {row + 1}), column ImageId: {lookup[IMAGE_ID][row - 1]} is not "
                      "in test.csv; use the two files of one download")


def _read_table(path, parse, optional=(), **cures):
    """A table of RowId, each given once, and other columns, {name: function of the table and a field}.

    cures: of a file that is missing or damaged, as `open_table` takes them.
    """
    import pandas  # here: nets that train need none, and it takes half a second
    found, seen = [], {}
    with open_table(path, ("RowId", *parse), optional, **cures) as table:
        for fields in table:
            row_id, *others = (fields[position] for position in table.order)
            number = table.integer(row_id, "RowId")
            table.once(number, "RowId", seen)
            found.append((number, *(one(table, field) for one, field in zip(parse.values(), others))))
        table.require_rows()
    return pandas.DataFrame(found, columns=["RowId", *parse])


class _Kind(NamedTuple):
    """What the labels of a file are."""

    parse: Callable  # (table, fields, seen) -> a row's labels
    sound: Callable  # whether labels that come from a cache can be what `parse` gives
    doubt: Callable  # (labels, columns) -> what all of them seem to be instead, or None
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
        images, labels, name = cached if good else _parse_faces(table, columns, rows, kind)
        if not good and table.ended and source == cache.stamp(os.fstat(table.file.fileno())):
            cache.write(path, source, columns, images, labels, name, read)
    if rows is not None and rows < len(images):
        images, labels = images[:rows], labels[:rows]
        name = cache.fingerprint(images, labels)
    return images, labels, name


def _parse_faces(table, columns, rows, kind):
    """Parse the CSV from its second line on, as `_read_faces` returns it."""
    # The shortest possible line bounds the number of rows, unless the file is packed.  Pages
    # of an array that are never written take no memory.
    shortest = 2 * AREA - 1 + len(table.order)
    most = table.left // shortest + 1
    most = most if rows is None else min(most, rows)
    images = np.empty((most, AREA), np.uint8)
    labels = np.empty((most, *kind.shape), kind.dtype)
    # glibc returns freed blocks to the kernel until it has seen one as large as this freed;
    # getting a row's arrays anew from there each time made this a third slower.
    np.empty(1 << 24, np.uint8)
    done, seen = 0, {}
    for block in table.blocks(rows):
        if done + len(block) > len(images):
            for array in (images, labels):
                array.resize((len(array) + len(array) // 4 + len(block), *array.shape[1:]), refcheck=False)
        for i, fields in enumerate(block):
            table.row = done + i + 1
            labels[done + i] = kind.parse(table, [fields[k] for k in table.order[:-1]], seen)
        texts = [fields[table.order[-1]] for fields in block]
        values = pixels.parse(texts)
        if values is None:
            raise _pixel_problem(table, done, texts)
        images[done:done + len(block)] = values
        done += len(block)
    table.row = done
    table.require_rows()
    images.resize((done, SIZE, SIZE), refcheck=False)
    labels.resize((done, *kind.shape), refcheck=False)
    doubt = kind.doubt(labels, columns)
    if doubt:
        raise Problem(f"{table.path}: {doubt}")
    return _frozen(images), _frozen(labels), cache.fingerprint(images, labels)


def _pixel_problem(table, done, texts):
    """The Problem with the first bad one of `texts`, which follow after `done` rows."""
    last = done + len(texts)
    for table.row, text in enumerate(texts, done + 1):
        if pixels.parse([text]) is None:
            return table.problem(IMAGE, pixels.complaint(text, table.unfinished and table.row == last))
    raise AssertionError("a block was refused whose texts are accepted one by one")


def _keypoints(table, fields, seen):
    """A row's labels in pixels, NaN where the field is empty."""
    if not any(fields):
        return np.nan
    return [table.coordinate(field, column) if field else np.nan for field, column in zip(fields, table.columns)]


def _sound_keypoints(keypoints):
    return bool((np.isnan(keypoints) | (keypoints >= -MARGIN) & (keypoints <= SIZE + MARGIN)).all())


def _doubt_keypoints(keypoints, columns):
    if np.isnan(keypoints).all():
        return f"every label of the {len(keypoints)} rows read is missing; {AGAIN}"
    return doubt(keypoints, columns)


def _image_id(table, fields, seen):
    number = table.integer(fields[0], IMAGE_ID)
    table.once(number, IMAGE_ID, seen)
    return number


def _sound_ids(ids):
    return ids.min() >= 0 and len(np.unique(ids)) == len(ids)


def _frozen(array):
    array.flags.writeable = False
    return array
