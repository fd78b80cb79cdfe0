"""Paints grey faces around given keypoints: skin, hair, beard, brows, eyes, mouth, glasses over a shaded head.

Every part is painted where its keypoints are, so the labels are exact by construction. See face_model.py for the
coordinates and units. A painter changes its picture `image` or `face`, (n, height, width) greys, in place; f is the
Face it belongs to, t the Traits that say what it looks like.
"""
import numpy as np
from fkp.drawn.face_light import shine
from fkp.drawn.face_model import Face, Traits, background, bump, develop, inside, lay, ridge, swell

# How often each trait is seen. Guesses from photographs of all kinds of people.
GLASSES, DARK_LENSES, BEARD, MOUSTACHE, CLOSED_EYES = 0.15, 0.12, 0.3, 0.12, 0.06
FRINGE, LONG_HAIR, BALD, HAT, HAND = 0.2, 0.4, 0.05, 0.06, 0.06
STUBBLE = 0.6  # of the beards are shaven


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


def skull(image, f, t, tone, streaks):
    """The back of the head, with hair on it, as far as it is seen behind a turned one."""
    back = (f.flat - f.neck() * t.uniform(1.0, 1.3)) / t.uniform(1.1, 1.25)
    texture = 1 + t.uniform(0.1, 0.3) * streaks + 0.1 * t.smooth(9)
    mask = inside(1 - np.hypot(back, (f.v + t.uniform(0.3, 0.5)) / t.uniform(1.25, 1.5)), 4 * f.px)
    lay(image, tone * np.clip(texture, 0.15, 2), mask)


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


def wisps(f, t):
    """Streaks of hair combed one way on each head, about unit variance. (n, SIZE, SIZE)"""
    strands = t.rng.standard_normal((t.n, 512), dtype=np.float32)
    at = (f.u + f.v * (t.normal(0, 0.6) + t.normal(0, 0.3) * f.v) + 0.06 * t.smooth(8)) * t.uniform(14, 28) + 256
    at = np.clip(at, 0, 510.9)
    low = at.astype(np.int32)
    at -= low
    low += np.arange(t.n, dtype=np.int32)[:, None, None] * 512
    one, two = strands.ravel().take(low), strands.ravel().take(low + 1)
    return one + at * (two - one)


def hair(image, f, t, tone, streaks):
    """Cap of hair above the hairline and, on some heads, locks down both sides or a fringe over the brow."""
    present = 1 - t.chance(BALD)
    long, fringe = t.chance(LONG_HAIR), t.chance(FRINGE)
    texture = 1 + t.uniform(0.1, 0.4) * streaks * (0.7 + 0.4 * t.smooth(6)) + 0.2 * t.smooth(9)
    ragged = t.uniform(0, 0.06) * t.smooth(14) + t.uniform(0, 0.04) * t.smooth(40)
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


def beard(face, f, t, tone, streaks):
    """Stubble or a beard along the jaw; the mouth is painted over it later."""
    (top_u, _), base_v = f.at("mouth_center_top_lip"), f.at("nose_base")[1]
    jaw = inside(f.v - base_v - 0.12 - t.uniform(0.0, 0.3) * (f.u - top_u) ** 2 + 0.1 * t.smooth(10), 0.2)
    side = inside(np.abs(f.across) - 0.8 + 0.05 * t.smooth(10), 0.2) * inside(f.v - 0.3, 0.3)
    texture = tone * np.clip(1 + 0.25 * streaks + 0.1 * t.grain(), 0.2, 2)
    lay(face, texture, np.maximum(jaw, side) * np.where(t.chance(STUBBLE) > 0, t.uniform(0.05, 0.3), t.uniform(0.4, 1)))


def moustache(face, f, t, tone, streaks):
    (top_u, top_v), base_v = f.at("mouth_center_top_lip"), f.at("nose_base")[1]
    off = np.abs(f.u - top_u)
    middle = (base_v + top_v) / 2 + 0.04 + t.uniform(0.1, 0.5) * off ** 2
    mask = inside((top_v - base_v) * 0.36 - np.abs(f.v - middle) + 0.02 * t.smooth(20), 4 * f.px)
    texture = tone * np.clip(1 + 0.25 * streaks, 0.2, 2)
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
    skin, tone, streaks = skin_of(f, t), t.uniform(0.1, 0.85) ** 2, wisps(f, t)
    face = skin.copy()
    box = f.box(["nose_base"], 0.5)
    nostrils(face[box], f.cut(box), t)
    on(face, beard, f, t, t.rows(BEARD), tone, streaks)
    on(face, moustache, f, t, t.rows(MOUSTACHE), tone, streaks)
    face = face * shade + gloss
    features(face, f, t, shade, tone)
    image = background(t)
    body(image, f, t, skin)
    on(image, skull, f, t, np.flatnonzero(angle), tone, streaks)
    ears(image, f, t, skin)
    lay(image, face, f.mask)
    hair(image, f, t, tone, streaks)
    on(image, glasses, f, t, t.rows(GLASSES))
    on(image, hat, f, t, t.rows(HAT))
    on(image, hand, f, t, t.rows(HAND), skin)
    return develop(image, t)
