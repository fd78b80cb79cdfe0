"""NumPy archives (.npz) that are written whole or not at all, and read without trust or pickle."""
import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from fkp import Problem

try:
    import fcntl
except ImportError:  # Windows: no lock
    fcntl = None

MAX_BYTES = 4 << 30   # no array of ours comes near; a hostile header may ask for anything
MAX_ARRAYS = 1000
KINDS = "biufU"       # booleans, numbers, text: never objects


def write_npz(path, arrays):
    """Write a dict of arrays to `path`, whole or not at all.  Raises Problem like `write_whole`."""
    write_whole(path, lambda f: _write_arrays(f, arrays))


def _write_arrays(f, arrays):
    """As np.savez, which leaves its archive open where the disk is full, to complain on stderr later."""
    with zipfile.ZipFile(f, "w") as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as entry:
                npy.write_array(entry, np.asanyarray(array), allow_pickle=False)


def write_whole(path, write, durable=True):
    """Let `write(file)` write to `path`: temporary file in the same folder, fsync, rename.

    Raises Problem, and leaves what was at `path`, if the folder or the disk refuses.
    What can be made again need not be `durable`: it may be torn by a power cut.
    """
    path = Path(path)
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise Problem(f"{path}: cannot be written ({error.strerror}); choose another folder") from None
    try:
        with os.fdopen(handle, "wb") as f:
            write(f)
            f.flush()
            if durable:
                os.fsync(f.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp gives 0600
        os.replace(name, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise Problem(f"{path}: cannot be written ({error.strerror}); the file from before is untouched") from None
    finally:
        if os.path.exists(name):
            os.unlink(name)


def make_folder(path):
    """Make a folder and those above it.  Raises Problem where the system refuses."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{path}: cannot be written ({error.strerror}); choose another folder") from None


def clear_leftovers(folder, name):
    """Remove what runs that were killed as they wrote files of this `name` (it may have a *) left in the folder."""
    for left_over in Path(folder).glob(name + "." + 8 * "[a-z0-9_]" + ".tmp"):
        with contextlib.suppress(OSError):  # Windows: it is open
            left_over.unlink()


@contextlib.contextmanager
def reserve(path, size):
    """Within this block `size` bytes are taken on the disk of `path`.  Raises Problem where they are not to be had."""
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            taken = stack.enter_context(tempfile.NamedTemporaryFile(prefix=path.name + ".", suffix=".tmp",
                                                                    dir=path.parent))
            _take(taken.fileno(), size, path.parent)
        except OSError as error:
            megabytes = int(size / 1e6) + 1
            raise Problem(f"{path}: there is no room for it and its checkpoints ({error.strerror}; {megabytes} MB "
                          "each); make room, or choose another folder with --models") from None
        yield


def _take(handle, size, folder):
    if not hasattr(os, "posix_fallocate"):  # quotas do not count then
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot tell
            raise


def unclaimed(path, is_ours):
    """Where to write what belongs at `path`: there, unless something else of that name would be lost.

    is_ours(path): was the file there written by us, to show the same?  Else a
    number goes behind the name: test1-2.png.
    """
    first = path = Path(path)
    number = 2
    while os.path.lexists(path) and not (path.is_file() and is_ours(path)):
        path = first.with_name(f"{first.stem}-{number}{first.suffix}")
        number += 1
    return path


def read_npz(path, only=None):
    """Arrays of an .npz as a dict (of the one named `only`).  Raises Problem unless every size and shape is honest.

    Sizes are compared before memory is taken: the zip entry's, the .npy
    header's, and the file's own (entries must be stored, not compressed, so
    that a small file cannot grow).
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_ARRAYS or total > min(MAX_BYTES, path.stat().st_size):
                raise ValueError("it claims more data than it holds")
            return {name: _read_array(archive, entry) for name, entry in zip(map(_array_name, entries), entries)
                    if only in (None, name)}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, EOFError, SyntaxError, NotImplementedError, RuntimeError,
            MemoryError, RecursionError, zipfile.BadZipFile, UnicodeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise Problem(f"{path}: not a file of this collection ({reason}); move it away and train again") from None


def _array_name(entry):
    if not entry.filename.endswith(".npy") or entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"entry {entry.filename!r:.40} is no stored array")
    return entry.filename[:-len(".npy")]


def _read_array(archive, entry):
    with archive.open(entry) as f:
        version = npy.read_magic(f)
        if version not in ((1, 0), (2, 0)):
            raise ValueError("unknown array version")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(f)
        if dtype.kind not in KINDS or dtype.hasobject or fortran and len(shape) > 1 and 0 in shape:
            raise ValueError(f"array {entry.filename!r:.40} has the type {dtype}")
        count = 1
        for n in shape:  # Python integers: no overflow
            count *= n
        if min(shape, default=0) < 0 or f.tell() + count * dtype.itemsize != entry.file_size:
            raise ValueError(f"array {entry.filename!r:.40} has not the size of its shape")
        data = f.read()  # to the end, so that the zip's checksum is compared
    return np.frombuffer(bytearray(data), dtype, count).reshape(shape, order="F" if fortran else "C")


def copy_npz(source, path):
    """Copy an archive, whole or not at all."""
    write_npz(path, read_npz(source))


@contextlib.contextmanager
def locked(folder):
    """Only one run at a time writes into `folder`.  Raises Problem if another does.

    The kernel holds the lock, so a dead process leaves none behind.
    """
    path = Path(folder) / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path, "a")  # nothing is written; what may stand there stays
        tempfile.TemporaryFile(dir=path.parent).close()  # models will be new files; the lock may be an old one
    except OSError as error:
        raise Problem(f"{folder}: cannot be written ({error.strerror}); choose another folder with --models") from None
    with lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(f"{folder}: another run trains into this folder; wait for it or choose another with "
                          "--models") from None
        except OSError as error:
            raise Problem(f"{folder}: cannot be locked ({error.strerror}); choose another folder with "
                          "--models") from None
        clear_leftovers(path.parent, "*.npz")
        yield


def text(value):
    """A dict as an array that an .npz can hold; `untext` gives it back."""
    return np.array(json.dumps(value))


def untext(array, path):
    """The dict inside; Problem if it is none."""
    try:
        value = json.loads(str(array))
        if not isinstance(value, dict):
            raise ValueError("no table")
        return value
    except (ValueError, RecursionError) as error:
        raise Problem(f"{path}: its header cannot be read ({error}); delete it and train again") from None


def write_cache(path, fingerprint, arrays):
    """Keep `arrays` for next time; a folder that cannot be written is no obstacle."""
    try:
        write_npz(path, dict(arrays, fingerprint=np.array(fingerprint)))
    except Problem:
        pass


def read_cache(path, fingerprint):
    """What `write_cache` kept under this fingerprint, or None."""
    try:
        arrays = read_npz(path)
    except (Problem, FileNotFoundError):
        return None
    return arrays if str(arrays.pop("fingerprint", "")) == fingerprint else None


def weights_fingerprint(weights):
    """Of a net's parameters, in Lasagne's order: as float32, whatever a file holds them as."""
    return fingerprint(*(values.astype(np.float32) for values in weights))


def fingerprint(*parts, digits=16):
    """SHA-256 over arrays and bytes: the first hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part))
    return digest.hexdigest()[:digits]


def write_text(path, content):
    """Write a text file whole or not at all.  Raises Problem like `write_npz`."""
    write_bytes(path, content.encode())


def write_bytes(path, content):
    """Write a file whole or not at all.  Raises Problem like `write_npz`."""
    write_whole(path, lambda f: f.write(content))


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    """After power loss the new name must be there as well (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        except OSError:  # some network file systems refuse; the file itself is written
            pass
        finally:
            os.close(handle)
