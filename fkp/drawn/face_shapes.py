"""Where the keypoints of drawn faces are: a small statistical model of straight heads, and how each is held."""
import numpy as np

from fkp.keypoints import KEYPOINTS, MEAN_FACE, SIZE
from fkp.pictures.head import NECK, RADIUS, Head, roll

MARKS = [*KEYPOINTS, "nose_base", "mouth_middle"]  # all that is marked on a drawn face
MARK = {name: i for i, name in enumerate(MARKS)}

# The shape model, from the labels of complete rows: about MEAN_FACE, the sd of every column, and the main ways
# (principal components, in pixels at one sd) in which the columns vary together.  Order of COLUMNS, pixels.
SD = np.array([
    2.22, 2.91, 2.13, 2.9, 2.02, 2.43, 2.83, 3.7, 1.89, 2.44, 2.79, 3.73, 3.54, 3.58, 4.08,
    5.05, 3.4, 3.67, 3.95, 5.26, 4.75, 4.45, 5.64, 4.66, 5.58, 4.55, 4.8, 3.95, 5.9, 4.4])
MODES = np.array([
    [0.18, -2.12, 0.31, 2.11, 0.34, -1.29, 0.19, -2.96, 0.43, 1.31, 0.36, 2.99, -0.79, -0.85, -0.77,
     -3.6, -0.51, 1.17, -0.67, 3.93, 2.8, 0, 4.71, -1.99, 4.66, 1.6, 4.46, -0.15, 5.72, -0.21],
    [-0.87, -0.82, 0.84, -0.88, -0.53, -0.93, -1.26, -0.89, 0.44, -0.95, 1.27, -0.97, -0.47, -0.6, -1.73,
     -0.69, 0.26, -0.62, 1.8, -0.78, -0.19, -2.44, -0.64, -3.59, 0.6, -3.63, -0.13, -3.43, -0.12, -3.46],
    [1.23, -1.21, -0.8, -1.31, 0.87, -1.28, 1.61, -1.11, -0.44, -1.35, -1.24, -1.22, 1, -2.76, 2.09,
     -1.95, -0.37, -2.8, -1.72, -2.11, 0.38, -1.58, 0.84, 0.44, -0.62, 0.33, 0.22, -0.37, 0.21, 0.36],
    [-0.75, -0.69, -0.85, 0.43, -0.99, -0.51, -0.35, -0.9, -0.97, 0.24, -0.53, 0.66, -2.66, -0.68, -0.02,
     -1.36, -2.71, 0.08, -0.1, 0.64, -3.42, 0.01, 0.39, -0.1, 0.34, 0.5, -1.58, 0.14, -1.04, 0.17],
    [1.04, 0.1, 0.9, -0.17, 0.96, 0.09, 1.44, 0.04, 0.84, -0.05, 1.24, -0.4, 0.06, 0.53, 2.15,
     -0.02, -0.12, 0.58, 1.95, -0.8, -1.38, 1.11, 1.51, -0.37, 1.01, -0.75, -0.25, 0.18, -0.06, 0.06],
    [-0.05, 0.18, 0.8, 0.09, 0.08, -0.02, -0.18, 0.41, 0.59, -0.07, 1.15, 0.29, -0.37, -1.09, -0.14,
     0.65, 0.42, -1.14, 1.58, 0.36, -0.42, -2.23, -0.9, 1.86, 1.77, 1.74, -0.05, -0.17, 0.04, 0.17],
    [0.41, 0.46, -0.32, 0.41, 0.29, 0.32, 0.66, 0.8, -0.21, 0.3, -0.44, 0.72, -0.06, 0, 1.37,
     1.9, -0.24, 0.02, -0.83, 1.84, -0.34, -1.81, 1.24, -0.4, -0.87, -0.5, -0.11, -1.22, -0.04, -0.3],
    [-0.36, -0.13, 0.43, -0.13, -0.2, -0.22, -0.51, 0.02, 0.25, -0.23, 0.57, 0.01, -0.19, -0.4, -0.91,
     -0.04, 0.25, -0.38, 0.93, 0.01, 0.08, -0.18, 1.48, -0.22, -1.52, -0.14, -0.02, -0.33, -0.03, 2.23],
    [0.03, -0.77, -0.02, -0.75, -0.02, -0.86, -0.03, -0.72, -0.02, -0.82, 0.02, -0.74, -1.24, 0.52, 0.25,
     0.66, 1.2, 0.54, -0.22, 0.53, 0, -0.1, 0.15, 0.26, -0.16, 0.27, -0.01, 0.49, 0.01, -0.2],
    [-0.16, -0.15, 0.28, -0.08, -0.07, -0.12, -0.27, -0.11, 0.17, -0.09, 0.42, 0.01, 0.35, -1.05, 0.03,
     0.6, -0.17, -1.03, 0.09, 0.96, -0.01, 1.08, 0.14, -0.11, -0.31, -0.14, -0.07, 0.75, -0.12, -0.78],
    [0.23, -0.39, 0.26, 0.33, 0.22, -0.24, 0.22, -0.53, 0.25, 0.2, 0.21, 0.45, 0.56, -0.02, 0.44,
     -0.91, 0.55, 0.34, 0.15, 0.91, 0.06, -0.09, -0.86, -0.2, -0.48, 0.1, -0.45, -0.22, -0.69, 0.28],
    [-0.09, -0.28, 0.03, -0.41, 0.01, -0.29, -0.16, -0.3, -0.08, -0.39, 0.1, -0.44, 0.62, 0.2, 0.11,
     0.63, -0.84, 0.07, -0.25, 0.44, -0.03, 0.24, -0.56, -0.13, 0.73, -0.22, 0.08, -0.48, 0.12, 0.97]])
MODES *= SD / np.sqrt((MODES ** 2).sum(0))  # what the left-out components carried goes into these, column by column
LATER_SCALE, LATER_SCALE_SD = 0.955, 0.05  # faces of the second scheme are cut a little wider, and less evenly,
LATER_SHIFT, LATER_SHIFT_SD = (0.66, 1.08), (1.6, 1.0)  # pixels by which their eyes lie right and down
WIDEST, CROWN, CHIN = 0.2, 1.9, 1.5  # how far below the eyes a head is widest, and its ends from there, in radii
LIPS = 3.5  # pixels: the least distance from the top of the upper to the bottom of the lower lip
MARGIN = 1.5  # pixels: the least distance of a keypoint from the picture's edge
BASE, LIPWARDS = 0.17, 0.15  # the nose's base: so many eye distances below the tip, then so much of the way to the lip

# How heads are held, as in photographs that nobody chose.
TURNED, YAW = 0.2, np.deg2rad((15, 50))  # so many are turned aside, by so much either way,
FAR, FAR_YAW = 0.2, np.deg2rad((50, 65))  # and so many of these by so much: nearly in profile
MOVED = 0.15  # so many are tilted, cut in another size and off the middle:
TILT, SCALE, SHIFT = np.deg2rad(25), 0.3, 16.0  # by up to so much either way; shifts in pixels, sizes as logarithms


def shapes(rng, n, later=False):
    """Marks of n straight heads, in the order of MARKS: float64 (n, 17, 2), pixels from the left and upper edge.

    later: size and position as in the rows of the second scheme.
    """
    z = np.clip(rng.standard_normal((n, len(MODES))), -2.6, 2.6)
    points = (MEAN_FACE + z @ MODES).reshape(n, 15, 2)
    if later:
        points = _recrop(rng, points)
    top, low = points[:, MARK["mouth_center_top_lip"]], points[:, MARK["mouth_center_bottom_lip"]]
    low[:, 1] = np.maximum(low[:, 1], top[:, 1] + LIPS)
    np.clip(points, MARGIN, SIZE - MARGIN, out=points)
    return with_second(points)


def _recrop(rng, points):
    eyes = points[:, :2].mean(1, keepdims=True)
    scale = LATER_SCALE + LATER_SCALE_SD * np.clip(rng.standard_normal((len(points), 1, 1)), -2, 2)
    shift = np.array(LATER_SHIFT) + np.array(LATER_SHIFT_SD) * np.clip(rng.standard_normal((len(points), 1, 2)), -2, 2)
    return eyes + shift + scale * (points - eyes)


def with_second(points):
    """The marks that go with keypoints (n, 15, 2): also the base of the nose and the middle of the mouth.

    The base is below the tip, a little towards the mouth's side: by TIP_ABOVE_BASE in the mean.
    """
    across = points[:, MARK["left_eye_center"]] - points[:, MARK["right_eye_center"]]
    down = np.stack([-across[:, 1], across[:, 0]], 1)
    top, low = points[:, MARK["mouth_center_top_lip"]], points[:, MARK["mouth_center_bottom_lip"]]
    tip = points[:, MARK["nose_tip"]]
    base = tip + np.minimum(BASE, 0.7 * ((top - tip) * down).sum(1) / (down ** 2).sum(1))[:, None] * down
    second = np.stack([base + LIPWARDS * (top - base), 0.45 * top + 0.55 * low], 1)
    return np.concatenate([points, second], 1)


def held(rng, marks):
    """How heads are held: (marks of the straight heads, tilted, scaled and shifted, (n, 17, 2); angles (n,)).

    A head is yet to be turned aside by its angle, radians, positive towards
    larger x; where its marks are then says `Frame(marks, angle).seen()`.
    """
    n = len(marks)
    angle = np.where(rng.random(n) < FAR, rng.uniform(*FAR_YAW, n), rng.uniform(*YAW, n))
    angle *= rng.choice((-1, 1), n) * (rng.random(n) < TURNED)
    moved = rng.random(n) < MOVED
    tilt, scale = rng.uniform(-TILT, TILT, n) * moved, np.exp(rng.uniform(-SCALE, SCALE, n) * moved)
    shift = rng.uniform(-SHIFT, SHIFT, (n, 1, 2)) * moved[:, None, None]
    cos, sin = np.cos(tilt) * scale, np.sin(tilt) * scale
    turn = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)
    return into_picture((marks - SIZE / 2) @ turn + SIZE / 2 + shift, angle), angle


def into_picture(marks, angle):
    """Marks of straight heads, shrunk and moved so that those of the turned ones are in the picture."""
    seen = Frame(marks, angle).seen()
    low, high = seen.min(1), seen.max(1)
    size = np.minimum((SIZE - 2 * MARGIN) / (high - low).max(1), 1)[:, None]
    inwards = np.maximum(MARGIN - size * low, 0) - np.maximum(size * high - SIZE + MARGIN, 0)
    return size[:, None] * marks + inwards[:, None]


class Frame:
    """Each face's own coordinates: see face_model.py.  Arrays are (n, 1, 1), to spread over a picture.

    marks: (n, 17, 2) pixels, where a straight head has them; angle: (n,) radians by which it is turned aside.
    `at(name)` gives the (u, v) of a mark.  Of a head that is turned, (u, v) is what is there when it is straight.
    """

    def __init__(self, marks, angle):
        left, right = marks[:, MARK["left_eye_center"]], marks[:, MARK["right_eye_center"]]
        middle, across = (left + right) / 2, left - right
        self.middle = middle[:, :, None]
        self.unit = np.hypot(across[:, 0], across[:, 1])[:, None, None]  # pixels
        self.cos, self.sin = across[:, 0, None, None] / self.unit, across[:, 1, None, None] / self.unit
        self.angle = angle[:, None, None]
        u, v = self.upright(*(marks[:, :, k, None] for k in (0, 1)))
        self.where = {name: (u[:, i, :, None], v[:, i, :, None]) for name, i in MARK.items()}

    def at(self, name):
        return self.where[name]

    def upright(self, x, y):
        """Pixels (n, height, width) as (u, v) of a head that is not turned aside."""
        x, y = x - self.middle[:, :1], y - self.middle[:, 1:]
        return (x * self.cos + y * self.sin) / self.unit, (y * self.cos - x * self.sin) / self.unit

    def head(self):
        nose_u, nose_v = self.at("nose_tip")
        return RoundHead(self.angle, nose_u / RADIUS, nose_v / RADIUS, 1 / (RADIUS * self.unit))

    def bent(self, u, v):
        """What is seen at upright (u, v): the u there of the straight head, and how many pixels before its edge."""
        u, room = self.head().seen(u / RADIUS, v / RADIUS)
        return u * RADIUS, room

    def pixels(self, u, v):
        """Where the turned head shows its (u, v): x, y."""
        u = self.head().there(u / RADIUS, v / RADIUS) * RADIUS
        return ((u * self.cos - v * self.sin) * self.unit + self.middle[:, :1],
                (v * self.cos + u * self.sin) * self.unit + self.middle[:, 1:])

    def seen(self):
        """The marks of the turned heads, (n, 17, 2) pixels."""
        return np.stack([np.concatenate(self.pixels(*self.at(name)), 2)[:, 0] for name in MARKS], 1)

    def neck(self):
        """The u of the neck in upright coordinates: a head turns about it."""
        return -NECK * RADIUS * np.sin(self.angle)


class RoundHead(Head):
    """A head that narrows towards crown and chin, and hides its far side: in one `pixel` at its edge.

    There people mark what they cannot see.
    """

    def __init__(self, angle, nose_x, nose_y, pixel):
        self.pixel, self.side = pixel, np.where(angle < 0, -1, 1).astype(angle.dtype)
        super().__init__(angle, nose_x, nose_y)

    def ellipse(self, y):
        """Of the head's section at y: half the width, as straight and as turned, and the turn of a circle like it."""
        off = (y - WIDEST) / np.where(y < WIDEST, CROWN, CHIN)
        width = np.sqrt((1 - off * off).clip(0.2, 1))
        across, deep = width * np.cos(self.angle), np.sin(self.angle)
        return width, np.hypot(across, deep), np.arctan2(deep, across)

    def around(self, x, y):
        width, turned, angle = self.ellipse(y)
        edge = np.cos(angle)
        past = self.side * x / width - edge
        x = self.side * (edge + np.maximum(past - 1 + edge, np.minimum(past, 0)))
        return turned * roll(x, angle) - NECK * np.sin(self.angle)

    def before(self, x, y):
        return self._before(x, y)[0]

    def seen(self, x, y):
        """`back`, and by how many pixels x is before the edge behind which the head hides its far side."""
        return self._before(x - self.further(x, y), y)

    def _before(self, x, y):
        width, turned, angle = self.ellipse(y)
        x = x + NECK * np.sin(self.angle)
        room = (turned - self.side * x) / self.pixel
        hidden = (1 - np.cos(angle)) * (-room).clip(0, 1)
        return width * (roll(x / turned, -angle) + self.side * hidden), room
