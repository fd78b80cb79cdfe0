"""A user's own photo: a box around a face, or all faces that OpenCV or the net itself finds."""
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fkp import Problem, tables
from fkp.looking import photo_search
from fkp.keypoints import COLUMNS, KEYPOINTS, SIZE
from fkp.pictures import crops
from fkp.pictures.preprocess import preprocessed

SMALLEST = 8     # pixels: a face that is smaller shows nothing
LOOKED_AT = 800  # pixels: OpenCV looks for faces on a photo made so small


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
    boxes = [box] if box else find_faces(photo)
    found = boxes or photo_search.find(photo, lambda faces: answer(faces, finder or predictor))
    squares = [square(each, photo.size, path) for each in found] or [whole]
    points = answer(crops.scaled(photo.convert("L"), squares))
    corner = np.array([[left, upper] for left, upper, _ in squares])
    side = np.array([each[2] for each in squares])[:, None, None]
    xy = points.reshape(len(points), -1, 2) * side / SIZE + corner[:, None]
    return photo, squares, xy.reshape(points.shape), f"{path}: {in_words(box, boxes, found)}"


def in_words(box, boxes, found):
    """Where a face was looked for.  boxes: as `find_faces` gives them; found: those, or what the net found."""
    if box:
        return f"the face in --box {in_numbers(box)}"
    if boxes:
        return f"{len(boxes)} face{'s' * (len(boxes) > 1)} found by OpenCV"
    why = "OpenCV, which would look for faces, is not installed" if boxes is None else "OpenCV found no face"
    if not found:
        return f"the whole photo, taken as one face (the net is sure of none; {why}; --box x,y,w,h says where)"
    places = " and ".join(map(in_numbers, found))
    return f"the face{'s' * (len(found) > 1)} that the net found at {places} (--box x,y,w,h says where another is)"


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
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
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


def find_faces(photo):
    """Boxes (x, y, w, h) of the faces that OpenCV finds; None where there is no OpenCV."""
    try:
        import cv2
    except ImportError:
        return None
    finder = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    small = photo.convert("L")
    small.thumbnail((LOOKED_AT, LOOKED_AT))  # sooner, and what looks like a face by chance is mostly detail
    found = finder.detectMultiScale(np.asarray(small), scaleFactor=1.1, minNeighbors=6,
                                    minSize=(min(small.size) // 12 + 1,) * 2)
    factor = photo.width / small.width
    return sorted(tuple(int(round(value * factor)) for value in box) for box in found)


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
