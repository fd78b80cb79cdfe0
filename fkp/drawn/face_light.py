"""The relief of a face, and a lamp that shades it: see face_model.py for coordinates and units."""
import functools

import numpy as np
from scipy import ndimage

from fkp.drawn.face_model import COARSE, bump, inside, product, ridge, swell
from fkp.keypoints import SIZE
from fkp.pictures.head import RADIUS


@functools.cache
def finer():
    """Matrix (SIZE, SIZE / COARSE) that interpolates the middles of coarse pixels to those of fine ones."""
    coarse = np.arange(SIZE // COARSE)
    at = ((np.arange(SIZE) + 0.5) / COARSE - 0.5).clip(0, coarse[-1])
    return np.maximum(1 - np.abs(at[:, None] - coarse), 0).astype(np.float32)


def relief(f, t):
    """Height z of the face towards the viewer at every pixel of f, in units."""
    z = t.normal(0.85, 0.1) * np.sqrt(np.clip(1 - f.r ** 2, 0.03, 1))
    brow_v = (f.at("left_eyebrow_inner_end")[1] + f.at("right_eyebrow_inner_end")[1]) / 2
    swell(z, f, t.uniform(0.0, 0.07), 0.4 * f.turn, brow_v + 0.02, 0.8, 0.18)
    deep, smile, crease = t.uniform(0.04, 0.14), t.uniform(0.05, 0.11), t.uniform(-0.04, 0.0)
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f.at(side + "_eye_center")
        swell(z, f, -deep, u - 0.13 * sign, v - 0.04, 0.28, 0.18)
        swell(z, f, 0.05, u, v, 0.17, 0.11)
        swell(z, f, smile, u + 0.1 * sign + 0.2 * f.turn, v + 0.62, 0.3, 0.26)
        box = f.box(["nose_base", f"mouth_{side}_corner"], 0.45)
        z[box] += fold(f.cut(box), side, sign) * crease
    muzzle(z, f, t)
    box = f.box(["nose_tip", "left_eye_inner_corner", "right_eye_inner_corner"], 0.45)
    z[box] += nose(f.cut(box), t)
    return z


def nose(f, t):
    """Ridge from between the eyes to a round tip, with the wings beside it."""
    (tip_u, tip_v), (base_u, base_v) = f.at("nose_tip"), f.at("nose_base")
    along = np.clip((f.v + 0.05) / (tip_v + 0.05), 0, 1)
    line = 0.35 * f.turn + (tip_u - 0.35 * f.turn) * along
    width = t.uniform(0.08, 0.13) + t.uniform(0.02, 0.07) * along
    past = np.maximum(f.v - tip_v + 0.03, 0) / t.uniform(0.10, 0.15)
    height = (0.02 + t.uniform(0.08, 0.24) * along ** 1.3) * np.exp(-past ** 2)
    z = height * ridge(f.u - line, width) * inside(f.v + 0.2, 0.4)
    z += t.uniform(0.06, 0.16) * bump(f, tip_u, tip_v - 0.01, t.uniform(0.12, 0.18), t.uniform(0.11, 0.16))
    wing = t.uniform(0.16, 0.22)
    for sign in (1, -1):
        z += t.uniform(0.06, 0.12) * bump(f, (base_u + tip_u) / 2 + sign * wing, base_v - 0.11, 0.1, 0.09)
    return z


def fold(f, side, sign):
    """The crease from the wing of the nose to beside the mouth's corner, 1 in its middle."""
    base_u, base_v = f.at("nose_base")
    corner_u, corner_v = f.at(f"mouth_{side}_corner")
    along = np.clip((f.v - base_v + 0.12) / (corner_v - base_v + 0.12), 0, 1.3)
    line = base_u + sign * 0.24 + (corner_u + sign * 0.12 - base_u - sign * 0.24) * along
    return ridge(f.u - line, 0.07) * np.sin(np.float32(np.pi / 1.3) * along)


def muzzle(z, f, t):
    """Lips, the hollow under them and the chin, added to z."""
    (top_u, top_v), (low_u, low_v) = f.at("mouth_center_top_lip"), f.at("mouth_center_bottom_lip")
    swell(z, f, 0.08, (top_u + low_u) / 2, (top_v + low_v) / 2, 0.5, 0.3)
    swell(z, f, t.uniform(0.05, 0.12), f.chin_u, f.chin - 0.16, 0.27, 0.16)
    swell(z, f, t.uniform(0.02, 0.06), top_u, top_v + 0.07, 0.28, 0.06)
    swell(z, f, t.uniform(0.03, 0.08), low_u, low_v - 0.07, 0.24, 0.07)
    swell(z, f, t.uniform(-0.08, -0.02), low_u, low_v + 0.07, 0.25, 0.06)
    swell(z, f, t.uniform(-0.03, 0.0), top_u, top_v - 0.08, 0.05, 0.08)


def shine(f, t):
    """Light on the face's relief: (shade around 1, gloss 0..1), each (n, SIZE, SIZE)."""
    f = f.coarse()
    z = relief(f, t) * np.cos(f.angle) - f.u.clip(-RADIUS, RADIUS) * np.sin(f.angle)  # as the turned head has it
    z *= f.unit / COARSE  # coarse pixels, as are all lengths here
    down, right = np.gradient(z, axis=(1, 2))
    length = np.sqrt(1 + down ** 2 + right ** 2)
    azimuth, height = t.normal(0, 0.75), t.normal(0.5, 0.35)  # radians; the lamp is mostly above
    lamp = np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)
    toward = -right * lamp[0] - down * lamp[1]
    wrap = t.uniform(0, 0.5)  # a broad lamp reaches round the corner
    light = np.maximum((toward + lamp[2]) / length + wrap, 0) / (1 + wrap)
    light *= 1 - t.uniform(0.1, 0.8) * cast(z, lamp)
    hollow = ndimage.gaussian_filter(z, (0, 1.25, 1.25)) - z  # below its surroundings a pixel sees less sky
    ambient = t.uniform(0.2, 0.75) * np.clip(1 - t.uniform(0.2, 0.6) * hollow, 0.3, 1.5)
    gloss = np.maximum((toward + 1 + lamp[2]) / (length * np.sqrt(2 + 2 * lamp[2])), 0)
    for _ in range(4):
        gloss *= gloss  # the sixteenth power
    shade, gloss = (ambient + light) / t.uniform(1.1, 1.3), gloss * t.uniform(0, 0.25)
    return tuple(product(product(finer(), coarse), finer().T) for coarse in (shade, gloss))


def cast(z, lamp):
    """How far each pixel lies in the shadow of what stands between it and the lamp, 0..1. z in (coarse) pixels."""
    flat = np.hypot(lamp[0], lamp[1]) + np.float32(1e-3)
    size = z.shape[1]
    line, first = np.arange(size), np.arange(len(z))[:, None, None] * size ** 2
    shadow = np.zeros_like(z)
    for steps in (1, 2.5, 4.5):  # pixels towards the lamp
        y = np.clip(line[:, None] + np.rint(steps * lamp[1] / flat).astype(int), 0, size - 1)
        x = np.clip(line[None, :] + np.rint(steps * lamp[0] / flat).astype(int), 0, size - 1)
        there = z.ravel().take(first + y * size + x)
        there -= z
        there -= steps * lamp[2] / flat
        np.maximum(shadow, there, out=shadow)
    return ndimage.gaussian_filter(np.clip(shadow, 0, 1), (0, 0.6, 0.6), truncate=2)
