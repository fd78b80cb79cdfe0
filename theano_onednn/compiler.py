"""Is there a C++ compiler whose libraries can be loaded?  Theano would go on without one, at minutes per epoch."""
import contextlib
import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from . import settings, system
from .errors import NotReady

TRIAL = """
#include <Python.h>
#include <cmath>
#include <string>
extern "C" int trial(int number) { return static_cast<int>(std::to_string(std::pow(10., number - 1)).find('.')); }
"""
NUMBER = 3  # what the trial gives back where it was built and loaded well


class Failed(Exception):
    """What compiler, linker or loader say: one line."""


def check():
    """Raise NotReady unless a small library can be built, linked as Theano links its own, and loaded, where Theano
    will put those.  It stays there: the next start only loads it.
    """
    compiler = settings.asked().get("cxx", "g++")
    if not compiler:
        return  # the user wants Python alone
    found, folder = _found(compiler), settings.compile_folder()
    target = folder / ("compiler-%s%s" % (_key(found), ".pyd" if os.name == "nt" else ".so"))
    try:
        with contextlib.suppress(OSError):  # damaged: it is built again
            if _loads(target):
                return
        _build(found, target)
        if not _loads(target):
            raise Failed("what it built gives a wrong answer")
    except OSError as error:
        raise NotReady("compiled code in %s cannot be loaded (%s); where that file system forbids programs (noexec), "
                       "name another folder with %s" % (
                           folder, _reason(error, target), settings.folder_option())) from None
    except Failed as error:
        raise NotReady("the C++ compiler %s does not work (%s), and Theano needs one: %s, or another one with "
                       "THEANO_FLAGS=cxx=COMPILER" % (found, error, _cure(str(error)))) from None


def _found(compiler):
    """Its path; raises NotReady where it, or Python's header files, are not installed."""
    found = shutil.which(compiler)
    if not found and compiler == "g++":
        raise NotReady("no C++ compiler was found, Theano needs one: %s" % system.install("compiler"))
    if not found:
        raise NotReady("the C++ compiler %s was not found; THEANO_FLAGS or .theanorc name it as cxx" % compiler)
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.isfile(header):
        raise NotReady("%s was not found, Theano needs Python's headers: %s" % (header, system.install("headers")))
    return found


def _key(compiler):
    """Changes with all that the trial depends on."""
    parts = [TRIAL, sys.version, sysconfig.get_paths()["include"], system.processor(), *_command(compiler, "", "")]
    for program in filter(None, (compiler, shutil.which("ld"))):
        status = os.stat(program)
        parts += [os.path.realpath(program), str(status.st_size), str(status.st_mtime_ns)]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:20]


def _command(compiler, source, target):
    return [compiler, "-shared", "-fPIC", "-I" + sysconfig.get_paths()["include"], source, "-o", target, *_python()]


def _python():
    """Python's own library, as Theano asks the linker for it."""
    if sys.platform == "darwin":
        return ["-undefined", "dynamic_lookup"]
    if os.name == "nt":
        return ["-L" + os.path.join(sys.base_prefix, "libs"), "-lpython%d%d" % sys.version_info[:2]]
    name, folder = sysconfig.get_config_var("LDLIBRARY"), sysconfig.get_config_var("LIBDIR")
    name = name[len("lib"):] if name.startswith("lib") else name
    return ["-L" + folder, "-L" + os.path.dirname(sysconfig.get_path("stdlib")), "-l" + os.path.splitext(name)[0]]


def _build(compiler, target):
    """Raises Failed.  Other processes see a whole library or none."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        source, built = Path(scratch) / "trial.cpp", Path(scratch) / target.name
        source.write_text(TRIAL, encoding="ascii")
        try:
            done = subprocess.run(_command(compiler, str(source), str(built)), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except OSError as error:
            raise Failed(error.strerror) from None
        if done.returncode:
            raise Failed(_first_error(done.stderr.decode(errors="replace")) or "exit code %d" % done.returncode)
        if not built.is_file():
            raise Failed("it built nothing")
        os.replace(built, target)


def _loads(target):
    """Is it there, and does it answer?  Raises OSError where the system refuses to load what is there."""
    if not target.is_file():
        return False
    try:
        return ctypes.CDLL(str(target)).trial(NUMBER) == NUMBER
    except AttributeError:
        return False


def _first_error(said):
    lines = said.strip().splitlines()
    told = [line for line in lines if "error" in line or "cannot find" in line]
    return (told or lines or [""])[0].strip()


def _reason(error, target):
    """Without the library's own path."""
    return " ".join(str(error).replace(str(target), target.name).split())


def _cure(failure):
    if "-lpython" in failure:
        return system.install("headers")
    if "No space left" in failure:
        return "make room"
    return system.install("linker")
