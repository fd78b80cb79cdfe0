"""Squares of a photo that hold a face: from squares all over it, or from some, to those that the net is sure of."""
import functools

import numpy as np
from PIL import Image

from fkp.keypoints import SIZE, placement
from fkp.looking import search
from fkp.pictures import crops

LOOKED_AT = 400               # pixels: photos are made so small first
SIDES = (1, 0.7, 0.5, 0.35)   # of the first squares, in the photo's shorter side; they overlap by half
NEAR = [(0, 0, 1), (8, 8, 1.1), (-8, 8, 0.9), (8, -8, 0.9), (-8, -8, 1.1)]   # as `around` takes it
SURE = 1.4                    # pixels, of SIZE: looks at a face from NEAR by differ by less
SMALLEST = 12                 # pixels: a smaller face shows nothing


def find(photo, answer):
    """Boxes (x, y, w, h), in the pixels of a photo (PIL), of the faces that a net is sure of, if any.

    answer: takes grey images uint8 (n, SIZE, SIZE), gives points (n, 30), NaN for those that the net does not know.
    """
    grey, factor = small(photo)
    squares, unsure = settled(grey, grid(*grey.size), answer)
    order = [i for i in unsure.argsort() if unsure[i] < SURE]
    return sorted(tuple(np.rint(np.array([x, y, side, side]) * factor).astype(int).tolist())
                  for x, y, side in apart(squares[order], grey.size))


def holding(photo, answer, boxes):
    """Those of the boxes (x, y, w, h) of a photo (PIL) in which the net is sure of a face; `answer` as for `find`."""
    if not boxes:
        return []
    grey, factor = small(photo)
    x, y, w, h = np.array(boxes, float).T / factor
    side = np.maximum(w, h)
    squares, unsure = settled(grey, np.column_stack([x + w / 2 - side / 2, y + h / 2 - side / 2, side]), answer)
    middle = squares[:, :2] + squares[:, 2:] / 2
    within = (np.abs(middle - np.column_stack([x + w / 2, y + h / 2])) < side[:, None] / 2).all(1)
    return [box for box, held in zip(boxes, within & (unsure < SURE)) if held]


def small(photo):
    """A photo (PIL), grey and at most LOOKED_AT pixels wide and high, and how many times larger it is."""
    grey = photo.convert("L")
    grey.thumbnail((LOOKED_AT, LOOKED_AT))
    return grey, photo.width / grey.width


def settled(grey, squares, answer):
    """Faces found from these squares (n, 3): the squares that hold them, and how unsure the net is of each, pixels."""
    edge = min(grey.size) // 2
    wider = Image.fromarray(np.pad(np.asarray(grey), edge, mode="edge"))  # a face may be cut off by the photo's edge
    look = functools.partial(points_in, wider, answer=answer)
    seen = search.settle(look, around, squares + (edge, edge, 0))
    points, differ = search.from_nearby(look, around, seen, NEAR)
    found = around(points)
    side = found[:, 2]
    seen_whole = (side >= SMALLEST) & (side <= min(wider.size))  # no square that was looked at is larger
    unsure = np.where(seen_whole, differ * SIZE / side.clip(SMALLEST), np.inf)
    return found - (edge, edge, 0), unsure


def grid(width, height):
    """Squares (n, 3) all over a picture: left, upper, side."""
    sides = [part * min(width, height) for part in SIDES]
    steps = [[np.linspace(0, length - side, int(np.ceil(2 * (length - side) / side)) + 1) for length in (width, height)]
             for side in sides]
    return np.array([(x, y, side) for side, (across, down) in zip(sides, steps) for x in across for y in down])


def points_in(picture, squares, answer):
    """What the net sees in squares (n, 3), each put inside the picture: points (n, 30), in the picture's pixels."""
    side = squares[:, 2].clip(SMALLEST, min(picture.size))
    corner = squares[:, :2].clip(0, np.array(picture.size) - side[:, None])
    seen = answer(crops.scaled(picture, np.column_stack([corner, side]), Image.Resampling.BILINEAR))
    xy = seen.reshape(len(seen), -1, 2) * side[:, None, None] / SIZE + corner[:, None]
    return xy.reshape(seen.shape)


def around(points, right=0, down=0, larger=1):
    """The squares (n, 3) in which faces with these points (n, 30) would lie as the mean face does in a picture.

    Or so many pixels of SIZE right and down of them, and so many times larger.
    """
    middle, usual, scale = placement(points)
    side = SIZE * scale[:, None]
    corner = middle - usual * side / SIZE + side * (np.array([right, down]) / SIZE + (1 - larger) / 2)
    return np.column_stack([corner, side * larger])


def apart(squares, size):
    """Of squares, the first ones that lie on a picture of this size and apart: no other one's middle is within."""
    chosen = []
    for square in squares:
        middle = square[:2] + square[2] / 2
        near = any(np.abs(middle - other[:2] - other[2] / 2).max() < max(square[2], other[2]) / 2 for other in chosen)
        if not near and (0 < middle).all() and (middle < size).all():
            chosen.append(square)
    return chosen
