"""One line where there is no C++ compiler that works, instead of minutes of Theano's tracebacks."""
import os
import shutil
import subprocess

import pytest

from theano_onednn import compiler, settings, system
from theano_onednn.errors import NotReady

REAL = shutil.which("g++")
pytestmark = pytest.mark.skipif(REAL is None, reason="there is no g++")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's cache folder, with nothing in it; on this machine one installs as on Debian."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("THEANO_FLAGS", "")
    monkeypatch.setenv("THEANORC", str(tmp_path / "none"))
    monkeypatch.setattr(system, "family", lambda: "debian")
    return tmp_path / "cache" / "facial-keypoints" / "theano"


@pytest.fixture
def gxx(tmp_path, monkeypatch):
    """A function that makes a shell script the g++ of this machine."""
    def write(text):
        program = tmp_path / "bin" / "g++"
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n" + text)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        return program
    return write


def refusal():
    with pytest.raises(NotReady) as error:
        compiler.check()
    assert "\n" not in str(error.value)
    return str(error.value)


def left(folder):
    return [path.name for path in folder.iterdir()]


def test_what_works_is_tried_once(folder, monkeypatch):
    compiler.check()
    kept = left(folder)
    assert len(kept) == 1
    monkeypatch.setattr(subprocess, "run", None)  # nothing is started
    compiler.check()
    assert left(folder) == kept


def test_another_compiler_or_processor_is_tried_again(folder, gxx, monkeypatch):
    compiler.check()
    gxx('exec %s "$@"' % REAL)
    compiler.check()
    monkeypatch.setattr(system, "processor", lambda: "another")
    compiler.check()
    assert len(left(folder)) == 3


def test_no_compiler(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal().startswith("no C++ compiler was found, Theano needs one: apt-get install g++ python3.")


def test_a_chosen_compiler_that_is_not_there(folder, monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "floatX=float32,cxx=nowhere++")
    assert refusal() == "the C++ compiler nowhere++ was not found; THEANO_FLAGS or .theanorc name it as cxx"


def test_a_compiler_chosen_in_theanorc_is_the_one_that_is_tried(folder, tmp_path, monkeypatch):
    (tmp_path / "theanorc").write_text("[global]\ncxx = nowhere++\n")
    monkeypatch.setenv("THEANORC", str(tmp_path / "theanorc"))
    assert refusal().startswith("the C++ compiler nowhere++ was not found")


def test_python_alone_needs_no_compiler(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "cxx=")
    monkeypatch.setenv("PATH", str(tmp_path))
    compiler.check()


def test_no_headers(folder, monkeypatch):
    monkeypatch.setattr(compiler.sysconfig, "get_paths", lambda: {"include": "/nowhere"})
    assert refusal().startswith(
        "/nowhere/Python.h was not found, Theano needs Python's headers: apt-get install python3.")


@pytest.mark.parametrize(("program", "line"), [
    ("echo 'collect2: fatal error: cannot find ld' >&2; exit 1",
     "(collect2: fatal error: cannot find ld), and Theano needs one: apt-get install --reinstall g++ binutils, or"),
    ("echo '/usr/bin/ld: cannot find -lpython3.11' >&2; echo 'collect2: error: ld returned 1 exit status' >&2; exit 1",
     "(/usr/bin/ld: cannot find -lpython3.11), and Theano needs one: apt-get install python3."),
    ("echo 'fatal error: error writing to /tmp/cc.s: No space left on device' >&2; exit 1", "needs one: make room, or"),
    ("exit 3", "(exit code 3)"),
    ("exit 0", "(it built nothing)"),
    ("not a program at all", "(not"),
])
def test_one_that_fails_is_named_with_its_own_words(folder, gxx, program, line):
    path = gxx(program)
    said = refusal().replace("%s: 2: not" % path, "not")
    assert said.startswith("the C++ compiler %s does not work (" % path) and line in said
    assert left(folder) == []


def test_one_that_is_no_program(folder, gxx):
    gxx("").write_bytes(b"\x7fELF")
    assert "does not work (Exec format error)" in refusal()


@pytest.mark.parametrize("flags", ["", "base_compiledir=%s"])
def test_a_library_that_cannot_be_loaded(folder, gxx, tmp_path, monkeypatch, flags):
    """As in a folder that is mounted noexec."""
    gxx('while [ "$1" != -o ]; do shift; done; echo text > "$2"')
    own = tmp_path / "own"
    monkeypatch.setenv("THEANO_FLAGS", flags and flags % own)
    said = refusal()
    assert said.startswith("compiled code in %s cannot be loaded (compiler-" % (own if flags else folder))
    assert said.endswith("name another folder with %s" % ("THEANO_FLAGS=base_compiledir=DIR" if flags else
                                                          "XDG_CACHE_HOME=DIR"))


def test_a_damaged_trial_is_built_again(folder, monkeypatch):
    monkeypatch.setattr(compiler, "_key", lambda compiler: "key")
    folder.mkdir(parents=True)
    trial = folder / "compiler-key.so"
    trial.write_text("cut off")
    compiler.check()
    assert trial.stat().st_size > 1000


def test_the_trial_is_linked_as_theano_links():
    from theano.gof import cmodule
    folders, libraries = [part for part in compiler._python() if part.startswith("-L")], compiler._python()[-1:]
    assert libraries == ["-l" + name for name in cmodule.std_libs()]
    assert set(folders) == {"-L" + name for name in cmodule.std_lib_dirs()}


@pytest.mark.parametrize("name", ["a,b", "it's", "a b", "a#b", 'a"b', "a=b", "ü"])
def test_a_folder_of_any_name_arrives_at_theano_whole(tmp_path, monkeypatch, name):
    from theano.configparser import parse_config_string
    monkeypatch.setenv("THEANORC", str(tmp_path / "none"))
    monkeypatch.setenv("THEANO_FLAGS", "floatX=float64")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    settings.apply()
    found = parse_config_string(os.environ["THEANO_FLAGS"])
    assert found["base_compiledir"] == str(tmp_path / name / "facial-keypoints" / "theano")
    assert found["floatX"] == "float64"


def test_every_processor_has_a_folder_of_its_own(folder, monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "base_compiledir=%s" % folder)  # the user's own, too
    formats = set()
    for name in ("Nehalem", "Zen", "Nehalem"):
        monkeypatch.setattr(system, "processor", lambda: name)
        formats.add(settings._defaults()["compiledir_format"])
    assert len(formats) == 2 and all("%(python_version)s" in text for text in formats)
