"""The cache beside a CSV: quick, and never believed where it could be wrong."""
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from small_csvs import COLUMNS, IMAGES, LABELS, assert_training, case_lines, training_lines, write

from fkp.csvs import cache, reader

pytestmark = pytest.mark.usefixtures("own_cache_folder")


@pytest.fixture
def parses(monkeypatch):
    """A list that grows by one whenever a CSV is parsed instead of taken from the cache."""
    calls, parse = [], reader._parse_faces
    monkeypatch.setattr(reader, "_parse_faces", lambda *a: calls.append(1) or parse(*a))
    monkeypatch.setattr(cache, "TICK_NS", 0)  # else a CSV this new is never trusted to its cache
    return calls


def read_again(training, parses):
    """Reads; whether that took a parse."""
    before = len(parses)
    assert_training(reader.read_training(training, COLUMNS))
    return len(parses) > before


def test_the_second_read_comes_from_the_cache_and_is_the_same(training, parses):
    first = reader.read_training(training, COLUMNS)
    second = reader.read_training(training, COLUMNS)
    assert len(parses) == 1
    assert_training(second)
    assert first.fingerprint == second.fingerprint
    test = write(training.with_name("test.csv"), case_lines())
    assert reader.read_test(test).ids.tolist() == reader.read_test(test).ids.tolist() == [1, 2, 3]
    assert len(parses) == 2


def test_a_cache_maps_the_pixels_instead_of_holding_them(training, parses):
    reader.read_training(training, COLUMNS)
    images = reader.read_training(training, COLUMNS).images
    while isinstance(images.base, np.ndarray):
        images = images.base
    assert isinstance(images, np.memmap)


def test_a_deleted_cache_is_written_again_even_while_in_use(training, parses):
    reader.read_training(training, COLUMNS)
    faces = reader.read_training(training, COLUMNS)
    os.unlink(f"{training}.cache")
    assert_training(faces)
    assert read_again(training, parses)
    assert not read_again(training, parses)


def test_an_edit_that_keeps_size_and_time_is_noticed(training, parses):
    reader.read_training(training, COLUMNS)
    status = training.stat()
    training.write_bytes(training.read_bytes().replace(b"66.5", b"65.5"))
    os.utime(training, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert training.stat().st_mtime_ns == status.st_mtime_ns
    assert reader.read_training(training, COLUMNS).keypoints[0, 0] == 65.5


def test_a_csv_that_changed_just_before_it_was_read_is_not_trusted_to_its_cache(training, parses, monkeypatch):
    monkeypatch.setattr(cache, "TICK_NS", 2_000_000_000)
    assert read_again(training, parses)
    assert read_again(training, parses)
    monkeypatch.setattr(cache, "now", lambda: training.stat().st_ctime_ns + 3_000_000_000)
    assert read_again(training, parses)  # the cache still says that it was made too early
    assert not read_again(training, parses)


def test_a_csv_that_changes_while_it_is_read_is_not_cached(training, parses, monkeypatch):
    parse = reader._parse_faces

    def interrupted(*arguments):
        os.utime(training)
        return parse(*arguments)
    monkeypatch.setattr(reader, "_parse_faces", interrupted)
    reader.read_training(training, COLUMNS)
    assert not Path(f"{training}.cache").exists()


def test_other_columns_are_another_table(training, parses):
    reader.read_training(training, COLUMNS)
    faces = reader.read_training(training, COLUMNS[::-1])
    np.testing.assert_array_equal(faces.keypoints, np.float32(LABELS)[:, ::-1])


def pickled(good):
    file = io.BytesIO()
    np.save(file, np.array([{"boom": 1}], object), allow_pickle=True)
    return file.getvalue()


def with_head(good, **changes):
    head = json.loads(good[:cache.HEAD])
    return json.dumps({**head, **changes}).encode().ljust(cache.HEAD) + good[cache.HEAD:]


def flipped(good, place):
    return good[:place] + bytes([good[place] ^ 1]) + good[place + 1:]


def other_labels(good, value):
    """A cache that is whole, but holds a label that no CSV may."""
    labels = np.float32(LABELS)
    labels[0, 0] = value
    name = cache.fingerprint(IMAGES, labels)
    return with_head(good, fingerprint=name)[:cache.HEAD] + IMAGES.tobytes() + labels.tobytes()


HOSTILE = {
    "empty": lambda good: b"",
    "cut in the header": lambda good: good[:100],
    "cut in the pixels": lambda good: good[:9000],
    "a byte short": lambda good: good[:-1],
    "a byte long": lambda good: good + b"\0",
    "a bit of a pixel": lambda good: flipped(good, 9000),
    "a bit of a label": lambda good: flipped(good, len(good) - 5),
    "a bit of the header": lambda good: flipped(good, 3),
    "pickled": pickled,
    "zeros": lambda good: bytes(len(good)),
    "nested": lambda good: b"[" * len(good),
    "no object": lambda good: b"[1, 2]".ljust(cache.HEAD) + good[cache.HEAD:],
    "absurd rows": lambda good: with_head(good, rows=1 << 60),
    "negative rows": lambda good: with_head(good, rows=-3),
    "text for rows": lambda good: with_head(good, rows="3"),
    "infinite rows": lambda good: with_head(good, rows=float("inf")),
    "other version": lambda good: with_head(good, version=0),
    "other source": lambda good: with_head(good, source={}),
    "other columns": lambda good: with_head(good, columns="eye_x"),
    "no time": lambda good: with_head(good, read=None),
    "other fingerprint": lambda good: with_head(good, fingerprint="0" * 32),
    "infinite label": lambda good: other_labels(good, np.inf),
    "label far outside": lambda good: other_labels(good, 117),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_or_hostile_cache_is_ignored_and_written_again(training, parses, case):
    reader.read_training(training, COLUMNS)
    place = Path(f"{training}.cache")
    bad = HOSTILE[case](place.read_bytes())
    assert bad != place.read_bytes()
    place.write_bytes(bad)
    assert read_again(training, parses)
    assert not read_again(training, parses)


def test_a_cache_with_an_id_twice_is_ignored(tmp_path, parses):
    path = write(tmp_path / "test.csv", case_lines())
    reader.read_test(path)
    place, ids = Path(f"{path}.cache"), np.int32([1, 1, 3])
    good = with_head(place.read_bytes(), fingerprint=cache.fingerprint(IMAGES, ids))
    place.write_bytes(good[:-12] + ids.tobytes())
    assert reader.read_test(path).ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_something_else_in_the_cache_s_place_harms_nothing(training, parses, make):
    make(Path(f"{training}.cache"))
    assert read_again(training, parses)
    assert not read_again(training, parses)  # replaced, or the user's cache folder serves


@pytest.mark.parametrize("content", [b"", b"the user's own", b"PK\3\4"])
def test_a_file_of_another_hand_in_the_cache_s_place_stays(training, parses, content):
    place = Path(f"{training}.cache")
    place.write_bytes(content)
    assert read_again(training, parses)
    assert place.read_bytes() == content
    assert not read_again(training, parses)  # the user's cache folder serves


def refuse_writing(monkeypatch, error, where):
    real = os.open

    def refusing(path, flags, *rest):
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(str(where)):
            raise error
        return real(path, flags, *rest)
    monkeypatch.setattr(os, "open", refusing)  # chmod would not stop root


def test_a_read_only_folder_keeps_its_cache_in_the_user_s_cache_folder(tmp_path, parses, monkeypatch):
    folder = tmp_path / "kaggle"
    folder.mkdir()
    training = write(folder / "training.csv", training_lines())
    refuse_writing(monkeypatch, OSError(30, "Read-only file system"), folder)
    assert read_again(training, parses)
    assert not read_again(training, parses)
    assert os.listdir(folder) == ["training.csv"]
    kept, = (tmp_path / "home" / "facial-keypoints").iterdir()
    assert kept.name.startswith("training-")
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_without_any_place_for_a_cache_everything_still_works(training, parses, monkeypatch):
    refuse_writing(monkeypatch, OSError(28, "No space left on device"), "/")
    assert read_again(training, parses)
    assert read_again(training, parses)


def test_without_a_home_folder_everything_still_works(training, parses, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert len(cache.paths(training)) == 1
    assert read_again(training, parses)


def test_a_full_disk_leaves_no_half_written_cache(training, parses, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", full)
    assert read_again(training, parses)
    assert os.listdir(training.parent) == ["training.csv"] or set(os.listdir(training.parent)) == {
        "training.csv", "home"}


def test_what_a_killed_writer_left_is_removed(training, parses):
    left, other = (Path(f"{training}.cache.{name}.tmp") for name in ("ab12_xyz", "mine"))
    for path in (left, other):
        path.write_bytes(b"half" * 99999)
    assert read_again(training, parses)
    assert other.exists() and not left.exists()
    assert not read_again(training, parses)


def test_several_processes_at_once_read_the_same(training):
    code = ("import sys; from fkp.csvs import cache, reader; cache.TICK_NS = 0\n"
            "for _ in range(30):\n"
            "    print(reader.read_training(sys.argv[1], sys.argv[2].split()).fingerprint)\n"
            "    import os, contextlib\n"
            "    with contextlib.suppress(OSError): os.unlink(sys.argv[1] + '.cache')\n")
    command = [sys.executable, "-c", code, str(training), " ".join(COLUMNS)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    printed = "".join(process.communicate()[0] for process in running).split()
    assert all(process.returncode == 0 for process in running)
    assert len(printed) == 120
    assert set(printed) == {reader.read_training(training, COLUMNS).fingerprint}
    assert not list(training.parent.glob("*.tmp"))


def test_an_edit_just_before_the_read_whose_time_was_set_back_is_not_trusted(training, parses, monkeypatch):
    monkeypatch.setattr(cache, "TICK_NS", 60_000_000_000)
    os.utime(training, ns=(0, 10 ** 18))        # of 2001; the file's own clock says that it changed now
    assert read_again(training, parses)
    assert read_again(training, parses)
