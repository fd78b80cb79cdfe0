"""Paints grey faces around given keypoints: the pictures behind draw_faces.py.

Every face is painted where its keypoints are, so the labels are exact by construction. A batch of faces is painted at
once, pixel by pixel, in the face's own frame: origin midway between the eye centres, u towards the larger x along the
line of the eyes, v down the face, unit = the distance between the eye centres. Head, nose, lips and sockets form a
relief z(u, v) that a lamp shades; eyes, brows, mouth, hair and glasses are laid over it with soft edges.
"""
import numpy as np
from scipy import ndimage

SIZE = 96  # pixels along each side of a picture
GREYS = 255  # grey level of white

# How often each trait is seen. Guesses from photographs of all kinds of people.
GLASSES, SUNGLASSES, BEARD, MOUSTACHE, STUBBLE, CLOSED_EYES = 0.15, 0.12, 0.13, 0.12, 0.2, 0.06
FRINGE, LONG_HAIR, BALD, HAT, HAND, WRINKLES = 0.2, 0.4, 0.08, 0.05, 0.06, 0.3

# Grey statistics of face photographs cut this close: mean and sd over pictures of their mean and of their contrast.
MEAN_GREY, MEAN_GREY_SD, CONTRAST, CONTRAST_SD = 115, 30, 51, 14


class Traits:
    """Draws random traits, one per face, shaped (n, 1, 1) to spread over the picture."""

    def __init__(self, rng, n):
        self.rng, self.n = rng, n

    def uniform(self, low, high):
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def normal(self, mean, sd):
        """Normal, but within two sds of the mean: nobody has a negative nose."""
        return mean + sd * np.clip(self.rng.standard_normal((self.n, 1, 1)), -2, 2).astype(np.float32)

    def chance(self, p):
        return (self.rng.random((self.n, 1, 1)) < p).astype(np.float32)

    def smooth(self, across, down=None):
        """Smooth noise of unit variance before interpolation: `across` x `down` random knots. (n, SIZE, SIZE)"""
        down = down or across
        knots = self.rng.standard_normal((self.n, down, across)).astype(np.float32)
        return spread(down) @ knots @ spread(across).T

    def grain(self):
        return self.rng.standard_normal((self.n, SIZE, SIZE), dtype=np.float32)


def spread(knots):
    """Matrix (SIZE, knots) that interpolates knots to pixels with raised-cosine weights."""
    at = np.linspace(0, knots - 1, SIZE)[:, None] - np.arange(knots)
    return np.where(np.abs(at) < 1, 0.5 + 0.5 * np.cos(np.pi * at), 0).astype(np.float32)


def inside(distance, soft):
    """1 where distance > 0, 0 where < 0, a ramp of width `soft` between: an anti-aliased mask."""
    return np.clip(0.5 + distance / soft, 0, 1)


def bump(f, u, v, ru, rv):
    return np.exp(-(((f.u - u) / ru) ** 2 + ((f.v - v) / rv) ** 2))


def lay(image, grey, mask):
    """Lays a grey over the image in place where mask is 1."""
    image += mask * (grey - image)


class Frame:
    """The face's own coordinates u, v at every pixel, (n, SIZE, SIZE), and its keypoints in them.

    points: (n, 15, 2) pixels from the left and upper edge; second: (n, 2, 2) base of nose and middle of mouth;
    names: of the 15. `f.at(name)` gives (u, v) of a keypoint, each (n, 1, 1).
    """

    def __init__(self, points, second, names):
        names = list(names) + ["nose_base", "mouth_middle"]
        points = np.concatenate([points, second], 1).astype(np.float32)
        left, right = points[:, names.index("left_eye_center")], points[:, names.index("right_eye_center")]
        middle, across = (left + right) / 2, left - right
        self.unit = np.hypot(across[:, 0], across[:, 1])[:, None, None]  # pixels between the eyes
        self.cos, self.sin = across[:, 0, None, None] / self.unit, across[:, 1, None, None] / self.unit
        centre = np.arange(SIZE, dtype=np.float32) + 0.5  # column c has its centre at x = c + 0.5
        self.u, self.v = self._turn(centre[None, None, :] - middle[:, 0, None, None],
                                    centre[None, :, None] - middle[:, 1, None, None])
        u, v = self._turn(points[:, :, 0, None] - middle[:, None, :1], points[:, :, 1, None] - middle[:, None, 1:])
        self.points = {name: (u[:, i, :, None], v[:, i, :, None]) for i, name in enumerate(names)}
        self.px = 1 / self.unit  # one pixel, in units

    def _turn(self, x, y):
        return (x * self.cos + y * self.sin) / self.unit, (y * self.cos - x * self.sin) / self.unit

    def at(self, name):
        return self.points[name]


class Head:
    """Outline and turn of the head, from the keypoints: when the nose is off the middle, the head looks that way."""

    def __init__(self, f, t):
        mouth_u = (f.at("mouth_left_corner")[0] + f.at("mouth_right_corner")[0]) / 2
        self.turn = 0.55 * f.at("nose_tip")[0] + 0.45 * mouth_u
        self.chin = f.at("mouth_center_bottom_lip")[1] + t.normal(0.40, 0.05)
        self.crown, self.width = t.normal(1.75, 0.15), t.normal(1.08, 0.06)
        self.chin_u = mouth_u - 0.15 * self.turn
        self.axis = -0.7 * self.turn + (self.chin_u + 0.7 * self.turn) * np.clip(f.v / self.chin, -0.4, 1.1)
        self.across = (f.u - self.axis) / (self.width * (1 - 0.25 * self.turn * np.sign(f.u - self.axis)))
        down = np.where(f.v > 0.15, (f.v - 0.15) / (self.chin - 0.15), (f.v - 0.15) / self.crown)
        square = np.where(f.v > 0.15, t.normal(2.3, 0.25), 2.3)  # exponent: 2 is an ellipse, more is a square jaw
        self.r = (np.abs(self.across) ** square + np.abs(down) ** square) ** (1 / square)  # 1 on the outline
        self.mask = inside(1 - self.r, 1.2 * f.px)


def relief(f, h, t):
    """Height z (n, SIZE, SIZE) of the face towards the viewer, in units."""
    z = t.normal(0.85, 0.1) * np.sqrt(np.clip(1 - h.r ** 2, 0.03, 1))
    z += nose(f, h, t)
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    z += t.uniform(0.02, 0.09) * bump(f, 0.4 * h.turn, brow_v + 0.02, 0.75, 0.16)
    deep, smile = t.uniform(0.06, 0.16), t.uniform(0, 1)
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f.at(side + "_eye_center")
        z -= deep * bump(f, u - 0.13 * sign, v - 0.04, 0.26, 0.17)
        z += 0.05 * bump(f, u, v, 0.17, 0.11)
        z += (0.05 + 0.06 * smile) * bump(f, u + 0.1 * sign + 0.2 * h.turn, v + 0.62, 0.28, 0.24)
        z += fold(f, side, sign) * t.uniform(-0.05, 0.0)
    return z + muzzle(f, h, t)


def nose(f, h, t):
    """Ridge from between the eyes to the tip, with the wings beside it."""
    tip_u, tip_v = f.at("nose_tip")
    along = np.clip((f.v + 0.05) / (tip_v + 0.05), 0, 1)
    ridge_u = 0.35 * h.turn + (tip_u - 0.35 * h.turn) * along
    width = t.uniform(0.09, 0.13) + t.uniform(0.03, 0.09) * along
    past = np.maximum(f.v - tip_v, 0) / t.uniform(0.11, 0.15)
    height = (0.03 + t.uniform(0.2, 0.34) * along ** 1.4) * np.exp(-past ** 2)
    z = height * np.exp(-((f.u - ridge_u) / width) ** 2) * inside(f.v + 0.25, 0.3)
    base_u, base_v = f.at("nose_base")
    wing = t.uniform(0.16, 0.23)
    for sign in (1, -1):
        z += t.uniform(0.08, 0.13) * bump(f, (base_u + tip_u) / 2 + sign * wing, base_v - 0.09, 0.09, 0.09)
    return z


def fold(f, side, sign):
    """The crease from the wing of the nose to beside the mouth's corner, 1 in its middle."""
    base_u, base_v = f.at("nose_base")
    corner_u, corner_v = f.at("mouth_%s_corner" % side)
    along = np.clip((f.v - base_v + 0.12) / (corner_v - base_v + 0.12), 0, 1.3)
    line = base_u + sign * 0.24 + (corner_u + sign * 0.12 - base_u - sign * 0.24) * along
    return np.exp(-((f.u - line) / 0.06) ** 2) * np.where((along > 0) & (along < 1.3), np.sin(np.pi * along / 1.3), 0)


def muzzle(f, h, t):
    """Lips, the hollow under them and the chin."""
    (top_u, top_v), (low_u, low_v) = f.at("mouth_center_top_lip"), f.at("mouth_center_bottom_lip")
    z = 0.08 * bump(f, (top_u + low_u) / 2, (top_v + low_v) / 2, 0.5, 0.3)
    z += t.uniform(0.02, 0.06) * bump(f, top_u, top_v + 0.07, 0.28, 0.06)
    z += t.uniform(0.03, 0.08) * bump(f, low_u, low_v - 0.07, 0.24, 0.07)
    z -= t.uniform(0.02, 0.08) * bump(f, low_u, low_v + 0.07, 0.25, 0.06)
    z -= t.uniform(0.0, 0.03) * bump(f, top_u, top_v - 0.08, 0.05, 0.08)
    return z + t.uniform(0.05, 0.13) * bump(f, h.chin_u, h.chin - 0.16, 0.27, 0.16)


def shine(f, z, t):
    """Light on the relief: (shade around 1, gloss 0..1), each (n, SIZE, SIZE). z in units."""
    z = z * f.unit
    down, right = np.gradient(z, axis=(1, 2))
    length = np.sqrt(1 + down ** 2 + right ** 2)
    azimuth, height = t.normal(0, 0.75), t.normal(0.5, 0.35)  # radians; the lamp is mostly above
    lamp = np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)
    facing = (-right * lamp[0] - down * lamp[1] + lamp[2]) / length
    wrap = t.uniform(0, 0.4)  # a broad lamp reaches round the corner
    light = np.maximum(facing + wrap, 0) / (1 + wrap)
    light *= 1 - t.uniform(0.2, 0.8) * cast(z, lamp)
    hollow = ndimage.gaussian_filter(z, (0, 2.5, 2.5)) - z  # pixels below the surroundings: less sky is seen
    ambient = t.uniform(0.2, 0.75) * np.clip(1 - t.uniform(0.1, 0.3) * hollow, 0.3, 1.5)
    half = np.sqrt((1 + lamp[2]) / 2)
    gloss = np.maximum((-right * lamp[0] - down * lamp[1] + 1 + lamp[2]) / (2 * half * length), 0) ** 24
    return (ambient + light) / t.uniform(1.1, 1.3), gloss * t.uniform(0, 0.25)


def cast(z, lamp):
    """How far each pixel lies in the shadow of what stands between it and the lamp, 0..1. z in pixels."""
    flat = np.hypot(lamp[0], lamp[1]) + 1e-3
    y, x = np.mgrid[:SIZE, :SIZE]
    shadow = np.zeros_like(z)
    for steps in (2, 4, 7, 11):  # pixels towards the lamp
        yy = np.clip(y + np.rint(steps * lamp[1] / flat).astype(int), 0, SIZE - 1)
        xx = np.clip(x + np.rint(steps * lamp[0] / flat).astype(int), 0, SIZE - 1)
        there = np.take_along_axis(z.reshape(len(z), -1), (yy * SIZE + xx).reshape(len(z), -1), 1).reshape(z.shape)
        np.maximum(shadow, np.clip((there - z - steps * lamp[2] / flat) / 2.0, 0, 1), out=shadow)
    return shadow


def background(t):
    """Plain, cloudy or cluttered with edges. (n, SIZE, SIZE) about 0..1"""
    image = t.uniform(0.05, 0.95) + t.uniform(0, 0.25) * t.smooth(3) + t.uniform(0, 0.12) * t.smooth(10)
    y, x = (np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE)[:, None]
    cluttered = t.chance(0.5)
    for _ in range(3):
        angle, off = t.uniform(0, 2 * np.pi), t.uniform(-0.5, 0.5)
        across = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) - off
        image += cluttered * t.normal(0, 0.2) * inside(across, 0.02) * inside(t.uniform(0.05, 0.6) - across, 0.02)
    return image


def body(image, f, h, t, skin):
    """Neck and clothes below the chin."""
    from_axis = np.abs(f.u - 0.5 * h.chin_u)
    neck = inside(t.uniform(0.6, 0.85) - from_axis, 2 * f.px) * inside(f.v - 0.6, 0.2)
    lay(image, skin * t.uniform(0.35, 0.85), neck)
    cloth = t.uniform(0.02, 0.95) + 0.08 * t.smooth(12)
    lay(image, cloth, inside(f.v - h.chin - t.uniform(0.05, 0.4) + from_axis * t.uniform(0.2, 0.5), 3 * f.px))


def skin_of(f, h, t):
    """Grey of the skin before any light, with blotches, reddish cheeks and freckles. (n, SIZE, SIZE)"""
    tone = t.uniform(0.3, 0.95)
    blotches = 1 + 0.04 * t.smooth(8) + t.uniform(0, 0.05) * t.smooth(24) + t.uniform(0, 0.04) * t.grain()
    for side in (1, -1):
        blotches -= t.uniform(-0.03, 0.1) * bump(f, side * 0.62, 0.65, 0.3, 0.3)
    for side in ("left", "right"):  # darker lids and shadows around the eyes
        u, v = f.at(side + "_eye_center")
        blotches -= t.uniform(0, 0.2) * bump(f, u, v - 0.02, 0.32, 0.15)
    return tone * blotches


def ears(image, f, h, t, skin, shade):
    low, high = t.uniform(0.35, 0.6), t.uniform(-0.2, 0.0)
    for sign in (1, -1):
        u = -0.7 * h.turn + sign * h.width * (1 - 0.25 * h.turn * sign)
        d = 1 - np.hypot((f.u - u) / t.uniform(0.1, 0.22), (f.v - (low + high) / 2) / ((low - high) / 2))
        lay(image, skin * t.uniform(0.5, 1.0) * (1 - 0.3 * np.clip(d, 0, 1)), inside(d, 8 * f.px))


def wisps(f, t, fine):
    """Streaks of hair combed in one direction per head, unit variance or so. (n, SIZE, SIZE)"""
    strands = t.rng.standard_normal((t.n, 1024)).astype(np.float32)
    at = (f.u + t.normal(0, 0.7) * f.v + t.normal(0, 0.5) * f.v ** 2 + 0.05 * t.smooth(6)) * fine + 512
    at = np.clip(at, 0, 1022.9).reshape(t.n, -1)
    low, part = at.astype(int), at % 1
    one, two = np.take_along_axis(strands, low, 1), np.take_along_axis(strands, low + 1, 1)
    return (one + part * (two - one)).reshape(t.n, SIZE, SIZE)


def hair(image, f, h, t, tone):
    """Cap of hair above the hairline and, on some heads, locks down both sides or a fringe over the brow."""
    present = 1 - t.chance(BALD)
    long, fringe = t.chance(LONG_HAIR), t.chance(FRINGE)
    texture = np.clip(1 + t.uniform(0.1, 0.45) * wisps(f, t, 16) + 0.15 * t.smooth(9), 0.1, 2.2)
    ragged = 0.06 * t.smooth(14) + 0.03 * t.grain() * t.chance(0.5)
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    line = np.where(fringe > 0, brow_v - t.uniform(0.0, 0.35), -t.uniform(0.65, 1.05))
    across = f.u - h.axis
    line = line + t.uniform(0.0, 0.35) * across ** 2 + t.normal(0, 0.25) * across + ragged
    cap = inside(line - f.v, 3 * f.px) * inside(t.uniform(1.08, 1.3) - h.r, 6 * f.px)
    end = np.where(long > 0, t.uniform(0.9, 3.0), t.uniform(-0.35, 0.25))
    edge = t.uniform(0.75, 1.0) + np.where(long > 0, t.uniform(-0.05, 0.1), 0.05) + 0.5 * ragged
    sides = inside(np.abs(h.across) - edge, 3 * f.px) * inside(end - f.v + ragged, 4 * f.px)
    sides = sides * inside(t.uniform(1.1, 1.6) - np.abs(h.across) + ragged, 4 * f.px)
    lay(image, tone * texture * (1 - 0.3 * np.clip(f.v, 0, 1)), np.maximum(cap, sides) * present)


def beard(image, f, h, t, tone):
    """Stubble, beard and moustache, each on some faces, kept off the lips by painting the mouth later."""
    texture = tone * np.clip(1 + 0.35 * wisps(f, t, 22) + 0.2 * t.grain(), 0.2, 2)
    (top_u, top_v), base_v = f.at("mouth_center_top_lip"), f.at("nose_base")[1]
    jaw = inside(f.v - base_v - 0.12 + t.uniform(0.1, 0.4) * -np.abs(f.u - top_u) ** 2 + 0.08 * t.smooth(10), 0.15)
    jaw = np.maximum(jaw, inside(np.abs(h.across) - 0.8 + 0.05 * t.smooth(10), 0.15) * inside(f.v - 0.3, 0.3))
    full = np.maximum(t.chance(BEARD) * t.uniform(0.5, 1), t.chance(STUBBLE) * t.uniform(0.05, 0.35))
    lay(image, texture, full * jaw * inside(1.02 - h.r, 4 * f.px))
    from_top = np.abs(f.u - top_u)
    middle = (base_v + top_v) / 2 + 0.04 + t.uniform(0.1, 0.5) * from_top ** 2
    lip = inside((top_v - base_v) * 0.36 - np.abs(f.v - middle) + 0.02 * t.smooth(20), 3 * f.px)
    lip = lip * inside(t.uniform(0.35, 0.6) - from_top, 0.1)
    lay(image, texture, lip * t.chance(MOUSTACHE + 0.5 * full) * t.uniform(0.5, 1))


def brow(image, f, t, side, tone, looks):
    """From the inner to the outer end, arched and tapering. looks: arch, thickness, strength, shared by both."""
    (iu, iv), (ou, ov) = f.at(side + "_eyebrow_inner_end"), f.at(side + "_eyebrow_outer_end")
    arch, thick, strength = looks
    along = (f.u - iu) / np.where(np.abs(ou - iu) < 0.1, 0.1, ou - iu)
    line = iv + (ov - iv) * along - 4 * arch * along * (1 - along)
    half = thick * (1 - 0.55 * np.clip(along, 0, 1) ** 2)
    mask = inside(half - np.abs(f.v - line), 0.05) * inside(along + 0.04, 0.12) * inside(1.04 - along, 0.1)
    lay(image, tone, mask * np.clip(strength * (1 + 0.25 * t.grain()), 0, 1))


def eye(image, f, t, side, shade, looks):
    """Ball, iris, pupil, glint and lids, between the corners and about the eye's centre."""
    (iu, iv), (ou, ov) = f.at(side + "_eye_inner_corner"), f.at(side + "_eye_outer_corner")
    cu, cv = f.at(side + "_eye_center")
    half = np.abs(ou - iu) / 2
    s = (f.u - (iu + ou) / 2) / half
    bow = np.sqrt(np.clip(1 - s ** 2, 0, 1)) * 0.5 + 0.5 * np.clip(1 - s ** 2, 0, 1)
    chord = iv + (ov - iv) * np.clip((f.u - iu) / np.where(np.abs(ou - iu) < 0.1, 0.1, ou - iu), -0.2, 1.2)
    upper = chord + (cv - looks["open"] - chord) * bow
    lower = chord + (cv + looks["open"] - chord) * bow
    between = inside(f.v - upper, 1.3 * f.px) * inside(lower - f.v, 1.3 * f.px) * (np.abs(s) < 1)
    lay(image, image * looks["lid"], inside(0.11 - np.abs(f.v - upper + 0.06), 0.1) * (np.abs(s) < 1.1) * bow)
    light = np.clip(shade, 0.35, 1.2)
    lay(image, looks["white"] * light * np.clip(0.65 + 4 * (f.v - upper), 0.5, 1), between)
    away = np.hypot(f.u - cu - looks["gaze_u"], f.v - cv - looks["gaze_v"])
    radius = looks["iris"]
    lay(image, looks["colour"] * (1 - 0.4 * np.clip(away / radius, 0, 1) ** 4), between * inside(radius - away, f.px))
    lay(image, 0.03, between * inside(looks["pupil"] - away, f.px))
    glint = np.hypot(f.u - cu - looks["glint_u"], f.v - cv + 0.035)
    lay(image, 0.95, between * inside(0.028 - glint, f.px) * looks["glint"])
    reach = np.clip(1.25 - np.abs(s), 0, 0.2) * 5
    lay(image, looks["lash"] * image, np.exp(-((f.v - upper) / looks["lash_width"]) ** 2) * reach)
    crease = np.exp(-((f.v - upper + looks["crease"]) / 0.03) ** 2) * 0.35 * reach * bow
    pouch = np.exp(-((f.v - lower - 0.09) / 0.04) ** 2) * looks["pouch"] * reach * bow
    rim = np.exp(-((f.v - lower) / 0.03) ** 2) * 0.3 * reach
    image *= 1 - np.maximum(np.maximum(crease, pouch), rim)


def eye_looks(f, t):
    """What both eyes of a face share."""
    open_ = np.where(t.chance(CLOSED_EYES) > 0, 0.005, t.normal(0.078, 0.02))
    return dict(open=open_, gaze_u=t.normal(0, 0.025), gaze_v=t.normal(-0.005, 0.012), iris=t.uniform(0.085, 0.11),
                colour=t.uniform(0.04, 0.4), pupil=t.uniform(0.03, 0.05), white=t.uniform(0.6, 1.0),
                glint=t.chance(0.7), glint_u=t.normal(0, 0.03), lash=t.uniform(0.1, 0.6),
                lash_width=t.uniform(0.02, 0.04), lid=t.uniform(0.6, 1.0), crease=t.uniform(0.07, 0.14),
                pouch=t.uniform(0, 0.3))


def mouth(image, f, t, shade):
    """Lips through the four points of the mouth; open as far as the lips leave room: teeth, or dark."""
    (lu, lv), (ru, rv) = f.at("mouth_left_corner"), f.at("mouth_right_corner")
    (tu, tv), (bu, bv) = f.at("mouth_center_top_lip"), f.at("mouth_center_bottom_lip")
    half = (lu - ru) / 2
    s = (f.u - (lu + ru) / 2) / half
    chord = rv + (lv - rv) * (np.clip(s, -1.3, 1.3) + 1) / 2
    room = np.clip(1 - s ** 2, 0, 1)

    def bend(u, v):  # how far the curve through the corners must bulge to pass (u, v)
        at = np.clip((u - (lu + ru) / 2) / half, -0.6, 0.6)
        return (v - rv - (lv - rv) * (at + 1) / 2) / (1 - at ** 2)

    top, low = bend(tu, tv), bend(bu, bv)
    thick = np.minimum(t.uniform(0.14, 0.3), bv - tv)
    gap = np.clip(bv - tv - thick, 0, 1)
    gap, part = np.where(gap < 0.03, 0, gap), t.uniform(0.34, 0.48)
    bow = -t.uniform(0, 0.03) * np.exp(-((np.abs(s) - 0.3) / 0.18) ** 2) * room
    upper, lower = chord + top * room + bow, chord + low * room ** 0.85
    line = (bv - tv - gap) * part
    inner_top, inner_low = chord + (top + line) * room, chord + (top + line + gap) * room
    lips = inside(f.v - upper, 2 * f.px) * inside(lower - f.v, 2 * f.px) * (np.abs(s) < 1)
    grey = image * t.uniform(0.5, 0.95)
    lay(image, grey * np.where(f.v < inner_top, t.uniform(0.75, 1), 1.08), lips)
    hole = inside(f.v - inner_top, 1.3 * f.px) * inside(inner_low - f.v, 1.3 * f.px) * (np.abs(s) < 1) * (gap > 0)
    lay(image, t.uniform(0.02, 0.25), hole)
    teeth = inside(inner_top + t.uniform(0.1, 0.22) - f.v, 2 * f.px) * inside(0.95 - np.abs(s), 0.3)
    white = t.uniform(0.65, 1.05) * np.clip(shade, 0.5, 1.2) * (1 - 0.5 * s ** 2)
    lay(image, white - 0.06 * (np.cos(f.u * 70) > 0.8), hole * teeth * t.chance(0.75))
    crack = np.exp(-((f.v - (inner_top + inner_low) / 2) / t.uniform(0.018, 0.035)) ** 2) * inside(1.06 - np.abs(s), 0.1)
    image *= 1 - crack * np.where(gap > 0, 0, t.uniform(0.4, 0.8))
    for u, v in ((lu, lv), (ru, rv)):
        image *= 1 - t.uniform(0.0, 0.5) * bump(f, u, v, 0.07, 0.05)
    image *= 1 - t.uniform(0, 0.3) * bump(f, bu, bv + 0.06, 0.2, 0.04)


def nostrils(image, f, h, t):
    (tip_u, _), (u, v) = f.at("nose_tip"), f.at("nose_base")
    dark, apart, flat = t.uniform(0.2, 0.85), t.uniform(0.08, 0.13), t.uniform(0.02, 0.05)
    image *= 1 - t.uniform(0.1, 0.45) * bump(f, u, v, 0.22, 0.05)
    for sign in (1, -1):
        image *= 1 - dark * bump(f, u + sign * apart, v - 0.045, 0.065, flat)
        wing = np.exp(-((np.hypot((f.u - u - sign * 0.17), (f.v - v + 0.1)) - 0.1) / 0.03) ** 2)
        image *= 1 - t.uniform(0, 0.35) * wing * (sign * (f.u - u) > 0.17)


def glasses(image, f, h, t):
    """Frames around both eyes with a bridge, and on some faces dark lenses."""
    worn, dark = t.chance(GLASSES), t.chance(SUNGLASSES) * t.uniform(0.75, 1)
    width, height, wire = t.uniform(0.32, 0.42), t.uniform(0.2, 0.33), t.uniform(0.02, 0.06)
    round_, frame, drop = t.uniform(2, 5), t.uniform(0.02, 0.8) ** 2, t.uniform(-0.02, 0.1)
    glare, lens_grey = t.uniform(0, 0.35) * t.chance(0.4), t.uniform(0.02, 0.2)
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f.at(side + "_eye_center")
        du, dv = (f.u - u - 0.02 * sign) / width, (f.v - v - drop) / height
        d = (np.abs(du) ** round_ + np.abs(dv) ** round_) ** (1 / round_)
        lens = inside((1 - d) * height, 1.5 * f.px)
        lay(image, lens_grey + 0.15 * inside(du - dv, 0.5), lens * dark * worn)
        lay(image, 1.0, lens * worn * glare * inside(0.35 - np.abs(du + dv - 0.3), 0.2))
        lay(image, frame, inside(wire - np.abs(d - 1) * height, 1.5 * f.px) * worn)
        arm = inside(wire - np.abs(f.v - v - drop + 0.08), 1.5 * f.px) * (sign * du > 1) * h.mask
        lay(image, frame, arm * worn)
    bridge = inside(wire - np.abs(f.v - drop + 0.06 - 0.3 * f.u ** 2), 1.5 * f.px) * (np.abs(f.u) < 0.52 - width)
    lay(image, frame, bridge * worn)


def in_front(image, f, h, t, skin):
    """A hat, or a hand at the cheek, on some pictures."""
    brim = -t.uniform(0.45, 0.9) + t.normal(0, 0.15) * f.u + t.uniform(-0.1, 0.2) * f.u ** 2
    felt = t.uniform(0.03, 0.9) + 0.1 * t.smooth(14) + 0.05 * t.grain()
    lay(image, felt, inside(brim - f.v, 2 * f.px) * t.chance(HAT))
    side = np.where(t.chance(0.5) > 0, 1, -1)
    du, dv = f.u - side * t.uniform(0.8, 1.3), f.v - t.uniform(0.9, 1.6)
    lean = t.uniform(-0.6, 0.6)
    d = 1 - np.hypot((du + lean * dv) / t.uniform(0.25, 0.45), dv / t.uniform(0.4, 0.8))
    fingers = 0.85 + 0.15 * np.cos((du + 1.5 * lean * dv) * 35)
    lay(image, skin * fingers * np.clip(0.6 + d, 0.5, 1.1), inside(d, 8 * f.px) * t.chance(HAND))


def develop(image, t):
    """The camera: gamma, blur, contrast, grain. Returns uint8 (n, SIZE, SIZE)."""
    image = np.clip(image, 0.005, 1.6) ** t.uniform(0.7, 1.25)
    sharp = t.rng.choice(4, t.n, p=(0.35, 0.35, 0.22, 0.08))
    for k, sd in ((1, 0.5), (2, 0.9), (3, 1.7)):  # pixels
        image[sharp == k] = ndimage.gaussian_filter(image[sharp == k], (0, sd, sd))
    image += t.uniform(-0.15, 0.15) * t.smooth(2)
    mean, sd = image.mean((1, 2), keepdims=True), image.std((1, 2), keepdims=True) + 1e-3
    contrast = np.clip(t.normal(CONTRAST, CONTRAST_SD), 15, 80)
    image = t.normal(MEAN_GREY, MEAN_GREY_SD) + contrast * (image - mean) / sd
    image += t.uniform(0, 1) ** 2 * 9 * t.grain() + t.uniform(0, 3) * t.smooth(48)
    return np.clip(np.rint(image), 0, GREYS).astype(np.uint8)


def paint(points, second, names, rng):
    """Pictures uint8 (n, SIZE, SIZE) of faces with the given keypoints.

    points: (n, 15, 2) pixels; second: (n, 2, 2) base of the nose and middle of the mouth; names: of the 15 points;
    rng: np.random.Generator, the source of all that the points leave open.
    """
    f, t = Frame(points, second, names), Traits(rng, len(points))
    h = Head(f, t)
    shade, gloss = shine(f, relief(f, h, t), t)
    skin, hair_tone = skin_of(f, h, t), t.uniform(0.02, 0.75) ** 1.5
    image = background(t)
    body(image, f, h, t, skin)
    ears(image, f, h, t, skin, shade)
    face = skin.copy()
    nostrils(face, f, h, t)
    beard(face, f, h, t, hair_tone)
    face = face * shade + gloss
    mouth(face, f, t, shade)
    looks, brows = eye_looks(f, t), (t.uniform(0.0, 0.09), t.uniform(0.03, 0.085), t.uniform(0.3, 1))
    for side in ("left", "right"):
        eye(face, f, t, side, shade, looks)
        brow(face, f, t, side, hair_tone * t.uniform(0.5, 1) * 0.8, brows)
    lay(image, face, h.mask)
    hair(image, f, h, t, hair_tone)
    glasses(image, f, h, t)
    in_front(image, f, h, t, skin)
    return develop(image, t)
