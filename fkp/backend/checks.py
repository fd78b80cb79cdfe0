"""What must be there before Theano can be imported.  Runs on any Python, hence the plain syntax."""
import os
import sys

from .. import Problem

OLDEST, NEWEST = (3, 9), (3, 11)


class NotReady(Problem, ImportError):
    """Why the backend cannot run here: `import load` raises it, and the scripts end with its line and exit code 2."""


def check_python(version=sys.version_info):
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        raise NotReady("Python %d.%d to %d.%d is needed, this is %d.%d: Theano 1.0.5 cannot be installed on others; "
                       "use for example python3.11 -m venv venv" % (OLDEST + NEWEST + tuple(version[:2])))


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
