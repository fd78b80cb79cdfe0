"""Archives are written whole or not at all, and read without trust."""
import gc
import os
import resource
import signal
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from fkp import Problem, files

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array("text"), "c": np.zeros((0, 4), np.uint8)}


def test_what_is_written_is_read(tmp_path):
    files.write_npz(tmp_path / "x.npz", ARRAYS)
    found = files.read_npz(tmp_path / "x.npz")
    assert set(found) == set(ARRAYS)
    for name in ARRAYS:
        np.testing.assert_array_equal(found[name], ARRAYS[name])
        assert found[name].dtype == ARRAYS[name].dtype
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
    with np.load(tmp_path / "x.npz", allow_pickle=False) as plain:  # any NumPy opens it
        np.testing.assert_array_equal(plain["a"], ARRAYS["a"])


def test_other_users_may_read_what_umask_allows(tmp_path):
    files.write_npz(tmp_path / "x.npz", ARRAYS)
    (tmp_path / "plain").write_text("")
    assert stat.S_IMODE(os.stat(tmp_path / "x.npz").st_mode) == stat.S_IMODE(os.stat(tmp_path / "plain").st_mode)


@pytest.mark.parametrize("step", ["write_array", "fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file(step, tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    files.write_npz(path, {"a": np.ones(3)})

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(np.lib.format if step == "write_array" else os, step, full)
    with pytest.raises(Problem, match="x.npz: cannot be written .No space left on device"):
        files.write_npz(path, ARRAYS)
    monkeypatch.undo()
    np.testing.assert_array_equal(files.read_npz(path)["a"], np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(Problem, match="cannot be written"):
        files.write_npz(tmp_path / "models" / "x.npz", ARRAYS)


def write_raw(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def npy(shape, dtype="<f4", data=b""):
    head = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


@pytest.mark.parametrize("entries, compression", [
    ({"a.npy": npy((1 << 40,))}, zipfile.ZIP_STORED),                        # absurd shape
    ({"a.npy": npy((-1,))}, zipfile.ZIP_STORED),
    ({"a.npy": npy((1 << 62, 1 << 62))}, zipfile.ZIP_STORED),
    ({"a.npy": npy((2,), data=b"1234")}, zipfile.ZIP_STORED),                # too short
    ({"a.npy": npy((), "|O", b"cposix\nsystem\n(S'true'\ntR.")}, zipfile.ZIP_STORED),   # pickle
    ({"a.npy": npy((10 ** 6,), data=b"\0" * 4 * 10 ** 6)}, zipfile.ZIP_DEFLATED),       # bomb
    ({"a.npy": npy((1,), [("x", "<f4")], b"1234")}, zipfile.ZIP_STORED),
    ({"a.npy": b"\x93NUMPY\x09\x00"}, zipfile.ZIP_STORED),
    ({"a.txt": b"hello"}, zipfile.ZIP_STORED),
    ({"%d.npy" % i: npy((0,)) for i in range(1001)}, zipfile.ZIP_STORED)])
def test_a_hostile_archive_is_refused(entries, compression, tmp_path):
    write_raw(tmp_path / "x.npz", entries, compression)
    with pytest.raises(Problem, match="x.npz: not a file of this collection"):
        files.read_npz(tmp_path / "x.npz")


def test_a_damaged_byte_is_noticed(tmp_path):
    path = tmp_path / "x.npz"
    files.write_npz(path, {"a": np.zeros(1000, np.float32)})
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Problem):
        files.read_npz(path)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.npz"
    files.write_npz(path, {"a": np.arange(20, dtype=np.float32), "header": files.text({"k": 1})})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at:at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(raw)
    try:
        files.read_npz(path)
    except Problem as problem:
        assert "\n" not in str(problem)


def test_a_header_that_is_no_table_is_refused(tmp_path):
    for text in ("[1]", "{", "3"):
        with pytest.raises(Problem, match="header cannot be read"):
            files.untext(np.array(text), tmp_path)


def test_a_cache_of_something_else_is_not_used(tmp_path):
    path = tmp_path / "c.npz"
    files.write_cache(path, "one", {"a": np.ones(2)})
    np.testing.assert_array_equal(files.read_cache(path, "one")["a"], np.ones(2))
    assert files.read_cache(path, "two") is None
    path.write_bytes(b"")
    assert files.read_cache(path, "one") is None
    assert files.read_cache(tmp_path / "none.npz", "one") is None


def test_text_is_written_whole(tmp_path, monkeypatch):
    path = tmp_path / "s.csv"
    files.write_text(path, "old")

    def full(*args):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Problem, match="s.csv: cannot be written"):
        files.write_text(path, "new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_content_is_on_the_disk_before_the_name_and_the_name_after_it(tmp_path, monkeypatch):
    order, fsync, replace = [], os.fsync, os.replace

    def noted(fd):
        order.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)
    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("name"), replace(a, b)))
    files.write_npz(tmp_path / "x.npz", ARRAYS)
    assert order == ["file", "name", "folder"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_killed_before_the_rename_the_old_file_stays_and_the_next_run_clears_up(step, tmp_path):
    path = tmp_path / "x.npz"
    files.write_npz(path, {"a": np.ones(3)})
    code = ("import os, signal, sys; import numpy as np; from fkp import files\n"
            "os.%s = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
            "files.write_npz(sys.argv[1], {'a': np.zeros(100)})" % step)
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL and len(list(tmp_path.glob("*.tmp"))) == 1
    np.testing.assert_array_equal(files.read_npz(path)["a"], np.ones(3))
    with files.locked(tmp_path):
        assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "x.npz"]


@pytest.mark.filterwarnings("error")
def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_file_and_one_message(tmp_path, monkeypatch):
    path, noise = tmp_path / "x.npz", []
    monkeypatch.setattr(sys, "unraisablehook", noise.append)
    files.write_npz(path, {"a": np.ones(3)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, hard))  # stands for a full disk: writes fail half way
    try:
        with pytest.raises(Problem, match="x.npz: cannot be written .*from before is untouched"):
            files.write_npz(path, {"a": np.ones(10 ** 6), "b": np.ones(3)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    gc.collect()
    assert not noise
    np.testing.assert_array_equal(files.read_npz(path)["a"], np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_a_models_folder_that_became_read_only_is_refused_before_the_training(tmp_path, monkeypatch):
    (tmp_path / ".lock").touch()  # an earlier run's: it opens although the folder takes no new file

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")  # chmod would not stop root
    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    with pytest.raises(Problem, match="cannot be written .Permission denied.; choose another folder with --models"):
        with files.locked(tmp_path):
            pass


def test_a_models_folder_that_cannot_be_made_is_refused():
    with pytest.raises(Problem, match="/proc/fkp: cannot be written .*; choose another folder with --models"):
        with files.locked("/proc/fkp"):
            pass


def test_a_file_system_without_locks_is_not_taken_for_another_run(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(37, "No locks available")
    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with pytest.raises(Problem, match="No locks available"):
        with files.locked(tmp_path):
            pass


def test_a_folder_that_cannot_be_synced_is_no_obstacle(tmp_path, monkeypatch):
    fsync = os.fsync

    def picky(fd):  # as some network file systems are
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(fd)
    monkeypatch.setattr(os, "fsync", picky)
    files.write_npz(tmp_path / "x.npz", ARRAYS)
    assert (tmp_path / "x.npz").exists()
