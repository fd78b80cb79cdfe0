"""How a script ends: one line on stderr and an exit code, also where its imports fail.

Importing this module is enough: what can be run imports it first.  A notebook
keeps its exceptions.  Runs on any Python.
"""
import errno
import os
import signal
import sys
from pathlib import Path

from . import ROOT, Problem, packages

NO_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EBADF)  # of a file without a name: our files' errors are Problems


class Terminated(BaseException):
    """A signal that ends the script, as an exception: finally blocks run, nothing catches it by accident."""

    def __init__(self, number=signal.SIGTERM):
        super().__init__(number)
        self.number = number


def of(error):
    """(exit code, line or None) for what the user can mend or wished for; None for any other exception."""
    name = program()
    if _is_problem(error):
        return 2, f"{name}: {error}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "Interrupted."
    if isinstance(error, Terminated):
        return 128 + error.number, f"Terminated by {signal.Signals(error.number).name}."
    if isinstance(error, MemoryError):
        detail = f" ({' '.join(str(error).split())})" if str(error) else ""
        return 2, f"{name}: there is not enough memory{detail}; close other programs, or take fewer rows with --rows"
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone, as in `... | head`
        return 141, None
    if isinstance(error, OSError) and error.errno in NO_OUTPUT and error.filename is None:
        return 2, f"{name}: the output cannot be written ({error.strerror}); send it elsewhere"
    broken = packages.line(error)
    return (2, f"{name}: {broken}") if broken else None


def program():
    """What runs, as it is called here: net4.py, or fkp.onnx for a folder that `python -m` runs."""
    folder, name = os.path.split(sys.argv[0])
    return os.path.relpath(folder, ROOT).replace(os.sep, ".") if name == "__main__.py" else name


def _is_problem(error):
    accelerator = sys.modules.get("theano_onednn.errors")  # importing it here would prepare Theano
    return isinstance(error, (Problem, accelerator.Problem) if accelerator else Problem)


def end(error):
    """Say why the script ends; its exit code.  Raises what is nobody's but ours to mend."""
    ending = of(error)
    if ending is None:
        raise error
    if isinstance(error, OSError):  # Python would write what is left, and complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code, line = ending
    if line:
        say(line)
    return code


def say(line):
    """One line on stderr; on a terminal over the ^C that stands there.  Where stderr takes none, nobody listens."""
    if sys.stderr is None:
        return
    try:
        print("\r" + line if sys.stderr.isatty() else line, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def prepare_streams():
    """A stream that is not there takes all and gives nothing; what a terminal cannot show is escaped.

    No file that is opened later gets the number of such a stream: what a
    library writes to stderr must not end in a model file.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number <= 2:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def watch():
    """What fails in a script or a tool of this folder before its `main` runs ends it with one line, too."""
    if _runs_here() and sys.excepthook is sys.__excepthook__:
        prepare_streams()
        sys.excepthook = _end


def _runs_here():
    """Is the program that runs a script here, or a tool in fkp/ or bench/?  Tests and notebooks are not."""
    started = getattr(sys.modules["__main__"], "__file__", None)
    if not started:
        return False
    folder = Path(started).resolve().parent
    return folder == ROOT or any(ROOT / tools in (folder, *folder.parents) for tools in ("fkp", "bench"))


def _end(kind, error, traceback):
    if of(error) is None:
        return sys.__excepthook__(kind, error, traceback)
    raise SystemExit(end(error))  # Python ends with this code


watch()
