"""Our kernels: build the C++ library once, for oneDNN or for SciPy's BLAS, and load it.

The library is compiled into Theano's compile directory, one copy per source,
oneDNN, compiler and processor; every process after the first only loads it.
"""
import ctypes
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sysconfig
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np

from . import system

PACKAGES = {"onednn-cpu-gomp": "2023.2.0", "onednn-devel-cpu-gomp": "2023.2.0"}
ONEDNN, BLAS, PYTHON = "onednn", "blas", "python"  # folders beside the shared sources: of a way, and what knows Python
# The sources with loops of their own; the others only call oneDNN.
FAST = {"beside", "blas/any", "convolution", "dense", "formula", "normalise", "one_channel", "passes", "pools",
        "update", "winograd"}
SOURCES = Path(__file__).parent / "cpp"
MACOS = platform.system() == "Darwin"
# FKP_CXXFLAGS is for tests/sanitize.sh.  On ARM only -mcpu takes `native` from all compilers.
# GCC 12 takes its own AVX-512 header for uninitialised (GCC bug 105593); 64-byte vectors stay inside the library.
FLAGS = ["-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native",
         *(["-Xclang", "-fopenmp"] if MACOS else ["-fopenmp"]), "-fPIC", "-std=c++17", "-Wno-psabi",
         "-Wno-uninitialized", "-Wno-maybe-uninitialized", *os.environ.get("FKP_CXXFLAGS", "").split()]
HEADERS = [sysconfig.get_paths()["include"], np.get_include()]  # replay.cpp's

# What a way needs: `key`, texts that its library depends on, and its flags for the compiler and for the linker.
Needs = namedtuple("Needs", "key compile link")


class Unavailable(Exception):
    """Why a library does not run here: one line for the user."""


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


def _needs_of_onednn():
    """Raises Unavailable where oneDNN's wheels are not for this machine, or not there."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Unavailable("oneDNN is used on Linux x86-64 only, this is %s %s"
                          % (platform.system(), platform.machine()))
    if system.family() == "alpine":
        raise Unavailable("oneDNN's wheels are for glibc, this Linux has musl")
    headers = wheel_file("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.hpp").parents[2]
    onednn = wheel_file("onednn-cpu-gomp", "libdnnl.so.3")
    return Needs([str(headers), str(onednn), importlib.metadata.version("onednn-cpu-gomp")], ["-I%s" % headers],
                 [str(onednn), "-Xlinker", "-rpath", "-Xlinker", str(onednn.parent)])


def _needs_of_blas():
    """Raises Unavailable on Windows, which knows neither forks nor signals for threads, and without SciPy's sgemm."""
    if platform.system() not in ("Linux", "Darwin"):
        raise Unavailable("our kernels are for Linux and macOS, this is %s" % platform.system())
    sgemm()
    return Needs([], [], ["-lomp"] if MACOS else [])


def sgemm():
    """Address of Fortran's sgemm in the BLAS that SciPy brings, whatever its library is called there; raises
    Unavailable.
    """
    from scipy.linalg import cython_blas

    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = cython_blas.__pyx_capi__["sgemm"]
    if name(capsule).count(b"int *") != 6:
        raise Unavailable("SciPy's sgemm does not count in int, but is %s" % name(capsule).decode())
    return pointer(capsule, name(capsule))


def path(way, compiler, compiler_version, folder):
    """Where the library is for a way, ONEDNN or BLAS, built under `folder` if it is not there; raises Unavailable."""
    needs = {ONEDNN: _needs_of_onednn, BLAS: _needs_of_blas}[way]()
    folders = SOURCES, SOURCES / PYTHON, SOURCES / way
    sources = [path for folder in folders for path in sorted(folder.glob("*.[ch]*"))]
    key = hashlib.sha256()
    texts = [source.read_text(encoding="utf-8") for source in sources]
    for part in [way, system.processor(), compiler, compiler_version, " ".join(FLAGS), *HEADERS, np.__version__,
                 *needs.key, *texts]:
        key.update(part.encode() + b"\0")
    target = Path(folder) / ("fkp-%s" % key.hexdigest()[:20]) / ("libfkp.dylib" if MACOS else "libfkp.so")
    if not target.is_file():
        _build(compiler, [source for source in sources if source.suffix == ".cpp"], needs, target)
    return target


def load(target):
    """The library as a ctypes.CDLL; raises Unavailable."""
    try:
        library = ctypes.CDLL(str(target), mode=ctypes.RTLD_GLOBAL)  # Theano's own modules find sgemm_ here
    except OSError as error:
        raise Unavailable("the library %s cannot be loaded: %s" % (target, error))
    if hasattr(library, "fkp_use_blas"):
        library.fkp_use_blas(ctypes.c_void_p(sgemm()))
        if os.environ.get("OPENBLAS_NUM_THREADS") == "1":  # too late for a script that imports SciPy before us
            import threadpoolctl  # comes with scikit-learn

            threadpoolctl.threadpool_limits(1, user_api="blas")
    return library


def _build(compiler, sources, needs, target):
    """Compile in a folder beside the target, then rename: other processes see all of it or nothing."""
    print("Compiling the kernels, once ...", flush=True)  # half a minute, where nothing else is said
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(target.parent)) as folder:
        included = ["-I%s" % place for place in HEADERS]
        objects = {source: str(Path(folder) / (_name(source).replace("/", "-") + ".o")) for source in sources}
        _run_all([[compiler, "-O3" if _name(source) in FAST else "-O1", *FLAGS, *included, *needs.compile, "-c",
                   str(source), "-o", made] for source, made in objects.items()])
        library = str(Path(folder) / target.name)
        name = ["-Wl,-install_name,%s" % target, "-Wl,-undefined,dynamic_lookup"] if MACOS else [
            "-Wl,-soname,%s" % target.name]  # what is undefined is Python's
        _run_all([[compiler, "-shared", *FLAGS, *objects.values(), *needs.link, *name, "-o", library]])
        os.replace(library, str(target))


def _name(source):
    """'winograd', or 'blas/any'"""
    return source.relative_to(SOURCES).with_suffix("").as_posix()


def _run_all(commands):
    """Run compilers side by side; raises Unavailable with the first error line."""
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                errors="replace")
               for command in commands]
    for process in running:
        errors = process.communicate()[1]
        if process.returncode:
            lines = [line for line in errors.splitlines() if "error" in line] or errors.splitlines() or ["no message"]
            raise Unavailable("the C++ compiler could not build the kernels: %s" % lines[0])
