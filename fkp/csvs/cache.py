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

from fkp import Problem, files
from fkp.keypoints import AREA, SIZE

VERSION = 2  # whoever reads or refuses more, or less, writes a new one
START = b'{"version": '  # of every cache
HEAD = 4096  # bytes before the pixels: one page, so that they can be memory-mapped
# A file system's clock is coarse: two edits within one tick (2 s on FAT) leave the same
# time stamp.  A CSV that changed this shortly before it was read is read again next time.
TICK_NS = 2_000_000_000


def opener(path, flags):
    """For open(): a pipe of that name is opened at once, not when somebody writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has none


def stamp(status):
    """What tells one state of a file from another, as JSON-ready dict.

    ctime is there because a program can set mtime back but not ctime.
    """
    return {"size": status.st_size, "mtime": status.st_mtime_ns, "ctime": status.st_ctime_ns, "inode": status.st_ino}


def fingerprint(images, labels):
    """A name for this content: `files.fingerprint` (32 hex digits of it) over shapes, pixels and labels."""
    shapes = f"{images.shape} {labels.shape} {labels.dtype}".encode()
    return files.fingerprint(shapes, images, labels, digits=32)


def paths(csv):
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
    for path in paths(csv):
        with suppress(OSError, ValueError):
            found = _read(path, source, columns, dtype, shape)
            if found:
                return found
    return None


def _read(path, source, columns, dtype, shape):
    with open(path, "rb", opener=opener) as file:
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
    """Write the cache of a CSV in the first of its `paths` that can be written; never fails.

    No fsync: a cache torn by a power cut fails its fingerprint and is written again.
    name: the fingerprint.  began: time.time_ns() before the CSV was opened.
    """
    head = {"version": VERSION, "source": source, "columns": list(columns), "rows": len(images),
            "fingerprint": name, "read": began}
    head = json.dumps(head).encode().ljust(HEAD)
    for path in paths(csv):
        with suppress(OSError, Problem):
            if os.path.lexists(path) and not _is_cache(path):
                continue
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.clear_leftovers(path.parent, path.name)
            files.write_whole(path, lambda file: file.writelines((head, images, labels)), durable=False)
            return


def _is_cache(path):
    """A cache of any version, whole or not: it may be replaced."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(START)) == START


def now():
    """Nanoseconds since 1970, the clock that file times are compared with."""
    return time.time_ns()
