"""Reads Kaggle's three CSV files strictly and fast.

The pixels of a block of rows are parsed together with a few NumPy passes, which also
check them; only a block in which something is wrong is looked at number by number, to say
where.  Rows are counted from 1 without the header, lines from 1 with it (as an editor
does), so that row 1 is line 2; messages give both.
"""
from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from typing import Callable, NamedTuple

import numpy as np

from fkp import Problem, cache

SIDE = 96
PIXELS = SIDE * SIDE
# Kaggle's labels lie between 0 and 96.  Faces cropped or labelled anew may have a point
# that is out of sight, but not by more than this many pixels.
MARGIN = 20
BLOCK = 4  # rows parsed together: as many as stay in a core's cache
LONGEST_LINE = 1 << 20  # bytes; Kaggle's longest is under 40,000
IMAGE, IMAGE_ID = "Image", "ImageId"
LOOKUP_COLUMNS = ("RowId", "ImageId", "FeatureName", "Location")
AGAIN = "download it again from Kaggle"
CUT = ": the file is cut off here"

_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_MAGIC = {
    b"PK": "a zip archive; unzip it",
    b"\x1f\x8b": "a gzip archive; unpack it with gunzip",
    b"7z\xbc\xaf": "a 7-zip archive; unpack it",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


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
        raise Problem(f"{_name(path)}: every label of the {len(keypoints)} rows read is missing; {AGAIN}")
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
    with _table(path, LOOKUP_COLUMNS) as table:
        row_id, image_id, feature, _ = table.order
        for fields in table:
            number = table.integer(fields[row_id], "RowId")
            table.once(number, "RowId", seen)
            if fields[feature] not in known:
                raise table.problem("FeatureName", f"{_show(fields[feature])} is none of the {len(known)} known "
                                    "features; correct the name")
            found.append((number, table.integer(fields[image_id], IMAGE_ID), known[fields[feature]]))
        table.require_rows()
    return Lookup(*(_frozen(np.array(column, np.int32)) for column in zip(*found)))


def check_lookup(lookup, ids, path):
    """Raises Problem if `lookup`, read from `path`, asks for an ImageId that is not in `ids`."""
    unknown = np.flatnonzero(~np.isin(lookup.image_ids, ids))
    if len(unknown):
        row = unknown[0] + 1
        raise Problem(f"{_name(path)}, row {row} (line {row + 1}), column ImageId: {lookup.image_ids[row - 1]} is not "
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
    with _table(path, (*columns, IMAGE)) as table:
        source = cache.stamp(os.fstat(table.file.fileno()))
        cached = cache.load(path, source, columns, kind.dtype, kind.shape)
        good = cached is not None and kind.sound(cached[1])
        images, labels, name = cached if good else _parse_faces(table, rows, kind)
        if not good and table.ended and source == cache.stamp(os.fstat(table.file.fileno())):
            cache.save(path, source, columns, images, labels, name, read)
    if rows is not None and rows < len(images):
        images, labels = images[:rows], labels[:rows]
        name = cache.fingerprint(images, labels)
    return images, labels, name


def _parse_faces(table, rows, kind):
    """Parses the CSV from its second line on, as `_read_faces` returns it."""
    # The shortest possible line bounds the number of rows.  Pages of an array that are
    # never written take no memory.
    shortest = 2 * PIXELS - 1 + len(table.order)
    most = table.left // shortest + 1
    most = most if rows is None else min(most, rows)
    images = np.empty((most, PIXELS), np.uint8)
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
    images.resize((done, SIDE, SIDE), refcheck=False)
    labels.resize((done, *kind.shape), refcheck=False)
    return _frozen(images), _frozen(labels), cache.fingerprint(images, labels)


def parse_pixels(texts):
    """The pixels uint8 (len(texts), 9216) of lines such as b"238 236 ...", or None.

    None unless every text is exactly 9216 integers of one to three digits, at most 255,
    with single spaces between them.
    """
    count = len(texts) * PIXELS
    text = np.frombuffer(b" ".join((b"", b"", *texts, b"")), np.uint8)  # two spaces before, one after
    spaces = np.flatnonzero(text == 32)
    if len(spaces) != count + 2:
        return None
    spaces = spaces[1:]  # number i lies between spaces[i] and spaces[i + 1]
    borders = np.cumsum([len(t) + 1 for t in texts]) + 1
    lengths = np.diff(spaces)
    if lengths.min() < 2 or lengths.max() > 4 or (spaces[PIXELS::PIXELS] != borders).any():
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
    return values[spaces[1:] - 3].reshape(len(texts), PIXELS)


def _pixel_problem(table, done, texts):
    """The Problem with the first bad one of `texts`, which follow after `done` rows."""
    for table.row, text in enumerate(texts, done + 1):
        words = text.split(b" ")
        cut = table.unfinished and table.row == done + len(texts) and len(words) <= PIXELS
        if cut and not words[-1]:
            words.pop()
        for i, word in enumerate(words):
            if not word.isdigit() or len(word) > 3 or int(word) > 255:
                return table.problem(IMAGE, f"pixel {i + 1} is {_show(word)}, not an integer from 0 to 255; {AGAIN}")
        if len(words) != PIXELS:
            return table.problem(IMAGE, f"{len(words)} pixels where {SIDE} x {SIDE} = {PIXELS} are needed"
                                 f"{CUT if cut else ''}; {AGAIN}")
    raise AssertionError("the fast parser refused what the slow one accepts")


def _keypoints(table, fields, seen):
    """A row's labels in pixels, NaN where the field is empty."""
    if not any(fields):
        return np.nan
    return [table.coordinate(field, column) if field else np.nan for field, column in zip(fields, table.columns)]


def _sound_keypoints(keypoints):
    return bool((np.isnan(keypoints) | (keypoints >= -MARGIN) & (keypoints <= SIDE + MARGIN)).all())


def _image_id(table, fields, seen):
    number = table.integer(fields[0], IMAGE_ID)
    table.once(number, IMAGE_ID, seen)
    return number


def _sound_ids(ids):
    return ids.min() >= 0 and len(np.unique(ids)) == len(ids)


class _Table:
    """An open CSV: its header checked, its rows as lists of bytes."""

    def __init__(self, file, path, columns):
        self.file, self.path, self.columns, self.row = file, path, columns, 0
        self.ended = False  # whether the last row was read
        self.unfinished = False  # whether the line read last had no line end
        size = os.fstat(file.fileno()).st_size
        header = file.readline(LONGEST_LINE)
        self.left = size - len(header)
        names = _header(header, columns, _name(path))
        self.order = [names.index(column) for column in columns]
        # Kaggle's lookup table has rows without the comma before an empty Location.
        self.may_end_early = names[-1] == "Location"

    def __iter__(self):
        """Yields each row's fields; `self.row` is its number."""
        while True:
            line = self.file.readline(LONGEST_LINE)
            if not line.strip(b"\r\n"):
                self._end(line)
                return
            self.row += 1
            self.unfinished = not line.endswith(b"\n")
            fields = _fields(line, len(self.columns))
            if len(fields) == len(self.columns) - 1 and self.may_end_early:
                fields.append(b"")
            if len(fields) != len(self.columns):
                raise self._wrong_count(line, len(fields))
            yield fields

    def blocks(self, rows):
        """Yields lists of up to BLOCK rows' fields, `rows` at most in all."""
        block = []
        for fields in self:
            block.append(fields)
            if len(block) == BLOCK or self.row == rows:
                yield block
                block = []
            if self.row == rows:
                self.ended = not self.file.read(1)
                return
        if block:
            yield block

    def _end(self, line):
        """Nothing but empty lines may follow."""
        while line:
            if line.strip(b"\r\n"):
                self.row += 1
                raise Problem(f"{self._where()}: the line is empty; remove it")
            line = self.file.readline(LONGEST_LINE)
        self.ended = True

    def _wrong_count(self, line, found):
        if self.unfinished and len(line) == LONGEST_LINE:
            return Problem(f"{self._where()}: longer than {LONGEST_LINE} bytes; {AGAIN}")
        cut = CUT if self.unfinished and found < len(self.columns) else ""
        return Problem(f"{self._where()}: {found} fields where the header has {len(self.columns)}{cut}; {AGAIN}")

    def _where(self):
        return f"{_name(self.path)}, row {self.row} (line {self.row + 1})"

    def problem(self, column, text):
        """A Problem with the current row."""
        return Problem(f"{self._where()}, column {column}: {text}")

    def require_rows(self):
        if not self.row:
            raise Problem(f"{_name(self.path)}: a header but no rows; {AGAIN}")

    def integer(self, field, column):
        if not field.isdigit() or len(field) > 9:
            raise self.problem(column, f"{_show(field)} is not a whole number below 10^9; {AGAIN}")
        return int(field)

    def once(self, number, column, seen):
        if seen.setdefault(number, self.row) != self.row:
            raise self.problem(column, f"{number} was given to row {seen[number]} already; remove one of the two")

    def coordinate(self, field, column):
        if not _NUMBER.fullmatch(field):
            raise self.problem(column, f"{_show(field)} is not a number (leave it empty if missing)")
        value = float(field)
        if not -MARGIN <= value <= SIDE + MARGIN:
            raise self.problem(column, f"{_show(field)} is far outside the picture's 0 to {SIDE}; correct it, "
                               "or leave it empty if missing")
        return value


@contextmanager
def _table(path, columns):
    """Opens a CSV as a _Table; what the system refuses becomes a Problem."""
    try:
        with open(path, "rb", buffering=1 << 20, opener=cache.opener) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError
            yield _Table(file, path, columns)
    except FileNotFoundError:
        raise Problem(f"{_name(path)}: no such file; download it from Kaggle") from None
    except IsADirectoryError:
        raise Problem(f"{_name(path)}: not a file; name the folder that holds Kaggle's CSV files") from None
    except OSError as error:
        raise Problem(f"{_name(path)}: cannot be read ({error.strerror or error}); mend that") from None
    except MemoryError:
        raise Problem(f"{_name(path)}: too big for this machine's memory; read fewer rows") from None


def _header(line, columns, name):
    """The column names of a header line: `columns` in any order and nothing else."""
    if not line:
        raise Problem(f"{name}: empty; {AGAIN}")
    for magic, what in _MAGIC.items():
        if line.startswith(magic):
            raise Problem(f"{name}: {what}")
    line = line[3:] if line.startswith(b"\xef\xbb\xbf") else line  # byte order mark
    if line.lstrip()[:1] == b"<":
        raise Problem(f"{name}: a web page, not a CSV file; log in to Kaggle and download it again")
    fields = _fields(line)
    if any(_NUMBER.fullmatch(field) for field in fields):
        raise Problem(f"{name}, line 1: values where the column names should be; put the header line back")
    names = [field.decode("utf-8", "backslashreplace") for field in fields]
    for column in columns:
        if names.count(column) != 1:
            found = "twice" if names.count(column) else "missing"
            raise Problem(f"{name}, line 1: column {column} is {found}; {AGAIN}")
    for field, column in zip(fields, names):
        if column not in columns:
            raise Problem(f"{name}, line 1: unknown column {_show(field)}; remove it")
    return names


def _fields(line, expected=0):
    """The fields of a line, without the quotes that some programs put around them.

    expected: where their number is known, splitting need not search a long last field.
    """
    if line.endswith(b"\n"):
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
    fields = line.split(b",", expected - 1)
    if b"," in fields[-1]:
        fields = line.split(b",")
    if b'"' in line:
        fields = [f[1:-1] if len(f) > 1 and f[:1] == f[-1:] == b'"' else f for f in fields]
    return fields


def _show(raw, most=30):
    """Bytes as a short, quoted, printable text."""
    text = ascii(raw[:most].decode("utf-8", "replace"))
    return text + "..." if len(raw) > most else text


def _name(path):
    """A path as text that fits on one line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(path))


def _frozen(array):
    array.flags.writeable = False
    return array
