"""Pixels as nets take them: what is done to a picture once, and what to each batch."""
from fkp import Problem
import theano_onednn  # noqa: F401  comes before nolearn, which imports Theano

import numpy as np
from nolearn.lasagne import BatchIterator
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter


LOCAL = 8.0   # pixels: standard deviation of the Gaussian of local contrast


# --- once: uint8 (n, SIZE, SIZE) -> uint8 or float32 of the same shape ---

def plain(images):
    """As photographed."""
    return images


def equalise(images):
    """Histogram equalisation, image by image: every grey level equally frequent."""
    return np.stack([np.asarray(ImageOps.equalize(Image.fromarray(image))) for image in images])


def standardise(images):
    """Mean 0 and standard deviation 1, image by image."""
    x = images.astype(np.float32)
    x -= x.mean((1, 2), keepdims=True)
    x /= np.maximum(x.std((1, 2), keepdims=True), 1)  # 1: a flat picture stays flat
    return x


def local(images):
    """Local contrast normalisation: minus the local mean, by the local deviation (Gaussian, of LOCAL pixels).

    Jarrett et al., "What is the best multi-stage architecture for object recognition?" (ICCV 2009).
    """
    x = images.astype(np.float32)
    x -= gaussian_filter(x, (0, LOCAL, LOCAL))
    deviation = np.sqrt(gaussian_filter(x * x, (0, LOCAL, LOCAL)))
    x /= np.maximum(deviation, deviation.mean((1, 2), keepdims=True) + 1)  # as there: noise stays small
    return x


PREPROCESS = {"plain": plain, "equalise": equalise, "standardise": standardise, "local": local}


def preprocessed(images, method="equalise"):
    """Apply a method of `PREPROCESS` to uint8 images (n, SIZE, SIZE).  Raises Problem for an unknown one."""
    if method not in PREPROCESS:
        raise Problem(f"preprocess: {method!r} is unknown; choose one of {', '.join(PREPROCESS)}")
    return PREPROCESS[method](images) if len(images) else images


# --- batch by batch ---

def as_batch(X, grey=0.0):
    """uint8 pixels -> float32 in [0, 1]; these, and what is float already, minus `grey`."""
    if X.dtype != np.uint8:
        return X - X.dtype.type(grey) if grey else X
    x = np.multiply(X, np.float32(1 / 255), dtype=np.float32)
    return np.subtract(x, np.float32(grey), out=x) if grey else x


def as_faces(X, ndim=None):
    """What a net is asked to predict, as it was trained: one face alone as a row, whole numbers as pixels.

    ndim: of X as the net takes it, where that is known.  Raises Problem for
    floats that are no pixels from 0 to 1.
    """
    X = np.asarray(X)
    if X.ndim + 1 == ndim:
        X = X[None]
    whole = X.dtype.kind in "iu"
    if X.size and (whole and not 0 <= X.min() <= X.max() <= 255 or not whole and X.min() >= 0 and X.max() > 2):
        raise Problem(f"predict: values from {X.min():.4g} to {X.max():.4g}; give pixels as whole numbers from 0 to "
                      "255, or divided by 255")
    return X.astype(np.uint8) if whole else X


class PixelBatchIterator(BatchIterator):
    """nolearn's BatchIterator; pixels become float32 here, so that the whole set can stay uint8."""

    def __init__(self, *args, grey=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.grey = grey
        self.ndim = None  # of what the net takes, as soon as it is known

    def __call__(self, X, y=None):
        if y is None:
            X = as_faces(X, self.ndim)
        else:
            self.ndim = np.ndim(X)
        return super().__call__(X, y)

    def transform(self, Xb, yb):
        return as_batch(Xb, self.grey), yb

    def taught(self, y):
        """Which outputs the labels y (n, k) teach, NaN being none: (k,) bool."""
        return ~np.isnan(y).all(0)
