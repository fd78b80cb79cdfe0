"""What must be there before Theano can be imported.  Runs on any Python, hence the plain syntax."""
import os
import sys

from .. import Problem

OLDEST = (3, 9)


class NotReady(Problem, ImportError):
    """Why the backend cannot run here: `import load` raises it, and the scripts end with its line and exit code 2."""


def check_python(version=sys.version_info):
    if tuple(version[:2]) < OLDEST:
        raise NotReady("Python %d.%d or a newer one is needed, this is %d.%d; use for example "
                       "python3.12 -m venv .venv" % (OLDEST + tuple(version[:2])))


def check_compiler():
    """Theano compiles C++.  A compiler that the user chose (`cxx` in THEANO_FLAGS) is Theano's to judge."""
    import shutil
    import sysconfig

    if "cxx=" in os.environ.get("THEANO_FLAGS", ""):
        return
    if not shutil.which("g++"):
        raise NotReady("no C++ compiler was found, Theano needs one: apt-get install g++ python3-dev")
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.isfile(header):
        raise NotReady("%s was not found, Theano needs Python's headers: apt-get install python3-dev" % header)
