"""A CSV file as rows of bytes: opened, its header checked, every row with as many fields as that."""
import os
import re
import stat
from contextlib import contextmanager

from fkp import Problem
from fkp.data import cache
from fkp.keypoints import SIZE

# Kaggle's labels lie between 0 and 96.  Faces cropped or labelled anew may have a point
# that is out of sight, but not by more than this many pixels.
MARGIN = 20
BLOCK = 4  # rows parsed together: as many as stay in a core's cache
LONGEST_LINE = 1 << 20  # bytes; Kaggle's longest is under 40,000
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


class Table:
    """An open CSV: its header checked, its rows as lists of bytes."""

    def __init__(self, file, path, columns):
        self.file, self.path, self.columns, self.row = file, path, columns, 0
        self.ended = False  # whether the last row was read
        self.unfinished = False  # whether the line read last had no line end
        size = os.fstat(file.fileno()).st_size
        header = file.readline(LONGEST_LINE)
        self.left = size - len(header)
        names = _names(header, columns, printable(path))
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
        return f"{printable(self.path)}, row {self.row} (line {self.row + 1})"

    def problem(self, column, text):
        """A Problem with the current row."""
        return Problem(f"{self._where()}, column {column}: {text}")

    def require_rows(self):
        if not self.row:
            raise Problem(f"{printable(self.path)}: a header but no rows; {AGAIN}")

    def integer(self, field, column):
        if not field.isdigit() or len(field) > 9:
            raise self.problem(column, f"{show(field)} is not a whole number below 10^9; {AGAIN}")
        return int(field)

    def once(self, number, column, seen):
        if seen.setdefault(number, self.row) != self.row:
            raise self.problem(column, f"{number} was given to row {seen[number]} already; remove one of the two")

    def coordinate(self, field, column):
        if not _NUMBER.fullmatch(field):
            raise self.problem(column, f"{show(field)} is not a number (leave it empty if missing)")
        value = float(field)
        if not -MARGIN <= value <= SIZE + MARGIN:
            raise self.problem(column, f"{show(field)} is far outside the picture's 0 to {SIZE}; correct it, "
                               "or leave it empty if missing")
        return value


@contextmanager
def open_table(path, columns):
    """Opens a CSV as a Table; what the system refuses becomes a Problem."""
    try:
        with open(path, "rb", buffering=1 << 20, opener=cache.opener) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError
            yield Table(file, path, columns)
    except FileNotFoundError:
        raise Problem(f"{printable(path)}: no such file; download it from Kaggle") from None
    except IsADirectoryError:
        raise Problem(f"{printable(path)}: not a file; name the folder that holds Kaggle's CSV files") from None
    except OSError as error:
        raise Problem(f"{printable(path)}: cannot be read ({error.strerror or error}); mend that") from None
    except MemoryError:
        raise Problem(f"{printable(path)}: too big for this machine's memory; read fewer rows") from None


def _names(line, columns, name):
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
            raise Problem(f"{name}, line 1: unknown column {show(field)}; remove it")
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


def show(raw, most=30):
    """Bytes as a short, quoted, printable text."""
    text = ascii(raw[:most].decode("utf-8", "replace"))
    return text + "..." if len(raw) > most else text


def printable(path):
    """A path as text that fits on one line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(path))
