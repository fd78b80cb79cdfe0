"""Paints grey faces around given keypoints: the pictures behind draw_faces.py.

Every face is painted where its keypoints are, so the labels are exact by construction. A batch of faces is painted at
once, pixel by pixel, in each face's own frame: origin midway between the eye centres, u along the line of the eyes
towards the larger x, v down the face, unit = the distance between the eye centres (37 pixels or so). Head, nose, lips
and sockets form a relief z(u, v) that a lamp shades; eyes, brows, mouth, hair and glasses are laid over it with soft
edges. Numbers in the code are lengths in units and greys from 0 (black) to 1 (white) unless a comment says otherwise.
"""
import copy

import numpy as np
from scipy import ndimage

SIZE = 96  # pixels along each side of a picture
GREYS = 255  # grey level of white

# How often each trait is seen. Guesses from photographs of all kinds of people.
GLASSES, DARK_LENSES, BEARD, MOUSTACHE, STUBBLE, CLOSED_EYES = 0.15, 0.12, 0.10, 0.12, 0.2, 0.06
FRINGE, LONG_HAIR, BALD, HAT, HAND, CLUTTER = 0.2, 0.4, 0.05, 0.06, 0.06, 0.5

# Grey statistics of face photographs cut this close: mean and sd over pictures of their mean and of their contrast,
# in grey levels.
MEAN_GREY, MEAN_GREY_SD, CONTRAST, CONTRAST_SD = 115, 30, 51, 14


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
        return spread(knots) @ self.rng.standard_normal((self.n, knots, knots), dtype=np.float32) @ spread(knots).T

    def grain(self):
        """White noise of unit variance (n, SIZE, SIZE): drawn once, then shifted, since drawing it is slow."""
        return np.roll(self._grain, tuple(self.rng.integers(0, SIZE, 2)), (1, 2))


class Face:
    """Coordinates u, v of every pixel (n, SIZE, SIZE), the keypoints in them, and the outline and turn of the head.

    points: (n, 15, 2) pixels from the left and upper edge; second: (n, 2, 2) base of nose and middle of mouth;
    names: of the 15. `at(name)` gives (u, v) of a keypoint, each (n, 1, 1).
    """

    def __init__(self, points, second, names, t):
        names = [*names, "nose_base", "mouth_middle"]
        points = np.concatenate([points, second], 1).astype(np.float32)
        left, right = points[:, names.index("left_eye_center")], points[:, names.index("right_eye_center")]
        middle, across = (left + right) / 2, left - right
        self.unit = np.hypot(across[:, 0], across[:, 1])[:, None, None]  # pixels
        self.px = 1 / self.unit  # one pixel, in units
        axes = across[:, 0, None, None] / self.unit, across[:, 1, None, None] / self.unit
        centre = np.arange(SIZE, dtype=np.float32) + np.float32(0.5)  # column c has its centre at x = c + 0.5
        self.u, self.v = self._turned(*axes, centre[None, None, :] - middle[:, 0, None, None],
                                      centre[None, :, None] - middle[:, 1, None, None])
        u, v = self._turned(*axes, *(points[:, :, k, None] - middle[:, None, k, None] for k in (0, 1)))
        self.where = {name: (u[:, i, :, None], v[:, i, :, None]) for i, name in enumerate(names)}
        self.pixel = {name: points[:, i] for i, name in enumerate(names)}
        self._outline(t)

    def _turned(self, cos, sin, x, y):
        return (x * cos + y * sin) / self.unit, (y * cos - x * sin) / self.unit

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
        down = (self.v - 0.15) / np.where(low, self.chin - 0.15, t.normal(1.75, 0.15))
        square = np.where(low, t.normal(2.3, 0.25), np.float32(2.3))  # 2 makes an ellipse, more a square jaw
        self.r = (np.abs(self.across) ** square + np.abs(down) ** square) ** (1 / square)  # 1 on the outline
        self.mask = inside(1 - self.r, 1.5 * self.px)

    def at(self, name):
        return self.where[name]

    def pick(self, rows):
        """Some of the faces."""
        return self._mapped(lambda a: a[rows])

    def cut(self, box):
        """The same faces seen only within the box of pixels."""
        return self._mapped(lambda a: a[box] if a.shape[-2:] == (SIZE, SIZE) else a)

    def _mapped(self, change):
        part = copy.copy(self)
        for key, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(part, key, change(value))
        part.where = {key: (change(u), change(v)) for key, (u, v) in self.where.items()}
        part.pixel = {key: change(value) for key, value in self.pixel.items()}
        return part

    def box(self, names, reach):
        """Indices of the pixels within `reach` units of any of the named points in any of the faces."""
        far = reach * self.unit[:, 0]
        low = np.min([(self.pixel[name] - far).min(0) for name in names], 0).clip(0, SIZE - 1).astype(int)
        high = np.max([(self.pixel[name] + far).max(0) for name in names], 0).clip(1, SIZE).astype(int) + 1
        return np.s_[:, low[1]:high[1], low[0]:high[0]]


def inside(distance, soft):
    """1 where distance > 0, 0 where < 0, a ramp of width `soft` between: an anti-aliased mask."""
    mask = distance / soft
    mask += np.float32(0.5)
    return np.clip(mask, 0, 1, out=mask)


def bump(f, u, v, ru, rv):
    """A soft hill of height 1 about (u, v) with radii ru, rv."""
    return np.exp(-((f.u - u) / ru) ** 2 - ((f.v - v) / rv) ** 2)


def ridge(distance, width):
    """1 where distance is 0, falling off within `width` on both sides."""
    return np.exp(-(distance / width) ** 2)


def lay(image, grey, mask):
    """Lays a grey over the image in place where mask is 1."""
    image += mask * (grey - image)


def relief(f, t):
    """Height z (n, SIZE, SIZE) of the face towards the viewer, in units."""
    z = t.normal(0.85, 0.1) * np.sqrt(np.clip(1 - f.r ** 2, 0.03, 1))
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    z += t.uniform(0.0, 0.07) * bump(f, 0.4 * f.turn, brow_v + 0.02, 0.8, 0.18)
    deep, smile, crease = t.uniform(0.04, 0.14), t.uniform(0, 1), t.uniform(-0.04, 0.0)
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f.at(side + "_eye_center")
        box = f.box([side + "_eye_center"], 0.75)
        part = f.cut(box)
        z[box] -= deep * bump(part, u - 0.13 * sign, v - 0.04, 0.28, 0.18)
        z[box] += 0.05 * bump(part, u, v, 0.17, 0.11)
        z += (0.05 + 0.06 * smile) * bump(f, u + 0.1 * sign + 0.2 * f.turn, v + 0.62, 0.3, 0.26)
        z += fold(f, side, sign) * crease
    z += muzzle(f, t)
    box = f.box(["nose_tip", "left_eye_inner_corner", "right_eye_inner_corner"], 0.45)
    z[box] += nose(f.cut(box), t)
    return ndimage.gaussian_filter(z, (0, 0.8, 0.8))  # flesh has no sharp edges


def nose(f, t):
    """Ridge from between the eyes to a round tip, with the wings beside it."""
    (tip_u, tip_v), (base_u, base_v) = f.at("nose_tip"), f.at("nose_base")
    along = np.clip((f.v + 0.05) / (tip_v + 0.05), 0, 1)
    line = 0.35 * f.turn + (tip_u - 0.35 * f.turn) * along
    width = t.uniform(0.08, 0.13) + t.uniform(0.02, 0.07) * along
    past = np.maximum(f.v - tip_v, 0) / t.uniform(0.10, 0.15)
    height = (0.02 + t.uniform(0.08, 0.24) * along ** 1.3) * np.exp(-past ** 2)
    z = height * ridge(f.u - line, width) * inside(f.v + 0.2, 0.4)
    z += t.uniform(0.06, 0.16) * bump(f, tip_u, tip_v + 0.02, t.uniform(0.12, 0.18), t.uniform(0.11, 0.16))
    wing = t.uniform(0.16, 0.22)
    for sign in (1, -1):
        z += t.uniform(0.06, 0.12) * bump(f, (base_u + tip_u) / 2 + sign * wing, base_v - 0.09, 0.1, 0.09)
    return z


def fold(f, side, sign):
    """The crease from the wing of the nose to beside the mouth's corner, 1 in its middle."""
    base_u, base_v = f.at("nose_base")
    corner_u, corner_v = f.at(f"mouth_{side}_corner")
    along = np.clip((f.v - base_v + 0.12) / (corner_v - base_v + 0.12), 0, 1.3)
    line = base_u + sign * 0.24 + (corner_u + sign * 0.12 - base_u - sign * 0.24) * along
    return ridge(f.u - line, 0.07) * np.sin(np.float32(np.pi / 1.3) * along)


def muzzle(f, t):
    """Lips, the hollow under them and the chin."""
    (top_u, top_v), (low_u, low_v) = f.at("mouth_center_top_lip"), f.at("mouth_center_bottom_lip")
    z = 0.08 * bump(f, (top_u + low_u) / 2, (top_v + low_v) / 2, 0.5, 0.3)
    z += t.uniform(0.05, 0.12) * bump(f, f.chin_u, f.chin - 0.16, 0.27, 0.16)
    box = f.box(["mouth_center_top_lip", "mouth_center_bottom_lip"], 0.55)
    part = f.cut(box)
    z[box] += t.uniform(0.02, 0.06) * bump(part, top_u, top_v + 0.07, 0.28, 0.06)
    z[box] += t.uniform(0.03, 0.08) * bump(part, low_u, low_v - 0.07, 0.24, 0.07)
    z[box] -= t.uniform(0.02, 0.08) * bump(part, low_u, low_v + 0.07, 0.25, 0.06)
    z[box] -= t.uniform(0.0, 0.03) * bump(part, top_u, top_v - 0.08, 0.05, 0.08)
    return z


def shine(f, z, t):
    """Light on the relief: (shade around 1, gloss 0..1), each (n, SIZE, SIZE). z in units."""
    z = z * f.unit  # pixels
    down, right = np.gradient(z, axis=(1, 2))
    length = np.sqrt(1 + down ** 2 + right ** 2)
    azimuth, height = t.normal(0, 0.75), t.normal(0.5, 0.35)  # radians; the lamp is mostly above
    lamp = np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)
    toward = -right * lamp[0] - down * lamp[1]
    wrap = t.uniform(0, 0.5)  # a broad lamp reaches round the corner
    light = np.maximum((toward + lamp[2]) / length + wrap, 0) / (1 + wrap)
    light *= 1 - t.uniform(0.1, 0.8) * cast(z, lamp)
    hollow = ndimage.gaussian_filter(z, (0, 2.5, 2.5), truncate=2.5) - z  # below its surroundings a pixel sees less sky
    ambient = t.uniform(0.2, 0.75) * np.clip(1 - t.uniform(0.1, 0.3) * hollow, 0.3, 1.5)
    gloss = np.maximum((toward + 1 + lamp[2]) / (length * np.sqrt(2 + 2 * lamp[2])), 0)
    for _ in range(4):
        gloss *= gloss  # the sixteenth power
    return (ambient + light) / t.uniform(1.1, 1.3), gloss * t.uniform(0, 0.25)


def cast(z, lamp):
    """How far each pixel lies in the shadow of what stands between it and the lamp, 0..1. z in pixels."""
    flat = np.hypot(lamp[0], lamp[1]) + np.float32(1e-3)
    line = np.arange(SIZE)
    shadow, rows = np.zeros_like(z), np.arange(len(z))[:, None, None]
    for steps in (2, 4, 7, 10):  # pixels towards the lamp
        y = np.clip(line[:, None] + np.rint(steps * lamp[1] / flat).astype(int), 0, SIZE - 1)
        x = np.clip(line[None, :] + np.rint(steps * lamp[0] / flat).astype(int), 0, SIZE - 1)
        np.maximum(shadow, np.clip((z[rows, y, x] - z - steps * lamp[2] / flat) / 2, 0, 1), out=shadow)
    return ndimage.gaussian_filter(shadow, (0, 1, 1), truncate=2.5)


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


def body(image, f, t, skin):
    """Neck and clothes below the chin."""
    box = np.s_[:, SIZE // 2:, :]
    image, f, skin = image[box], f.cut(box), skin[box]
    from_axis = np.abs(f.u - 0.5 * f.chin_u)
    neck = inside(t.uniform(0.6, 0.85) - from_axis, 2 * f.px) * inside(f.v - 0.6, 0.2)
    lay(image, skin * t.uniform(0.35, 0.85), neck)
    cloth = t.uniform(0.02, 0.95) + 0.08 * t.smooth(12)[box]
    lay(image, cloth, inside(f.v - f.chin - t.uniform(0.05, 0.4) + from_axis * t.uniform(0.2, 0.5), 3 * f.px))


def skin_of(f, t):
    """Grey of the skin before any light, with blotches, reddish cheeks and dark lids. (n, SIZE, SIZE)"""
    skin = 1 + 0.04 * t.smooth(8) + t.uniform(0, 0.05) * t.smooth(24) + t.uniform(0, 0.03) * t.grain()
    for side, sign in (("left", 1), ("right", -1)):
        skin -= t.uniform(-0.03, 0.1) * bump(f, sign * 0.62, 0.65, 0.3, 0.3)
        u, v = f.at(side + "_eye_center")
        box = f.box([side + "_eye_center"], 0.8)
        skin[box] -= t.uniform(0, 0.2) * bump(f.cut(box), u, v - 0.02, 0.32, 0.15)
    return t.uniform(0.3, 0.95) * skin


def ears(image, f, t, skin):
    low, high = t.uniform(0.35, 0.6), t.uniform(-0.2, 0.0)
    for sign in (1, -1):
        u = -0.7 * f.turn + sign * f.width * (1 - 0.25 * f.turn * sign)
        d = 1 - np.hypot((f.u - u) / t.uniform(0.1, 0.22), (f.v - (low + high) / 2) / ((low - high) / 2))
        lay(image, skin * t.uniform(0.5, 1.0) * (1 - 0.3 * np.clip(d, 0, 1)), inside(d, 8 * f.px))


def wisps(f, t, fine):
    """Streaks of hair combed one way on each head, about unit variance. (n, SIZE, SIZE)"""
    strands = t.rng.standard_normal((t.n, 512), dtype=np.float32)
    at = (f.u + t.normal(0, 0.6) * f.v + t.normal(0, 0.3) * f.v ** 2 + 0.06 * t.smooth(8)) * fine + 256
    at = np.clip(at, 0, 510.9)
    low = at.astype(np.int32)
    part, rows = at - low, np.arange(t.n)[:, None, None]
    return strands[rows, low] * (1 - part) + strands[rows, low + 1] * part


def hair(image, f, t, tone):
    """Cap of hair above the hairline and, on some heads, locks down both sides or a fringe over the brow."""
    present = 1 - t.chance(BALD)
    long, fringe = t.chance(LONG_HAIR), t.chance(FRINGE)
    texture = 1 + t.uniform(0.1, 0.4) * wisps(f, t, 18) * (0.7 + 0.4 * t.smooth(6)) + 0.2 * t.smooth(9)
    ragged = 0.05 * t.smooth(14) + t.uniform(0, 0.04) * t.smooth(40)
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    line = np.where(fringe > 0, brow_v - t.uniform(0.0, 0.35), -t.uniform(0.5, 0.95))
    off = f.u - f.axis
    line = line + t.uniform(0.0, 0.35) * off ** 2 + t.normal(0, 0.2) * off + ragged
    soft = t.uniform(2, 7) * f.px
    cap = inside(line - f.v, soft) * inside(t.uniform(1.08, 1.3) - f.r, 6 * f.px)
    end = np.where(long > 0, t.uniform(0.9, 3.0), t.uniform(-0.35, 0.25))
    side = np.abs(f.across)
    locks = inside(side - t.uniform(0.72, 1.0) - ragged, soft) * inside(end - f.v + ragged, 4 * f.px)
    locks *= inside(t.uniform(1.1, 1.6) - side + ragged, 4 * f.px)
    grey = tone * np.clip(texture, 0.15, 2) * np.clip(1 - 0.3 * f.v, 0.7, 1)
    lay(image, grey, np.maximum(cap, locks) * present)


def beard(face, f, t, tone):
    """Stubble or a beard along the jaw; the mouth is painted over it later."""
    (top_u, _), base_v = f.at("mouth_center_top_lip"), f.at("nose_base")[1]
    jaw = inside(f.v - base_v - 0.12 - t.uniform(0.0, 0.3) * (f.u - top_u) ** 2 + 0.1 * t.smooth(10), 0.2)
    side = inside(np.abs(f.across) - 0.8 + 0.05 * t.smooth(10), 0.2) * inside(f.v - 0.3, 0.3)
    texture = tone * np.clip(1 + 0.25 * wisps(f, t, 30) + 0.1 * t.grain(), 0.2, 2)
    lay(face, texture, np.maximum(jaw, side) * np.where(t.chance(0.6), t.uniform(0.05, 0.3), t.uniform(0.4, 1)))


def moustache(face, f, t, tone):
    (top_u, top_v), base_v = f.at("mouth_center_top_lip"), f.at("nose_base")[1]
    off = np.abs(f.u - top_u)
    middle = (base_v + top_v) / 2 + 0.04 + t.uniform(0.1, 0.5) * off ** 2
    mask = inside((top_v - base_v) * 0.36 - np.abs(f.v - middle) + 0.02 * t.smooth(20), 4 * f.px)
    texture = tone * np.clip(1 + 0.25 * wisps(f, t, 30), 0.2, 2)
    lay(face, texture, mask * inside(t.uniform(0.35, 0.6) - off, 0.15) * t.uniform(0.3, 1))


def brow(face, f, t, side, tone, looks):
    """From the inner to the outer end, arched and tapering. looks: arch, thickness, strength, shared by both."""
    (iu, iv), (ou, ov) = f.at(side + "_eyebrow_inner_end"), f.at(side + "_eyebrow_outer_end")
    arch, thick, strength = looks
    sign = 1 if side == "left" else -1
    along = (f.u - iu) / (sign * np.maximum(sign * (ou - iu), 0.15))
    inner = np.clip(along, 0, 1)
    line = iv + (ov - iv) * along - 4 * arch * inner * (1 - inner)
    mask = inside(thick * (1 - 0.55 * inner ** 2) - np.abs(f.v - line), 0.06)
    mask *= inside(along + 0.04, 0.12) * inside(1.04 - along, 0.12)
    hairs = 1 + 0.2 * t._grain[:, :face.shape[1], :face.shape[2]]
    lay(face, tone, mask * np.clip(strength * hairs, 0, 1))


def eye_looks(t):
    """What both eyes of a face share."""
    return {"open": np.where(t.chance(CLOSED_EYES) > 0, np.float32(0.005), t.normal(0.075, 0.02)),
            "gaze_u": t.normal(0, 0.025), "gaze_v": t.normal(-0.005, 0.012), "iris": t.uniform(0.085, 0.11),
            "colour": t.uniform(0.04, 0.4), "pupil": t.uniform(0.03, 0.05), "white": t.uniform(0.5, 0.95),
            "glint": t.chance(0.7), "glint_u": t.normal(0, 0.03), "lash": t.uniform(0.1, 0.6),
            "lash_width": t.uniform(0.02, 0.04), "lid": t.uniform(0.6, 1.0), "crease": t.uniform(0.07, 0.14),
            "pouch": t.uniform(0, 0.3), "fold": t.uniform(0, 0.4)}


def eye(face, f, side, shade, looks):
    """Ball, iris, pupil, glint and lids, between the corners and about the eye's centre."""
    (iu, iv), (ou, ov) = f.at(side + "_eye_inner_corner"), f.at(side + "_eye_outer_corner")
    (cu, cv), sign = f.at(side + "_eye_center"), 1 if side == "left" else -1
    half = np.maximum(sign * (ou - iu), 0.15) / 2
    s = sign * (f.u - (iu + ou) / 2) / half  # -1 at the inner corner, 1 at the outer
    between = (np.abs(s) < 1).astype(np.float32)
    room = np.clip(1 - s ** 2, 0, 1)
    bow = (np.sqrt(room) + room) / 2
    chord = iv + (ov - iv) * (np.clip(s, -1.2, 1.2) + 1) / 2
    upper, lower = (chord + (cv + edge - chord) * bow for edge in (-looks["open"], looks["open"]))
    below = f.v - upper
    lay(face, face * looks["lid"], inside(0.11 - np.abs(below + 0.06), 0.1) * between * bow)
    ball = inside(below, 1.3 * f.px) * inside(lower - f.v, 1.3 * f.px) * between
    lay(face, looks["white"] * np.clip(shade, 0.3, 1.2) * np.clip(0.65 + 4 * below, 0.5, 1), ball)
    away = np.hypot(f.u - cu - looks["gaze_u"], f.v - cv - looks["gaze_v"])
    rim = 1 - 0.4 * np.clip(away / looks["iris"], 0, 1) ** 4
    lay(face, looks["colour"] * rim, ball * inside(looks["iris"] - away, 1.2 * f.px))
    lay(face, np.float32(0.03), ball * inside(looks["pupil"] - away, f.px))
    glint = np.hypot(f.u - cu - looks["glint_u"], f.v - cv + 0.035)
    lay(face, np.float32(0.95), ball * inside(0.028 - glint, f.px) * looks["glint"])
    reach = np.clip(6.25 - 5 * np.abs(s), 0, 1)
    lay(face, looks["lash"] * face, ridge(below, looks["lash_width"]) * reach)
    dark = np.maximum(ridge(below + looks["crease"], 0.03) * looks["fold"] * bow, ridge(f.v - lower, 0.03) * 0.3)
    dark = np.maximum(dark, ridge(f.v - lower - 0.09, 0.04) * looks["pouch"] * bow)
    face *= 1 - dark * reach


def skewed(s, middle):
    """Maps -1..1 onto itself so that `middle` comes to 0 (a Moebius map)."""
    return (s - middle) / (1 - middle * np.clip(s, -1.5, 1.5))


def mouth(face, f, t, shade):
    """Lips through the four points of the mouth; open as far as the lips leave room: teeth, or dark."""
    (lu, lv), (ru, rv) = f.at("mouth_left_corner"), f.at("mouth_right_corner")
    (tu, tv), (bu, bv) = f.at("mouth_center_top_lip"), f.at("mouth_center_bottom_lip")
    half = np.maximum(lu - ru, 0.3) / 2
    s = (f.u - (lu + ru) / 2) / half
    tm, bm = (np.clip((u - (lu + ru) / 2) / half, -0.6, 0.6) for u in (tu, bu))
    chord = rv + (lv - rv) * (np.clip(s, -1.3, 1.3) + 1) / 2
    top, low = (v - rv - (lv - rv) * (m + 1) / 2 for v, m in ((tv, tm), (bv, bm)))  # bulge of the lips at m
    across = skewed(s, tm)
    upper_room, lower_room = np.clip(1 - across ** 2, 0, 1), np.clip(1 - skewed(s, bm) ** 2, 0, 1)
    thick = np.minimum(t.uniform(0.14, 0.3), bv - tv)
    gap = np.where(bv - tv - thick < 0.03, 0, bv - tv - thick)
    line = (bv - tv - gap) * t.uniform(0.34, 0.48)  # thickness of the upper lip
    cupid = -t.uniform(0, 0.03) * ridge(np.abs(across) - 0.3, 0.18) * upper_room
    upper, lower = chord + top * upper_room + cupid, chord + low * lower_room ** 0.85
    inner_top, inner_low = chord + (top + line) * upper_room, chord + (top + line + gap) * upper_room
    between = (np.abs(s) < 1).astype(np.float32)
    lips = inside(f.v - upper, 2.5 * f.px) * inside(lower - f.v, 2.5 * f.px) * between
    tint = t.uniform(0.5, 0.95) * np.where(f.v < inner_top, t.uniform(0.75, 1), np.float32(1.08))
    lay(face, face * tint, lips)
    hole = inside(f.v - inner_top, 1.3 * f.px) * inside(inner_low - f.v, 1.3 * f.px) * between * (gap > 0)
    lay(face, t.uniform(0.02, 0.25), hole)
    teeth = inside(inner_top + t.uniform(0.1, 0.22) - f.v, 2 * f.px) * inside(0.95 - np.abs(s), 0.3)
    white = t.uniform(0.6, 1.0) * np.clip(shade, 0.4, 1.2) * (1 - 0.5 * s ** 2)
    lay(face, white - 0.06 * (np.cos(f.u * 70) > 0.8), hole * teeth * t.chance(0.8))
    crack = ridge(f.v - (inner_top + inner_low) / 2, t.uniform(0.018, 0.035)) * inside(1.04 - np.abs(s), 0.15)
    face *= 1 - crack * np.where(gap > 0, 0, t.uniform(0.4, 0.8))
    for u, v in ((lu, lv), (ru, rv)):
        face *= 1 - t.uniform(0.0, 0.5) * bump(f, u, v, 0.07, 0.05)
    face *= 1 - t.uniform(0, 0.3) * bump(f, bu, bv + 0.06, 0.2, 0.04)


def nostrils(face, f, t):
    u, v = f.at("nose_base")
    dark, apart, flat = t.uniform(0.1, 0.8), t.uniform(0.08, 0.13), t.uniform(0.025, 0.05)
    face *= 1 - t.uniform(0.1, 0.4) * bump(f, u, v, 0.2, 0.06)
    for sign in (1, -1):
        face *= 1 - dark * bump(f, u + sign * apart, v - 0.045, 0.06, flat)
        wing = ridge(np.hypot(f.u - u - sign * 0.15, f.v - v + 0.1) - 0.1, 0.035)
        face *= 1 - t.uniform(0, 0.3) * wing * inside(sign * (f.u - u) - 0.19, 0.06)


def glasses(image, f, t):
    """Frames around both eyes with a bridge and arms, some with dark lenses or glare."""
    width, height, wire = t.uniform(0.3, 0.42), t.uniform(0.18, 0.33), t.uniform(0.012, 0.05)
    corner, frame, drop = t.uniform(2, 5), t.uniform(0.02, 0.8) ** 2, t.uniform(-0.02, 0.1)
    dark, glare = t.chance(DARK_LENSES) * t.uniform(0.75, 1), t.uniform(0, 0.5) * t.chance(0.4)
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f.at(side + "_eye_center")
        du, dv = (f.u - u - 0.02 * sign) / width, (f.v - v - drop) / height
        d = (np.abs(du) ** corner + np.abs(dv) ** corner) ** (1 / corner)
        lens = inside((1 - d) * height, 1.5 * f.px)
        lay(image, t.uniform(0.02, 0.2) + 0.15 * inside(du - dv, 0.5), lens * dark)
        lay(image, np.float32(1), lens * glare * inside(0.35 - np.abs(du + dv - 0.3), 0.4))
        lay(image, frame, inside(wire - np.abs(d - 1) * height, 1.5 * f.px))
        lay(image, frame, inside(wire - np.abs(f.v - v - drop + 0.08), 1.5 * f.px) * (sign * du > 1) * f.mask)
    bridge = inside(wire - np.abs(f.v - drop + 0.06 - 0.3 * f.u ** 2), 1.5 * f.px)
    lay(image, frame, bridge * (np.abs(f.u) < 0.52 - width))


def hat(image, f, t):
    brim = -t.uniform(0.45, 0.9) + t.normal(0, 0.15) * f.u + t.uniform(-0.1, 0.2) * f.u ** 2
    lay(image, t.uniform(0.03, 0.9) + 0.1 * t.smooth(14) + 0.03 * t.grain(), inside(brim - f.v, 2 * f.px))


def hand(image, f, t, skin):
    """A hand at the cheek or before the chin."""
    side = np.where(t.chance(0.5) > 0, 1, -1)
    du, dv, lean = f.u - side * t.uniform(0.8, 1.3), f.v - t.uniform(0.9, 1.6), t.uniform(-0.6, 0.6)
    d = 1 - np.hypot((du + lean * dv) / t.uniform(0.25, 0.45), dv / t.uniform(0.4, 0.8))
    fingers = 0.85 + 0.15 * np.cos((du + 1.5 * lean * dv) * 35)
    lay(image, skin * fingers * np.clip(0.6 + d, 0.5, 1.1), inside(d, 8 * f.px))


def develop(image, t):
    """The camera: gamma, blur, contrast, grain. Returns uint8 (n, SIZE, SIZE)."""
    image = np.clip(image, 0.005, 1.6) ** t.uniform(0.7, 1.25)
    sharp = t.rng.choice(4, t.n, p=(0.35, 0.35, 0.22, 0.08))
    for k, sd in ((1, 0.5), (2, 0.9), (3, 1.7)):  # pixels
        image[sharp == k] = ndimage.gaussian_filter(image[sharp == k], (0, sd, sd))
    image += t.uniform(-0.15, 0.15) * t.smooth(2)
    mean, sd = image.mean((1, 2), keepdims=True), image.std((1, 2), keepdims=True) + np.float32(1e-3)
    image = t.normal(MEAN_GREY, MEAN_GREY_SD) + np.clip(t.normal(CONTRAST, CONTRAST_SD), 15, 80) * (image - mean) / sd
    image += t.uniform(0, 1) ** 3 * 9 * t.grain()
    return np.clip(np.rint(image), 0, GREYS).astype(np.uint8)


def features(face, f, t, shade, tone):
    """Mouth, eyes and brows, each within the box that holds it in every face."""
    box = f.box([name for name in f.where if name.startswith("mouth")], 0.2)
    mouth(face[box], f.cut(box), t, shade[box])
    looks, brows = eye_looks(t), (t.uniform(0.0, 0.09), t.uniform(0.03, 0.085), t.uniform(0.3, 1))
    tone = tone * t.uniform(0.4, 0.8)
    for side in ("left", "right"):
        box = f.box([side + "_eye_" + part for part in ("center", "inner_corner", "outer_corner")], 0.3)
        eye(face[box], f.cut(box), side, shade[box], looks)
        box = f.box([side + "_eyebrow_inner_end", side + "_eyebrow_outer_end"], 0.25)
        brow(face[box], f.cut(box), t, side, tone, brows)


def on_some(image, painter, f, t, p, *more):
    """Lets a painter work on the faces that have a trait seen with probability p. more: further (n, …) arrays."""
    rows = t.rows(p)
    if len(rows):
        part = image[rows]
        painter(part, f.pick(rows), t.pick(rows), *(extra[rows] for extra in more))
        image[rows] = part


def paint(points, second, names, rng):
    """Pictures uint8 (n, SIZE, SIZE) of faces with the given keypoints.

    points: (n, 15, 2) pixels; second: (n, 2, 2) base of the nose and middle of the mouth; names: of the 15 points;
    rng: np.random.Generator, the source of all that the points leave open.
    """
    t = Traits(rng, len(points))
    f = Face(points, second, names, t)
    shade, gloss = shine(f, relief(f, t), t)
    skin, tone = skin_of(f, t), t.uniform(0.1, 0.85) ** 2
    face = skin.copy()
    box = f.box(["nose_base"], 0.5)
    nostrils(face[box], f.cut(box), t)
    on_some(face, beard, f, t, BEARD + STUBBLE, tone)
    on_some(face, moustache, f, t, MOUSTACHE, tone)
    face = face * shade + gloss
    features(face, f, t, shade, tone)
    image = background(t)
    body(image, f, t, skin)
    ears(image, f, t, skin)
    lay(image, face, f.mask)
    hair(image, f, t, tone)
    on_some(image, glasses, f, t, GLASSES)
    on_some(image, hat, f, t, HAT)
    on_some(image, hand, f, t, HAND, skin)
    return develop(image, t)
