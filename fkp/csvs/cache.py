"""Keeps a parsed CSV as raw arrays beside it, so that the next start is quick.

A cache file is one page of JSON, then the pixels, then the labels, each as plain
bytes: nothing in it can run.  It is only ever a copy: whatever is wrong with it
(deleted, cut off, damaged, of another CSV, of another version, not ours at all),
`read` returns None and the caller reads the CSV again.
"""
import hashlib
import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from fkp.keypoints import AREA, SIZE

try:
    import fcntl
except ImportError:  # Windows: no lock, so no cache
    fcntl = None

VERSION = 2  # whoever reads or refuses more, or less, writes a new one
START = b'{"version": '  # of every cache
HEAD = 4096  # bytes before the pixels: one page, so that they can be memory-mapped
# A file system's clock is coarse: two edits within one tick (2 s on FAT) leave the same
# time stamp.  A CSV that changed this shortly before it was read is read again next time.
TICK_NS = 2_000_000_000


def opener(path, flags):
    """For open(): a pipe of that name is opened at once, not when somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def stamp(status):
    """What tells one state of a file from another, as JSON-ready dict.

    ctime is there because a program can set mtime back but not ctime.
    """
    return {"size": status.st_size, "mtime": status.st_mtime_ns, "ctime": status.st_ctime_ns, "inode": status.st_ino}


def fingerprint(images, labels):
    """A name for this content: SHA-256 (32 hex digits of it) over shapes, pixels and labels."""
    digest = hashlib.sha256(f"{images.shape} {labels.shape} {labels.dtype}".encode())
    digest.update(np.ascontiguousarray(images))
    digest.update(np.ascontiguousarray(labels))
    return digest.hexdigest()[:32]


def places(csv):
    """The paths a cache of this CSV may have: beside it, else in the user's cache folder."""
    csv = Path(os.path.abspath(csv))
    found = [csv.with_name(csv.name + ".cache")]
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    if home.is_absolute():  # else there is no home folder
        name = hashlib.sha256(os.fsencode(csv)).hexdigest()[:16]
        found.append(home / "facial-keypoints" / f"{csv.stem}-{name}.cache")
    return found


def read(csv, source, columns, dtype, shape):
    """The cached (images uint8 (N, 96, 96), labels (N, ...), fingerprint) of a CSV, or None.

    source: `stamp` of the CSV as it is now.
    columns: what the label columns must have been.
    dtype, shape: of one row's labels, such as float32 and (30,).
    The arrays are read-only; the pixels are mapped from the file, not held in memory.
    """
    for place in places(csv):
        with suppress(OSError, ValueError):
            found = _read(place, source, columns, dtype, shape)
            if found:
                return found
    return None


def _read(place, source, columns, dtype, shape):
    with open(place, "rb", opener=opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        head = _head(file.read(HEAD))
        rows = head.get("rows")
        if head.get("version") != VERSION or head.get("source") != source or head.get("columns") != list(columns):
            return None
        if not isinstance(head.get("read"), int) or head["read"] < max(source["mtime"], source["ctime"]) + TICK_NS:
            return None
        row_bytes = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=int))
        # The size on disk is compared before any array of that size is asked for.
        if not isinstance(rows, int) or rows < 1 or status.st_size != HEAD + rows * (AREA + row_bytes):
            return None
        images = np.asarray(np.memmap(file, np.uint8, "r", HEAD, (rows, SIZE, SIZE)))
        labels = np.array(np.memmap(file, dtype, "r", HEAD + rows * AREA, (rows, *shape)))
    labels.flags.writeable = False
    name = fingerprint(images, labels)
    return (images, labels, name) if name == head.get("fingerprint") else None


def _head(raw):
    """The JSON object at the start of a cache, {} where there is none."""
    with suppress(ValueError, RecursionError):
        head = json.loads(raw)
        if isinstance(head, dict):
            return head
    return {}


def write(csv, source, columns, images, labels, name, began):
    """Writes the cache of a CSV in the first place that can be written; never fails.

    name: the fingerprint.  began: time.time_ns() before the CSV was opened.
    """
    if fcntl is None:
        return
    head = {"version": VERSION, "source": source, "columns": list(columns), "rows": len(images),
            "fingerprint": name, "read": began}
    head = json.dumps(head).encode().ljust(HEAD)
    for place in places(csv):
        with suppress(OSError):
            if os.path.lexists(place) and not _is_ours(place):
                continue
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(place, (head, images, labels))
            return


def _is_ours(place):
    """A cache of any version, whole or not: it may be replaced."""
    if not place.is_file():
        return False
    with open(place, "rb") as file:
        return file.read(len(START)) == START


def _write(place, parts):
    """Writes to PLACE.part, then renames.

    The .part is locked while it is written: another process that wants to write the same
    cache leaves it to us, and what a killed process left behind is overwritten.  No fsync:
    a cache torn by a power cut fails its fingerprint and is written again.
    """
    part = place.with_name(place.name + ".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    with open(fd, "wb") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not os.path.samestat(os.fstat(fd), os.stat(part)):
            return  # the other process finished in between: this is its cache by now
        try:
            os.ftruncate(fd, 0)
            file.writelines(parts)
            file.flush()
            os.replace(part, place)
        except OSError:
            with suppress(OSError):
                os.unlink(part)
            raise


def now():
    """Nanoseconds since 1970, the clock that file times are compared with."""
    return time.time_ns()
