"""What machine this is, and what is said there."""
import platform
import re
from pathlib import Path

import pytest

from theano_onednn import library, system


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A function that writes what stands in /etc/os-release."""
    def write(text):
        (tmp_path / "os-release").write_text(text)
    monkeypatch.setattr(system, "OS_RELEASE", (str(tmp_path / "none"), str(tmp_path / "os-release")))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    return write


@pytest.mark.parametrize(("text", "family"), [
    ("NAME=Debian\nID=debian\n", "debian"), ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "debian"),
    ("ID=fedora\n", "fedora"), ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"), ('ID="amzn"\n', "fedora"),
    ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"), ("ID=manjaro\nID_LIKE=arch\n", "arch"),
    ("ID=alpine\n", "alpine"), ("ID=nixos\n", "linux"), ("", "linux"), ("no text = of that kind", "linux"),
])
def test_distributions_are_known_by_what_they_are_like(release, text, family):
    release(text)
    assert system.family() == family


@pytest.mark.parametrize(("name", "family"),
                         [("Darwin", "macos"), ("Windows", "windows"), ("MINGW64_NT-10.0", "windows")])
def test_other_systems(monkeypatch, name, family):
    monkeypatch.setattr(platform, "system", lambda: name)
    assert system.family() == family


def test_conda_has_a_compiler_of_its_own(release, monkeypatch):
    release("ID=debian\n")
    monkeypatch.setenv("CONDA_PREFIX", system.sys.prefix)
    assert system.install("compiler") == "conda install -c conda-forge gxx"


@pytest.mark.parametrize("family", system.COMMANDS)
@pytest.mark.parametrize("what", ["compiler", "headers", "linker", "clblast"])
def test_everywhere_there_is_something_to_do(monkeypatch, family, what):
    monkeypatch.setattr(system, "family", lambda: family)
    said = system.install(what)
    assert "%" not in said and "\n" not in said and ("apt-get" in said) == (family == "debian")


def test_no_advice_is_for_one_system_alone():
    """Whoever says how to install something asks `system`."""
    words = re.compile(r"apt-get|dnf |brew |pacman|zypper|xcode-select")
    sources = {path.name: path.read_text(encoding="utf-8") for path in Path(system.__file__).parent.rglob("*.py")}
    assert [name for name, text in sources.items() if words.search(text)] == ["system.py"]


def test_the_processor_is_told_where_proc_is_not(monkeypatch):
    here = system.processor()
    monkeypatch.setattr(system, "CPUINFO", "/nowhere")
    assert here.count("\n") > 1 and system.processor().startswith(platform.machine() + "\n")


@pytest.mark.parametrize(("told", "line"), [
    ({"machine": "aarch64"}, "this is Linux aarch64"),
    ({"system": "Darwin", "machine": "arm64"}, "this is Darwin arm64"),
    ({"family": "alpine"}, "for glibc, this Linux has musl"),
])
def test_where_there_is_no_wheel_nobody_is_told_to_install_it(monkeypatch, tmp_path, told, line):
    def missing(*_):
        raise library.Unavailable("oneDNN is not installed: pip install it")
    monkeypatch.setattr(library, "wheel_file", missing)
    for name, answer in told.items():
        monkeypatch.setattr(system if name == "family" else platform, name, lambda answer=answer: answer)
    with pytest.raises(library.Unavailable, match=line):
        library.path(library.ONEDNN, "g++", "12", tmp_path)
