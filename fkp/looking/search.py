"""Looks for a face by the net that knows its keypoints: from many views, then where it saw a face in each.

Each time the face that was seen is put to the usual place and size, as the net
is used to it.  What is a face stays where it is when it is seen from near by;
what is none moves along with the view.
"""
import numpy as np

from fkp.keypoints import rms

LOOKS = 3   # from each start, before it is asked from near by


def settle(look, around, views, near):
    """What a search from `views` of a picture ends at.

    look(views) gives the points (n, k) that are seen in them, in pixels of the
    picture; around(points, *by) the views that show faces with such points at
    the usual place and in the usual size, or off it by one of `near`.  Returns
    the points (n, k), their mean as seen from near by, and by how many pixels,
    root mean square, these looks differ (n,).
    """
    for _ in range(LOOKS):
        seen = look(views)
        views = around(seen)
    return (seen, *agreed([look(around(seen, *by)) for by in near]))


def agreed(answers):
    """Mean (n, k) of answers (looks, n, k), and by how many pixels, root mean square, they differ from it (n,)."""
    mean = np.mean(answers, 0)
    return mean, rms(answers - mean, (0, 2))
