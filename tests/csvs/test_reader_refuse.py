"""Every way in which Kaggle's files can be broken: named with file, row, column and what to do."""
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from small_csvs import (AGAIN, COLUMNS, DIGITS, SEEDS, TRAINING_HEADER, case_lines,
                  lookup_lines, message, training_lines, write, zipped)

from fkp.csvs import pixels, reader

pytestmark = pytest.mark.usefixtures("own_cache_folder")


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
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 263\n",
                ": a pointer of Git LFS, not the file that it stands for; get that with git lfs pull"),
    "git-annex": (b"/annex/objects/SHA256E-s263--4d7a.csv\n",
                  ": a pointer of git-annex, not the file that it stands for; get that with git annex get"),
    "git merge": (b"<<<<<<< HEAD\n" + TRAINING_HEADER.encode(),
                  ": two versions that git could not merge; choose one of them"),
    "numpy": (b"\x93NUMPY\x01\x00", ": an array of NumPy's; save the table as CSV"),
    "pickle": (b"\x80\x05\x95", ": a pickle, which may run anything; save the table as CSV"),
    "other keypoints": (b"nose_x,nose_y,Image\n1,2,3\n", ", line 1: 2 of the 5 columns needed are missing; add them, "
                        "empty where nothing is labelled: eye_x, eye_y"),
    "column missing": (b"eye_x,eye_y,nose_x,Image\n", f", line 1: column nose_y is missing{AGAIN}"),
    "column twice": (b"eye_x,eye_y,nose_x,nose_y,eye_y,Image\n",
                     ", line 1: column eye_y is twice; remove one of the two"),
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


BROKEN = {
    "missing": (None, ": no such file; download it from Kaggle"),
    "empty": (lambda lines: [], f": empty{AGAIN}"),
    "header only": (lambda lines: lines[:1], f": a header but no rows{AGAIN}"),
    "no header": (lambda lines: lines[1:], ", line 1: values where the column names should be"),
    "web page": (lambda lines: ["<!DOCTYPE html>", *lines], ": a web page, not a CSV file"),
    "half a zip": (lambda lines: zipped("\n".join(lines))[:-9], ": a damaged archive"),
    "column missing": (lambda lines: [line.partition(",")[2] for line in lines], ", line 1: column {} is missing"),
    "column twice": (lambda lines: [line.partition(",")[0] + "," + line for line in lines],
                     ", line 1: column {} is twice; remove one of the two"),
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
