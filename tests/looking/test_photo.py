"""Predictions on a user's own photo: turned, transparent, deep, tiny, broken."""
import sys
import types

import load
import numpy as np
import pytest
from PIL import Image

from fkp import Problem
from fkp.looking import photo


opencv_boxes = photo.opencv_boxes


def corner(images):
    """A predictor that finds every point at the brightest pixel's centre."""
    at = images.reshape(len(images), -1).argmax(1)
    points = np.stack([at % 96 + 0.5, at // 96 + 0.5], 1)
    return np.tile(points, 17)


def spot(width, height, x, y, mode="RGB", size=3):
    pixels = np.full((height, width), 20, np.uint8)
    pixels[y - size:y + size, x - size:x + size] = 250
    return Image.fromarray(pixels).convert(mode)


def found(path, box=None):
    _, squares, points, _ = photo.predict(path, box, corner, "plain")
    return squares, points[0, :2]


@pytest.fixture(autouse=True)
def no_opencv(monkeypatch):
    monkeypatch.setattr(photo, "opencv_boxes", lambda picture: None)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "LA", "I;16"])
def test_a_point_is_given_in_the_photos_pixels_whatever_its_colours(mode, tmp_path):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "I;16") else "a.png")
    picture = spot(192, 192, 120, 60)
    if mode == "I;16":
        picture = Image.fromarray((np.asarray(picture.convert("L")).astype(np.uint16) * 200))
    else:
        picture = picture.convert(mode)
    picture.save(path)
    assert found(path)[1] == pytest.approx((120, 60), abs=3)


def test_a_photo_is_turned_as_its_exif_data_says(tmp_path):
    upright = spot(192, 192, 120, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise
    upright.rotate(90, expand=True).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert found(tmp_path / "a.jpg")[1] == pytest.approx((120, 60), abs=4)


def test_transparent_parts_are_white(tmp_path):
    picture = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    picture.save(tmp_path / "a.png")
    assert np.asarray(photo.open_photo(tmp_path / "a.png")).min() == 255


def test_a_box_says_where_the_face_is(tmp_path):
    spot(400, 300, 250, 150).save(tmp_path / "a.png")
    squares, point = found(tmp_path / "a.png", box=(200, 100, 100, 80))
    assert squares == [(200, 90, 100)]
    assert point == pytest.approx((250, 150), abs=3)


def test_a_wide_photo_is_cut_square_in_its_middle(tmp_path):
    spot(300, 100, 150, 50).save(tmp_path / "a.png")
    squares, point = found(tmp_path / "a.png")
    assert squares == [(100, 0, 100)] and point == pytest.approx((150, 50), abs=2)


@pytest.mark.parametrize("box, square", [((-50, -50, 100, 100), (0, 0, 100)), ((350, 250, 100, 100), (300, 200, 100)),
                                         ((0, 0, 4000, 4000), (100, 0, 300))])
def test_a_box_over_the_edge_is_moved_inside(box, square, tmp_path):
    spot(400, 300, 200, 150).save(tmp_path / "a.png")
    assert found(tmp_path / "a.png", box)[0][0][1:] == square[1:]


@pytest.mark.parametrize("box", [(500, 0, 50, 50), (0, 0, 3, 3), (-90, 0, 50, 50)])
def test_a_box_without_a_face_is_refused(box, tmp_path):
    spot(400, 300, 200, 150).save(tmp_path / "a.png")
    with pytest.raises(Problem, match="a.png: is 400 x 300 pixels, and the box .* does not hold a face"):
        found(tmp_path / "a.png", box)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("<html>")
    with pytest.raises(Problem, match="a.png: is no picture that Pillow can open"):
        photo.open_photo(tmp_path / "a.png")
    with pytest.raises(Problem, match="b.png: not found"):
        photo.open_photo(tmp_path / "b.png")
    spot(200, 200, 50, 50).save(tmp_path / "c.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:150])
    with pytest.raises(Problem, match="c.png: is no picture"):
        photo.open_photo(tmp_path / "c.png")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_photo_with_pixels_that_are_no_numbers_is_refused(value, tmp_path):
    pixels = np.full((96, 96), 0.5, np.float32)
    pixels[3, 4] = value
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(Problem, match="a.tif: is no picture that Pillow can open .it has pixels that are no numbers"):
        photo.open_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("box, opencv, held, net, words", [
    ((-1, 2, 30, 40), None, [], [], "the face in --box -1,2,30,40"),
    (None, None, [], [], "the whole photo, taken as one face (the net is sure of none; there is no OpenCV that would"),
    (None, [], [], [], "OpenCV found no face"),
    (None, [(1, 2, 30, 30)], [(1, 2, 30, 30)], [], "1 face found by OpenCV"),
    (None, [(1, 2, 30, 30)] * 3, [(1, 2, 30, 30)] * 2, [], "2 faces found by OpenCV"),
    (None, [(1, 2, 30, 30)], [], [], "1 face found by OpenCV (the net is sure of none; --box"),
    (None, [(9, 9, 30, 30)], [], [(1, 2, 30, 30)], "the face that the net found at 1,2,30,30 (--box"),
    (None, None, [], [(1, 2, 30, 30)], "the face that the net found at 1,2,30,30 (--box"),
    (None, [], [], [(1, 2, 30, 30), (40, 2, 31, 31)], "the faces that the net found at 1,2,30,30 and 40,2,31,31 (")])
def test_a_photo_s_line_says_where_faces_were_looked_for(box, opencv, held, net, words, tmp_path, monkeypatch):
    monkeypatch.setattr(photo, "opencv_boxes", lambda picture: opencv)
    monkeypatch.setattr(photo.photo_search, "holding", lambda picture, answer, boxes: held)
    monkeypatch.setattr(photo.photo_search, "find", lambda picture, answer: net)
    spot(96, 96, 50, 50).save(tmp_path / "a.png")
    _, squares, _, line = photo.predict(tmp_path / "a.png", box, corner, "plain")
    assert words in line and len(squares) == max(len(held or net), 1)


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    spot(200, 200, 50, 50).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Problem, match="make it smaller"):
        photo.open_photo(tmp_path / "a.png")


def test_keypoints_are_written_as_csv(tmp_path):
    photo.write_csv(tmp_path / "a.csv", np.arange(60.0).reshape(2, 30))
    lines = (tmp_path / "a.csv").read_text().split("\n")
    assert lines[0] == "face,keypoint,x,y" and lines[1] == "1,%s,0.00,1.00" % load.KEYPOINTS[0]
    assert len(lines) == 1 + 2 * 15 + 1 and lines[16].startswith("2,left_eye_center,30.00")


@pytest.mark.parametrize("size, boxes, expected", [
    ((1600, 1200), [(300, 100, 200, 200), (50, 60, 100, 100)], [(100, 120, 200, 200), (600, 200, 400, 400)]),
    ((400, 300), [(30, 40, 50, 50)], [(30, 40, 50, 50)]),
    ((1600, 1200), [], [])])
def test_opencvs_faces_are_given_in_the_photos_pixels(size, boxes, expected, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", opencv(boxes))
    assert opencv_boxes(Image.new("RGB", size)) == expected


def opencv(boxes, data=True, xml=True):
    """What of OpenCV is used: with its `data` folder or without, and the finder's `xml` or not."""
    class Finder:
        def __init__(self, path):
            self.path = path

        def empty(self):
            return not (xml and self.path.startswith("/cv2"))

        def detectMultiScale(self, image, **options):
            assert image.ndim == 2 and max(image.shape) <= 800
            return boxes
    return types.SimpleNamespace(CascadeClassifier=Finder,
                                 **({"data": types.SimpleNamespace(haarcascades="/cv2")} if data else {}))


class Broken(types.ModuleType):
    def __getattr__(self, name):
        raise AttributeError("_ARRAY_API not found")


@pytest.mark.parametrize("cv2", [None, types.SimpleNamespace(__version__="5.0.0"), opencv([(1, 2, 3, 4)], xml=False),
                                 opencv([(1, 2, 3, 4)], data=False), Broken("cv2")],
                         ids=["none", "5.x", "contrib without its data", "Debian's without its data", "other NumPy"])
def test_an_opencv_that_cannot_find_faces_is_as_good_as_none(cv2, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    monkeypatch.setattr(photo, "HAARCASCADES", ["/nowhere"])
    assert opencv_boxes(Image.new("RGB", (300, 200))) is None


def test_debian_keeps_opencvs_data_elsewhere(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", opencv([(1, 2, 30, 30)], data=False))
    monkeypatch.setattr(photo, "HAARCASCADES", ["/cv2/of/debian"])
    assert opencv_boxes(Image.new("RGB", (300, 200))) == [(1, 2, 30, 30)]


@pytest.mark.parametrize("error", [NotImplementedError("Unimplemented pixel format 85"), IndexError("no header"),
                                   TypeError("NoneType"), EOFError()])
def test_whatever_pillow_raises_of_a_broken_picture_is_one_line(error, tmp_path, monkeypatch):
    def broken(path):
        raise error
    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(Problem, match="a.dds: is no picture that Pillow can open"):
        photo.open_photo(tmp_path / "a.dds")
