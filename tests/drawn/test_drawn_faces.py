"""The drawn sample faces: reproducible, in Kaggle's form, with marks where the features are."""
import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pandas
import pytest
from threadpoolctl import threadpool_limits

from fkp import Problem
from fkp.drawn import draw, face_hair, face_model, face_parts, face_shapes
from fkp.drawn.face_light import finer
from fkp.drawn.face_parts import paint
from fkp.drawn.face_shapes import MARKS, Frame
from fkp.keypoints import FOUR, FULL, MEAN_FACE, merge_schemes

FEW = 64  # faces drawn once for the tests that look at pictures


@pytest.fixture(scope="module")
def faces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "BATCH", 8)  # most tests need few faces, and a batch is always painted whole
        yield draw


@pytest.fixture(scope="module")
def few(faces):
    images, points = faces.draw(FEW)
    return (images, *(merge_schemes(points, np.full(FEW, scheme)) for scheme in (FULL, FOUR)))


def point(faces, points, name):
    return points.reshape(-1, 15, 2)[:, faces.KEYPOINTS.index(name)]


def greys(images, points):
    """The grey of each image at its point: pixel (row, column) covers row..row+1, column..column+1."""
    x, y = np.floor(points).astype(int).clip(0, 95).T
    return images[np.arange(len(images)), y, x].astype(float)


def patch(images, points, reach):
    return np.mean([greys(images, points + (dx, dy)) for dx in range(-reach, reach + 1)
                    for dy in range(-reach, reach + 1)], 0)


def test_columns_are_those_of_load(faces):
    import load
    assert list(faces.COLUMNS) == list(load.COLUMNS)


def test_shapes_types_and_range(few):
    images, points, second = few
    assert images.shape == (FEW, 96, 96) and images.dtype == np.uint8
    assert points.shape == second.shape == (FEW, 30) and points.dtype == second.dtype == np.float32
    for marks in (points, second):
        assert marks.min() > 0 and marks.max() < 96


def test_same_seed_same_faces_other_seed_other_faces(faces, few):
    again, marks = faces.draw(20)
    assert (again == few[0][:20]).all() and (marks[:, :30] == few[1][:20]).all()
    other, other_marks = faces.draw(20, seed=43)
    assert (other != again).mean() > 0.9 and (other_marks != marks).mean() > 0.9


def test_the_faces_are_those_that_their_fingerprint_names(faces):
    images, points = faces.training(rows=8)
    greys = [155.25, 107.63, 127.76, 98.05, 106.23, 155.47, 55.81, 109.02]
    places = [48.01, 46.32, 50.48, 46.87, 51.35, 40.71, 45.74, 46.57]
    same = np.allclose(images.mean((1, 2)), greys, atol=0.1) and np.allclose(np.nanmean(points, 1), places, atol=0.01)
    assert (faces.FINGERPRINT == "bfd3f676f97b9097") == same, "other faces need another FINGERPRINT, here and there"


def test_any_number_of_threads_draws_the_same_faces_to_the_bit():
    random, found = np.random.default_rng(0), []
    grids = random.standard_normal((32, 48, 48), dtype=np.float32)
    for threads in (1, 2, 7):
        with threadpool_limits(threads, "blas"):
            t = face_model.Traits(np.random.default_rng(1), 32)
            found.append([t.smooth(knots) for knots in (10, 24, 40)]
                         + [face_model.product(face_model.product(finer(), grids), finer().T)])
    assert all(one.tobytes() == other.tobytes() for others in found[1:] for one, other in zip(found[0], others))


def test_drawing_leaves_the_global_generator_alone(faces):
    before = np.random.get_state()[1].copy()
    faces.draw(1)
    assert (np.random.get_state()[1] == before).all()


def test_first_rows_of_a_longer_set_are_the_shorter_set(faces):
    short, long = faces.training(rows=5), faces.training(rows=40)
    np.testing.assert_array_equal(short[0], long[0][:5])
    np.testing.assert_array_equal(short[1], long[1][:5])
    np.testing.assert_array_equal(faces.missing(3000), faces.missing()[:3000])
    few = faces.lookup(rows=7)
    assert few.equals(faces.lookup()[:len(few)])


def test_no_rows_are_possible(faces):
    images, points = faces.training(rows=0)
    assert images.shape == (0, 96, 96) and points.shape == (0, 30)


def test_test_faces_are_not_training_faces(faces):
    drawn = {hashlib.sha1(image.tobytes()).digest() for image in faces.training(rows=8)[0]}
    assert not drawn & {hashlib.sha1(image.tobytes()).digest() for image in faces.test(rows=8)}


def test_missing_labels_are_counted_out_as_on_kaggle(faces):
    missing = faces.missing()
    assert missing.shape == (7049, 30)
    present = dict(zip(faces.COLUMNS, (~missing).sum(0)))
    assert (~missing.any(1)).sum() == 2140
    assert present["nose_tip_x"] == 7049 and present["left_eye_center_x"] == 7039
    assert present["left_eyebrow_outer_end_y"] == 2225 and present["mouth_center_bottom_lip_x"] == 7016
    assert (missing[:, 0::2] == missing[:, 1::2]).all()  # a point lacks both numbers or none
    assert missing[2284:, 2 * faces.KEYPOINTS.index("mouth_left_corner")].all()
    assert not missing[[0, 2283]].any()
    assert missing[:2284].any(1).sum() == 2284 - 2140


def test_training_misses_exactly_these_labels(faces):
    points = faces.training(rows=30)[1]
    np.testing.assert_array_equal(np.isnan(points), faces.missing(30))


def test_later_rows_follow_the_second_scheme(faces, few, monkeypatch):
    monkeypatch.setattr(faces, "FIRST_ROWS", 2)  # so that the change of scheme needs few faces
    monkeypatch.setattr(faces, "missing", lambda rows, seed: np.zeros((rows, 30), bool))
    points = faces.training(rows=4)[1]
    first, second = faces._faces(2, 42, 10)[1], faces._faces(2, 42, 11, later=True)[1]
    second[:, [20, 21, 28, 29]] = second[:, 30:]
    np.testing.assert_array_equal(points, np.concatenate([first, second])[:, :30])


def test_second_scheme_lies_lower_on_the_nose_and_higher_on_the_mouth(faces, few):
    _, points, second = few
    moved = (second - points).reshape(-1, 15, 2)
    changed = [faces.KEYPOINTS[i] for i in np.flatnonzero(np.abs(moved).sum((0, 2)))]
    assert changed == ["nose_tip", "mouth_center_bottom_lip"]
    nose, mouth = point(faces, moved, "nose_tip")[:, 1], point(faces, moved, "mouth_center_bottom_lip")[:, 1]
    assert 5 < nose.mean() < 8 and nose.min() > 0
    assert -6.5 < mouth.mean() < -3.5 and mouth.max() < 0


def test_statistics_of_the_labels_of_straight_heads():
    points = face_shapes.shapes(np.random.default_rng(0), 4000)[:, :15].reshape(-1, 30)
    assert np.abs(points.mean(0) - MEAN_FACE).max() < 0.35
    assert np.abs(points.std(0) / face_shapes.SD - 1).max() < 0.1
    wanted = face_shapes.MODES.T @ face_shapes.MODES
    wanted /= np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    assert np.abs(np.corrcoef(points.T) - wanted).max() < 0.1


@pytest.fixture(scope="module")
def heads():
    """Marks of 2,000 heads as they are held, and their angles."""
    random = np.random.default_rng(0)
    return face_shapes.held(random, face_shapes.shapes(random, 2000))


def test_some_heads_are_turned_tilted_off_the_middle_and_of_other_sizes(heads):
    marks, angle = heads
    degrees = np.rad2deg(np.abs(angle))
    assert 0.17 < (angle != 0).mean() < 0.23 and abs(np.sign(angle).mean()) < 0.03
    assert degrees[angle != 0].min() >= 15 and 60 < degrees.max() <= 65 and 0.02 < (degrees > 50).mean() < 0.06
    eyes, across = marks[:, :2].mean(1), marks[:, 0] - marks[:, 1]
    tilt, unit = np.rad2deg(np.arctan2(across[:, 1], across[:, 0])), np.hypot(*across.T)
    assert 0.05 < (np.abs(tilt) > 15).mean() < 0.15
    assert 0.03 < (np.hypot(*(eyes - (48, 37)).T) > 12).mean() < 0.1
    assert 0.02 < (unit < 29).mean() < 0.1 and 0.02 < (unit > 45).mean() < 0.1
    seen = Frame(marks, angle).seen()
    assert seen.min() > face_shapes.MARGIN - 1e-6 and seen.max() < 96 - face_shapes.MARGIN + 1e-6


def test_a_turned_head_looks_aside_and_its_far_side_is_foreshortened(heads):
    marks, angle = heads
    x = dict(zip(MARKS, Frame(marks, angle).seen()[np.abs(angle) > 0.6].transpose(1, 2, 0)))
    side = np.sign(angle[np.abs(angle) > 0.6])
    nose = (x["nose_tip"] - (x["left_eye_center"] + x["right_eye_center"]) / 2)[0]
    assert (nose * side > 0).mean() > 0.97 and np.median(nose * side) > 8
    left, right = (np.hypot(*(x[eye + "_outer_corner"] - x[eye + "_inner_corner"])) for eye in (
        "left_eye", "right_eye"))
    far = np.where(side > 0, left / right, right / left)
    assert (far < 0.95).mean() > 0.9 and np.median(far) < 0.7


def test_a_turned_heads_marks_are_where_it_is_painted(heads):
    """Exactly, where they are seen; what is hidden is marked within a pixel of the head's edge."""
    frame, hidden = Frame(*heads), 0
    for name in MARKS:
        u, v = frame.at(name)
        there, room = frame.bent(*frame.upright(*frame.pixels(u, v)))
        seen = np.abs(there - u) * frame.unit < 0.01
        hidden += (~seen).sum()
        assert (seen | (np.abs(room) < 1e-6)).all()
    assert 20 < hidden < 500


def test_statistics_of_the_greys(few):
    images = few[0].astype(float)
    assert 105 < images.mean() < 125
    assert 40 < images.std((1, 2)).mean() < 60


def test_left_is_the_larger_x_and_the_face_is_upright(faces, few):
    points = few[1]
    for part in ("eye_center", "eye_inner_corner", "eye_outer_corner", "eyebrow_inner_end", "eyebrow_outer_end"):
        assert (point(faces, points, "left_" + part) - point(faces, points, "right_" + part))[:, 0].min() > 0
    gap = point(faces, points, "mouth_center_bottom_lip") - point(faces, points, "mouth_center_top_lip")
    assert gap[:, 1].min() > 2


def test_pupils_are_dark_where_the_eye_centres_are(faces, few):
    images, points, _ = few
    for side in ("left", "right"):
        eye, nose = point(faces, points, side + "_eye_center"), point(faces, points, "nose_tip")
        here = patch(images, eye, 1)
        assert (here < patch(images, (eye + nose) / 2, 1)).mean() > 0.8  # the cheek beside the nose is brighter
        for away in ((-6, 0), (6, 0), (0, -6), (0, 6)):
            assert patch(images, eye + away, 1).mean() > here.mean() + 8


def off_centre(move, degrees=0):
    """How many pixels right of the mark the dark of both eyes lies, on average over 256 such mean faces."""
    marks = np.repeat(face_shapes.with_second(MEAN_FACE.reshape(1, 15, 2) + (move, 0)), 256, 0)
    angle = np.full(256, np.deg2rad(degrees))
    average, errors = 255 - paint(marks, np.random.default_rng(1), angle).mean(0), []
    for side in ("left", "right"):
        x, y = Frame(marks, angle).seen()[0, MARKS.index(side + "_eye_center")]
        left, width, top = int(x) - 4, 9, int(y) - 2
        dark = average[top:top + 5, left:left + width].sum(0)
        dark = np.maximum(dark - np.percentile(dark, 40), 0)
        errors.append((dark * (np.arange(width) + left + 0.5)).sum() / dark.sum() - x)
    return np.mean(errors)


@pytest.mark.parametrize("move", [0, 0.5])
def test_marks_count_from_the_left_edge(move):
    """Column c has its centre at c + 0.5: half a pixel of error in that would show here."""
    assert abs(off_centre(move)) < 0.3


@pytest.mark.parametrize("degrees", [-30, 30])
def test_the_eyes_of_a_turned_head_are_dark_at_their_marks(degrees):
    assert abs(off_centre(0, degrees)) < 0.3


def mean_faces(monkeypatch, n=64, **rates):
    """Pictures of the mean face, straight ahead, with traits as often as `rates` says, and nothing before it."""
    for name, value in dict({"GLASSES": 0, "HAT": 0, "HAND": 0, "BARE": (0, 0), "OLD": 0}, **rates).items():
        for module in (face_parts, face_hair):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    marks = face_shapes.with_second(np.repeat(MEAN_FACE.reshape(1, 15, 2), n, 0))
    return paint(marks, np.random.default_rng(1), np.zeros(n)).astype(float)


def unlike(images, one, other):
    """How much two places (x, y) of faces differ in grey, on average, beside the pictures' contrast."""
    here, there = (images[:, y - 2:y + 3, x - 2:x + 3].mean((1, 2)) for x, y in (one, other))
    return (np.abs(here - there) / images.std((1, 2))).mean()


CROWN, FOREHEAD, TEMPLE = (48, 4), (48, 20), (22, 8)


def test_bald_heads_have_skin_to_the_crown_and_others_hair(monkeypatch):
    hairy, bald = mean_faces(monkeypatch), mean_faces(monkeypatch, BARE=(1, 1), BALD=1)
    assert unlike(bald, CROWN, FOREHEAD) < unlike(hairy, CROWN, FOREHEAD) / 2


def test_where_hair_recedes_the_temples_are_bare(monkeypatch):
    hairy, receding = mean_faces(monkeypatch), mean_faces(monkeypatch, BARE=(1, 1), BALD=0, WREATH=0)
    assert unlike(receding, TEMPLE, FOREHEAD) < 0.8 * unlike(hairy, TEMPLE, FOREHEAD)


def test_old_heads_have_light_hair_and_wrinkles(monkeypatch):
    young, old = mean_faces(monkeypatch, FRINGE=0), mean_faces(monkeypatch, FRINGE=0, OLD=1)
    lighter = [(images[:, 2:8, 40:56].mean((1, 2)) - images[:, 40:60, 20:76].mean((1, 2))) / images.std((1, 2))
               for images in (young, old)]
    assert lighter[1].mean() > lighter[0].mean() + 1
    lines = [np.abs(np.diff(images[:, 14:26, 40:56], 2, 1)).mean() for images in (young, old)]
    assert lines[1] > 1.2 * lines[0]


def eyes_of(images, dy):
    """The mean grey of both eyes' centres, or so many pixels below, beside that of the face."""
    marks = np.rint(MEAN_FACE.reshape(15, 2)[:2] - 0.5).astype(int)
    return np.mean([images[:, y + dy, x - 1:x + 2].mean() for x, y in marks]) - images[:, 50:60, 30:66].mean()


def test_lowered_lids_hide_the_eye_above_its_mark_and_their_lashes_lie_on_it(monkeypatch):
    looking, lowered = (mean_faces(monkeypatch, LOWERED_LIDS=rate, CLOSED_EYES=0) for rate in (0, 1))
    assert eyes_of(lowered, -3) > eyes_of(looking, -3) + 10
    rows = [eyes_of(lowered, dy) for dy in range(-5, 6)]
    assert abs(np.argmin(rows) - 5) <= 1


def test_lookup_has_the_form_of_kaggles(faces):
    table = faces.lookup()
    assert list(table.RowId) == list(range(1, 27125))
    asked = table.groupby("ImageId").FeatureName.count()
    assert list(asked.index) == list(range(1, 1784))
    assert (asked == 30).sum() == 556 and (asked == 8).sum() == 1190 and (asked == 6).sum() == 2
    assert set(table.FeatureName) == set(faces.COLUMNS)


def test_csvs_are_read_by_pandas(faces, tmp_path):
    faces.main([str(tmp_path / "new"), "--rows", "3"])
    assert sorted(os.listdir(tmp_path / "new")) == ["IdLookupTable.csv", "test.csv", "training.csv"]
    table = pandas.read_csv(tmp_path / "new" / "training.csv")
    images, points = faces.training(rows=3)
    assert list(table.columns) == [*faces.COLUMNS, "Image"]
    np.testing.assert_array_equal(table[list(faces.COLUMNS)].to_numpy(np.float32), points)
    np.testing.assert_array_equal(np.array([row.split() for row in table.Image], int).reshape(-1, 96, 96), images)
    tests = pandas.read_csv(tmp_path / "new" / "test.csv")
    assert list(tests.columns) == ["ImageId", "Image"] and list(tests.ImageId) == [1, 2, 3]
    asked = pandas.read_csv(tmp_path / "new" / "IdLookupTable.csv")
    assert list(asked.columns) == ["RowId", "ImageId", "FeatureName", "Location"] and asked.Location.isna().all()
    assert (tmp_path / "new" / "test.csv").read_bytes().count(b"\r\n") == 4


def test_a_broken_write_leaves_the_old_file(faces, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("old")

    def lines():
        yield "1,2"
        raise OSError(28, "disk full")

    with pytest.raises(Problem, match="test.csv: cannot be written .disk full.; the file from before is untouched"):
        faces._write(str(path), "ImageId,Image", lines())
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["test.csv"]


def test_sheet_is_a_picture(faces, tmp_path):
    from PIL import Image
    faces.write_sheet(str(tmp_path / "a.png"), marks=True, across=3, down=2)
    assert Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).size == (3 * 192, 2 * 192)


def test_without_anything_to_write_it_says_so():
    done = subprocess.run([sys.executable, "-m", "fkp.drawn.draw"], check=False, capture_output=True, text=True)
    assert done.returncode == 2 and "give a folder for the CSVs, or --sheet FILE.png" in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(faces, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        faces.main([str(tmp_path / "file" / "new"), "--rows", "1"])
    assert stop.value.code == 2 and "cannot be written" in capsys.readouterr().err
