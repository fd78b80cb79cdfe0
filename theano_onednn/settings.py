"""Theano's defaults for this machine.  What the user set in THEANO_FLAGS or .theanorc wins."""
import configparser
import importlib.util
import os
import shlex
import tempfile
from pathlib import Path

from .errors import NotReady

BLAS = "sgemm dgemm sgemv dgemv sger dger sdot ddot".split()  # what Theano's C code calls
ROOMY = 4 << 30  # bytes of memory above which buffers are kept between batches


def apply():
    """Put our defaults in front of the user's THEANO_FLAGS (Theano lets the last one win)."""
    # OpenBLAS's own threads beside OpenMP's fight for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if mode() != "0":
        # OpenMP's threads stay awake for a fraction of a millisecond after a kernel, because the next one is near: nets
        # 1 and 2 take a quarter more time without.  Twenty times as long gains nothing, and where other programs keep
        # the cores busy it costs a net three quarters of its speed.
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    chosen = _in_theanorc()
    flags = ["%s=%s" % (name, shlex.quote(value)) for name, value in _defaults().items() if name not in chosen]
    os.environ["THEANO_FLAGS"] = ",".join(flags + [os.environ.get("THEANO_FLAGS", "")]).rstrip(",")


def mode():
    """FKP_ONEDNN: 'auto', '0' or '1'."""
    value = os.environ.get("FKP_ONEDNN", "auto")
    if value not in ("auto", "0", "1"):
        raise NotReady("FKP_ONEDNN is auto, 0 or 1, not %r" % value)
    return value


def _defaults():
    flags = {
        "floatX": "float32",
        "base_compiledir": _compiled(),
        "blas.ldflags": scipy_blas(),
        "allow_gc": "False" if _memory() > ROOMY else None,
    }
    return {name: value for name, value in flags.items() if value is not None}


def _memory():
    """Bytes of memory in this machine; 0 where Python cannot tell (Windows)."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0


def _compiled():
    """Folder of Theano's compiled modules; raises NotReady where it cannot be written."""
    folder = "your home folder"
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facial-keypoints" / "theano"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        raise NotReady("%s cannot be written (%s), where compiled code is kept: name another folder with "
                              "XDG_CACHE_HOME=DIR" % (folder, getattr(error, "strerror", None) or error)) from None
    return str(folder)


def scipy_blas(ours=()):
    """Linker flags for the OpenBLAS inside SciPy's wheel, or ''.  Functions in `ours` come from elsewhere."""
    package = importlib.util.find_spec("scipy")
    for folder in Path(package.origin).parent.parent.glob("scipy.libs"):
        for library in sorted([*folder.glob("libopenblas*.so"), *folder.glob("libscipy_openblas*.so")]):
            flags = [shlex.quote("-L%s" % folder), "-l%s" % library.name[len("lib"):-len(".so")]]
            if library.name.startswith("libscipy_"):  # since SciPy 1.13 its functions have a prefix
                flags += ["-D%s_=scipy_%s_" % (name, name) for name in BLAS if name not in ours]
            return " ".join(flags)
    return ""


def _in_theanorc():
    """Names such as 'floatX' or 'blas.ldflags' that the user's .theanorc sets; raises NotReady if it is damaged."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    for name in os.environ.get("THEANORC", "~/.theanorc").split(os.pathsep):
        try:
            parser.read(os.path.expanduser(name))
        except (configparser.Error, UnicodeError, OSError) as error:
            raise NotReady("%s: %s" % (os.path.expanduser(name), _what_is_wrong(error))) from None
    return {option if section == "global" else "%s.%s" % (section, option)
            for section in parser.sections() for option in parser[section]}


def _what_is_wrong(error):
    if isinstance(error, UnicodeError) or "\\ufeff" in str(error):
        return "Theano cannot read its letters; save it as UTF-8 without a byte order mark (BOM)"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return "line %d stands in no section; begin the file with a line [global]" % error.lineno
    return "Theano cannot read it (%s)" % " ".join(str(error).split())
