"""A CSV file as rows of bytes: opened, its header checked, every row with as many fields as that."""
import csv
import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path

from fkp import Problem
from fkp.csvs import cache, source
from fkp.keypoints import AREA, SIZE

# Kaggle's labels lie between 0 and 96.  Faces cropped or labelled anew may have a point
# that is out of sight, but not by more than this many pixels.
MARGIN = 20
BLOCK = 4  # rows parsed together: as many as stay in a core's cache
LONGEST_LINE = 1 << 20  # bytes; Kaggle's longest is under 40,000
SHOWN = 30  # bytes of a field in a message
GET, AGAIN = "download it from Kaggle", "download it again from Kaggle"
CUT = ": the file is cut off here"

SEPARATORS = (b",", b";", b"\t", b"|", b" ")  # the first is Kaggle's; quotes protect a blank inside a field
# What programs write where a label is missing.
MISSING = {b"", b"na", b"n/a", b"#n/a", b"<na>", b"nan", b"-nan", b"null", b"none", b"nil", b"-", b"--", b"?", b"."}
# What they call the row numbers that they put beside a table.
_INDEX = re.compile(r"\s*(unnamed: ?\d+(\.\d+)*(_level_\d+)?|index|level_\d+|row([._ ]?(names?|id|number))?"
                    r"|id|nr|no|#|x)?\s*", re.I)
_BEFORE_HEADER = re.compile(rb'(\xef\xbb\xbf)?("?sep=."?|#[^,;\t|\n]*)?\s*\n')  # nothing, a note to Excel, a comment
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Table:
    """An open CSV: its header checked, its rows as lists of bytes."""

    def __init__(self, file, path, columns, optional=(), again=AGAIN):
        self.file, self.path, self.columns, self.row, self.again = file, path, columns, 0, again
        self.ended = False  # whether the last row was read
        self.unfinished = False  # whether the line read last had no line end
        stream, self.left = source.unpacked(file, path)  # left: bytes, of a gzip archive packed ones
        self.lines = source.lines(stream)
        self.header, self.before = self.lines.readline(LONGEST_LINE), 1  # before: lines up to and with the header
        while _BEFORE_HEADER.fullmatch(self.header):
            self.header, self.before = self.lines.readline(LONGEST_LINE), self.before + 1
        self.separator, names = _names(self.header, (*columns, *optional), columns, path, again)
        self.order, self.width = [names.index(column) for column in columns], len(names)
        self.may_end_early = max(self.order) < len(names) - 1  # nothing is lost with the last field

    def __iter__(self):
        """Yield each row's fields; `self.row` is its number."""
        while True:
            line = self.lines.readline(LONGEST_LINE)
            if not line.strip(b"\r\n"):
                self._end(line)
                return
            if line == self.header:  # files joined together
                self.before += 1
                continue
            self.row += 1
            self.unfinished = not line.endswith(b"\n")
            if b'"' in line and line.count(b'"') % 2 and not self.unfinished:
                raise Problem(f"{self._where()}: a quoted field goes on in the next line; write each row in one")
            fields = _fields(line, self.separator, self.width)
            if self.row == 1 and len(fields) == self.width + 1:
                self._take_one_more(fields)
            if len(fields) == self.width - 1 and self.may_end_early:
                fields.append(b"")
            if len(fields) != self.width:
                raise self._wrong_count(line, len(fields))
            yield fields

    def blocks(self, rows=None):
        """Yield lists of up to BLOCK rows' fields, `rows` at most in all."""
        block = []
        for fields in self:
            block.append(fields)
            if len(block) == BLOCK or self.row == rows:
                yield block
                block = []
            if self.row == rows:
                self.ended = not self.lines.read(1)
                return
        if block:
            yield block

    def _take_one_more(self, fields):
        """A column without a name in the header: a comma at the end, or R's row numbers in front."""
        if not fields[-1].strip():
            self.width, self.may_end_early = self.width + 1, True
        elif fields[0] in (b"0", b"1"):
            self.width, self.order = self.width + 1, [k + 1 for k in self.order]

    def _end(self, line):
        """Nothing but empty lines may follow."""
        while line:
            if line.strip(b"\r\n"):
                self.row += 1
                raise Problem(f"{self._where()}: the line is empty; remove it")
            line = self.lines.readline(LONGEST_LINE)
        self.ended = True

    def _wrong_count(self, line, found):
        if self.unfinished and len(line) == LONGEST_LINE:
            return Problem(f"{self._where()}: longer than {LONGEST_LINE} bytes; {self.again}")
        cut = CUT if self.unfinished and found < self.width else ""
        return Problem(f"{self._where()}: {found} fields where the header has {self.width}{cut}; {self.again}")

    def _where(self):
        return f"{self.path}, row {self.row} (line {self.row + self.before})"

    def problem(self, column, text):
        """A Problem with the current row."""
        return Problem(f"{self._where()}, column {column}: {text}")

    def require_rows(self):
        if not self.row:
            raise Problem(f"{self.path}: a header but no rows; {self.again}")

    def integer(self, field, column):
        """A whole number, also one written as 1.0."""
        if field.isdigit() and len(field) <= 9:
            return int(field)
        value = _number(field)
        if value is None or not value.is_integer() or not 0 <= value < 1e9:
            raise self.problem(column, f"{show(field)} is not a whole number below 10^9; write it in digits alone")
        return int(value)

    def once(self, number, column, seen):
        if seen.setdefault(number, self.row) != self.row:
            raise self.problem(column, f"{number} was given to row {seen[number]} already; remove one of the two")

    def coordinate(self, field, column):
        """Pixels, NaN for a missing label."""
        value = float(field) if _NUMBER.fullmatch(field) else _number(field)
        if value is None:
            if field.strip().lower() in MISSING:
                return float("nan")
            raise self.problem(column, f"{show(field)} is not a number (leave it empty if missing)")
        if not -MARGIN <= value <= SIZE + MARGIN:
            raise self.problem(column, f"{show(field)} is far outside the picture's 0 to {SIZE}; correct it, leave it "
                               "empty if missing, or scale all labels if they belong to larger pictures")
        return value


@contextmanager
def open_table(path, columns, optional=(), get=GET, again=AGAIN):
    """Open a CSV as a Table of `columns`; it may also have the `optional` ones.

    What the system refuses becomes a Problem.  One says how to `get` the file, or another one `again`.
    """
    try:
        with open(path, "rb", buffering=source.BUFFER, opener=cache.opener) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError
            yield Table(file, path, columns, optional, again)
    except FileNotFoundError:
        raise source.missing(Path(path), get) from None
    except IsADirectoryError:
        raise Problem(f"{path}: not a file; name the folder that holds Kaggle's CSV files") from None
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror or error}); mend that") from None
    except source.DAMAGED as error:
        raise Problem(f"{path}: a damaged archive ({error}); {again}") from None
    except MemoryError:
        raise Problem(f"{path}: too big for this machine's memory; read fewer rows") from None


def _names(line, known, needed, path, again):
    """(separator, column names) of a header line: `needed` and others that are `known`, in any order and case."""
    if not line:
        raise Problem(f"{path}: empty; {again}")
    line = line[3:] if line.startswith(b"\xef\xbb\xbf") else line  # byte order mark
    if line.lstrip()[:1] == b"<":
        raise Problem(f"{path}: a web page, not a CSV file; log in to Kaggle and download it again")
    plain = {_plain(column): column for column in known}
    tables = [(separator, _fields(line, separator)) for separator in SEPARATORS]
    decoded = [(separator, [field.decode("utf-8", "backslashreplace") for field in fields])
               for separator, fields in tables]
    separator, names = max(decoded, key=lambda table: len(plain.keys() & {_plain(name) for name in table[1]}))
    names = [plain.get(_plain(name), name) for name in names]
    if len(names) > AREA:
        raise Problem(f"{path}, line 1: {len(names)} columns, a pixel in each; join them with spaces to one, Image")
    if any(_NUMBER.fullmatch(name.encode()) for name in names):
        raise Problem(f"{path}, line 1: values where the column names should be; put the header line back")
    missing = [column for column in needed if column not in names]
    if 1 < len(missing) < len(needed):  # a data set with other keypoints
        raise Problem(f"{path}, line 1: {len(missing)} of the {len(needed)} columns needed are missing; add them, "
                      f"empty where nothing is labelled: {', '.join(missing)}")
    for column in needed:
        if names.count(column) != 1:
            found = "twice; remove one of the two" if names.count(column) else f"missing; {again}"
            raise Problem(f"{path}, line 1: column {column} is {found}")
    for name in names:
        if name not in known and not _INDEX.fullmatch(name):
            raise Problem(f"{path}, line 1: unknown column {show(name.encode())}; remove it")
    return separator, names


def _plain(name):
    """A column's name without what programs change in it: `Left Eye Center X` is left_eye_center_x."""
    return re.sub(r"[\s_.\-]", "", name.lower())


def _fields(line, separator, expected=0):
    """The fields of a line, without the quotes that some programs put around them.

    expected: where their number is known, splitting need not search a long last field.
    """
    line = line.rstrip(b"\r\n")
    if b'"' in line:
        try:
            return [field.encode("latin-1") for field in next(csv.reader(
                [line.decode("latin-1")], delimiter=separator.decode(), skipinitialspace=True))]
        except csv.Error:  # a NUL, or a field without end
            pass
    fields = line.split(separator, expected - 1)
    return line.split(separator) if separator in fields[-1] else fields


def _number(field):
    """The number in a field with blanks around or a decimal comma, or None."""
    field = field.strip()
    if field.count(b",") == 1 and b"." not in field:
        field = field.replace(b",", b".")
    return float(field) if _NUMBER.fullmatch(field) else None


def show(raw):
    """Bytes as a short, quoted, printable text."""
    text = ascii(raw[:SHOWN].decode("utf-8", "replace"))
    return text + "..." if len(raw) > SHOWN else text
