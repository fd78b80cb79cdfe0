"""Where faces are on a photo, found by the net that knows their keypoints.

It looks at squares all over the photo, then a few times where it saw a face in
each, cut as wide as it is used to.  What is a face stays where it is when the
square is moved a little; what is none moves along.
"""
import numpy as np
from PIL import Image

from fkp.drawn.face_shapes import MEAN
from fkp.keypoints import SIZE, place

LOOKED_AT = 400               # pixels: photos are made so small first
SIDES = (1, 0.7, 0.5, 0.35)   # of the first squares, in the photo's shorter side; they overlap by half
LOOKS = 3                     # from each of them
NEAR = [(0, 0, 1), (8, 8, 1.1), (-8, 8, 0.9), (8, -8, 0.9), (-8, -8, 1.1)]   # pixels right and down, of SIZE; larger
SURE = 2.0                    # pixels, of SIZE: points of a face differ by less between squares as NEAR as that
SMALLEST = 12                 # pixels: a smaller face shows nothing


def faces(photo, answer):
    """Boxes (x, y, w, h), in the pixels of a photo (PIL), of the faces that a net is sure of, if any.

    answer: takes grey images uint8 (n, SIZE, SIZE), gives points (n, 30), NaN for those that the net does not know.
    """
    grey = photo.convert("L")
    grey.thumbnail((LOOKED_AT, LOOKED_AT))
    edge, first = min(grey.size) // 2, grid(*grey.size)
    wider = Image.fromarray(np.pad(np.asarray(grey), edge, mode="edge"))  # a face may be cut off by the photo's edge
    squares = first + (edge, edge, 0)
    for _ in range(LOOKS):
        squares = around(look(wider, squares, answer))
    seen = np.array([look(wider, moved(squares, *by), answer) for by in NEAR])  # (views, n, 15, 2)
    squares = around(seen.mean(0))
    unsure = np.sqrt(np.nanmean(seen.var(0).sum(-1), 1)) * SIZE / squares[:, 2].clip(SMALLEST)
    order = [i for i in unsure.argsort() if unsure[i] < SURE and squares[i, 2] >= SMALLEST]
    found = apart(squares[order] - (edge, edge, 0), grey.size)
    return sorted(tuple(np.rint(np.array([x, y, side, side]) * photo.width / grey.width).astype(int).tolist())
                  for x, y, side in found)


def grid(width, height):
    """Squares (n, 3) all over a picture: left, upper, side."""
    sides = [part * min(width, height) for part in SIDES]
    steps = [[np.linspace(0, length - side, int(np.ceil(2 * (length - side) / side)) + 1) for length in (width, height)]
             for side in sides]
    return np.array([(x, y, side) for side, (across, down) in zip(sides, steps) for x in across for y in down])


def look(picture, squares, answer):
    """What the net sees in squares (n, 3), each put inside the picture: (n, 15, 2), in the picture's pixels."""
    side = squares[:, 2].clip(SMALLEST, min(picture.size))
    corner = squares[:, :2].clip(0, np.array(picture.size) - side[:, None])
    cuts = [picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
            for box in np.column_stack([corner, corner + side[:, None]])]
    points = answer(np.stack([np.asarray(cut) for cut in cuts])).reshape(len(cuts), -1, 2)
    return points * side[:, None, None] / SIZE + corner[:, None]


def around(points):
    """The squares (n, 3) in which faces with these points (n, 15, 2) would lie as the mean face does in a picture."""
    middle, usual, larger = place(points.reshape(len(points), -1), MEAN)
    side = SIZE * larger[:, None]
    return np.column_stack([middle - usual * side / SIZE, side])


def moved(squares, right, down, larger):
    """Squares (n, 3) moved by pixels of SIZE and made larger."""
    side = squares[:, 2:]
    corner = squares[:, :2] + side * (np.array([right, down]) / SIZE + (1 - larger) / 2)
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
