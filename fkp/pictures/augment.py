"""Faces turned aside, tilted, scaled, shifted and relit at random: more faces than there are, batch by batch."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fkp.keypoints import ALL_POINTS, LEFT_EYE, NOSE_BASE, NOSE_TIP, RIGHT_EYE, SIZE, TIP_ABOVE_BASE
from fkp.pictures.head import RADIUS, Head
from fkp.pictures.warp import Warp

YAW = np.deg2rad(35)    # heads turn aside by up to so much, each way,
TURNED = 0.6            # so many of them
TILT = np.deg2rad(20)   # each way, in the plane of the picture
SCALE = 0.25            # smaller or larger by so much
SHIFT = 10.0            # pixels each way
LIGHT = 0.3             # contrast changes by so much, brightness by as much of 128
CLOSER = 0.4            # of these suit a specialist: its crop is where the level before saw the group


class Augmentation:
    """Another picture of each of n faces, drawn at random: the place for a new idea, which then reaches every net.

    With the labels `heads` (n, full) or (n, all), in pixels, heads turn aside
    as well.  `strength` is that of tilts and shifts, and of how many heads turn;
    `sizes` that of scaling.
    """

    def __init__(self, n, random, strength=1.0, sizes=1.0, heads=None):
        self.random = random
        self.turn = None
        if heads is not None:
            self.turn = Turn(heads, random.uniform(-YAW, YAW, n) * (random.uniform(size=n) < strength * TURNED))
        self.warp = RandomWarp(n, SIZE, random, strength, sizes)

    def points(self, points):
        """Where points (n, 2k) go, in pixels from the edge; NaN stays NaN."""
        return self.warp.points(self.turn.points(points) if self.turn else points)

    def images(self, images):
        """The new images (n, SIZE, SIZE), uint8."""
        return self.windows(images, np.zeros((len(images), 2)), SIZE)

    def windows(self, images, corner, win):
        """The win x win pixels right of and below `corner` (n, 2) in the new images."""
        turned = self.turn.images(images) if self.turn else images
        return relight(self.warp.windows(turned, corner, win), self.random)


class Turn:
    """Each of n heads turned aside by its `angle` (n,), radians, positive towards larger x.

    Each is a `Head`, placed by its face's `points` (n, full) or (n, all); one
    without eyes or nose among them is not turned.  Pixels move along their row.
    """

    def __init__(self, points, angle):
        xy = np.full((len(points), len(ALL_POINTS), 2), np.nan, np.float32)
        xy[:, :points.shape[1] // 2] = points.reshape(len(points), -1, 2)
        radius = RADIUS * np.hypot(*(xy[:, LEFT_EYE] - xy[:, RIGHT_EYE]).T)
        above = radius[:, None] * [0, TIP_ABOVE_BASE / RADIUS]
        tip = np.where(np.isnan(xy[:, NOSE_TIP]), xy[:, NOSE_BASE] - above, xy[:, NOSE_TIP])
        self.turned = np.flatnonzero((angle != 0) & (radius > 0) & np.isfinite(tip).all(1))
        one_each = self.turned[:, None, None]  # (t, 1, 1): beside rows and columns of pixels
        self.radius = radius[one_each]
        self.middle = np.nanmean(xy[self.turned, :, :1], 1, keepdims=True)  # of the face: the cylinder's front
        nose_x, nose_y = tip.astype(np.float32).T[..., one_each]
        self.head = Head(angle.astype(np.float32)[one_each], (nose_x - self.middle) / self.radius, nose_y / self.radius)

    def points(self, points):
        """Where points (n, 2k) go, in pixels from the edge; NaN stays NaN."""
        moved = points.copy()
        x, y = points[self.turned, None, 0::2], points[self.turned, None, 1::2]
        new = self.head.there((x - self.middle) / self.radius, y / self.radius)
        moved[self.turned, 0::2] = (new * self.radius + self.middle)[:, 0]
        return moved

    def images(self, images):
        """The turned uint8 images (n, size, size): each pixel fetched, by the inverse of `points`, from its row."""
        size = images.shape[-1]
        centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
        seen = self.head.back((centres - self.middle) / self.radius, centres[:, None] / self.radius)
        old = (seen * self.radius + self.middle - np.float32(0.5)).clip(0, size - 1)
        left = old.astype(np.intp).clip(0, size - 2)
        before = images[self.turned].ravel()
        at = left + np.arange(0, before.size, size).reshape(-1, size, 1)
        pixels, right = before[at].astype(np.float32), before[at + 1]
        pixels += (right - pixels) * (old - left) + np.float32(0.5)  # uint8 cuts off, so this rounds
        after = images.copy()
        after[self.turned] = pixels
        return after


class RandomWarp(Warp):
    """A tilt, a scale and a shift for each of n faces of size x size pixels, drawn at random; see Augmentation."""

    def __init__(self, n, size, random, strength=1.0, sizes=1.0):
        centre = np.full((n, 2), size / 2)
        super().__init__(strength * random.uniform(-TILT, TILT, n), np.exp(sizes * random.uniform(-SCALE, SCALE, n)),
                         centre, centre + strength * random.uniform(-SHIFT, SHIFT, (n, 2)))


def relight(images, random):
    """Change contrast and brightness of uint8 images (n, SIZE, SIZE), each in its own way."""
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
