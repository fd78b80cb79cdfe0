"""Level 1: a net that has learned faces of many sizes and places looks again, closer, and at the usual place.

A face a little larger than it is shows more to the same net, and the mean of
two looks is better than each.  A face far from where faces usually are, of
another size, or tilted, is seen worse the more it is so; it is put to the usual
place and size, upright, and looked at once more.  Where the looks at a face
differ, the net has not found it: it is looked for all over the picture.
"""
import numpy as np

from fkp.keypoints import MEAN_FACE, SIZE, pixels, placement, rms, tilt
from fkp.looking.answers import both_ways, net_points
from fkp.looking.search import agreed, from_nearby, settle
from fkp.pictures.preprocess import preprocessed
from fkp.pictures.warp import Warp

SIZES = (1.12,)            # in which a face is looked at besides its own
FAR = 10.0                 # pixels from the usual place, or
LARGE = 1.25               # times larger or smaller than usual, or
TILTED = np.deg2rad(12)    # tilted: so it is put right first
AT_MOST = 3.0              # times larger or smaller is it made
DOUBTFUL = np.deg2rad(40)  # a tilt that the net has not learned, and what it sees of it says little
UNSURE = 0.6               # pixels: looks that differ by more have not found the face, which is looked for from STARTS
LEARNED = 3.0              # pixels: a net with a larger error finds few faces, and a search takes as long as 70 looks
TOGETHER = 16              # faces that are searched for at once: that many times STARTS are in memory
STARTS = np.array([(x, y, larger) for larger in (0.8, 1.15, 1.7) for x in (28, 48, 68) for y in (28, 48, 68)])
NEAR = [(0, 0, 1, 0), (6, 6, 1.1, 8), (-6, 6, 0.9, -8), (6, -6, 0.9, 8), (-6, -6, 1.1, -8)]  # as `usual_view` takes it
SURE = 2.0                 # pixels, of a face of the usual size: looks at it from NEAR by differ by less
SAME, MANY = 3.0, 3        # what so many starts end at, with fewer pixels between their answers, may be a face
CANDIDATES = 3             # so many of these are looked at from NEAR by, at most
CENTRE = placement(MEAN_FACE[None])[0]  # (1, 2): the middle of the usual face


def level1_points(net, images):
    """What level 1 answers, points (n, all) in pixels: `net_points`, both ways, in several looks where that pays."""
    def glance(faces):
        return net_points(net, faces)

    def look(faces):
        return both_ways(lambda those, _: glance(those), faces)

    def prepared(how):  # a part of a picture has other greys than the whole
        return lambda faces: how(preprocessed(faces, net.run_.preprocess))
    if not knows_many_sizes(net):
        return look(images)
    return again(look, images, prepared(glance), prepared(look)) if finds_faces(net) else once_more(look, images)[0]


def knows_many_sizes(net):
    """True for a net that answers with maps and was trained on augmented faces."""
    return bool(net.run_.maps and net.run_.augmented)


def finds_faces(net):
    """True for a net whose validation error, in pixels, is below LEARNED: others would search for nearly every face."""
    losses = [row["valid_loss"] for row in net.train_history_]
    return bool(losses) and pixels(min(losses)) < LEARNED


def again(look, images, glance=None, search=None):
    """What `look(images)` answers in several looks: points (n, all) of the images (n, SIZE, SIZE).

    A face's answer is its own, whatever other faces there are.  A search follows
    what `glance` sees, and judges by what `search` sees, each in place of `look`.
    """
    points, unsure = once_more(look, images)
    lost = np.flatnonzero(unsure > UNSURE)
    for first in range(0, len(lost), TOGETHER):
        some = lost[first:first + TOGETHER]
        points[some] = anywhere(glance or look, search or look, images[some], points[some])
    return points


def once_more(look, images):
    """`closer`, and faces that lie badly once more at the usual place: points (n, all), and `closer`'s doubt (n,)."""
    points, unsure = closer(look, images)
    far = lies_badly(points)
    if far.any():
        points[far] = put_right(look, images[far], points[far], unsure[far])
    return points, unsure


def closer(look, images):
    """What `look` answers on the images in SIZES, as points of the images as they are: see `agreed`."""
    middle, still = np.full((len(images), 2), SIZE / 2), np.zeros(len(images))
    warps = [Warp(still, still + size, middle, middle) for size in SIZES]
    return agreed([look(images)] + [warp.undo(look(warp.images(images))) for warp in warps])


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


def anywhere(glance, look, images, points):
    """Points (n, all) of the face that the net is surest of on each image (n, SIZE, SIZE); if of none, its `points`.

    It is looked for from STARTS, by the quicker `glance`.  What is a face is found from many, and stays where it is
    when `look` sees it from nearby.
    """
    n, points = len(images), points.copy()
    starts = Warp(np.zeros(n * len(STARTS)), np.tile(STARTS[:, 2], n), np.tile(STARTS[:, :2], (n, 1)),
                  np.repeat(CENTRE, n * len(STARTS), 0))
    seen = settle(seeing(glance, images.repeat(len(STARTS), 0)), usual_view, starts).reshape(n, len(STARTS), -1)
    face, candidates = candidates_of(seen)
    if len(face) == 0:
        return points
    found, differ = from_nearby(seeing(look, images[face]), usual_view, candidates, NEAR)
    differ = differ / placement(candidates)[2]  # as large as usual
    for at in np.argsort(-differ):  # the surest last
        if differ[at] < SURE:
            points[face[at]] = found[at]
    return points


def seeing(look, images):
    """What `look` answers on views of these images, a Warp each, as points of the images."""
    return lambda views: views.undo(look(views.images(images)))


def candidates_of(seen):
    """What MANY starts or more ended at, of seen (n, starts, all): which face it may be (c,), and its points (c, all).

    CANDIDATES at most of each face, those first that most starts ended at.
    """
    faces, points = [], []
    for face, ends in enumerate(seen):
        same = rms(ends[:, None] - ends, 2) < SAME  # (starts, starts)
        for _ in range(CANDIDATES):
            best = same.sum(1).argmax()
            if same[best].sum() < MANY:
                break
            faces.append(face)
            points.append(ends[best])
            same = same & ~same[best] & ~same[best][:, None]
    return np.array(faces, int), np.array(points).reshape(-1, seen.shape[-1])
