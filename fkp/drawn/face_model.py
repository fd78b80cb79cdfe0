"""Coordinates, strokes and camera of the faces that face_parts.py paints.

Everything is done for a batch of n faces at once, pixel by pixel, in each face's own frame: origin midway between the
eye centres, u along the line of the eyes towards the larger x, v down the face, unit = the distance between the eye
centres (37 pixels or so). On a head that is turned aside, u is bent round it (face_shapes.py), so that painters need
not know. Numbers in the code are lengths in units and greys from 0 (black) to 1 (white) unless a comment says
otherwise.
"""
import copy
import functools

import numpy as np
from scipy import ndimage

from fkp.drawn.face_shapes import Frame
from fkp.keypoints import SIZE

GREYS = 255  # grey level of white
COARSE = 2  # the relief and its light are smooth: every second pixel of them is worked out, the rest interpolated
CLUTTER = 0.5  # how many backgrounds have edges in them
ROWS = 48  # of a product at once: OpenBLAS divides a larger one among threads, and their number decides how it rounds

# Grey statistics of face photographs cut this close: mean and sd over pictures of their mean and of their contrast,
# in grey levels.
MEAN_GREY, MEAN_GREY_SD, CONTRAST, CONTRAST_SD = 115, 30, 51, 14


def product(a, b):
    """a @ b, the same to the bit whatever the number of threads."""
    return np.concatenate([a[..., row:row + ROWS, :] @ b for row in range(0, a.shape[-2], ROWS)], -2)


@functools.cache
def spread(knots):
    """Matrix (SIZE, knots) that interpolates knots to pixels with raised-cosine weights."""
    at = np.linspace(0, knots - 1, SIZE)[:, None] - np.arange(knots)
    return np.where(np.abs(at) < 1, 0.5 + 0.5 * np.cos(np.pi * at), 0).astype(np.float32)


class Traits:
    """Draws random traits, one per face, shaped (n, 1, 1) to spread over the picture."""

    def __init__(self, rng, n):
        self.rng, self.n = rng, n
        self._grain = rng.standard_normal((n, SIZE, SIZE), dtype=np.float32)

    def pick(self, rows):
        """The same source for some of the faces."""
        some = copy.copy(self)
        some.n, some._grain = len(rows), self._grain[rows]
        return some

    def uniform(self, low, high):
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def normal(self, mean, sd):
        """Normal, but within two sds of the mean: nobody has a negative nose."""
        return mean + sd * np.clip(self.rng.standard_normal((self.n, 1, 1), dtype=np.float32), -2, 2)

    def chance(self, p):
        return (self.rng.random((self.n, 1, 1)) < p).astype(np.float32)

    def rows(self, p):
        """The faces that have a trait seen with probability p."""
        return np.flatnonzero(self.rng.random(self.n) < p)

    def smooth(self, knots):
        """Smooth noise through knots x knots random greys of unit variance: (n, SIZE, SIZE)."""
        grey = product(self.rng.standard_normal((self.n * knots, knots), dtype=np.float32), spread(knots).T)
        return product(spread(knots), grey.reshape(self.n, knots, SIZE))

    def grain(self):
        """White noise of unit variance (n, SIZE, SIZE): drawn once, then shifted, since drawing it is slow."""
        return np.roll(self._grain, tuple(self.rng.integers(0, SIZE, 2)), (1, 2))


class Face(Frame):
    """Coordinates u, v of every pixel (n, SIZE, SIZE), the marks in them, and the outline and turn of the head."""

    def __init__(self, marks, angle, t):
        super().__init__(marks.astype(np.float32), angle.astype(np.float32))
        self.step = 1  # pixels of the picture between columns of u and v
        self.px = 1 / self.unit  # one pixel, in units
        centre = np.arange(SIZE, dtype=np.float32) + np.float32(0.5)  # column c has its centre at x = c + 0.5
        self.flat, self.v = self.upright(centre[None, None, :], centre[None, :, None])
        self.u, room = self.flat.copy(), np.full_like(self.flat, SIZE)
        turned = self.pick(np.flatnonzero(angle))
        self.u[angle != 0], room[angle != 0] = turned.bent(turned.flat, turned.v)
        self._outline(t)
        self.mask *= inside(room - 0.75, 1.5)  # pixels

    def _outline(self, t):
        """The head: when nose and mouth are off the middle it looks that way, and its outline lags behind."""
        mouth_u = (self.at("mouth_left_corner")[0] + self.at("mouth_right_corner")[0]) / 2
        self.turn = 0.55 * self.at("nose_tip")[0] + 0.45 * mouth_u
        self.chin = self.at("mouth_center_bottom_lip")[1] + t.normal(0.40, 0.05)
        self.chin_u, self.width = mouth_u - 0.15 * self.turn, t.normal(1.08, 0.06)
        self.axis = (self.chin_u + 0.7 * self.turn) * np.clip(self.v / self.chin, -0.4, 1.1) - 0.7 * self.turn
        off = self.u - self.axis
        self.across = off / (self.width * (1 - 0.25 * self.turn * np.sign(off)))
        low = self.v > 0.15
        down = (self.v - 0.15) / np.where(low, self.chin - 0.15, t.normal(1.7, 0.15))
        across, down = self.across ** 2, down ** 2
        ellipse, square = np.sqrt(across + down), np.sqrt(np.sqrt(across ** 2 + down ** 2))
        angular = np.where(low, t.uniform(0.0, 0.55), t.uniform(0.3, 0.8))
        self.r = ellipse + angular * (square - ellipse)  # 1: the outline
        self.mask = inside(1 - self.r, 1.5 * self.px)

    def pick(self, rows):
        """Some of the faces."""
        return self._mapped(lambda a: a[rows])

    def cut(self, box):
        """The same faces seen only within the box of pixels."""
        return self._mapped(lambda a: a[box] if a.shape[-2:] == self.u.shape[-2:] else a)

    def coarse(self):
        """The same faces at the middles of squares of COARSE x COARSE pixels."""
        near, far = (COARSE - 1) // 2, COARSE // 2
        part = self._mapped(lambda a: (a[:, near::COARSE, near::COARSE] + a[:, far::COARSE, far::COARSE]) / 2
                            if a.shape[-2:] == (SIZE, SIZE) else a)
        part.step = COARSE
        return part

    def _mapped(self, change):
        part = copy.copy(self)
        for key, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(part, key, change(value))
        part.where = {key: (change(u), change(v)) for key, (u, v) in self.where.items()}
        return part

    def box(self, names, reach):
        """Indices of the pixels within `reach` units of any of the named points in any of the faces."""
        return self.box_of([self.at(name) for name in names], reach)

    def box_of(self, points, reach):
        """The same for points (u, v)."""
        corners = [self.pixels(u + du, v + dv) for u, v in points for du in (-reach, reach) for dv in (-reach, reach)]
        (left, right), (top, bottom) = ((int(np.min(a).clip(0, SIZE - 1) / self.step),
                                         int(np.max(a).clip(1, SIZE) / self.step) + 1) for a in zip(*corners))
        return np.s_[:, top:bottom, left:right]


def inside(distance, soft):
    """1 where distance > 0, 0 where < 0, a ramp of width `soft` between: an anti-aliased mask."""
    mask = distance / soft
    mask += np.float32(0.5)
    np.maximum(mask, 0, out=mask)  # np.clip does the same, slower
    return np.minimum(mask, 1, out=mask)


def bump(f, u, v, ru, rv):
    """A soft hill of height 1 about (u, v) with radii ru, rv."""
    return np.exp(-((f.u - u) / ru) ** 2 - ((f.v - v) / rv) ** 2)


def swell(image, f, amount, u, v, ru, rv):
    """Adds amount * bump in place, within the box where it matters. f must be the whole frame."""
    box = f.box_of([(u, v)], 2.2 * max(ru, rv))
    image[box] += amount * bump(f.cut(box), u, v, ru, rv)


def ridge(distance, width):
    """1 where distance is 0, falling off within `width` on both sides."""
    return np.exp(-(distance / width) ** 2)


def lay(image, grey, mask):
    """Lays a grey over the image in place where mask is 1."""
    change = grey - image
    change *= mask
    image += change


def background(t):
    """Plain, cloudy or cluttered with edges. (n, SIZE, SIZE) about 0..1"""
    image = t.uniform(0.0, 0.95) + t.uniform(0, 0.25) * t.smooth(3) + t.uniform(0, 0.12) * t.smooth(10)
    rows = t.rows(CLUTTER)
    some = t.pick(rows)
    at = (np.arange(SIZE, dtype=np.float32) - SIZE / 2) / SIZE
    for _ in range(4):
        angle, off = some.uniform(0, 2 * np.pi), some.uniform(-0.5, 0.5)
        along = at[None, None, :] * np.cos(angle) + at[None, :, None] * np.sin(angle) - off
        strip = inside(along, 0.02) * inside(some.uniform(0.05, 0.6) - along, 0.02)
        image[rows] += some.normal(0, 0.2) * strip
    return image


def develop(image, t):
    """The camera: gamma, blur, contrast, grain. Returns uint8 (n, SIZE, SIZE)."""
    image = np.clip(image, 0.005, 1.6) ** t.uniform(0.7, 1.25)
    sharp = t.rng.choice(5, t.n, p=(0.34, 0.34, 0.2, 0.08, 0.04))
    for k, sd in ((1, 0.5), (2, 0.9), (3, 1.7), (4, 2.6)):  # pixels; the last is a face that was a few pixels wide
        image[sharp == k] = ndimage.gaussian_filter(image[sharp == k], (0, sd, sd))
    image += t.uniform(-0.15, 0.15) * t.smooth(2)
    mean, sd = image.mean((1, 2), keepdims=True), image.std((1, 2), keepdims=True) + np.float32(1e-3)
    image = (image - mean) / sd + t.uniform(0, 1) ** 3 * 0.14 * t.grain()
    image = t.normal(MEAN_GREY, MEAN_GREY_SD) + np.clip(t.normal(CONTRAST, CONTRAST_SD), 15, 80) * image
    return np.clip(np.rint(image), 0, GREYS).astype(np.uint8)
