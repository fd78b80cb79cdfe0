"""The kernels of the way without oneDNN against plain loops: on this processor, an old one and an emulated ARM."""
import platform
import shutil
import subprocess

import pytest

from conftest import ROOT

from theano_onednn import library

OPTIONS = ["-O1", "-fopenmp", "-std=c++17", "-Wall", "-Werror", "-Wno-psabi", "-Wno-uninitialized",
           "-Wno-maybe-uninitialized", "-I", str(library.SOURCES)]
CLANGS = ["-Wno-unknown-warning-option", "-Wno-bitwise-conditional-parentheses"]
ARM = "aarch64-linux-gnu"  # Debian's packages: g++-aarch64-linux-gnu, qemu-user
x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="this processor is no x86-64")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("compiler", "options", "emulator"), [
    pytest.param("g++", ["-march=x86-64"], [], marks=x86, id="SSE"),
    pytest.param("g++", ["-march=native"], [], marks=x86, id="this processor"),
    pytest.param("clang++", ["-march=native", *CLANGS], [], marks=x86, id="clang"),
    pytest.param(ARM + "-g++", ["-mcpu=cortex-a72"], ["qemu-aarch64", "-L", "/usr/" + ARM], id="ARM, emulated"),
])
def test_the_kernels_are_right(tmp_path, compiler, options, emulator):
    for program in (compiler, *emulator[:1]):
        if not shutil.which(program):
            pytest.skip(program + " is not installed")
    sources = [str(path) for folder in ("", library.BLAS) for path in sorted((library.SOURCES / folder).glob("*.cpp"))]
    program = str(tmp_path / "self_check")
    subprocess.run([compiler, *OPTIONS, *options, str(ROOT / "tests" / "theano_onednn" / "self_check.cpp"), *sources,
                    "-o", program], check=True)
    done = subprocess.run([*emulator, program], stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0 differences\n")
