"""The CSV reader: Kaggle's format, every way it can be broken, and the cache."""
import gzip
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from fkp import Problem
from fkp.data import cache, pixels, reader

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["eye_x", "eye_y", "nose_x", "nose_y"]
TRAINING_HEADER = ",".join([*COLUMNS, "Image"])
LABELS = [[66.5, 39.25, np.nan, np.nan], [10, 20, 30, 96.5], [-3.5, 0, 1, 2]]
IMAGES = np.random.RandomState(0).randint(0, 256, (3, 96, 96)).astype(np.uint8)
TEXTS = [" ".join(map(str, image.ravel())) for image in IMAGES]
AGAIN = "; download it again from Kaggle"
DIGITS = "; write it in digits alone"


def training_lines():
    return [TRAINING_HEADER] + [
        ",".join(["" if np.isnan(v) else repr(v) for v in labels] + [text])
        for labels, text in zip(LABELS, TEXTS)]


def case_lines():
    return ["ImageId,Image"] + [f"{i},{text}" for i, text in enumerate(TEXTS, 1)]


def lookup_lines():
    return ["RowId,ImageId,FeatureName,Location", "1,1,eye_x,", "2,1,nose_y,", "3,3,eye_y,"]


def write(path, lines, end="\n"):
    data = lines if isinstance(lines, bytes) else (end.join(lines) + end).encode()
    path.write_bytes(data)
    return path


def message(read, *arguments):
    """The text of the Problem that a call raises: always one line."""
    with pytest.raises(Problem) as caught:
        read(*arguments)
    text = str(caught.value)
    assert text.isprintable()
    return text


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


@pytest.fixture
def training(tmp_path):
    return write(tmp_path / "training.csv", training_lines())


def assert_training(faces, rows=3):
    np.testing.assert_array_equal(faces.images, IMAGES[:rows])
    np.testing.assert_array_equal(faces.keypoints, np.float32(LABELS[:rows]))
    assert faces.images.dtype == np.uint8
    assert faces.keypoints.dtype == np.float32
    assert faces.ids is None
    assert not faces.images.flags.writeable
    assert not faces.keypoints.flags.writeable


# --- what must work ---

@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("finish", [b"", b"\r\n\r\n\n"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path, end, start, finish):
    text = end.join(training_lines()).encode()
    assert_training(reader.read_training(write(tmp_path / "t.csv", start + text + finish), COLUMNS))


def test_columns_may_come_in_any_order(tmp_path):
    lines = [line.split(",") for line in training_lines()]
    path = write(tmp_path / "t.csv", [",".join(f[k] for k in (4, 3, 0, 2, 1)) for f in lines])
    assert_training(reader.read_training(path, COLUMNS))


def test_quoted_fields_are_read(tmp_path):
    path = write(tmp_path / "t.csv", ['"' + line.replace(",", '","') + '"' for line in training_lines()])
    assert_training(reader.read_training(path, COLUMNS))


def test_one_row_is_enough(tmp_path):
    assert_training(reader.read_training(write(tmp_path / "t.csv", training_lines()[:2]), COLUMNS), 1)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_any_number_of_rows_fills_its_blocks(tmp_path, count):
    path = write(tmp_path / "t.csv", ["ImageId,Image"] + [f"{i},{TEXTS[i % 3]}" for i in range(count)])
    faces = reader.read_test(path)
    np.testing.assert_array_equal(faces.images, np.resize(IMAGES, (count, 96, 96)))
    np.testing.assert_array_equal(faces.ids, np.arange(count))


def test_test_csv_is_read(tmp_path):
    faces = reader.read_test(write(tmp_path / "test.csv", case_lines()))
    np.testing.assert_array_equal(faces.images, IMAGES)
    assert faces.ids.tolist() == [1, 2, 3]
    assert faces.ids.dtype == np.int32
    assert faces.keypoints is None


@pytest.mark.parametrize("last", [",", "", ",12.5"])
def test_the_lookup_table_is_read_with_or_without_a_location(tmp_path, last):
    lines = [lookup_lines()[0]] + [line[:-1] + last for line in lookup_lines()[1:]]
    lookup = reader.read_lookup(write(tmp_path / "l.csv", lines), COLUMNS)
    assert [column.tolist() for column in lookup] == [[1, 2, 3], [1, 1, 3], [0, 3, 1]]
    reader.check_lookup(lookup, np.array([3, 1]), tmp_path / "l.csv")


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 9])
def test_rows_reads_the_first_ones_and_names_their_content(training, cached, rows, monkeypatch):
    monkeypatch.setattr(cache, "TICK_NS", 0)
    if cached:
        reader.read_training(training, COLUMNS)
    faces = reader.read_training(training, COLUMNS, rows=rows)
    assert_training(faces, min(rows, 3))
    short = write(training.with_name("short.csv"), training_lines()[:1 + rows])
    assert faces.fingerprint == reader.read_training(short, COLUMNS).fingerprint


def test_rows_stops_reading_early_and_writes_no_cache(training):
    training.write_bytes(training.read_bytes() + b"rubbish")
    assert_training(reader.read_training(training, COLUMNS, rows=3))
    assert not Path(f"{training}.cache").exists()
    with pytest.raises(ValueError, match="at least 1"):
        reader.read_training(training, COLUMNS, rows=0)


def test_the_fingerprint_names_the_content_not_the_text(training):
    first = reader.read_training(training, COLUMNS).fingerprint
    assert first == reader.read_training(write(training, training_lines(), "\r\n"), COLUMNS).fingerprint
    lines = training_lines()
    lines[2] = lines[2].replace("20", "21", 1)
    assert first != reader.read_training(write(training, lines), COLUMNS).fingerprint


# --- files that are something else ---

def zipped(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("training.csv", data)
    return file.getvalue()


WHOLE = {
    "empty": (b"", f": empty{AGAIN}"),
    "mark only": (b"\xef\xbb\xbf", f", line 1: column eye_x is missing{AGAIN}"),
    "header only": (TRAINING_HEADER.encode(), f": a header but no rows{AGAIN}"),
    "header and blank lines": (TRAINING_HEADER.encode() + b"\r\n\r\n", f": a header but no rows{AGAIN}"),
    "no header": ("\n".join(training_lines()[1:]).encode(),
                  ", line 1: values where the column names should be; put the header line back"),
    "web page": (b"\n".join([b" <!DOCTYPE html>", b"<html>Sign in"]),
                 ": a web page, not a CSV file; log in to Kaggle and download it again"),
    "zip": (zipped(b"a,b"), f", line 1: column eye_x is missing{AGAIN}"),
    "gzip": (gzip.compress(b"a,b"), f", line 1: column eye_x is missing{AGAIN}"),
    "half a gzip": (gzip.compress(b"a,b" * 99)[:-9], ": a damaged archive (Compressed file ended before the "
                    f"end-of-stream marker was reached){AGAIN}"),
    "utf-16": ("a,b\n".encode("utf-16"), f", line 1: column eye_x is missing{AGAIN}"),
    "nul bytes": (b"\0" * 5000, f", line 1: column eye_x is missing{AGAIN}"),
    "not UTF-8": (TRAINING_HEADER.encode().replace(b"eye_x", b"eye_\xff"), f", line 1: column eye_x is missing{AGAIN}"),
    "column missing": (b"eye_x,eye_y,nose_x,Image\n", f", line 1: column nose_y is missing{AGAIN}"),
    "column twice": (b"eye_x,eye_y,nose_x,nose_y,eye_y,Image\n", ", line 1: column eye_y is twice; remove one of the two"),
    "image missing": (b"eye_x,eye_y,nose_x,nose_y\n", f", line 1: column Image is missing{AGAIN}"),
    "column unknown": (b"eye_x,eye_y,nose_x,nose_y,Image,\x1b[2Jear\n",
                       r", line 1: unknown column '\x1b[2Jear'; remove it"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_file_that_is_not_the_table_is_named_for_what_it_is(tmp_path, case):
    data, expected = WHOLE[case]
    path = write(tmp_path / "training.csv", data)
    assert message(reader.read_training, path, COLUMNS) == f"{path}{expected}"


def test_a_missing_file_says_so(tmp_path):
    path = tmp_path / "training.csv"
    assert message(reader.read_training, path, COLUMNS) == f"{path}: no such file; download it from Kaggle"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_folder_or_a_pipe_is_no_file_and_is_not_waited_for(tmp_path, make):
    path = tmp_path / "training.csv"
    make(path)
    expected = f"{path}: not a file; name the folder that holds Kaggle's CSV files"
    assert message(reader.read_training, path, COLUMNS) == expected


def test_an_unreadable_file_says_why(training, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "open", refuse)  # chmod would not stop root
    expected = f"{training}: cannot be read (Permission denied); mend that"
    assert message(reader.read_training, training, COLUMNS) == expected


def test_a_path_with_odd_characters_stays_on_one_line(tmp_path):
    assert message(reader.read_training, tmp_path / "a\nb.csv", COLUMNS).startswith(f"{tmp_path}/a\\nb.csv: no such")


def test_a_huge_empty_file_takes_neither_time_nor_memory(tmp_path):
    path = write(tmp_path / "training.csv", [TRAINING_HEADER])
    os.truncate(path, 1 << 40)  # sparse
    assert message(reader.read_training, path, COLUMNS) in (
        f"{path}: too big for this machine's memory; read fewer rows",
        f"{path}, row 1 (line 2): longer than 1048576 bytes{AGAIN}")


# --- rows that are wrong ---

def image_of(*words, count=9216):
    return " ".join([*words, *["7"] * (count - len(words))])


FAR = (" is far outside the picture's 0 to 96; correct it, leave it empty if missing, or scale all labels if they "
       "belong to larger pictures")
TEXT = " is not a number (leave it empty if missing)"
ROW_2 = {
    "a field short": ("1,2,3," + image_of(), f": 4 fields where the header has 5{AGAIN}"),
    "a field more": ("1,2,3,4," + image_of() + ",9", f": 6 fields where the header has 5{AGAIN}"),
    "empty line": ("", ": the line is empty; remove it"),
    "endless line": ("1" * (1 << 20), f": longer than 1048576 bytes{AGAIN}"),
    "pixel short": ("1,2,3,4," + image_of(count=9215),
                    f", column Image: 9215 pixels where 96 x 96 = 9216 are needed{AGAIN}"),
    "pixel long": ("1,2,3,4," + image_of(count=9217),
                   f", column Image: 9217 pixels where 96 x 96 = 9216 are needed{AGAIN}"),
    "no image": ("1,2,3,4,", f", column Image: pixel 1 is '', not an integer from 0 to 255{AGAIN}"),
    "text": ("1,x,3,4," + image_of(), ", column eye_y: 'x'" + TEXT),
    "half a nan": ("1,2,na n,4," + image_of(), ", column nose_x: 'na n'" + TEXT),
    "python's number": ("1_0,2,3,4," + image_of(), ", column eye_x: '1_0'" + TEXT),
    "inf": ("1,2,3,inf," + image_of(), ", column nose_y: 'inf'" + TEXT),
    "infinite": ("1,2,3,1e999," + image_of(), ", column nose_y: '1e999'" + FAR),
    "far outside": ("1,116.1,3,4," + image_of(), ", column eye_y: '116.1'" + FAR),
    "far left": ("-20.1,2,3,4," + image_of(), ", column eye_x: '-20.1'" + FAR),
    "long text": ("x" * 99 + ",2,3,4," + image_of(), f", column eye_x: '{'x' * 30}'..." + TEXT),
}
PIXELS = {"256": "256", "300": "300", "999": "999", "1000": "1000", "0255": "0255", "-1": "-1", "+1": "+1",
          "1.5": "1.5", "a": "a", "1e3": "1e3", "": "", "1\t2": r"1\t2", "\0": r"\x00", "é": "\\xe9",
          "1;2": "1;2", "\u0663": "\\u0663"}
ROW_2.update({f"pixel {word!r}": ("1,2,3,4," + image_of("5", word),
                                  f", column Image: pixel 2 is '{shown}', not an integer from 0 to 255{AGAIN}")
              for word, shown in PIXELS.items()})
ROW_2.update({f"first pixel {word!r}": ("1,2,3,4," + image_of(word),
                                        f", column Image: pixel 1 is '{shown}', not an integer from 0 to 255{AGAIN}")
              for word, shown in PIXELS.items()})


@pytest.mark.parametrize("case", ROW_2)
def test_a_wrong_row_is_named_with_its_column_and_what_was_found(tmp_path, case):
    line, expected = ROW_2[case]
    lines = training_lines()
    lines[2] = line
    path = write(tmp_path / "training.csv", lines)
    assert message(reader.read_training, path, COLUMNS) == f"{path}, row 2 (line 3){expected}"


@pytest.mark.parametrize("word", ["0", "00", "000", "007", "99", "100", "199", "200", "249", "250", "255"])
@pytest.mark.parametrize("place", [0, 1, 9214, 9215])
def test_every_length_of_number_is_read_at_both_ends(word, place):
    words = ["5"] * 9216
    words[place] = word
    found = pixels.parse_strictly([image_of().encode(), " ".join(words).encode()])
    assert found.shape == (2, 9216)
    assert (found[0] == 7).all()
    assert found[1, place] == int(word)
    assert found[1].sum() == 5 * 9215 + int(word)


def test_a_pixel_short_and_the_next_row_one_long_is_not_taken_for_two_rows(tmp_path):
    lines = training_lines()
    lines[1:3] = ["1,2,3,4," + image_of(count=count) for count in (9215, 9217)]
    path = write(tmp_path / "training.csv", lines)
    assert message(reader.read_training, path, COLUMNS).startswith(f"{path}, row 1 (line 2), column Image: 9215 pixels")


@pytest.mark.parametrize(("keep", "expected"), [
    (4, ": 2 fields where the header has 5: the file is cut off here"),
    (12, ", column Image: 0 pixels where 96 x 96 = 9216 are needed: the file is cut off here"),
    (20, ", column Image: {} pixels where 96 x 96 = 9216 are needed: the file is cut off here"),
    (-1, ", column Image: 9215 pixels where 96 x 96 = 9216 are needed: the file is cut off here"),
])
def test_a_file_cut_off_in_the_middle_says_so(tmp_path, keep, expected):
    lines = training_lines()
    lines[3] = "1,22,33.3,4," + image_of()
    kept = "\n".join(lines[:3]) + "\n" + lines[3][:keep]
    path = write(tmp_path / "training.csv", kept.encode())
    found = len(lines[3][12:keep].split())
    assert message(reader.read_training, path, COLUMNS) == f"{path}, row 3 (line 4){expected.format(found)}{AGAIN}"


def test_every_label_missing_is_refused(tmp_path):
    path = write(tmp_path / "training.csv", [TRAINING_HEADER, ",,,," + image_of(), ",,,," + image_of()])
    expected = f"{path}: every label of the 2 rows read is missing{AGAIN}"
    assert message(reader.read_training, path, COLUMNS) == expected


@pytest.mark.parametrize(("word", "expected"), [
    ("1", "1 was given to row 1 already; remove one of the two"),
    ("x", f"'x' is not a whole number below 10^9{DIGITS}"),
    ("", f"'' is not a whole number below 10^9{DIGITS}"),
    ("1.5", f"'1.5' is not a whole number below 10^9{DIGITS}"),
    ("-2", f"'-2' is not a whole number below 10^9{DIGITS}"),
    ("9" * 5000, f"'{'9' * 30}'... is not a whole number below 10^9{DIGITS}"),
])
def test_ids_are_whole_numbers_each_given_once(tmp_path, word, expected):
    path = write(tmp_path / "test.csv", [*case_lines()[:2], f"{word},{image_of()}"])
    assert message(reader.read_test, path) == f"{path}, row 2 (line 3), column ImageId: {expected}"
    path = write(tmp_path / "lookup.csv", [*lookup_lines()[:2], f"{word},1,eye_x,"])
    assert message(reader.read_lookup, path, COLUMNS) == f"{path}, row 2 (line 3), column RowId: {expected}"


@pytest.mark.parametrize(("line", "expected"), [
    ("2,x,eye_x,", f", column ImageId: 'x' is not a whole number below 10^9{DIGITS}"),
    ("2,1,ear_x,", ", column FeatureName: 'ear_x' is none of the 4 known features; correct the name"),
    ("2,1,ear_\0,", r", column FeatureName: 'ear_\x00' is none of the 4 known features; correct the name"),
    ("2,1", f": 2 fields where the header has 4{AGAIN}"),
    ("2,1,eye_x,,", f": 5 fields where the header has 4{AGAIN}"),
])
def test_a_wrong_lookup_row_is_named(tmp_path, line, expected):
    path = write(tmp_path / "lookup.csv", [*lookup_lines()[:2], line])
    assert message(reader.read_lookup, path, COLUMNS) == f"{path}, row 2 (line 3){expected}"


def test_a_lookup_table_without_rows_or_of_other_images_is_refused(tmp_path):
    path = write(tmp_path / "lookup.csv", lookup_lines()[:1])
    assert message(reader.read_lookup, path, COLUMNS) == f"{path}: a header but no rows{AGAIN}"
    lookup = reader.read_lookup(write(path, lookup_lines()), COLUMNS)
    assert message(reader.check_lookup, lookup, np.array([1, 2]), path) == (
        f"{path}, row 3 (line 4), column ImageId: 3 is not in test.csv; use the two files of one download")


# --- the cache ---

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


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda part: part.symlink_to("elsewhere")])
def test_something_else_in_the_part_s_place_harms_nothing(training, parses, make):
    make(Path(f"{training}.cache.part"))
    assert read_again(training, parses)
    assert not read_again(training, parses)
    assert not training.with_name("elsewhere").exists()


def refuse_writing(monkeypatch, error, where):
    real = os.open

    def refusing(path, flags, *rest):
        if flags & os.O_WRONLY and str(path).startswith(str(where)):
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
    assert len(cache.places(training)) == 1
    assert read_again(training, parses)


def test_a_full_disk_leaves_no_half_written_cache(training, parses, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "ftruncate", full)
    assert read_again(training, parses)
    assert os.listdir(training.parent) == ["training.csv"] or set(os.listdir(training.parent)) == {
        "training.csv", "home"}


def test_what_a_killed_writer_left_is_overwritten(training, parses):
    part = Path(f"{training}.cache.part")
    part.write_bytes(b"half" * 99999)
    assert read_again(training, parses)
    assert not part.exists()
    assert not read_again(training, parses)


def test_a_writer_who_waited_leaves_the_finished_cache_alone(training, parses, monkeypatch):
    place, part = Path(f"{training}.cache"), Path(f"{training}.cache.part")
    part.write_bytes(b"of another process")
    monkeypatch.setattr(cache.fcntl, "flock", lambda *_: os.replace(part, place))  # it finishes while we wait
    reader.read_training(training, COLUMNS)
    assert place.read_bytes() == b"of another process"


def test_several_processes_at_once_read_the_same(training):
    code = ("import sys; from fkp.data import cache, reader; cache.TICK_NS = 0\n"
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
    assert not Path(f"{training}.cache.part").exists()


# --- fuzzing: the reader returns or raises Problem, nothing else ---

SEEDS = {"training": (training_lines, lambda path: reader.read_training(path, COLUMNS)),
         "test": (case_lines, reader.read_test),
         "lookup": (lookup_lines, lambda path: reader.read_lookup(path, COLUMNS))}
PIECES = [b"", b"\n", b"\r\n", b"\r", b",", b" ", b'"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"-", b"+", b".", b"e9",
          b"256", b"0", b"nan", b"inf", b"Image", b"ImageId", b"eye_x", b"RowId", b"1,1,", b"\xd9\xa3", b"<", b"PK"]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["near", "far"]), st.integers(0, 40),
                           st.sampled_from(PIECES) | st.binary(max_size=4)), min_size=1, max_size=5)


def edited(data, edits):
    """`data` with pieces put in place of some bytes, near its start (the header) or anywhere."""
    for place, reach, removed, piece in edits:
        at = int(place * (min(200, len(data)) if reach == "near" else len(data)))
        data = data[:at] + piece + data[at + removed:]
    return data


@pytest.mark.parametrize("kind", SEEDS)
@hypothesis.settings(max_examples=300, derandomize=True, deadline=None, database=None,
                     suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(edits=EDITS, end=st.sampled_from(["\n", "\r\n"]), keep=st.floats(0, 4))
def test_an_edited_file_is_read_or_refused_with_a_problem(tmp_path, kind, edits, end, keep):
    lines, read = SEEDS[kind]
    data = edited(end.join(lines()).encode(), edits)
    path = write(tmp_path / "fuzzed.csv", data[:int(keep * len(data))])
    try:
        read(path)
    except Problem as problem:
        assert str(problem).isprintable()


@hypothesis.settings(max_examples=200, derandomize=True, deadline=None, database=None)
@hypothesis.given(words=st.lists(st.tuples(st.integers(0, 9215), st.sampled_from(
    [b"0", b"00", b"09", b"255", b"256", b"260", b"299", b"300", b"344", b"999", b"1000", b"1 2", b"", b"a", b"-0",
     b"/", b":", b"\n"]) | st.integers(0, 999).map(lambda i: b"%d" % i)), max_size=4), rows=st.integers(1, 3))
def test_the_fast_parser_agrees_with_a_plain_one(words, rows):
    texts = [[b"%d" % (i % 256) for i in range(9216)] for _ in range(rows)]
    for place, word in words:
        texts[place % rows][place] = word
    texts = [b" ".join(text) for text in texts]
    expected = [text.split(b" ") for text in texts]
    good = all(len(e) == 9216 and all(w.isdigit() and len(w) < 4 and int(w) < 256 for w in e) for e in expected)
    found = pixels.parse_strictly(texts)
    assert (found is not None) == good
    if good:
        np.testing.assert_array_equal(found, np.array(expected, int))


# --- Kaggle's own files ---

def test_kaggle_s_files_are_read_as_pandas_reads_them(real_data):
    import pandas
    frame = pandas.read_csv(real_data / "training.csv")
    columns = list(frame.columns[:-1])
    faces = reader.read_training(real_data / "training.csv", columns)
    np.testing.assert_array_equal(faces.keypoints, frame[columns].to_numpy(np.float32))
    for i in range(0, len(frame), 97):
        np.testing.assert_array_equal(faces.images[i].ravel(), np.array(frame["Image"][i].split(), int))
    test = reader.read_test(real_data / "test.csv")
    lookup = reader.read_lookup(real_data / "IdLookupTable.csv", columns)
    reader.check_lookup(lookup, test.ids, real_data / "IdLookupTable.csv")
    assert (len(faces.images), len(test.images), len(lookup.row_ids)) == (7049, 1783, 27124)


def test_kaggle_s_labels_lie_within_the_picture(real_data):
    with open(real_data / "training.csv") as file:
        columns = file.readline().strip().split(",")[:-1]
    keypoints = reader.read_training(real_data / "training.csv", columns).keypoints
    assert np.nanmin(keypoints) >= 0
    assert np.nanmax(keypoints) <= 96


BROKEN = {
    "missing": (None, ": no such file; download it from Kaggle"),
    "empty": (lambda lines: [], f": empty{AGAIN}"),
    "header only": (lambda lines: lines[:1], f": a header but no rows{AGAIN}"),
    "no header": (lambda lines: lines[1:], ", line 1: values where the column names should be"),
    "web page": (lambda lines: ["<!DOCTYPE html>", *lines], ": a web page, not a CSV file"),
    "half a zip": (lambda lines: zipped("\n".join(lines))[:-9], ": a damaged archive"),
    "column missing": (lambda lines: [line.partition(",")[2] for line in lines], ", line 1: column {} is missing"),
    "column twice": (lambda lines: [line.partition(",")[0] + "," + line for line in lines], ", line 1: column {} is twice; remove one of the two"),
    "more columns": (lambda lines: [line + ",more" for line in lines], ", line 1: unknown column 'more'; remove it"),
    "more fields": (lambda lines: [*lines[:3], lines[3] + ",9,9"], ", row 3 (line 4): "),
    "cut off": (lambda lines: "\n".join([*lines[:3], lines[3][:3]]).encode(), ": the file is cut off here"),
}


@pytest.mark.parametrize("kind", SEEDS)
@pytest.mark.parametrize("case", BROKEN)
def test_each_of_the_three_files_is_named_for_what_is_wrong_with_it(tmp_path, kind, case):
    change, expected = BROKEN[case]
    lines, read = SEEDS[kind]
    path = tmp_path / f"{kind}.csv"
    if change:
        content = change(lines())
        write(path, content if content != [] else b"")
    found = message(read, path)
    assert found.startswith(str(path)) and expected.format(lines()[0].partition(",")[0]) in found
    assert case != "cut off" or "row 3 (line 4)" in found


@pytest.mark.parametrize("kind", ["test", "lookup"])
def test_the_other_files_may_have_a_mark_and_other_line_ends(tmp_path, kind):
    lines, read = SEEDS[kind]
    plain = read(write(tmp_path / "a.csv", lines()))
    other = read(write(tmp_path / "b.csv", b"\xef\xbb\xbf" + "\r\n".join(lines()).encode() + b"\r\n"))
    np.testing.assert_equal(other._asdict(), plain._asdict())
