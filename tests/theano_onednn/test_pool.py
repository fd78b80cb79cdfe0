"""Pools and upscaling against Theano's own Ops, which run in float64."""
import numpy as np
import pytest
import theano.tensor as T
from theano.tensor.signal.pool import pool_2d

from theano_onednn import ops, start
from test_convolution import both, strided
from test_stage import close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
POOLS = [  # window, stride, pad, ignore_border
    ((2, 2), None, (0, 0), True), ((2, 2), None, (0, 0), False), ((3, 3), (2, 2), (1, 1), True),
    ((3, 2), (1, 2), (0, 0), True), ((3, 3), (2, 2), (0, 0), False), ((2, 3), (3, 4), (0, 0), False),
    ((4, 4), (4, 4), (0, 2), True), ((7, 9), (1, 1), (0, 0), True), ((1, 1), (2, 2), (0, 0), True),
]
SHAPES = [(3, 5, 7, 9), (2, 32, 8, 10), (4, 1, 9, 9)]


def theanos(x, window, stride, pad, ignore_border, mode):
    return pool_2d(x, window, ignore_border, stride, pad, mode)


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_theanos(shape, pool, mode):
    window, stride, pad, ignore_border = pool
    if mode == "average_exc_pad" and any(pad):
        pytest.skip("Theano has no gradient for this")
    for found, expected in both(ops.Pool(window, stride, pad, mode, ignore_border),
                                lambda x: theanos(x, *pool, mode), numbers(*shape, seed=1)):
        close(found, expected, 1e-6)


def test_a_mean_without_its_padding_is_numpys():
    x, gy = numbers(2, 3, 4, 4, seed=1), numbers(2, 3, 2, 2, seed=2)
    op = ops.Pool((3, 3), (2, 2), (1, 1), "average_exc_pad")
    expected, gradient = np.zeros((2, 3, 2, 2)), np.zeros(x.shape)
    for row, column in np.ndindex(2, 2):
        window = (..., slice(max(2 * row - 1, 0), 2 * row + 2), slice(max(2 * column - 1, 0), 2 * column + 2))
        expected[..., row, column] = x[window].mean((2, 3))
        gradient[window] += gy[..., row, column, None, None] / x[window][0, 0].size
    close(perform(op, x), expected, 1e-6)
    close(perform(ops.PoolGradient(*op._props()), x, gy, gy), gradient, 1e-6)


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_every_maximum_gets_the_gradient(pool):
    """Three different numbers: most windows have ties."""
    window, stride, pad, ignore_border = pool
    for found, expected in both(ops.Pool(window, stride, pad, "max", ignore_border), lambda x: theanos(x, *pool, "max"),
                                np.round(numbers(*SHAPES[0], seed=1)).clip(-1, 1)):
        close(found, expected, 1e-6)


def perform(op, *arrays):
    cells = [[None]]
    op.perform(None, list(arrays), cells)
    return cells[0][0]


@pytest.mark.parametrize("place", range(4))
def test_nan_comes_through_from_every_place(place):
    x = numbers(2, 20, 2, 2)
    x[0, :, place // 2, place % 2] = np.nan
    y = perform(ops.Pool((2, 2)), x)
    assert np.isnan(y[0]).all() and not np.isnan(y[1]).any()


@pytest.mark.parametrize("mode", ["max", "average_inc_pad"])
def test_strided_memory_gives_the_same_and_outputs_are_channels_last(mode):
    x, op = numbers(3, 18, 6, 4), ops.Pool((2, 2), mode=mode)
    y, gy = perform(op, x), numbers(3, 18, 3, 2, seed=2)
    np.testing.assert_array_equal(perform(op, strided(x)), y)
    gradient = ops.PoolGradient((2, 2), mode=mode)
    gx = perform(gradient, x, y, gy)
    np.testing.assert_array_equal(perform(gradient, *map(strided, (x, y, gy))), gx)
    assert all(array.transpose(0, 2, 3, 1).flags.c_contiguous for array in (y, gx))


def test_an_empty_batch_stays_empty():
    empty = numbers(0, 3, 4, 4)
    y = perform(ops.Pool((2, 2)), empty)
    assert y.shape == (0, 3, 2, 2)
    assert perform(ops.PoolGradient((2, 2)), empty, y, y).shape == empty.shape
    assert perform(ops.Upscale((2, 2)), empty).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (1, 4)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_upscaling_is_repeating(shape, factors):
    for found, expected in both(ops.Upscale(factors), lambda x: T.extra_ops.repeat(
            T.extra_ops.repeat(x, factors[0], axis=2), factors[1], axis=3), numbers(*shape, seed=1)):
        close(found, expected, 1e-6)


def test_what_does_not_fit_is_named():
    for settings in (dict(pad=(2, 0)), dict(pad=(1, 1), ignore_border=False), dict(mode="median")):
        with pytest.raises(ValueError, match="no pool with window"):
            ops.Pool((2, 2), **settings)
    with pytest.raises(ValueError, match=r"have shapes \(1, 1, 2, 2\) and \(1, 1, 2, 1\), the pool of \(1, 1, 4, 4\)"):
        perform(ops.PoolGradient((2, 2)), numbers(1, 1, 4, 4), numbers(1, 1, 2, 2), numbers(1, 1, 2, 1))
