"""What must be there before Theano can be imported.  Runs on any Python, hence the plain syntax."""
import os
import sys

from .errors import NotReady

OLDEST = (3, 9)
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the collection's folder, or site-packages
PACKAGES = {"numpy": "NumPy", "scipy": "SciPy", "sklearn": "scikit-learn",  # name of the import: name for people
            "theano": "Theano", "lasagne": "Lasagne", "nolearn": "nolearn"}


def check_python(version=sys.version_info, optimize=sys.flags.optimize):
    if tuple(version[:2]) < OLDEST:
        raise NotReady("Python %d.%d or a newer one is needed, this is %d.%d; use for example "
                       "python3.12 -m venv .venv" % (OLDEST + tuple(version[:2])))
    if optimize > 1:
        raise NotReady("Theano needs the docstrings that python -OO (or PYTHONOPTIMIZE=2) takes away; python -O is "
                       "fine")


def check_packages():
    """Raise NotReady, with the command that installs them, where packages are missing."""
    from importlib.util import find_spec

    specs = [(name, find_spec(package)) for package, name in PACKAGES.items()]
    missing = [name for name, spec in specs if spec is None or spec.origin is None]  # without origin: just a folder
    if missing:
        raise NotReady("%s has no %s; %s" % (sys.executable, ", ".join(missing), how_to_install()))


def how_to_install():
    """What to type: this collection's packages, those of theano_onednn alone, or the Python that has them already."""
    requirements, venv, programs = _shown("requirements.txt"), _shown(".venv"), "Scripts" if os.name == "nt" else "bin"
    if not os.path.isfile(requirements):
        return ("install them with %s -m pip install --force-reinstall DIR, the folder that theano_onednn came from"
                % sys.executable)
    if os.path.isdir(os.path.join(venv, programs)) and os.path.realpath(venv) != os.path.realpath(sys.prefix):
        return "start %s/%s/python, which has" % (venv, programs)
    if sys.prefix != sys.base_prefix:
        return "install them with %s -m pip install -r %s" % (sys.executable, requirements)
    return "install them with python3 -m venv %s && %s/%s/pip install -r %s, and start %s/%s/python" % (
        venv, venv, programs, requirements, venv, programs)


def _shown(name):
    """Path of what lies beside this package, short where that is the folder that one is in."""
    path = os.path.join(HERE, name)
    return name if os.getcwd() == HERE else path


def import_packages():
    """Import what Theano stands on; raise NotReady where one is of a release that does not go with the others."""
    import contextlib
    import io

    said = io.StringIO()  # NumPy 2 explains at length what was made for NumPy 1
    try:
        with contextlib.redirect_stderr(said):
            for package in ("numpy", "scipy.linalg", "scipy.sparse", "scipy.signal", "sklearn"):
                __import__(package)
    except Exception as error:
        raise NotReady("%s do not work together (%s); %s" % (
            _installed("numpy", "scipy", "sklearn"), _first_line(error), how_to_install())) from None
    if said.getvalue() and sys.stderr:
        with contextlib.suppress(OSError):  # nobody listens there
            sys.stderr.write(said.getvalue())


def _installed(*packages):
    """'NumPy 2.5.5, SciPy 1.10.1'"""
    import importlib.metadata

    names = [PACKAGES[package] for package in packages]
    return ", ".join("%s %s" % (name, importlib.metadata.version(name)) for name in names)


def _first_line(error):
    return " ".join(str(error).strip().splitlines()[:1]) or type(error).__name__


def check_threads():
    """OpenMP would take `4,2`, and passes over what is no number; Theano stops at both."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    if not threads.strip().isdecimal() or int(threads) < 1:
        raise NotReady("OMP_NUM_THREADS is a number of 1 or more, not %r" % threads)


def import_theano():
    """Import Theano; raise NotReady where it does not take its settings."""
    import configparser

    try:
        import theano  # noqa: F401
    except (ValueError, TypeError, OSError, configparser.Error) as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == "theano"]:
            del sys.modules[name]  # with better settings it is imported afresh
        raise NotReady("Theano does not take its settings (%s): mend THEANO_FLAGS, or .theanorc in your home folder"
                       % " ".join(str(error).split()))
