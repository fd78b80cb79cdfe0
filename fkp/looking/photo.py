"""A user's own photo: a box around a face, or all faces that OpenCV or the net itself finds."""
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from fkp import Problem, tables
from fkp.looking import photo_search
from fkp.keypoints import COLUMNS, KEYPOINTS, SIZE
from fkp.pictures import crops
from fkp.pictures.preprocess import preprocessed

SMALLEST = 8     # pixels: a face that is smaller shows nothing
LOOKED_AT = 800  # pixels: OpenCV looks for faces on a photo made so small
HAARCASCADES = ["/usr/share/opencv4/haarcascades", "/usr/share/opencv/haarcascades"]   # of Debian's OpenCV


def predict(path, box, predictor, preprocess, finder=None):
    """Find the keypoints on a photo.

    box: (x, y, w, h) in pixels of the photo as a viewer shows it, or None.
    predictor: takes prepared images (n, SIZE, SIZE), gives points (n, all).
    finder: the same, quicker: it looks at hundreds of squares where a photo's faces are not known.
    Returns the photo (PIL, RGB), the squares (left, upper, side) of its faces,
    points (n, full) in the photo's pixels, and in words where the faces are.
    """
    photo = open_photo(path)

    def answer(faces, net=predictor):
        return net(preprocessed(faces, preprocess))[:, :len(COLUMNS)]

    whole = square((0, 0, *photo.size), photo.size, path)
    found, where = ([box], f"the face in --box {in_numbers(box)}") if box else faces_on(
        photo, lambda faces: answer(faces, finder or predictor))
    squares = [square(each, photo.size, path) for each in found] or [whole]
    points = answer(crops.scaled(photo.convert("L"), squares))
    corner = np.array([[left, upper] for left, upper, _ in squares])
    side = np.array([each[2] for each in squares])[:, None, None]
    xy = points.reshape(len(points), -1, 2) * side / SIZE + corner[:, None]
    return photo, squares, xy.reshape(points.shape), f"{path}: {where}"


def faces_on(photo, answer):
    """Boxes (x, y, w, h) of a photo's faces, if any, and in words who found them; `answer` as photo_search takes it.

    OpenCV proposes, where it is there; the net says whether it sees a face, and
    else looks for one itself.
    """
    boxes = opencv_boxes(photo)
    held = photo_search.holding(photo, answer, boxes)
    if held:
        return held, f"{faces(held)} found by OpenCV"
    found = photo_search.find(photo, answer)
    if found:
        places = " and ".join(map(in_numbers, found))
        return found, (f"the face{'s' * (len(found) > 1)} that the net found at {places} (--box x,y,w,h says where "
                       "another is)")
    if boxes:
        return boxes, f"{faces(boxes)} found by OpenCV (the net is sure of none; --box x,y,w,h says where another is)"
    why = "there is no OpenCV that would look for faces" if boxes is None else "OpenCV found no face"
    return [], f"the whole photo, taken as one face (the net is sure of none; {why}; --box x,y,w,h says where)"


def faces(boxes):
    return f"{len(boxes)} face{'s' * (len(boxes) > 1)}"


def in_numbers(box):
    """(x, y, w, h) as --box takes it."""
    return ",".join(str(int(value)) for value in box)


def open_photo(path):
    """The picture as a viewer shows it: turned as its EXIF data says, transparent parts white, RGB."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                photo = ImageOps.exif_transpose(opened)
                if photo.mode.startswith("I") or photo.mode == "F":
                    photo = _to_bytes(photo)
                photo = photo.convert("RGBA")
    except FileNotFoundError:
        raise Problem(f"{path}: not found; name a picture after --image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Problem(f"{path}: has more than {Image.MAX_IMAGE_PIXELS // 10 ** 6} million pixels; make it "
                      "smaller") from None
    except Exception as error:  # Pillow's readers of rare formats raise all kinds where a file is broken
        reason = " ".join(str(error).split())[:100]
        raise Problem(f"{path}: is no picture that Pillow can open ({reason}); save it as PNG or JPEG") from None
    white = Image.new("RGBA", photo.size, "white")
    return Image.alpha_composite(white, photo).convert("RGB")


def _to_bytes(photo):
    """16-bit and float greys, stretched to 0..255: Pillow would cut them off."""
    values = np.asarray(photo, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it has pixels that are no numbers")
    low, high = values.min(), values.max()
    return Image.fromarray(((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8))


def opencv_boxes(photo):
    """Boxes (x, y, w, h) of what OpenCV takes for faces; None where there is no OpenCV, or none that can do it."""
    small = photo.convert("L")
    small.thumbnail((LOOKED_AT, LOOKED_AT))  # sooner, and what looks like a face by chance is mostly detail
    try:
        found = opencv_finder().detectMultiScale(np.asarray(small), scaleFactor=1.1, minNeighbors=6,
                                                 minSize=(min(small.size) // 12 + 1,) * 2)
    except Exception:  # it is not there, of another NumPy, without the class (5.x) or its data: then we do without it
        return None
    factor = photo.width / small.width
    return sorted(tuple(int(round(value * factor)) for value in box) for box in found)


def opencv_finder():
    """OpenCV's finder of upright faces.  Raises whatever OpenCV raises, or OSError, where there is none."""
    import cv2
    folders = [getattr(getattr(cv2, "data", None), "haarcascades", ""), *HAARCASCADES]
    for folder in filter(None, folders):
        finder = cv2.CascadeClassifier(os.path.join(folder, "haarcascade_frontalface_default.xml"))
        if not finder.empty():
            return finder
    raise FileNotFoundError("OpenCV's haarcascade_frontalface_default.xml")


def square(box, size, path):
    """The square (left, upper, side) around a box, moved and shrunk into the photo.  Raises Problem outside it."""
    x, y, w, h = box
    if w < SMALLEST or h < SMALLEST or x >= size[0] or y >= size[1] or x + w <= 0 or y + h <= 0:
        raise Problem(f"{path}: is {size[0]} x {size[1]} pixels, and the box {in_numbers(box)} does not hold a face of "
                      f"{SMALLEST} pixels or more; give --box x,y,w,h")
    side = min(max(w, h), *size)
    left = min(max(x + w / 2 - side / 2, 0), size[0] - side)
    upper = min(max(y + h / 2 - side / 2, 0), size[1] - side)
    return left, upper, side


def write_csv(path, points):
    """One row per keypoint: face (from 1), keypoint, x, y in the photo's pixels from its left and upper edge."""
    print(f"Keypoints: {tables.write(path, tables.points_frame(points, KEYPOINTS), 2)}")
