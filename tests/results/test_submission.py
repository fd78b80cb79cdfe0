"""The submission's form, and which scheme answers for which image."""
import base64
import csv
import dataclasses
import json
from pathlib import Path

import load
import numpy as np
import pandas
import pytest
from conftest import a_run

import fkp.average
from fkp import Problem, tables
from fkp.looking.parts import Part
from fkp.results import submission
from fkp.drawn import draw

FULL = list(range(30))
FOUR = [load.COLUMNS.index(name) for name in load.columns(load.SCHEMES[load.FOUR].points)]


def lookup():
    """Image 1 asks all 30 values, image 2 the four points, image 3 all but one."""
    asked = [(1, f) for f in FULL] + [(2, f) for f in FOUR] + [(3, f) for f in FULL[1:]]
    image_ids, features = zip(*asked)
    return pandas.DataFrame({"RowId": np.arange(1, len(asked) + 1), "ImageId": image_ids,
                             "FeatureName": [load.COLUMNS[feature] for feature in features]})


def points(n=3):
    return np.tile(np.arange(34, dtype=np.float32), (n, 1))


def written(path):
    with open(path, newline="") as f:
        rows = list(csv.reader(f))
    return rows[0], [(int(a), float(b)) for a, b in rows[1:]]


def test_one_row_per_row_asked_in_its_order(tmp_path):
    submission.write(tmp_path / "s.csv", points(), np.array([1, 2, 3]), lookup())
    header, rows = written(tmp_path / "s.csv")
    assert header == ["RowId", "Location"]
    assert [row for row, _ in rows] == list(range(1, 68))
    assert [value for _, value in rows[:30]] == FULL


def test_an_image_with_four_points_follows_the_second_scheme(tmp_path):
    submission.write(tmp_path / "s.csv", points(), np.array([1, 2, 3]), lookup())
    values = [value for _, value in written(tmp_path / "s.csv")[1]]
    assert values[30:38] == [0, 1, 2, 3, 30, 31, 32, 33]
    assert values[38:] == FULL[1:]


def test_each_image_gets_its_own_points_whatever_its_number_and_place(tmp_path):
    asked = pandas.DataFrame({"RowId": [9, 4, 6], "ImageId": [12, 7, 3], "FeatureName": ["left_eye_center_x"] * 3})
    submission.write(tmp_path / "s.csv", points() + np.array([[10], [20], [30]]), np.array([3, 12, 7]), asked)
    assert written(tmp_path / "s.csv")[1] == [(9, 20), (4, 30), (6, 10)]


def test_test_faces_are_prepared_as_the_net_wants_them(drawn):
    seen = {}

    class Equalised:
        preprocess = "equalise"

        @staticmethod
        def predict(images):
            return {1: seen.setdefault("images", images)[:, 0, :34]}
    submission.predict(Equalised, (1,), drawn.images[:3])
    np.testing.assert_array_equal(seen["images"], load.preprocessed(drawn.images[:3], "equalise"))


def test_a_net_of_one_scheme_answers_with_that(tmp_path):
    known = points()
    known[:, 30:] = np.nan
    submission.write(tmp_path / "s.csv", known, np.array([1, 2, 3]), lookup())
    values = [value for _, value in written(tmp_path / "s.csv")[1]]
    assert values[30:38] == FOUR


def test_locations_are_clipped_to_the_picture(tmp_path):
    wild = points()
    wild[0, :2] = -5, 200
    submission.write(tmp_path / "s.csv", wild, np.array([1, 2, 3]), lookup())
    values = [value for _, value in written(tmp_path / "s.csv")[1]]
    assert values[:2] == [0, 96]


def test_a_missing_value_is_never_written(tmp_path):
    holed = points()
    holed[2, 5] = np.nan
    with pytest.raises(Problem, match="row 43 would hold nan"):
        submission.write(tmp_path / "s.csv", holed, np.array([1, 2, 3]), lookup())
    assert not list(tmp_path.iterdir())


def test_an_image_that_is_not_there_is_named(tmp_path):
    (tmp_path / "IdLookupTable.csv").write_text("RowId,ImageId,FeatureName,Location\n"
                                                "1,1,nose_tip_x,\n2,9,nose_tip_x,\n")
    with pytest.raises(Problem, match="IdLookupTable.csv, row 2 .*, column ImageId: 9 is not in test.csv"):
        load.lookup(np.array([1, 2, 3]), tmp_path)


@pytest.mark.parametrize("location", [-0.1, 96.1, np.inf, np.nan])
def test_a_submission_that_kaggle_would_refuse_is_not_written(location, tmp_path):
    with pytest.raises(Problem, match="row 2 would hold"):
        tables.write_submission(tmp_path / "s.csv", [1, 2], [5.0, location])
    assert not list(tmp_path.iterdir())


# --- where the labels of four-point faces lie ---

ORIGIN = {"file": "drawn faces", "drawn": True, "fingerprint": "0", "rows": 400}
FACE = np.arange(34, dtype=np.float32)  # what the cascade answers for every face


def record(unseen):
    """That of a model which was not trained on these rows, bool (n,)."""
    return {"rows": len(unseen), "unseen": base64.b64encode(np.packbits(unseen).tobytes()).decode()}


class Levels:
    preprocess = "plain"
    validation = record(np.ones(400, bool))

    @staticmethod
    def parts():
        """Level 1 alone, trained on the faces of `labelled`, of which each SEEN one trained it."""
        run = dataclasses.replace(a_run("net4"), data=ORIGIN, validation=Levels.validation)
        return {1: [Part(Path("net4.npz"), run, "abc")]}

    @staticmethod
    def predict(images):
        return {1: np.repeat(FACE[None], len(images), 0), 2: np.full((len(images), 34), np.nan, np.float32)}


def labelled(n, right=0.75, below=-0.25, complete=50):
    """`complete` faces and `n` with four points (one only with eyes), whose labels lie beside the answers."""
    keypoints = np.repeat(FACE[None], complete + n, 0)
    keypoints[:complete, :30] += 9  # theirs do not count
    keypoints[:complete, 30:] = np.nan
    keypoints[complete:, 4:30] = np.nan
    keypoints[complete:, 0::2] += right
    keypoints[complete:, 1::2] += below
    keypoints[complete + 1:complete + 2, 30:] = np.nan
    return load.Faces(np.zeros((complete + n, 96, 96), np.uint8), keypoints, None, ORIGIN)


def test_how_far_the_labels_of_four_points_lie_aside_is_found(capsys):
    found = submission.label_offsets(Levels, (1,), labelled(120))[0][load.FOUR]
    np.testing.assert_allclose(found[FOUR], np.tile([0.75, -0.25], 4), atol=1e-5)
    assert not np.delete(found, FOUR).any()
    assert capsys.readouterr().out == (
        "Labels with 4 points lie 0.75 px right of the nets' answers and -0.25 px below, on 120 validation faces; the "
        "submission is shifted by that (--no-shift leaves it out).\n")


def test_the_shift_is_measured_on_faces_that_trained_no_net(monkeypatch):
    faces = labelled(220)
    faces.keypoints[50::2, 0::2] += 40           # every other face is far off, and has trained the net
    unseen = np.zeros(400, bool)
    unseen[51:270:2] = True
    monkeypatch.setattr(Levels, "validation", record(unseen))
    offsets, measured = submission.label_offsets(Levels, (1,), faces)
    np.testing.assert_allclose(offsets[load.FOUR, FOUR], np.tile([0.75, -0.25], 4), atol=1e-5)
    assert measured["4 points"]["validation faces"] == 110


def test_an_old_net_s_submission_is_not_shifted(monkeypatch, capsys):
    monkeypatch.setattr(Levels, "validation", None)
    assert not submission.label_offsets(Levels, (1,), labelled(120))[0].any()
    assert capsys.readouterr().out == (
        "The submission is not shifted to where labels lie. net4: its file does not say which faces it was validated "
        "on; train it again to see its error.\n")


def test_a_file_beside_the_submission_says_what_made_it(tmp_path):
    test = load.Faces(np.zeros((3, 96, 96), np.uint8), None, np.array([1, 2, 3]), {})
    shifted = {load.COLUMNS[i]: [0.75, -0.25][i % 2] for i in FOUR}
    for shift, said in ((True, {"4 points": {"validation faces": 120, "pixels": shifted}}),
                        (False, {"why": "--no-shift"})):
        submission.answer((test, lookup()), Levels, (1,), tmp_path / "s.csv", labelled(120), shift)
        assert json.loads((tmp_path / "s.json").read_text()) == {
            "made for the submission": "s.csv", "levels averaged": [1], "nets": {"net4": "abc"}, "shift": said}
    assert written(tmp_path / "s.csv")[1][30][1] == 0


def test_another_s_json_beside_the_submission_stays(tmp_path):
    (tmp_path / "s.json").write_text("[1, 2]")
    submission.write_trace(tmp_path / "s.csv", {})
    assert (tmp_path / "s.json").read_text() == "[1, 2]" and (tmp_path / "s-2.json").exists()


@pytest.mark.parametrize("known", [None, labelled(90), labelled(0)], ids=["none", "few", "complete ones"])
def test_labels_of_too_few_faces_move_nothing(known, capsys):
    assert not submission.label_offsets(Levels, (1,), known)[0].any() and not capsys.readouterr().out


def test_a_point_that_too_few_faces_have_is_not_moved():
    faces = labelled(120)
    faces.keypoints[80:, 30:] = np.nan  # 31 have nose and mouth
    np.testing.assert_allclose(submission.label_offsets(Levels, (1,), faces)[0][load.FOUR, FOUR],
                               [0.75, -0.25, 0.75, -0.25, 0, 0, 0, 0], atol=1e-5)


def test_only_answers_to_four_points_are_moved(tmp_path):
    test = load.Faces(np.zeros((3, 96, 96), np.uint8), None, np.array([1, 2, 3]), {})
    points = submission.answer((test, lookup()), Levels, (1,), tmp_path / "s.csv", labelled(120))
    np.testing.assert_array_equal(points, [FACE] * 3)
    values = [value for _, value in written(tmp_path / "s.csv")[1]]
    assert values[:30] == FULL and values[38:] == FULL[1:]
    assert values[30:38] == [0.75, 0.75, 2.75, 2.75, 30.75, 30.75, 32.75, 32.75]


def test_test_faces_alone_are_enough(tmp_path):
    draw.write_csvs(tmp_path, rows=5)
    assert len(submission.training_faces(tmp_path).images) == 5
    (tmp_path / "training.csv").unlink()
    assert submission.training_faces(tmp_path) is None


# --- averages ---

def average(*arguments):
    fkp.average.main([str(word) for word in arguments])


def test_submissions_are_averaged_row_by_row(tmp_path):
    tables.write_submission(tmp_path / "a.csv", np.array([1, 2, 5]), np.array([10.0, 20.0, 96.0]))
    tables.write_submission(tmp_path / "b.csv", np.array([1, 2, 5]), np.array([11.0, 20.5, 90.0]))
    average(tmp_path / "a.csv", tmp_path / "b.csv", "--out", tmp_path / "mean.csv")
    assert written(tmp_path / "mean.csv")[1] == [(1, 10.5), (2, 20.25), (5, 93.0)]


@pytest.mark.parametrize("text, message", [
    ("", ": empty; write the submission again"), (None, ": no such file; test1.py and net5.py write submissions"),
    ("RowId\n1\n", ", line 1: column Location is missing; write the submission again"),
    ("RowId,Location\n", ": a header but no rows; write the submission again"), ("<html>\n", "a web page"),
    ("RowId,Location\n1,2\n2,x\n", r"row 2 .line 3., column Location: 'x'"),
    ("RowId,Location\n1,nan\n", r"row 1 .line 2., column Location: 'nan' is not a number"),
    ("RowId,Location\n1\n", r"row 1 .line 2.: 1 fields where the header has 2"),
    ("RowId,Location\n1,2\n1,3\n", "row 2 .line 3., column RowId: 1 was given to row 1 already"),
    ("RowId,Location\n2,3\n", "has other RowIds than .*a.csv")])
def test_what_is_no_submission_is_not_averaged(text, message, tmp_path):
    tables.write_submission(tmp_path / "a.csv", np.array([1]), np.array([10.0]))
    if text is not None:
        (tmp_path / "b.csv").write_text(text)
    with pytest.raises(Problem, match="b.csv.*(%s)" % message):
        average(tmp_path / "a.csv", tmp_path / "b.csv", "--out", tmp_path / "mean.csv")
    assert not (tmp_path / "mean.csv").exists()


def test_a_bad_lookup_table_is_named_with_the_questions(tmp_path):
    draw.write_csvs(tmp_path, rows=5)
    (tmp_path / "IdLookupTable.csv").write_text("RowId,ImageId,Location\n1,1,\n")
    with pytest.raises(Problem, match="IdLookupTable.csv, line 1: column FeatureName is missing"):
        submission.questions(tmp_path)


def test_the_first_unseen_faces_are_enough(monkeypatch):
    monkeypatch.setattr(submission, "ENOUGH", 100)
    faces = labelled(350)
    order = [row for row in load.row_order(400) if row >= 50]
    faces.keypoints[order[100:], 0::2] += 40
    offsets, measured = submission.label_offsets(Levels, (1,), faces)
    np.testing.assert_allclose(offsets[load.FOUR, FOUR], np.tile([0.75, -0.25], 4), atol=1e-5)
    assert measured["4 points"]["validation faces"] == 100
