"""What must be there before Theano can be imported.  Runs on any Python, hence the plain syntax."""
import os
import sys

from .errors import NotReady

OLDEST = (3, 9)


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
    compiler = shutil.which("g++")
    if not compiler:
        raise NotReady("no C++ compiler was found, Theano needs one: apt-get install g++ python3-dev")
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.isfile(header):
        raise NotReady("%s was not found, Theano needs Python's headers: apt-get install python3-dev" % header)
    try_compiler(compiler)


def try_compiler(compiler):
    """Raise NotReady where it cannot even read an empty program; Theano would go on without it, minutes per epoch."""
    import subprocess

    try:
        done = subprocess.run([compiler, "-x", "c++", "-fsyntax-only", "-"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = done.stderr.decode(errors="replace").strip() or "exit code %d" % done.returncode
    except OSError as error:
        done, said = None, error.strerror
    if done is None or done.returncode:
        raise NotReady("the C++ compiler %s does not work (%s), and Theano needs one: apt-get install --reinstall g++, "
                       "or another one with THEANO_FLAGS=cxx=COMPILER" % (compiler, said.splitlines()[-1]))


def check_threads():
    """OpenMP would take `4,2`, and passes over what is no number; Theano stops at both."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    if not threads.strip().isdecimal() or int(threads) < 1:
        raise NotReady("OMP_NUM_THREADS is a number of 1 or more, not %r" % threads)


def import_theano():
    """Import Theano; raise NotReady where it does not take its settings."""
    import configparser
    import shutil

    try:
        import theano
    except (ValueError, TypeError, OSError, configparser.Error) as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == "theano"]:
            del sys.modules[name]  # with better settings it is imported afresh
        raise NotReady("Theano does not take its settings (%s): mend THEANO_FLAGS, or .theanorc in your home folder"
                       % " ".join(str(error).split()))
    if theano.config.cxx not in ("", shutil.which("g++")):
        try_compiler(theano.config.cxx)
