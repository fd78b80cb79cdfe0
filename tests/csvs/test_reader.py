"""The CSV reader: Kaggle's format in all its forms, and files edited at random."""
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas
import pytest
from small_csvs import (COLUMNS, IMAGES, LOOKUP, SEEDS, TEXTS, assert_training, case_lines, lookup_lines,
                        training_lines, write)

from fkp import Problem
from fkp.csvs import cache, pixels, reader

pytestmark = pytest.mark.usefixtures("own_cache_folder")


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
    assert lookup.values.tolist() == LOOKUP
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


def test_kaggle_s_files_are_read_as_pandas_reads_them(real_data):
    frame = pandas.read_csv(real_data / "training.csv")
    columns = list(frame.columns[:-1])
    faces = reader.read_training(real_data / "training.csv", columns)
    np.testing.assert_array_equal(faces.keypoints, frame[columns].to_numpy(np.float32))
    for i in range(0, len(frame), 97):
        np.testing.assert_array_equal(faces.images[i].ravel(), np.array(frame["Image"][i].split(), int))
    test = reader.read_test(real_data / "test.csv")
    lookup = reader.read_lookup(real_data / "IdLookupTable.csv", columns)
    reader.check_lookup(lookup, test.ids, real_data / "IdLookupTable.csv")
    assert (len(faces.images), len(test.images), len(lookup)) == (7049, 1783, 27124)


def test_kaggle_s_labels_lie_within_the_picture(real_data):
    with open(real_data / "training.csv") as file:
        columns = file.readline().strip().split(",")[:-1]
    keypoints = reader.read_training(real_data / "training.csv", columns).keypoints
    assert np.nanmin(keypoints) >= 0
    assert np.nanmax(keypoints) <= 96


@pytest.mark.parametrize("kind", ["test", "lookup"])
def test_the_other_files_may_have_a_mark_and_other_line_ends(tmp_path, kind):
    lines, read = SEEDS[kind]
    plain = read(write(tmp_path / "a.csv", lines()))
    other = read(write(tmp_path / "b.csv", b"\xef\xbb\xbf" + "\r\n".join(lines()).encode() + b"\r\n"))
    if kind == "lookup":
        pandas.testing.assert_frame_equal(other, plain)
    else:
        np.testing.assert_equal(other._asdict(), plain._asdict())
