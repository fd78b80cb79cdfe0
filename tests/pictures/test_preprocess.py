"""Preprocessing: what is done to a picture once."""
import load
import numpy as np
import pytest

from fkp import Problem


@pytest.mark.parametrize("method", load.PREPROCESS)
def test_preprocessing_keeps_the_shape_and_its_input(method, drawn):
    images = drawn.images[:4]
    before = images.copy()
    out = load.preprocessed(images, method)
    assert out.shape == images.shape and out.dtype in (np.uint8, np.float32)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("method", load.PREPROCESS)
def test_preprocessing_takes_a_flat_picture(method):
    assert np.isfinite(load.preprocessed(np.full((1, 96, 96), 7, np.uint8), method)).all()


def test_equalised_pictures_use_all_greys_equally():
    ramp = (np.arange(96 * 96) // 300).astype(np.uint8).reshape(1, 96, 96)  # dark: 31 greys, all below 31
    out = load.preprocessed(ramp, "equalise")
    assert out.min() == 0 and out.max() == 255
    assert abs(out.mean() - 127.5) < 5


def test_unknown_preprocessing_is_refused():
    with pytest.raises(Problem, match="'fourier' is unknown; choose one of plain, equalise, standardise, local"):
        load.preprocessed(np.zeros((1, 96, 96), np.uint8), "fourier")
