"""A table's file and its lines, however it was packed, named or saved: zipped, as UTF-16, with a Mac's line ends."""
import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from pathlib import Path

from fkp import Problem

BUFFER = 1 << 20  # bytes
UNPACK = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)  # what these say of bytes that were lost
NO_CSV = {
    b"version https:/": "a pointer of Git LFS, not the file that it stands for; get that with git lfs pull",
    b"/annex/objects/": "a pointer of git-annex, not the file that it stands for; get that with git annex get",
    b"<<<<<<<": "two versions that git could not merge; choose one of them",
    b"7z\xbc\xaf": "a 7-zip archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV",
    b"PAR1": "a Parquet file; save the table as CSV",
    b"\x89HDF": "an HDF5 file; save the table as CSV",
    b"SQLite": "a database; save the table as CSV",
    b"\x93NUMPY": "an array of NumPy's; save the table as CSV",
    **{bytes([0x80, protocol]): "a pickle, which may run anything; save the table as CSV" for protocol in range(2, 6)},
}
ALL = "facial-keypoints-detection"  # what Kaggle's "Download All" is called


def find(folder, name):
    """The path of the table `name` ("training.csv") in a folder, or of what can only be meant by it.

    That is the name in other letters (Training.CSV), packed (training.zip) or
    as browsers call a second download (training (1).csv).  Where there is
    nothing of the kind, folder / name.  Raises Problem where two are equally near.
    """
    folder = Path(folder).expanduser()
    if folder.is_file() and any(_distance(folder.name, table) for table in ("training.csv", "test.csv", name)):
        folder = folder.parent  # the file itself was named
    if (folder / name).exists() or not folder.is_dir():
        return folder / name
    near = sorted((distance, path) for path in folder.iterdir() if (distance := _distance(path.name, name)))
    if len(near) > 1 and near[0][0] == near[1][0]:
        raise Problem(f"{folder}: holds {near[0][1].name} and {near[1][1].name}; rename the right one {name}")
    return near[0][1] if near else folder / name


def _distance(file, name):
    """How far the name of a file is from that of a table, from 1; None where it is another's."""
    stem = re.escape(name.rpartition(".")[0])
    number = r"(?P<number>[ _]?\(\d+\)|[ _-]+copy)?"
    match = re.fullmatch(rf"{stem}{number}(?P<csv>\.[ct]sv)?(?P<text>\.txt)?(?P<packed>\.zip|\.gz|\.bz2|\.xz)?",
                         file, re.I)
    if match is None or not (match["csv"] or match["text"] or match["packed"]):
        return None
    return 1 + 4 * bool(match["number"]) + 2 * bool(match["packed"]) + bool(match["text"])


def missing(path, cure):
    """The Problem of a table that is not there, with where it seems to be, or how to get it."""
    for other in sorted(path.parent.glob("*")) if path.parent.is_dir() else ():
        if other.is_dir() and find(other, path.name).exists():
            return Problem(f"{path}: no such file, but {other} holds it; name that folder with --data")
        if other.name.startswith(ALL) and other.suffix == ".zip":
            return Problem(f"{path}: no such file; unzip {other.name} there")
    return Problem(f"{path}: no such file; {cure}")


def unpacked(file, path):
    """(a stream of the text's bytes, their number as far as it is known) of a file opened for reading bytes."""
    start = file.peek(16)[:16]
    for magic, what in NO_CSV.items():
        if start.startswith(magic):
            raise Problem(f"{path}: {what}")
    if start.startswith(b"PK"):
        return _member(zipfile.ZipFile(file), path)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    for magic, unpack in UNPACK.items():
        if start.startswith(magic):
            return io.BufferedReader(unpack(file), BUFFER), size
    return file, size


def _member(archive, path):
    """The one table in a zip archive."""
    found = [m for m in archive.infolist() if not m.is_dir() and not re.search(r"(^|/)(__MACOSX/|\.)", m.filename)]
    if any(m.filename.startswith("xl/") for m in found):
        raise Problem(f"{path}: an Excel workbook; save the sheet as CSV")
    if len(found) != 1:
        raise Problem(f"{path}: a zip archive of {len(found)} files; unzip it")
    try:
        return io.BufferedReader(archive.open(found[0]), BUFFER), found[0].file_size
    except (RuntimeError, NotImplementedError) as error:  # a password, a method of compression
        raise Problem(f"{path}: cannot be unzipped here ({error}); unzip it") from None


def lines(stream):
    """An object with `readline` and `read` as `stream` has them, giving UTF-8 with line ends that have a line feed."""
    start = stream.peek(1)[:1 << 16]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _Text(stream, "utf-16")
    if len(start) > 2 and start[0] and not any(start[1:40:2]) and all(start[:40:2]):
        return _Text(stream, "utf-16-le")
    if b"\r" in start and b"\n" not in start:
        return _Text(stream, "latin-1")
    return stream


class _Text:
    """Lines of another encoding or with other ends."""

    def __init__(self, stream, encoding):
        self._text = io.TextIOWrapper(stream, encoding, errors="replace", newline=None)

    def readline(self, limit):
        return self._text.readline(limit).encode()

    def read(self, size):
        return self._text.read(size).encode()
