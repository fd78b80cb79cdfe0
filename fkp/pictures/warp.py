"""Faces tilted, scaled and moved: their pixels and their points, by the same map."""
import numpy as np

from fkp.pictures import crops


class Warp:
    """A map for each of n faces: tilted by `tilt` (n,), radians, and scaled by `scale` (n,), `old` comes to `new`.

    old and new: (n, 2), in pixels from the edge of the picture as it was and as it is then.
    """

    def __init__(self, tilt, scale, old, new):
        cos, sin = np.cos(tilt), np.sin(tilt)
        rotation = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
        self.there = rotation * scale[:, None, None]                        # (n, 2, 2): from old to new,
        self.back = rotation.transpose(0, 2, 1) / scale[:, None, None]      # and back
        self.old, self.new = old, new

    def points(self, points):
        """Where points (n, 2k) go, in pixels from the edge; NaN stays NaN."""
        return _mapped(points, self.old, self.there, self.new)

    def undo(self, points):
        """Where points (n, 2k) of the warped pictures were: the inverse of `points`."""
        return _mapped(points, self.new, self.back, self.old)

    def windows(self, images, corner, win):
        """The win x win pixels right of and below `corner` (n, 2) in the warped images (n, size, size)."""
        old = self.old + np.einsum("nij,nj->ni", self.back, corner - self.new)
        return crops.warped(images, self.back, old, win)

    def images(self, images):
        """The warped images, as large as `images` (n, size, size)."""
        return self.windows(images, np.zeros((len(images), 2)), images.shape[-1])


def _mapped(points, before, matrix, after):
    """Points (n, 2k) seen from `before` (n, 2), times `matrix` (n, 2, 2), from `after` (n, 2)."""
    offset = points.reshape(len(points), -1, 2) - before[:, None]
    moved = np.einsum("nij,nkj->nki", matrix, offset) + after[:, None]
    return moved.reshape(points.shape).astype(points.dtype)
