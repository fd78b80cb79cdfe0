"""Faces turned, scaled, shifted and relit at random: more faces than there are, batch by batch."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

TURN = np.deg2rad(9)  # each way: heads in Kaggle's pictures lean about so much
SCALE = 0.1           # smaller or larger by so much
SHIFT = 3.0           # pixels each way
LIGHT = 0.2           # contrast changes by so much, brightness by as much of 128
EDGE = 18             # pixels of the picture's edge repeated outside it, where a turned picture shows them


def warp(images, points, random):
    """Turn, scale and shift faces, each in its own way.

    images (n, 96, 96) uint8; points (n, 2k) in pixels from the edge, NaN
    where missing.  Returns new arrays of the same shapes.
    """
    n, size = len(images), images.shape[-1]
    turn, scale = random.uniform(-TURN, TURN, n), np.exp(random.uniform(-SCALE, SCALE, n))
    shift = random.uniform(-SHIFT, SHIFT, (n, 2)) + size / 2
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)  # (n, 2, 2): from old to new, about the centre
    padded = np.pad(images, ((0, 0), (EDGE, EDGE), (EDGE, EDGE)), mode="edge")
    warped = np.stack([_warp(*face, size) for face in zip(padded, matrix.transpose(0, 2, 1) / scale[:, None, None],
                                                          shift)])
    offset = points.reshape(n, -1, 2) - size / 2
    moved = np.einsum("nij,nkj->nki", matrix * scale[:, None, None], offset) + shift[:, None]
    return warped, moved.reshape(points.shape).astype(points.dtype)


def _warp(face, back, shift, size):
    """One padded face; `back` (2, 2) leads from the new picture, about `shift`, to the old one about its centre.

    Pillow's coordinates are ours: (0.5, 0.5) is the first pixel's centre.
    """
    (a, b), (d, e) = back
    c, f = size / 2 + EDGE - back @ shift
    return np.asarray(Image.fromarray(face).transform((size, size), Image.Transform.AFFINE, (a, b, c, d, e, f),
                                                      Image.Resampling.BILINEAR))


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
