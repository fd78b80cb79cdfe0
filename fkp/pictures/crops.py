"""What is cut out of pictures: windows of whole pixels for specialists, of warped faces, and squares of a photo."""
import numpy as np
from PIL import Image

from fkp.keypoints import SIZE, group_centres

EDGE = 40  # pixels of the picture's edge repeated outside it, where a warped picture shows them


# --- whole pixels, as specialists of net5 see them ---

def corner(centres, win):
    """Left upper corner (n, 2), in whole pixels, of a win x win window around `centres`, moved into the picture."""
    return np.rint(np.asarray(centres) - win / 2).astype(int).clip(0, SIZE - win)


def crop(images, centres, win):
    """Cut win x win windows around `centres` (n, 2), x and y in pixels from the edge.

    Returns crops (n, win, win) and their true centres (n, 2), see `corner`.
    """
    at = corner(centres, win)
    return windows(images, at, win), middle(at, win)


def crop_group(images, points, group, win):
    """What the specialist for `group` sees where a level before saw the keypoints `points` (n, all), in pixels.

    Returns crops (n, 1, win, win) of the images (n, SIZE, SIZE), and their true centres (n, 2).
    """
    crops, centres = crop(images, group_centres(points, group), win)
    return crops[:, None], centres


def windows(images, at, win):
    """The win x win pixels (n, win, win) right of and below `at` (n, 2), whole pixels."""
    offset = np.arange(win)
    row = at[:, 1, None, None] + offset[:, None]
    col = at[:, 0, None, None] + offset
    return images[np.arange(len(images))[:, None, None], row, col]


def middle(at, win):
    """Centres (n, 2) of win x win windows with their corners at `at`."""
    return (at + win / 2).astype(np.float32)


def to_crop(points, centres, win):
    """Points (n, 2k) in pixels of the face -> relative to the crop's centre, in units of win / 2."""
    xy = points.reshape(len(points), -1, 2)
    return ((xy - centres[:, None]) / (win / 2)).reshape(points.shape).astype(np.float32)


def from_crop(targets, centres, win):
    """Inverse of `to_crop`: a specialist's answer in pixels of the face."""
    xy = targets.reshape(len(targets), -1, 2)
    return (xy * (win / 2) + centres[:, None]).reshape(targets.shape).astype(np.float32)


# --- between pixels ---

def warped(images, matrices, corners, win):
    """A win x win window (n, win, win) of each uint8 image (n, size, size), seen through an affine map.

    Its corner shows what is at `corners` (n, 2) in the image, and `matrices` (n, 2, 2) lead from there through it.
    """
    return np.stack([_warped(*face, win) for face in zip(images, matrices, corners)])


def _warped(image, matrix, corner, win):
    """Pillow's coordinates are ours: (0.5, 0.5) is the first pixel's centre."""
    (a, b), (d, e) = matrix
    x, y = corner + EDGE
    padded = Image.fromarray(np.pad(image, EDGE, mode="edge"))
    return np.asarray(padded.transform((win, win), Image.Transform.AFFINE, (a, b, x, d, e, y),
                                       Image.Resampling.BILINEAR))


def scaled(photo, squares, resampling=Image.Resampling.LANCZOS):
    """Squares (n, 3) of a grey photo (PIL), left, upper, side, as faces uint8 (n, SIZE, SIZE)."""
    return np.stack([np.asarray(photo.resize((SIZE, SIZE), resampling, box=(left, upper, left + side, upper + side)))
                     for left, upper, side in squares])
