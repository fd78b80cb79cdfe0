"""Whatever stops a script before or in its `main`: one line, the right exit code, no traceback."""
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

SITE = Path(pytest.__file__).parent.parent
SHIPPED = ["--models", ROOT / "models" / "drawn"]  # whatever else was trained here


def script(*arguments, prelude=None, folder=None, stdout=subprocess.PIPE, **environment):
    """Run a script of this folder; `prelude` runs before it, from a module that lies in `folder`."""
    if prelude:
        (folder / "sitecustomize.py").write_text(prelude)
        environment["PYTHONPATH"] = str(folder)
    return subprocess.run([sys.executable, *map(os.fspath, arguments)], cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE,
                          text=True, check=False, env={**os.environ, **environment})


def assert_one_line(found, *words, code=2):
    assert found.returncode == code, found.stderr
    assert found.stderr.count("\n") == 1 and all(word in found.stderr for word in words), found.stderr


@pytest.mark.parametrize(("flags", "word"), [
    ("device=gpu", "old GPU back-end"), ("floatX=float31", "float31"), ("optimizer=quick", "quick"),
    ("floatX='float32", "No closing quotation"), ("base_compiledir=/proc/here", "/proc/here"),
    ("cxx=/no/g++", "/no/g++")])
def test_flags_that_theano_refuses(flags, word):
    assert_one_line(script("net1.py", THEANO_FLAGS=flags), word, "THEANO_FLAGS")


@pytest.mark.parametrize(("content", "word"), [
    (b"floatX = float32\n", "[global]"), (b"\xef\xbb\xbf[global]\nfloatX = float32\n", "BOM"),
    (b"\xff\xfe[\0g\0l\0", "UTF-8"), (b"[global]\nfloatX float32\n", "floatX float32"),
    (b"[global]\nfloatX = float31\n", "float31")])
def test_a_theanorc_that_theano_cannot_read(content, word, tmp_path):
    (tmp_path / ".theanorc").write_bytes(content)
    assert_one_line(script("net1.py", HOME=str(tmp_path), THEANO_FLAGS=""), word, ".theanorc")


@pytest.mark.parametrize("environment", [
    {"HOME": "/dev/null", "XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "/proc/here"},
    {"XDG_CACHE_HOME": "/dev/null/here"}])
def test_a_home_that_cannot_be_written(environment):
    assert_one_line(script("net1.py", THEANO_FLAGS="", **environment), "cannot be written", "XDG_CACHE_HOME")


@pytest.mark.parametrize("threads", ["many", "0", "-1", "4,2", ""])
def test_a_number_of_threads_that_is_none(threads):
    assert_one_line(script("net1.py", OMP_NUM_THREADS=threads), "OMP_NUM_THREADS is a number of 1 or more")


@pytest.mark.parametrize("program", [
    "#!/bin/sh\necho 'g++: fatal error: cannot execute cc1plus' >&2; exit 1\n", "#!/bin/sh\nexit 3\n", "no program\n",
    "#!/no/shell\n"])
def test_a_compiler_that_is_there_but_fails(program, tmp_path):
    (tmp_path / "g++").write_text(program)
    (tmp_path / "g++").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    assert_one_line(script("net1.py", PATH=path, THEANO_FLAGS=""), str(tmp_path / "g++"), "does not work")


def tools():
    """Every module of fkp/, theano_onednn/ and bench/ that a user runs, as Python's arguments."""
    for path in sorted([*ROOT.glob("fkp/**/*.py"), *ROOT.glob("theano_onednn/**/*.py"), *ROOT.glob("bench/*.py")]):
        text = path.read_text(encoding="utf-8")
        for_users = path.parent.name != "bench" or "argparse" in text or "cli.parser" in text  # others are run by these
        if 'if __name__ == "__main__"' in text and "torch" not in path.stem and for_users:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).replace(".__main__", "")
            yield [str(path)] if module.startswith("bench") else ["-m", module]


@pytest.mark.parametrize("environment", [{"OMP_NUM_THREADS": "x"}, {"THEANO_FLAGS": "floatX=float99"},
                                         {"XDG_CACHE_HOME": "/proc/here", "THEANO_FLAGS": ""}],
                                         ids=lambda e: next(iter(e)))
@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool[-1].replace(str(ROOT), ""))
def test_a_tool_that_cannot_start_says_so_in_one_line(tool, environment):
    found = script(*tool, "--help", **environment)
    if found.returncode or found.stderr:  # a tool that needs no Theano shows its help
        assert_one_line(found, next(iter(environment)))


@pytest.mark.parametrize("tool", [["fkp.average", "a.csv", "a.csv", "--out", "b.csv"], ["fkp.drawn.draw", "faces",
                                  "--rows", "3"], ["fkp.compact", "nets"]], ids=lambda tool: tool[0])
def test_a_tool_that_reads_and_writes_files_needs_no_theano(tool, tmp_path):
    (tmp_path / "a.csv").write_text("RowId,Location\n1,2.5000\n")
    (tmp_path / "nets").mkdir()
    shutil.copy(ROOT / "models" / "drawn" / "net1.npz", tmp_path / "nets")
    words = [tmp_path / word if "." in word or word in ("faces", "nets") else word for word in tool[1:]]
    found = script("-m", tool[0], *words, folder=tmp_path, OMP_NUM_THREADS="x",
                   prelude="import sys\nsys.modules.update(theano=None, theano_onednn=None, lasagne=None)\n")
    assert (found.returncode, found.stderr) == (0, "")


INTERRUPT = """
import os, signal, sys
class Interrupt:
    def find_spec(name, path=None, target=None):
        if name == %r:
            os.kill(os.getpid(), signal.%s)
sys.meta_path.insert(0, Interrupt)
"""


@pytest.mark.parametrize("module",
                         ["theano_onednn", "numpy", "theano.gof", "lasagne", "nolearn.lasagne", "sklearn.base"])
def test_ctrl_c_in_the_first_seconds(module, tmp_path):
    found = script("net1.py", "--models", tmp_path, prelude=INTERRUPT % (module, "SIGINT"), folder=tmp_path)
    assert_one_line(found, "Interrupted.", code=128 + signal.SIGINT)


RAISE = ("import sys\nimport load\nfrom fkp import cli\ndef main(arguments):\n    %s\nsys.argv[0] = 'net9.py'\n"
         "cli.run(main)\n")


@pytest.mark.parametrize("line",
                         ["raise MemoryError", "import numpy; numpy.empty((1 << 40, 1 << 10))", "bytes(1 << 60)"])
def test_too_little_memory(line):
    assert_one_line(script("-c", RAISE % line), "net9.py: there is not enough memory", "--rows")


@pytest.mark.parametrize("arguments",
                         [["net1.py", "--rows", "30", "--epochs", "1"], ["test3.py"], ["test2.py", "net1"]])
def test_a_full_disk_behind_the_output(arguments, tmp_path):
    folders = ["--models", tmp_path] if arguments[0] == "net1.py" else [*SHIPPED, "--out", tmp_path, "--no-show"]
    with open("/dev/full", "w") as full:
        found = script(*arguments, *folders, stdout=full)
    assert_one_line(found, "the output cannot be written (No space left on device)")


@pytest.mark.parametrize("arguments",
                         [["net1.py", "--rows", "30", "--epochs", "1"], ["test3.py"], ["test2.py", "net1"]])
def test_a_closed_output_is_no_obstacle(arguments, tmp_path):
    folders = ["--models", tmp_path] if arguments[0] == "net1.py" else [*SHIPPED, "--out", tmp_path, "--no-show"]
    command = " ".join('"%s"' % os.fspath(word) for word in [sys.executable, *arguments, *folders])
    found = subprocess.run(["sh", "-c", command + " >&-"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert list(tmp_path.glob("*.npz")) or list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("name", [b"caf\xc3\xa9", b"\xff\xfe", b"line\nfeed"])
def test_a_path_that_the_terminal_cannot_print(name, tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    found = script("net1.py", "--rows", "30", "--epochs", "1", "--models", folder, PYTHONIOENCODING="ascii")
    assert (found.returncode, found.stderr) == (0, "") and (folder / "net1.npz").is_file()
    assert_one_line(script("net1.py", "--data", folder, PYTHONIOENCODING="ascii"), "training.csv")


ODD = ["my faces v2, it's \"50%\" ä", "顔; $HOME & #1 \\ `x` *"]


@pytest.mark.parametrize("onednn", ["0", "auto"])
@pytest.mark.parametrize("name", ODD)
def test_odd_folders_for_environment_home_cache_data_and_models(name, onednn, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "site").symlink_to(SITE)
    found = script("net1.py", "--rows", "30", "--epochs", "1", "--models", folder / "models",
                   PYTHONPATH=str(folder / "site"),
                   XDG_CACHE_HOME=str(folder / "cache"), HOME=str(folder), FKP_ONEDNN=onednn, THEANO_FLAGS="")
    assert (found.returncode, found.stderr) == (0, "")
    assert_one_line(script("net1.py", "--data", folder / "none"), str(folder / "none"))


NOTEBOOK = """
import os
os.environ["%s"] = "%s"
try:
    import load
except ImportError as error:
    print(type(error).__name__, "\\n" in str(error))
del os.environ["%s"]
import load
print(load.theano_onednn.describe().split(",")[0])
"""


@pytest.mark.parametrize(("name", "value"), [
    ("THEANO_FLAGS", "floatX=float31"), ("OMP_NUM_THREADS", "many"), ("FKP_ONEDNN", "yes")])
def test_a_notebook_gets_an_exception_and_can_import_after_the_cure(name, value):
    found = subprocess.run([sys.executable, "-c", NOTEBOOK % (name, value, name)], cwd=ROOT, capture_output=True,
                           text=True,
                           check=False)
    assert (found.stdout, found.stderr) == ("NotReady False\nTheano 1.0.5 on cpu\n", "")
