"""Tables that other programs saved again: read where they can mean one thing only, else refused with the cure."""
import bz2
import gzip
import lzma
import os

import numpy as np
import pytest
from small_csvs import (COLUMNS, IMAGES, LOOKUP, TEXTS, assert_training, case_lines, lookup_lines, message,
                        training_lines, write, zipped)

from fkp.csvs import cache, reader, source

pytestmark = pytest.mark.usefixtures("own_cache_folder")


def rows():
    """training.csv as lists of fields, the header first."""
    return [line.split(",") for line in training_lines()]


def joined(table, separator=",", end="\n"):
    return (end.join(separator.join(fields) for fields in table) + end).encode()


def each(change, header=True):
    """training.csv with `change` made to each field (of the header as well)."""
    return joined([[change(field) if header or i else field for field in fields] for i, fields in enumerate(rows())])


def labels(change):
    return joined([[*map(change, fields[:-1]), fields[-1]] if i else fields for i, fields in enumerate(rows())])


def pixels(change):
    return joined([[*fields[:-1], change(fields[-1])] if i else fields for i, fields in enumerate(rows())])


def missing_as(text):
    return labels(lambda field: field or text)


def in_front(name, first=0):
    return joined([[name if i == 0 else str(i - 1 + first), *fields] for i, fields in enumerate(rows())])


def behind(name, value=""):
    return joined([[*fields, name if i == 0 else value] for i, fields in enumerate(rows())])


def quoted(fields):
    return ['"%s"' % field for field in fields]


READ = {
    "semicolons": joined(rows(), ";"),
    "semicolons and decimal commas": joined([[f.replace(".", ",") for f in fields] for fields in rows()], ";"),
    "tabs": joined(rows(), "\t"),
    "bars": joined(rows(), "|"),
    "comma and blank": joined(rows(), ", "),
    "blank around": each(lambda field: " %s " % field),
    "R's write.table": joined([quoted(rows()[0])] + 
                                [quoted([str(i)]) + [f or "NA" for f in fields[:-1]] + quoted(fields[-1:])
                                 for i, fields in enumerate(rows()[1:], 1)], " "),
    "R's write.csv": joined([quoted(["", *rows()[0]])] + 
                          [quoted([str(i)]) + [f or "NA" for f in fields[:-1]] + quoted(fields[-1:])
                           for i, fields in enumerate(rows()[1:], 1)]),
    "a note to Excel": b"sep=;\r\n" + joined(rows(), ";", "\r\n"),
    "a comment above": b"# faces\n" + joined(rows()),
    "empty lines above": b"\xef\xbb\xbf\r\n\n" + joined(rows()),
    "a line end too many": joined(rows(), end="\r\r\n"),
    "old Mac's line ends": joined(rows(), end="\r"),
    "old Mac's line ends, none at the end": joined(rows(), end="\r")[:-1],
    "Excel's Unicode text": joined(rows(), "\t", "\r\n").decode().encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + joined(rows()).decode().encode("utf-16-be"),
    "UTF-16 without a mark": joined(rows()).decode().encode("utf-16-le"),
    "lower case": each(str.lower, header=True),
    "upper case": joined([[f.upper() for f in rows()[0]], *rows()[1:]]),
    "names for people": joined([[f.replace("_", " ").title() for f in rows()[0]], *rows()[1:]]),
    "pandas' index": in_front(""),
    "pandas' index, read and saved again": in_front("Unnamed: 0"),
    "an index with another name": in_front("Id", 1),
    "an index as spreadsheets have it": in_front("#", 1),
    "pandas' index, reset": in_front("index", 1),
    "pandas' index, twice": joined([[["Unnamed: 0.1", "Unnamed: 0"][i] if r == 0 else str(r) for i in (0, 1)] + fields
                                    for r, fields in enumerate(rows())]),
    "an index behind": behind("Unnamed: 31", "7"),
    "R's row numbers without a name": joined([fields if i == 0 else [str(i), *fields]
                                              for i, fields in enumerate(rows())]),
    "an empty column behind": behind(""),
    "a comma behind each row": joined([fields + [""] * bool(i) for i, fields in enumerate(rows())]),
    "a comma behind the header": joined([fields + [""] * (not i) for i, fields in enumerate(rows())]),
    "every field quoted": joined(map(quoted, rows())),
    "quoted decimal commas": labels(lambda field: '"%s"' % field.replace(".", ",")),
    "the header twice": joined([rows()[0], *rows()]),
    "two files joined": joined([*rows()[:2], rows()[0], *rows()[2:]]),
    "pixels 238.0": pixels(lambda text: text.replace(" ", ".0 ") + ".0"),
    "pixels 238.000": pixels(lambda text: text.replace(" ", ".000 ") + ".000"),
    "pixels 2.38e+02": pixels(lambda text: " ".join("%.2e" % int(word) for word in text.split())),
    "pixels as NumPy prints them": pixels(lambda text: "[" + text + "]"),
    "float pixels as NumPy prints them": pixels(lambda text: "[" + text.replace(" ", ". ") + ".]"),
    "pixels as Python prints a list": pixels(lambda text: '"[%s]"' % text.replace(" ", ", ")),
    "labels 66.500000": labels(lambda field: field and "%.6f" % float(field)),
    "labels 6.65e1": labels(lambda field: field and "%.17e" % float(field)),
    "zip": zipped(joined(rows())),
    "gzip": gzip.compress(joined(rows())),
    "bzip2": bz2.compress(joined(rows())),
    "xz": lzma.compress(joined(rows())),
    "zipped UTF-16 with Mac's line ends": zipped(joined(rows(), "\t", "\r").decode().encode("utf-16")),
}
READ.update({"missing as %r" % text: missing_as(text) for text in (
    "NA", "nan", "NaN", " ", "N/A", "#N/A", "null", "NULL", "None", "-", "?", "<NA>", '""')})


@pytest.mark.parametrize("case", READ)
def test_what_can_mean_one_thing_only_is_read(case, tmp_path):
    path = write(tmp_path / "training.csv", READ[case])
    assert_training(reader.read_training(path, COLUMNS))


@pytest.mark.parametrize("case", ["zip", "gzip", "old Mac's line ends", "semicolons"])
def test_it_comes_from_the_cache_the_next_time(case, tmp_path, monkeypatch):
    path = write(tmp_path / "training.csv", READ[case])
    monkeypatch.setattr(cache, "TICK_NS", 0)
    first = reader.read_training(path, COLUMNS)
    monkeypatch.setattr(reader, "_parse_faces", None)
    second = reader.read_training(path, COLUMNS)
    assert_training(second)
    assert first.fingerprint == second.fingerprint


def test_a_gzipped_file_of_many_like_faces_is_read_whole(tmp_path):
    text = " ".join(["7"] * 9216)
    path = write(tmp_path / "test.csv",
                 gzip.compress(joined([["ImageId", "Image"]] + [[str(i), text] for i in range(999)])))
    faces = reader.read_test(path)
    assert faces.images.shape == (999, 96, 96) and (faces.images == 7).all()
    np.testing.assert_array_equal(faces.ids, np.arange(999))


def scaled(text, factor):
    return " ".join("%g" % (int(word) * factor) for word in text.split())


def smaller(text, side):
    return " ".join(map(str, np.array(text.split()).reshape(96, 96)[:side, :side].ravel()))


IMAGE = ", row 1 (line 2), column Image: "
REFUSED = {
    "pixels from 0 to 1": (pixels(lambda text: scaled(text, 1 / 255)), IMAGE + "numbers from 0 to 1: these seem to be "
                           "divided by 255; multiply them by 255 and round"),
    "pixels from -1 to 1": (pixels(lambda text: " ".join("%.3f" % (int(word) / 127.5 - 1) for word in text.split())),
                            IMAGE +
                           "numbers from -1 to 1: these seem to be scaled; write whole numbers from 0 to 255"),
    "pixels of 16 bits": (pixels(lambda text: scaled(text, 257)), IMAGE + "numbers up to 65535: these seem to have "
                          "16 bits; divide them by 257 and round"),
    "pixels with fractions": (pixels(lambda text: text.replace(" ", ".4 ")), IMAGE + "numbers with fractions; round"),
    "two spaces": (pixels(lambda text: text.replace(" ", "  ")), IMAGE + "more than one space between pixels; put a "
                   "single one"),
    "two spaces once": (pixels(lambda text: text.replace(" ", "  ", 1)), IMAGE + "more than one space between pixels"),
    "tabs between pixels": (pixels(lambda text: text.replace(" ", "\t")), IMAGE + "more than one space between pixels"),
    "48 x 48": (pixels(lambda text: smaller(text, 48)), IMAGE + "2304 pixels: this seems to be a picture of 48 x 48; "
                "scale pictures and labels to 96 x 96"),
    "28 x 28, as 238.0": (pixels(lambda text: smaller(text, 28).replace(" ", ".0 ")), IMAGE + "784 pixels: this seems"),
    "three colours": (pixels(lambda text: " ".join([text] * 3)),
                      IMAGE + "27648 pixels: these seem to be three colours; "
                      "make the pictures grey"),
    "shortened by NumPy": (pixels(lambda text: "[%s ... %s]" % (text[:9], text[-9:])),
                           IMAGE + "shortened to '...' when "
                           "it was saved, so the pixels are lost; download it again from Kaggle"),
    "cut off by Excel": (pixels(lambda text: text.ljust(32767)[:32767]), IMAGE + "cut off after 32767 characters, the "
                         "most that Excel keeps in a cell; download it again from Kaggle"),
    "a column per pixel": (joined([["left_eye", *map(str, range(9216))]]),
                           ", line 1: 9217 columns, a pixel in each; join "
                           "them with spaces to one, Image"),
    "a row over several lines": (pixels(lambda text: '"%s"' % text.replace(" ", "\n", 1)), ", row 1 (line 2): a quoted "
                                 "field goes on in the next line; write each row in one"),
    "blank lines between": (joined(rows(), end="\n\n"), ": the line is empty; remove it"),
    "the sheet itself": (zipped(b"").replace(b"training.csv", b"xl/sheet.xml"),
                         ": an Excel workbook; save the sheet as CSV"),
    "an old sheet": (b"\xd0\xcf\x11\xe0\xa1\xb1", ": an Excel workbook; save the sheet as CSV"),
    "Parquet": (b"PAR1\x15", ": a Parquet file; save the table as CSV"),
    "a pickle": (b"\x80\x04\x95", ": a pickle, which may run anything; save the table as CSV"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_named_with_its_cure(case, tmp_path):
    data, expected = REFUSED[case]
    path = write(tmp_path / "training.csv", data)
    found = message(reader.read_training, path, COLUMNS)
    assert found.startswith(str(path)) and expected in found


def test_lines_are_counted_as_an_editor_does_also_after_a_note_or_a_second_header(tmp_path):
    table = rows()
    table[2][0] = "x"
    path = write(tmp_path / "training.csv", b"sep=,\n" + joined([table[0], *table]))
    assert message(reader.read_training, path, COLUMNS).startswith(f"{path}, row 2 (line 5), column eye_x: 'x'")


@pytest.mark.parametrize("word", ["{}.0", "{}.", " {}", "{}e0", '"{}"'])
def test_an_image_id_may_be_written_as_1_0(word, tmp_path):
    lines = case_lines()[:1] + [word.format(line.split(",")[0]) + "," + line.split(",")[1] for line in case_lines()[1:]]
    faces = reader.read_test(write(tmp_path / "test.csv", lines))
    assert faces.ids.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(faces.images, IMAGES)


@pytest.mark.parametrize("word", ["1,234", "1.234", "1'234", "1 234"])
def test_an_id_with_thousands_apart_is_named(word, tmp_path):
    path = write(tmp_path / "test.csv", ["ImageId;Image", f"{word};{TEXTS[0]}"])
    expected = (f"{path}, row 1 (line 2), column ImageId: {word!r} is not a whole number below 10^9; "
                "write it in digits alone")
    assert message(reader.read_test, path) == expected


LOOKUPS = {
    "without Location": [line.rpartition(",")[0] for line in lookup_lines()],
    "with an index": ["," + lookup_lines()[0]] + [f"{i},{line}" for i, line in enumerate(lookup_lines()[1:])],
    "lower case": [line.lower() for line in lookup_lines()],
    "upper case": [line.upper() for line in lookup_lines()],
    "1.0": [lookup_lines()[0]] + [line.replace(",", ".0,", 2).replace(".0,eye", ",eye") for line in lookup_lines()[1:]],
    "semicolons": [line.replace(",", ";") for line in lookup_lines()],
    "blanks": [line.replace(",", " , ") for line in lookup_lines()],
    "NA": [lookup_lines()[0]] + [line + "NA" for line in lookup_lines()[1:]],
    "other order": [",".join(line.split(",")[k] for k in (2, 0, 3, 1)) for line in lookup_lines()],
}


@pytest.mark.parametrize("case", LOOKUPS)
def test_the_lookup_table_is_read_as_other_programs_save_it(case, tmp_path):
    lookup = reader.read_lookup(write(tmp_path / "l.csv", LOOKUPS[case]), COLUMNS)
    assert lookup.values.tolist() == LOOKUP


# --- where a table is looked for ---

@pytest.mark.parametrize("name", ["training.csv", "Training.CSV", "training.zip", "training.csv.zip", "training.csv.gz",
                                  "training (1).csv", "training(2).zip", "training - Copy.csv", "training.csv.txt"])
def test_a_table_is_found_under_the_names_that_it_gets(name, tmp_path):
    (tmp_path / name).write_bytes(zipped(joined(rows())) if name.endswith("zip") else joined(rows()))
    for other in ("training.csv.cache", "training.md", "my training.csv.bak", "test.csv"):
        (tmp_path / other).touch()
    found = source.find(tmp_path, "training.csv")
    assert found == tmp_path / name
    assert source.find(found, "training.csv") == found
    if "gz" not in name:
        assert_training(reader.read_training(found, COLUMNS))


def test_the_plainest_name_is_taken_and_two_equally_plain_ones_are_refused(tmp_path):
    for names, expected in ((("training (1).csv", "training (2).csv"), None), (("training.zip",), "training.zip"),
                            (("TRAINING.csv",), "TRAINING.csv"), (("training.csv",), "training.csv")):
        for name in names:
            (tmp_path / name).touch()
        if expected:
            assert source.find(tmp_path, "training.csv").name == expected
        else:
            assert message(source.find, tmp_path, "training.csv") == (
                f"{tmp_path}: holds training (1).csv and training (2).csv; rename the right one training.csv")


def test_a_missing_table_is_looked_for_nearby(tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "training.zip").touch()
    path = tmp_path / "training.csv"
    assert message(reader.read_training, path, COLUMNS) == (
        f"{path}: no such file, but {tmp_path}/faces holds it; name that folder with --data")
    os.unlink(tmp_path / "faces" / "training.zip")
    (tmp_path / "facial-keypoints-detection (1).zip").touch()
    assert message(reader.read_training, path, COLUMNS) == (
        f"{path}: no such file; unzip facial-keypoints-detection (1).zip there")
