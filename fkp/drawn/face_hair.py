"""Paints hair: on the head as far as it grows there, beards, moustaches and brows.  Old heads have white hair.

See face_model.py for coordinates and units, face_parts.py for what painters are given.
"""
import numpy as np

from fkp.drawn.face_model import inside, lay, ridge

# How often each trait is seen. Guesses from photographs of all kinds of people.
FRINGE, LONG_HAIR, STUBBLE = 0.2, 0.4, 0.6  # stubble: of the beards
BARE = 0.14, 0.5  # young and old heads whose hair has gone from the forehead upwards:
BALD, WREATH = 0.45, 0.3  # so many of these have none, so many some at the sides; of the others it has receded


class Growth:
    """Where hair grows on each head, and its grey.  old: (n, 1, 1), 1 for old heads."""

    def __init__(self, f, t, old):
        bare, kind = t.uniform(0, 1) < np.where(old > 0, BARE[1], BARE[0]), t.uniform(0, 1)
        self.tone = np.where(old > 0, t.uniform(0.5, 1.1), t.uniform(0.1, 0.85) ** 2)
        self.brow = self.tone * np.where(old > 0, t.uniform(0.6, 1.0), t.uniform(0.4, 0.8))
        self.contrast = 1 - 0.5 * old  # of its streaks
        self.bald, self.wreath = bare & (kind < BALD), bare & (kind >= BALD) & (kind < BALD + WREATH)
        self.receding = np.where(bare & (kind >= BALD + WREATH), t.uniform(0.15, 0.5), np.float32(0))
        above = inside(-t.uniform(0.3, 0.9) - f.v, 0.2)
        self.bare = np.where(self.bald, np.float32(1), self.wreath * above)  # (n, SIZE, SIZE): 1 where there is none


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


def skull(image, f, t, tone, bare, streaks, skin):
    """The back of the head, hair or the lit skin, as far as it is seen behind a turned one."""
    back = (f.flat - f.neck() * t.uniform(1.0, 1.3)) / t.uniform(1.1, 1.25)
    texture = 1 + t.uniform(0.1, 0.3) * streaks + 0.1 * t.smooth(9)
    away = np.hypot(back, (f.v + t.uniform(0.3, 0.5)) / t.uniform(1.25, 1.5))
    grey = tone * np.clip(texture, 0.15, 2)
    lay(grey, skin * t.uniform(0.8, 1.0) * (1.1 - 0.4 * away), bare)
    lay(image, grey, inside(1 - away, 4 * f.px))


def hair(image, f, t, growth, streaks):
    """Cap of hair above the hairline and, on some heads, locks down both sides or a fringe over the brow."""
    long, fringe = t.chance(LONG_HAIR), t.chance(FRINGE) * (growth.receding == 0)
    texture = 1 + growth.contrast * t.uniform(0.1, 0.4) * streaks * (0.7 + 0.4 * t.smooth(6)) + 0.2 * t.smooth(9)
    ragged = t.uniform(0, 0.06) * t.smooth(14) + t.uniform(0, 0.04) * t.smooth(40)
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    line = np.where(fringe > 0, brow_v - t.uniform(0.0, 0.35), -t.uniform(0.5, 0.95))
    off = f.u - f.axis
    line = line + t.uniform(0.0, 0.35) * off ** 2 + t.normal(0, 0.2) * off + ragged
    line = line - growth.receding * (0.7 + 0.6 * ridge(np.abs(off) - 0.55, 0.35))  # most above the temples
    soft = t.uniform(2, 7) * f.px
    cap = inside(line - f.v, soft) * inside(t.uniform(1.08, 1.3) - f.r, 6 * f.px) * ~growth.wreath
    end = np.where(long > 0, t.uniform(0.9, 3.0), t.uniform(-0.35, 0.25))
    side = np.abs(f.across)
    locks = inside(side - t.uniform(0.72, 1.0) - ragged, soft) * inside(end - f.v + ragged, 4 * f.px)
    locks *= inside(t.uniform(1.1, 1.6) - side + ragged, 4 * f.px)
    locks *= np.where(growth.wreath, inside(1.15 - f.r, 6 * f.px), np.float32(1))
    grey = growth.tone * np.clip(texture, 0.15, 2) * np.clip(1 - 0.3 * f.v, 0.7, 1)
    lay(image, grey, np.maximum(cap, locks) * (1 - growth.bare))


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
