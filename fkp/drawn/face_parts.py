"""Paints grey faces around given keypoints: skin, wrinkles, eyes, mouth, glasses over a shaded head, and hair on it.

Every part is painted where its keypoints are, so the labels are exact by construction. See face_model.py for the
coordinates and units. A painter changes its picture `image` or `face`, (n, height, width) greys, in place; f is the
Face it belongs to, t the Traits that say what it looks like.
"""
import numpy as np

from fkp.drawn.face_hair import Growth, beard, brow, hair, moustache, skull, wisps
from fkp.drawn.face_light import fold, shine
from fkp.drawn.face_model import Face, Traits, background, bump, develop, inside, lay, ridge, swell

# How often each trait is seen. Guesses from photographs of all kinds of people.
GLASSES, DARK_LENSES, BEARD, MOUSTACHE, HAT, HAND = 0.15, 0.12, 0.3, 0.12, 0.06, 0.06
CLOSED_EYES, LOWERED_LIDS, OLD = 0.06, 0.12, 0.12
OPEN = 0.075  # half the height of an eye


def body(image, f, t, skin):
    """Neck and clothes below the chin."""
    box = np.s_[:, image.shape[1] // 2:, :]
    image, f, skin = image[box], f.cut(box), skin[box]
    from_axis = np.abs(f.flat - f.neck() - 0.5 * f.chin_u)
    neck = inside(t.uniform(0.6, 0.85) - from_axis, 2 * f.px) * inside(f.v - 0.6, 0.2)
    lay(image, skin * t.uniform(0.35, 0.85), neck)
    cloth = t.uniform(0.02, 0.95) + 0.08 * t.smooth(12)[box]
    lay(image, cloth, inside(f.v - f.chin - t.uniform(0.05, 0.4) + from_axis * t.uniform(0.2, 0.5), 3 * f.px))


def skin_of(f, t):
    """Grey of the skin before any light, with blotches, reddish cheeks and dark lids. (n, SIZE, SIZE)"""
    skin = 1 + 0.04 * t.smooth(8) + t.uniform(0, 0.05) * t.smooth(24) + t.uniform(0, 0.02) * t.grain()
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f.at(side + "_eye_center")
        swell(skin, f, t.uniform(-0.1, 0.03), u + sign * 0.12, v + 0.65, 0.3, 0.3)
        swell(skin, f, t.uniform(-0.2, 0), u, v - 0.02, 0.32, 0.15)
    return t.uniform(0.3, 0.95) * skin


def wrinkles(face, f, t):
    """Of an old face: across the forehead, beside the eyes and under them, and from the nose to the mouth."""
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    off, waves = f.u - f.axis, 0.03 * t.smooth(7)
    across = inside(t.uniform(0.4, 0.8) - np.abs(off), 0.3)
    for k in range(1, 4):
        line = brow_v - t.uniform(0.13, 0.19) * k + t.uniform(-0.15, 0.1) * off ** 2 + waves
        face *= 1 - t.uniform(0, 0.3) * ridge(f.v - line, t.uniform(0.02, 0.05)) * across
    for side, sign in (("left", 1), ("right", -1)):
        crow(face, f, t, side, sign)
        face *= 1 - t.uniform(0, 0.35) * np.maximum(fold(f, side, sign), 0)


def crow(face, f, t, side, sign):
    """Wrinkles that spread from an eye's outer corner, and the bag under the eye."""
    (cu, cv), (ou, ov) = f.at(side + "_eye_center"), f.at(side + "_eye_outer_corner")
    beside = sign * (f.u - ou)
    reach = inside(beside - 0.06, 0.05) * inside(t.uniform(0.15, 0.35) - beside, 0.1)
    for slope in (-0.5, 0.05, 0.6):
        line = ov + (slope + t.normal(0, 0.1)) * beside
        face *= 1 - t.uniform(0, 0.3) * ridge(f.v - line, 0.025) * reach
    sag = cv + t.uniform(0.16, 0.24) - 0.8 * (f.u - cu) ** 2
    face *= 1 - t.uniform(0, 0.35) * ridge(f.v - sag, 0.03) * inside(0.25 - np.abs(f.u - cu), 0.1)


def ears(image, f, t, skin):
    """Both ears, or the nearer one of a turned head."""
    low, high = t.uniform(0.35, 0.6), t.uniform(-0.2, 0.0)
    for sign in (1, -1):
        away = sign * np.sin(f.angle)  # below 0 the ear comes forwards
        u = sign * (f.width * (1 - 0.25 * f.turn * sign) + 0.15 * np.maximum(-away, 0)) - 0.7 * f.turn
        v = (low + high) / 2
        box = f.box_of([(u, v)], 0.42)
        part = f.cut(box)
        d = 1 - np.hypot((part.u - u) / t.uniform(0.1, 0.22), (part.v - v) / ((low - high) / 2))
        grey = skin[box] * t.uniform(0.5, 1.0) * (1 - 0.3 * np.clip(d, 0, 1))
        lay(image[box], grey, inside(d, 8 * f.px) * inside(0.3 - away, 0.2))


def eye_looks(t):
    """What both eyes of a face share.  above, below: how far the lids are from the eye's centre."""
    wide = np.where(t.chance(CLOSED_EYES) > 0, np.float32(0.005), t.normal(OPEN, 0.02))
    lowered = t.chance(LOWERED_LIDS) > 0  # who looks down shows little but the upper lid and its lashes
    above, below = (np.where(lowered, t.uniform(*lid), wide) for lid in ((-0.01, 0.025), (0.015, 0.05)))
    return {"above": above, "below": below, "crease": t.uniform(0.07, 0.14) + np.maximum(OPEN - above, 0) * lowered,
            "gaze_u": t.normal(0, 0.025), "gaze_v": t.normal(-0.005, 0.012) + 0.03 * lowered,
            "iris": t.uniform(0.085, 0.11), "colour": t.uniform(0.04, 0.4), "pupil": t.uniform(0.03, 0.05),
            "white": t.uniform(0.5, 0.95), "glint": t.chance(0.7), "glint_u": t.normal(0, 0.03),
            "lash": t.uniform(0.1, 0.6) + 0.3 * lowered, "lash_width": t.uniform(0.02, 0.04),
            "lid": t.uniform(0.6, 1.0) ** np.where(lowered, 0.3, 1), "pouch": t.uniform(0, 0.3),
            "fold": t.uniform(0, 0.4)}


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
    upper, lower = (chord + (cv + edge - chord) * bow for edge in (-looks["above"], looks["below"]))
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
    """Map -1..1 onto itself so that `middle` comes to 0 (a Moebius map)."""
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
    cupid = -t.uniform(0, 0.04) * ridge(np.abs(across) - 0.3, 0.18) * upper_room
    upper, lower = chord + top * upper_room + cupid, chord + low * lower_room ** 0.85
    inner_top, inner_low = chord + (top + line) * upper_room, chord + (top + line + gap) * upper_room
    between = (np.abs(s) < 1).astype(np.float32)
    lips = inside(f.v - upper, 2.5 * f.px) * inside(lower - f.v, 2.5 * f.px) * between
    tint = t.uniform(0.55, 0.95) * np.where(f.v < inner_top, t.uniform(0.75, 1), np.float32(1))
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
    face *= 1 - t.uniform(0.1, 0.4) * bump(f, u, v - 0.015, 0.2, 0.06)
    for sign in (1, -1):
        face *= 1 - dark * bump(f, u + sign * apart, v - 0.06, 0.06, flat)
        wing = ridge(np.hypot(f.u - u - sign * 0.15, f.v - v + 0.11) - 0.1, 0.035)
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


def features(face, f, t, shade, brow_tone):
    """Mouth, eyes and brows, each within the box that holds it in every face."""
    box = f.box([name for name in f.where if name.startswith("mouth")], 0.2)
    mouth(face[box], f.cut(box), t, shade[box])
    looks, brows = eye_looks(t), (t.uniform(0.0, 0.09), t.uniform(0.03, 0.085), t.uniform(0.3, 1))
    for side in ("left", "right"):
        box = f.box([side + "_eye_" + part for part in ("center", "inner_corner", "outer_corner")], 0.3)
        eye(face[box], f.cut(box), side, shade[box], looks)
        box = f.box([side + "_eyebrow_inner_end", side + "_eyebrow_outer_end"], 0.25)
        brow(face[box], f.cut(box), t, side, brow_tone, brows)


def on(image, painter, f, t, rows, *more):
    """Let a painter work on some of the faces. more: further (n, …) arrays."""
    if len(rows):
        part = image[rows]
        painter(part, f.pick(rows), t.pick(rows), *(extra[rows] for extra in more))
        image[rows] = part


def paint(marks, rng, angle):
    """Pictures uint8 (n, SIZE, SIZE) of faces.

    marks: (n, 17, 2) pixels, where the straight heads have them; angle: (n,) radians by which each is turned aside;
    rng: np.random.Generator, the source of all that these leave open.
    """
    t = Traits(rng, len(marks))
    f = Face(marks, angle, t)
    shade, gloss = shine(f, t)
    old = t.chance(OLD)
    skin, growth, streaks = skin_of(f, t), Growth(f, t, old), wisps(f, t)
    face = skin.copy()
    on(face, wrinkles, f, t, np.flatnonzero(old))
    box = f.box(["nose_base"], 0.5)
    nostrils(face[box], f.cut(box), t)
    on(face, beard, f, t, t.rows(BEARD), growth.tone, streaks)
    on(face, moustache, f, t, t.rows(MOUSTACHE), growth.tone, streaks)
    face = face * shade + gloss
    features(face, f, t, shade, growth.brow)
    image = background(t)
    body(image, f, t, skin)
    on(image, skull, f, t, np.flatnonzero(angle), growth.tone, growth.bare, streaks, skin * shade)
    ears(image, f, t, skin)
    lay(image, face, f.mask)
    hair(image, f, t, growth, streaks)
    on(image, glasses, f, t, t.rows(GLASSES))
    on(image, hat, f, t, t.rows(HAT))
    on(image, hand, f, t, t.rows(HAND), skin)
    return develop(image, t)
