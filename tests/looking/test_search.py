"""Faces on a photo that do not fill it: found by the net alone, or not at all."""
import load  # noqa: F401  first: prepares Theano
import numpy as np
import pytest
import test2
from PIL import Image
from scipy import ndimage

from fkp import cli
from fkp.looking import photo, photo_search
from fkp.drawn import draw
from fkp.keypoints import MEAN_FACE
from fkp.pictures.preprocess import preprocessed

DISC = 20   # pixels: the radius of the disc that stands for a mean face as large as a picture


def with_discs(width, height, *faces):
    """A photo with a bright disc where each face (x, y, side) would be."""
    y, x = np.mgrid[:height, :width] + 0.5
    pixels = np.full((height, width), 30, np.uint8)
    for middle_x, middle_y, side in faces:
        pixels[np.hypot(x - middle_x, y - middle_y) < DISC * side / 96] = 220
    return Image.fromarray(pixels)


def answer(images):
    """A net that knows discs: the mean face about the largest one, and its usual place where there is none."""
    return np.stack([about(image) for image in images])


def about(image):
    labels, n = ndimage.label(image > 125)
    if n == 0:
        return MEAN_FACE
    areas = ndimage.sum_labels(np.ones_like(labels), labels, range(1, n + 1))
    y, x = ndimage.center_of_mass(labels == areas.argmax() + 1)
    return ((MEAN_FACE.reshape(-1, 2) - 48) * np.sqrt(areas.max() / np.pi) / DISC + (x + 0.5, y + 0.5)).ravel()


@pytest.mark.parametrize("size, face", [((300, 300), (150, 150, 280)), ((300, 200), (80, 120, 90)),
                                        ((1600, 1200), (1100, 400, 500)), ((200, 500), (100, 430, 120)),
                                        ((96, 96), (48, 48, 96)), ((300, 300), (268, 150, 120))])
def test_a_face_that_does_not_fill_the_photo_is_found(size, face):
    (x, y, w, h), = photo_search.find(with_discs(*size, face), answer)
    middle_x, middle_y, side = face
    assert w == h == pytest.approx(side, rel=0.06)
    assert (x + w / 2, y + h / 2) == pytest.approx((middle_x, middle_y), abs=0.05 * side)


def test_two_faces_are_found_in_order():
    found = photo_search.find(with_discs(600, 300, (450, 140, 150), (120, 160, 200)), answer)
    assert np.array(found) == pytest.approx(np.array([(20, 60, 200, 200), (375, 65, 150, 150)]), abs=10)


def test_a_net_that_answers_the_mean_face_everywhere_is_sure_of_none():
    assert photo_search.find(with_discs(300, 200), answer) == []


def test_a_net_that_sees_but_a_point_is_sure_of_none():
    assert photo_search.find(with_discs(300, 200), lambda images: np.full((len(images), 30), 48.0)) == []


def test_a_net_that_sees_a_face_larger_than_the_photo_and_around_is_sure_of_none():
    larger = (MEAN_FACE - 48) * 1.5 + 48  # from everywhere, until all squares are as large as can be and so the same
    assert photo_search.find(with_discs(300, 300), lambda images: np.tile(larger, (len(images), 1))) == []


def test_keypoints_that_the_net_does_not_know_are_left_out():
    def four_points(images):
        points = answer(images)
        points[:, 4:20] = points[:, 22:28] = np.nan
        return points
    picture = with_discs(300, 200, (80, 120, 90))
    found, whole = (np.array(photo_search.find(picture, net)) for net in (four_points, answer))
    assert found == pytest.approx(whole, abs=3)


@pytest.mark.parametrize("box, held", [((20, 60, 120, 120), True), ((60, 100, 60, 60), True),
                                       ((180, 10, 90, 90), False),
                                       ((0, 0, 40, 40), False)])
def test_a_box_is_asked_whether_it_holds_a_face(box, held):
    picture = with_discs(300, 200, (80, 120, 90))
    assert photo_search.holding(picture, answer, [box]) == [box] * held
    assert photo_search.holding(picture, answer, [box, (20, 60, 120, 120)])[-1] == (20, 60, 120, 120)
    assert photo_search.holding(picture, answer, []) == photo_search.holding(picture, answer, None) == []


def test_the_photo_s_points_lie_on_the_face_that_was_found(tmp_path, monkeypatch):
    monkeypatch.setattr(photo, "opencv_boxes", lambda picture: None)
    with_discs(300, 200, (80, 120, 90)).save(tmp_path / "a.png")
    _, squares, points, line = photo.predict(tmp_path / "a.png", None, answer, "plain")
    assert "the face that the net found at" in line and len(squares) == 1
    assert points.reshape(-1, 2) == pytest.approx((MEAN_FACE.reshape(-1, 2) - 48) * 90 / 96 + (80, 120), abs=2)


def test_a_photo_is_searched_by_the_quicker_net_and_answered_by_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(photo, "opencv_boxes", lambda picture: None)
    with_discs(300, 200, (80, 120, 90)).save(tmp_path / "a.png")
    looks = []
    photo.predict(tmp_path / "a.png", None, lambda images: looks.append(len(images)) or answer(images), "plain", answer)
    assert looks == [1]


def test_the_shipped_net_finds_a_drawn_face_off_the_middle():
    images, points = draw.draw(2)
    picture = Image.new("L", (400, 300), 128)
    picture.paste(Image.fromarray(images[1]).resize((144, 144)), (240, 20))
    predict, runs = test2.predictor("net4", cli.SHIPPED)
    method = runs["net4"].preprocess
    found, = photo_search.find(picture, lambda faces: predict(preprocessed(faces, method))[:, :30])
    usual = photo_search.around((points[1:, :30].reshape(1, 15, 2) * 1.5 + (240, 20)).reshape(1, 30))[0]
    assert np.array(found[:3]) == pytest.approx(usual, abs=8)


@pytest.mark.parametrize("size", [(8, 8), (300, 9), (12, 400)])
def test_a_small_or_narrow_photo_is_searched_as_well(size):
    assert photo_search.find(Image.new("L", size, 90), answer) == []


@pytest.mark.parametrize("width, height", [(400, 100), (100, 400), (250, 250)])
def test_first_squares_lie_on_the_photo_and_overlap_by_half(width, height):
    squares = photo_search.grid(width, height)
    assert (squares[:, :2] >= 0).all() and (squares[:, :2] + squares[:, 2:] <= (width, height)).all()
    assert sorted(set(squares[:, 2])) == pytest.approx([part * min(width, height) for part in (0.35, 0.5, 0.7, 1)])
    for side in set(squares[:, 2]):
        for axis, length in enumerate((width, height)):
            at = np.unique(squares[squares[:, 2] == side, axis])
            assert at[0] == 0 and at[-1] == pytest.approx(length - side)
            assert (np.diff(at) <= side / 2 + 1e-9).all()


def test_a_square_apart_from_the_first_is_taken_and_one_within_it_is_not():
    squares = np.array([[10, 10, 40], [20, 20, 20], [60, 10, 40]], float)
    np.testing.assert_array_equal(photo_search.apart(squares, (200, 100)), squares[[0, 2]])
