"""Faces turned, scaled, shifted and relit at random: more faces than there are, batch by batch."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

TURN = np.deg2rad(9)  # each way: heads in Kaggle's pictures lean about so much
SCALE = 0.1           # smaller or larger by so much
SHIFT = 3.0           # pixels each way
LIGHT = 0.2           # contrast changes by so much, brightness by as much of 128
EDGE = 18             # pixels of the picture's edge repeated outside it, where a turned picture shows them


def faces(images, points, random):
    """Another picture of each face, all that augmentation does to it: the place for a new idea.

    images (n, 96, 96) uint8; points (n, 2k) in pixels from the edge, NaN
    where missing.  Returns new arrays of the same shapes.
    """
    images, points = warp(images, points, random)
    return relight(images, random), points


class Warp:
    """A turn, a scale and a shift for each of n faces of size x size pixels, drawn at random."""

    def __init__(self, n, size, random):
        turn, scale = random.uniform(-TURN, TURN, n), np.exp(random.uniform(-SCALE, SCALE, n))
        cos, sin = np.cos(turn), np.sin(turn)
        rotation = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
        self.size = size
        self.there = rotation * scale[:, None, None]                        # (n, 2, 2): from old to new,
        self.back = rotation.transpose(0, 2, 1) / scale[:, None, None]      # and back, about the centre
        self.centre = random.uniform(-SHIFT, SHIFT, (n, 2)) + size / 2      # (n, 2): where the old centre goes

    def points(self, points):
        """Where points (n, 2k) go, in pixels from the edge; NaN stays NaN."""
        offset = points.reshape(len(points), -1, 2) - self.size / 2
        moved = np.einsum("nij,nkj->nki", self.there, offset) + self.centre[:, None]
        return moved.reshape(points.shape).astype(points.dtype)

    def windows(self, images, corner, win):
        """The win x win pixels right of and below `corner` (n, 2) in the warped uint8 images (n, size, size)."""
        padded = np.pad(images, ((0, 0), (EDGE, EDGE), (EDGE, EDGE)), mode="edge")
        old = self.size / 2 + EDGE + np.einsum("nij,nj->ni", self.back, corner - self.centre)
        return np.stack([_window(*face, win) for face in zip(padded, self.back, old)])


def _window(face, back, old, win):
    """One face, padded; `back` (2, 2) leads from the window, whose corner is at `old`, to the old picture.

    Pillow's coordinates are ours: (0.5, 0.5) is the first pixel's centre.
    """
    (a, b), (d, e) = back
    return np.asarray(Image.fromarray(face).transform((win, win), Image.Transform.AFFINE, (a, b, old[0], d, e, old[1]),
                                                      Image.Resampling.BILINEAR))


def warp(images, points, random):
    """Turn, scale and shift faces, each in its own way; arrays as for `faces`."""
    size = images.shape[-1]
    drawn = Warp(len(images), size, random)
    return drawn.windows(images, np.zeros((len(images), 2)), size), drawn.points(points)


def relight(images, random):
    """Change contrast and brightness of uint8 images (n, 96, 96), each in its own way."""
    n = len(images)
    contrast = 1 + random.uniform(-LIGHT, LIGHT, (n, 1, 1)).astype(np.float32)
    light = 128 * (1 + random.uniform(-LIGHT, LIGHT, (n, 1, 1))).astype(np.float32)
    return np.clip((images - np.float32(128)) * contrast + light, 0, 255).astype(np.uint8)


def ahead(batches):
    """The same batches in the same order, the next one made by a thread while the net trains on this one."""
    batches = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while True:
            batch = coming.result()
            if batch is None:
                return
            coming = pool.submit(next, batches, None)
            yield batch
