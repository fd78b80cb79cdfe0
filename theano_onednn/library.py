"""Our kernels on oneDNN: is oneDNN there, build the C++ library once, load it.

The library is compiled into Theano's compile directory, one copy per source,
oneDNN, compiler and processor; every process after the first only loads it.
"""
import ctypes
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import tempfile
from pathlib import Path

from . import system

PACKAGES = {"onednn-cpu-gomp": "2023.2.0", "onednn-devel-cpu-gomp": "2023.2.0"}
# The sources with loops of their own; the others only call oneDNN.
FAST = {"beside", "convolution", "dense", "normalise", "one_channel", "pools", "update", "winograd"}
SOURCES = Path(__file__).parent / "cpp"
# FKP_CXXFLAGS is for tests/sanitize.sh.
# GCC 12 takes its own AVX-512 header for uninitialised (GCC bug 105593); 64-byte vectors stay inside the library.
FLAGS = ["-march=native", "-fopenmp", "-fPIC", "-std=c++17", "-Wno-psabi",
         "-Wno-uninitialized", "-Wno-maybe-uninitialized", *os.environ.get("FKP_CXXFLAGS", "").split()]


class Unavailable(Exception):
    """Why oneDNN does not run here: one line for the user."""


def wheel_file(package, name):
    """Path of the file `name` that pip installed with `package`; raises Unavailable."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable("oneDNN is not installed: pip install %s" % " ".join(map("==".join, PACKAGES.items())))
    for file in files:
        if file.as_posix().endswith("/" + name) and file.locate().is_file():
            return Path(file.locate()).resolve()
    raise Unavailable("%s is missing from the package %s: pip install --force-reinstall %s" % (name, package, package))


def processor():
    """What `-march=native` depends on, as text; raises Unavailable where oneDNN's wheels are not for."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Unavailable("oneDNN is used on Linux x86-64 only, this is %s %s"
                          % (platform.system(), platform.machine()))
    if system.family() == "alpine":
        raise Unavailable("oneDNN's wheels are for glibc, this Linux has musl")
    return system.processor()


def path(compiler, compiler_version, folder):
    """Where the library is, built under `folder` if it is not there; raises Unavailable."""
    here = processor()  # first: where there is no wheel, nobody is told to install one
    headers = wheel_file("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.hpp").parents[2]
    onednn = wheel_file("onednn-cpu-gomp", "libdnnl.so.3")
    sources = sorted(SOURCES.glob("*.cpp")) + sorted(SOURCES.glob("*.h"))
    key = hashlib.sha256()
    texts = [source.read_text(encoding="utf-8") for source in sources]
    for part in [here, compiler, compiler_version, str(headers), str(onednn), " ".join(FLAGS),
                 importlib.metadata.version("onednn-cpu-gomp"), *texts]:
        key.update(part.encode() + b"\0")
    target = Path(folder) / ("fkp-%s" % key.hexdigest()[:20]) / "libfkp.so"
    if not target.is_file():
        _build(compiler, headers, onednn, target)
    return target


def load(target):
    """The library as a ctypes.CDLL; raises Unavailable."""
    try:
        return ctypes.CDLL(str(target), mode=ctypes.RTLD_GLOBAL)  # Theano's own modules find sgemm_ here
    except OSError as error:
        raise Unavailable("the library %s cannot be loaded: %s" % (target, error))


def _build(compiler, headers, onednn, target):
    """Compile in a folder beside the target, then rename: other processes see all of it or nothing."""
    print("Compiling the kernels for oneDNN, once ...", flush=True)  # half a minute, where nothing else is said
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(target.parent)) as folder:
        objects = [str(Path(folder) / (source.stem + ".o")) for source in sorted(SOURCES.glob("*.cpp"))]
        _run_all([_compile(compiler, headers, source, folder) for source in sorted(SOURCES.glob("*.cpp"))])
        library = str(Path(folder) / target.name)
        _run_all([[compiler, "-shared", *FLAGS, *objects, str(onednn), "-Xlinker", "-rpath",
                   "-Xlinker", str(onednn.parent), "-Wl,-soname,%s" % target.name, "-o", library]])
        os.replace(library, str(target))


def _compile(compiler, headers, source, folder):
    return [compiler, "-O3" if source.stem in FAST else "-O1", *FLAGS, "-I%s" % headers, "-c", str(source),
            "-o", str(Path(folder) / (source.stem + ".o"))]


def _run_all(commands):
    """Run compilers side by side; raises Unavailable with the first error line."""
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                errors="replace")
               for command in commands]
    for process in running:
        errors = process.communicate()[1]
        if process.returncode:
            lines = [line for line in errors.splitlines() if "error" in line] or errors.splitlines() or ["no message"]
            raise Unavailable("the C++ compiler could not build the oneDNN kernels: %s" % lines[0])
