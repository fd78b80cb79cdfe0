"""Images beside each other and apart again: fired, not fired, values, shapes, gradients, memory."""
import numpy as np
import pytest
import theano
import theano.tensor as T

from theano_onednn import ops, start
from test_convolution import strided
from test_stage import THEANOS, close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def perform(op, *arrays, outputs=1):
    cells = [[None] for _ in range(outputs)]
    op.perform(None, list(arrays), cells)
    return [cell[0] for cell in cells]


def images(*channels):
    return [numbers(3, c, 5, 4, seed=c) for c in channels]


@pytest.mark.parametrize("turn", [np.asarray, strided, lambda x: x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)])
def test_beside_is_numpys_concatenate_for_any_strides(turn):
    parts = images(2, 33, 1, 16)
    (y,) = perform(ops.Beside(), *map(turn, parts))
    np.testing.assert_array_equal(y, np.concatenate(parts, 1))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_apart_are_views():
    x = numbers(3, 9, 5, 4)
    found = perform(ops.Apart(3), x, np.array([2, 3, 4]), outputs=3)
    for part, expected in zip(found, np.split(x, [2, 5], 1)):
        np.testing.assert_array_equal(part, expected)
        assert part.base is x


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"shapes \(3, 2, 5, 4\), \(3, 2, 4, 4\) do not fit beside each other"):
        perform(ops.Beside(), numbers(3, 2, 5, 4), numbers(3, 2, 4, 4))
    with pytest.raises(ValueError, match="9 channels cannot be split into 2, 3, 3"):
        perform(ops.Apart(3), numbers(3, 9, 5, 4), np.array([2, 3, 3]), outputs=3)


def joined(x, w, v, u):
    """Two convolutions, one of them also added, beside each other and convolved."""
    one, other = ops.Convolution()(x, w), ops.Convolution()(x, v)
    y = ops.Convolution()(T.concatenate([one, other], 1), u)
    return (y ** 2).sum() + (one ** 3).sum()


def expected(x, w, v, u):
    one, other = T.nnet.conv2d(x, w), T.nnet.conv2d(x, v)
    y = T.nnet.conv2d(T.concatenate([one, other], 1), u)
    return (y ** 2).sum() + (one ** 3).sum()


def function(expression, mode=None):
    inputs = [T.tensor4() for _ in range(4)]
    total = expression(*inputs)
    return theano.function(inputs, [total, *T.grad(total, inputs)], mode=mode)


def kinds(compiled):
    return {type(node.op).__name__ for node in compiled.maker.fgraph.toposort()}


def test_values_and_gradients_are_theanos():
    arrays = numbers(2, 3, 8, 7), numbers(4, 3, 2, 2, seed=1), numbers(5, 3, 2, 2, seed=2), numbers(6, 9, 3, 3, seed=3)
    ours, theirs = function(joined), function(expected, THEANOS)
    assert {"Beside", "Apart"} <= kinds(ours) and not {"Join", "Split"} & kinds(ours)
    assert not {"Beside", "Apart"} & kinds(theirs)
    for found, wanted in zip(ours(*arrays), theirs(*arrays)):
        close(found, wanted)
    empty = ours(arrays[0][:0], *arrays[1:])
    assert empty[1].shape == (0, 3, 8, 7) and not any(gradient.any() for gradient in empty[2:])


def test_other_axes_and_types_are_theanos():
    x, w = T.tensor4(), T.tensor4()
    y = ops.Convolution()(x, w)
    for other in (T.concatenate([y, y], 2), T.concatenate([y, y.astype("float64")], 1)):
        compiled = theano.function([x, w], other)
        assert "Beside" not in kinds(compiled)
        found = compiled(numbers(2, 3, 8, 7), numbers(4, 3, 2, 2))
        np.testing.assert_array_equal(found, found.astype("float32"))
