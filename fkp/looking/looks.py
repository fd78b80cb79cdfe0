"""Level 1: a net that has learned faces of many sizes and places looks again, closer, and at the usual place.

A face a little larger than it is shows more to the same net, and the mean of
several looks is better than each.  A face far from where faces usually are, of
another size, or tilted, is seen worse the more it is so; it is put to the usual
place and size, upright, and looked at once more.  Where the looks at a face
differ, the net has not found it: it is looked for all over the picture.
"""
import numpy as np

from fkp.keypoints import MEAN_FACE, SIZE, placement, rms, tilt
from fkp.looking.answers import both_ways, net_points
from fkp.looking.search import agreed, settle
from fkp.pictures.preprocess import preprocessed
from fkp.pictures.warp import Warp

SIZES = (1.12, 1.25)       # in which a face is looked at besides its own
FAR = 10.0                 # pixels from the usual place, or
LARGE = 1.25               # times larger or smaller than usual, or
TILTED = np.deg2rad(12)    # tilted: so it is put right first
AT_MOST = 3.0              # times larger or smaller is it made
DOUBTFUL = np.deg2rad(40)  # a tilt that the net has not learned, and what it sees of it says little
UNSURE = 0.9               # pixels: looks that differ by more have not found the face, which is looked for from STARTS
SEARCHED = 20, 0.05        # faces, or this share of them, at most: a search takes as long as 70 faces that are found
STARTS = np.array([(x, y, larger) for larger in (0.8, 1.15, 1.7) for x in (28, 48, 68) for y in (28, 48, 68)])
NEAR = [(0, 0, 1, 0), (6, 6, 1.1, 8), (-6, 6, 0.9, -8), (6, -6, 0.9, 8), (-6, -6, 1.1, -8)]  # as `usual_view` takes it
SURE = 2.0                 # pixels, of a face of the usual size: looks at it from NEAR by differ by less
SAME, MANY = 3.0, 3        # what so many starts end at, with fewer pixels between their answers, is a face
CENTRE = placement(MEAN_FACE[None])[0]  # (1, 2): the middle of the usual face


def level1_points(net, images):
    """What level 1 answers, points (n, all) in pixels: `net_points`, both ways, in several looks where that pays."""
    def look(faces):
        return both_ways(lambda those, _: net_points(net, those), faces)

    def search(faces):  # a part of a picture has other greys than the whole
        return look(preprocessed(faces, net.run_.preprocess))
    return again(look, images, search) if knows_many_sizes(net) else look(images)


def knows_many_sizes(net):
    """True for a net that answers with maps and was trained on augmented faces."""
    return bool(net.run_.maps and net.run_.augmented)


def again(look, images, search=None):
    """What `look(images)` answers in several looks: points (n, all) of the images (n, SIZE, SIZE).

    `search` is the `look` of a search, where it prepares what it sees.
    """
    points, unsure = closer(look, images)
    far = lies_badly(points)
    if far.any():
        points[far] = put_right(look, images[far], points[far], unsure[far])
    for i in unsurest(unsure):
        points[i] = anywhere(search or look, images[i], points[i])
    return points


def closer(look, images):
    """What `look` answers on the images in SIZES, as points of the images as they are: see `agreed`."""
    middle, still = np.full((len(images), 2), SIZE / 2), np.zeros(len(images))
    warps = [Warp(still, still + size, middle, middle) for size in SIZES]
    return agreed([look(images)] + [warp.undo(look(warp.images(images))) for warp in warps])


def unsurest(unsure):
    """Which faces are not found, the worst first, SEARCHED at most: a net that finds few would need hours."""
    few, share = SEARCHED
    order = np.argsort(-unsure)[:max(few, round(share * len(unsure)))]
    return order[unsure[order] > UNSURE]


def lies_badly(points):
    """Which faces (n,) lie far from the usual place, in another size or tilted."""
    middle, usual, larger = placement(points)
    return ((np.hypot(*(middle - usual).T) > FAR) | (np.maximum(larger, 1 / larger) > LARGE)
            | (np.abs(believed_tilt(points)) > TILTED))


def believed_tilt(points):
    """`tilt`, 0 where it is unknown or doubtful."""
    seen = tilt(points)
    return np.where(np.abs(seen) < DOUBTFUL, seen, 0)


def usual_view(points, right=0, down=0, times=1.0, degrees=0):
    """The warp that puts faces with these points (n, all) to the usual place and size, upright.

    Or so many pixels right and down of it, so many `times` larger and so many degrees tilted.
    """
    middle, usual, larger = placement(points)
    scale = times * (1 / larger).clip(1 / AT_MOST, AT_MOST)
    return Warp(np.deg2rad(degrees) - believed_tilt(points), scale, middle, usual + (right, down))


def put_right(look, images, points, unsure):
    """The mean of what was seen and what is seen at the usual place, weighted by how well the looks agree."""
    warp = usual_view(points)
    seen, differ = closer(look, warp.images(images))
    upright = ~(np.abs(tilt(seen)) > TILTED)  # what still seems tilted was not what it seemed
    weight = np.where(upright, unsure / np.maximum(unsure + differ, 1e-9), 0)[:, None]
    return points * (1 - weight) + warp.undo(seen) * weight


def anywhere(look, image, points):
    """Points (all,) of the face that the net is surest of on an image (SIZE, SIZE); if it is of none, `points` (all,).

    It is looked for from STARTS; what is a face is found from many.
    """
    images, places, scale = np.repeat(image[None], len(STARTS), 0), STARTS[:, :2], STARTS[:, 2]
    starts = Warp(np.zeros(len(STARTS)), scale, places, np.repeat(CENTRE, len(STARTS), 0))
    seen, found, differ = settle(lambda view: view.undo(look(view.images(images))), usual_view, starts, NEAR)
    differ /= placement(seen)[2]  # as large as usual
    surest = differ.argmin()
    same = rms(found - found[surest], 1) < SAME
    return found[surest] if differ[surest] < SURE and same.sum() >= MANY else points
