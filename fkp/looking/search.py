"""Looks for a face by the net that knows its keypoints: from many views, then where it saw a face in each.

Each time the face that was seen is put to the usual place and size, as the net
is used to it.  What is a face stays where it is when it is seen from near by;
what is none moves along with the view.
"""
import numpy as np

from fkp.keypoints import rms

LOOKS = 3   # from each start, before it is asked from near by


def settle(look, around, views):
    """The points (n, k) of the faces that are seen at last where one looks first at these `views` of a picture.

    look(views) gives the points that are seen in them, in pixels of the
    picture; around(points) the views that show faces with such points at the
    usual place and in the usual size, around(points, *by) off it by a little.
    """
    for _ in range(LOOKS - 1):
        views = around(look(views))
    return look(views)


def from_nearby(look, around, points, near):
    """The mean of what is seen of faces with these points from each of `near`, and how far it differs: see `agreed`."""
    return agreed([look(around(points, *by)) for by in near])


def agreed(answers):
    """Mean (n, k) of answers (looks, n, k), and by how many pixels, root mean square, they differ from it (n,)."""
    mean = np.mean(answers, 0)
    return mean, rms(answers - mean, (0, 2))
