"""Level 1 of a net that has learned faces of many sizes and places: it looks again, closer, and at the usual place.

A face a little larger than it is shows more to the same net, and the mean of
several looks is better than each.  A face far from where faces usually are, of
another size, or tilted, is seen worse the more it is so; it is put to the usual
place and size, upright, and looked at once more.
"""
import numpy as np

from fkp.augment import LEFT_EYE, RIGHT_EYE
from fkp.data.face_shapes import MEAN
from fkp.keypoints import COLUMNS, SIZE
from fkp.warp import Warp

SIZES = (1.0, 1.12, 1.25)  # in which a face is looked at
FAR = 10.0                 # pixels from the usual place, or
LARGE = 1.25               # times larger or smaller than usual, or
TILTED = np.deg2rad(12)    # tilted: so it is put right first
AT_MOST = 1.6              # times larger or smaller is it made
DOUBTFUL = np.deg2rad(40)  # a tilt that the net has not learned, and what it sees of it says little


def pay(net):
    """True for a net that answers with maps and was trained on augmented faces."""
    return net.run_.script == "net4" and bool(net.run_.build.get("heatmaps") and net.run_.build.get("augment"))


def again(look, images):
    """What `look(images)` answers in several looks: points (n, all) of the images (n, SIZE, SIZE)."""
    points = closer(look, images)
    middle, size, tilt = place(points)
    scale = (USUAL_SIZE / np.maximum(size, 1)).clip(1 / AT_MOST, AT_MOST)
    tilt = np.where(np.abs(tilt) < DOUBTFUL, tilt, 0)
    far = ((np.hypot(*(middle - USUAL_PLACE).T) > FAR) | (np.maximum(scale, 1 / scale) > LARGE)
           | (np.abs(tilt) > TILTED))  # unknown is not far
    if far.any():
        usual = Warp(-tilt[far], scale[far], middle[far], np.tile(USUAL_PLACE, (far.sum(), 1)))
        seen = closer(look, usual.images(images[far]))
        upright = ~(np.abs(place(seen)[2]) > TILTED)  # what still seems tilted was not what it seemed
        points[far] = np.where(upright[:, None], usual.undo(seen), points[far])
    return points


def closer(look, images):
    """The mean of what `look` answers on the images in SIZES, as points (n, all) of the images as they are."""
    middle, still = np.full((len(images), 2), SIZE / 2), np.zeros(len(images))
    warps = [Warp(still, still + size, middle, middle) for size in SIZES]
    return np.mean([warp.undo(look(warp.images(images))) for warp in warps], 0)


def place(points):
    """Where faces are, by points (n, all): middle (n, 2), size and tilt (n,), in pixels and radians; NaN if unknown."""
    xy = points[:, :len(COLUMNS)].reshape(len(points), -1, 2)
    across = xy[:, LEFT_EYE] - xy[:, RIGHT_EYE]
    return xy.mean(1), np.sqrt(xy.var(1).sum(1)), np.arctan2(across[:, 1], across[:, 0])


USUAL_PLACE, USUAL_SIZE, _ = (usual[0] for usual in place(MEAN[None]))
