"""How a script ends: one line on stderr and an exit code, also where its imports fail.  Runs on any Python."""
import os
import sys

from . import Problem

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def of(error):
    """(exit code, line) for an exception that is the user's to mend or the user's wish; None for any other."""
    if isinstance(error, Problem):
        return 2, "%s: %s" % (os.path.basename(sys.argv[0]), error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "Interrupted."
    return None


def say(line):
    """One line on stderr; on a terminal over the ^C that stands there."""
    print("\r" + line if sys.stderr.isatty() else line, file=sys.stderr)


def watch_imports():
    """Let the scripts of this folder end with one line before their `main` runs; a notebook keeps its exceptions."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and os.path.dirname(os.path.abspath(script)) == ROOT and sys.excepthook is sys.__excepthook__:
        sys.excepthook = _end


def _end(kind, error, traceback):
    ending = of(error)
    if ending is None:
        return sys.__excepthook__(kind, error, traceback)
    say(ending[1])
    raise SystemExit(ending[0])  # Python ends with this code
