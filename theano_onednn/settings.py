"""Theano's defaults for this machine.  What the user set in THEANO_FLAGS or .theanorc wins."""
import configparser
import hashlib
import importlib.util
import os
import shlex
import tempfile
from pathlib import Path

from . import system
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
    if os.path.expanduser("~") == "~":  # a container's user without a name: Theano and Matplotlib insist on a home
        os.environ["HOME"] = str(compile_folder())
    chosen = _in_theanorc()
    flags = ["%s=%s" % (name, _quoted(value)) for name, value in _defaults().items() if name not in chosen]
    os.environ["THEANO_FLAGS"] = ",".join(flags + [os.environ.get("THEANO_FLAGS", "")]).rstrip(",")


def asked():
    """{name: value} of what the user set: in .theanorc, or in THEANO_FLAGS, which wins.  Raises NotReady."""
    flags = shlex.shlex(os.environ.get("THEANO_FLAGS", ""), posix=True)
    flags.whitespace, flags.whitespace_split = ",", True
    try:
        pairs = [pair.strip().split("=", 1) for pair in flags if "=" in pair]
    except ValueError as error:
        raise NotReady("THEANO_FLAGS cannot be read: %s" % error) from None
    return {**_in_theanorc(), **dict(pairs)}


def compile_folder():
    """Folder that Theano's compiled modules go into, or folders of them; raises NotReady where it cannot be written."""
    found = asked()
    for name in ("compiledir", "base_compiledir"):
        if name in found:
            return _writable(Path(os.path.expanduser(found[name])), folder_option(found))
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:  # there is no home folder
        raise NotReady("your home folder cannot be written (%s), where compiled code is kept: name another folder with "
                       "%s"
                       % (error, folder_option(found))) from None
    return _writable(home / "facial-keypoints" / "theano", folder_option(found))


def folder_option(found=None):
    """What names another folder for compiled code."""
    found = asked() if found is None else found
    chosen = [name for name in ("compiledir", "base_compiledir") if name in found]
    return "THEANO_FLAGS=%s=DIR" % chosen[0] if chosen else "XDG_CACHE_HOME=DIR"


def _writable(folder, option):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise NotReady("%s cannot be written (%s), where compiled code is kept: name another folder with %s"
                       % (folder, error.strerror, option)) from None
    return folder


def _quoted(value):
    """Theano cuts THEANO_FLAGS at commas that stand outside of quotes; shlex.quote sees no harm in them."""
    return "'%s'" % value.replace("'", "'\"'\"'")


def mode():
    """FKP_ONEDNN: 'auto', 'blas', '0' or '1'."""
    value = os.environ.get("FKP_ONEDNN", "auto")
    if value not in ("auto", "blas", "0", "1"):
        raise NotReady("FKP_ONEDNN is auto, blas, 0 or 1, not %r" % value)
    return value


def _defaults():
    flags = {
        "floatX": "float32",
        "base_compiledir": str(compile_folder()),
        "compiledir_format": "compiledir_%%(short_platform)s-%s-%%(python_version)s-%%(python_bitwidth)s"
        % _processor(),
        "blas.ldflags": scipy_blas(),
        "allow_gc": "False" if _memory() > ROOMY else None,
    }
    return {name: value for name, value in flags.items() if value is not None}


def _memory():
    """Bytes of memory in this machine; 0 where Python cannot tell (Windows)."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0


def _processor():
    """Theano's modules are for the processor that they were compiled on, and lazylinker_ext's name does not say so."""
    return hashlib.sha256(system.processor().encode()).hexdigest()[:12]


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
    """{name: value}, such as 'blas.ldflags', of the user's .theanorc; raises NotReady if it is damaged."""
    parser = configparser.ConfigParser({name: os.environ.get(name, "") 
                                        for name in ("USER", "LSCRATCH", "TMPDIR", "TMP")})
    parser.optionxform = str
    for name in os.environ.get("THEANORC", "~/.theanorc").split(os.pathsep):
        try:
            parser.read(os.path.expanduser(name))
        except (configparser.Error, UnicodeError, OSError) as error:
            raise NotReady("%s: %s" % (os.path.expanduser(name), _what_is_wrong(error))) from None
    return {option if section == "global" else "%s.%s" % (section, option): _interpolated(parser, section, option)
            for section in parser.sections() for option in parser[section]}


def _interpolated(parser, section, option):
    """As Theano does it: a value that is a format string of another kind stays."""
    try:
        return parser.get(section, option)
    except configparser.InterpolationError:
        return parser.get(section, option, raw=True)


def _what_is_wrong(error):
    if isinstance(error, UnicodeError) or "\\ufeff" in str(error):
        return "Theano cannot read its letters; save it as UTF-8 without a byte order mark (BOM)"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return "line %d stands in no section; begin the file with a line [global]" % error.lineno
    return "Theano cannot read it (%s)" % " ".join(str(error).split())
