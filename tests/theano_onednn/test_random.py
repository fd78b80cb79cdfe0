"""Dropout's random numbers: the published vectors, the mask's definition, statistics, saved state."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import DenseLayer, DropoutLayer, InputLayer

from theano_onednn import ops, start
from theano_onednn.ops import groups, native, substitute
from test_stage import SHAPES, THEANOS, kinds, layers, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
# Random123's kat_vectors for philox4x32-10: counter, key, random numbers.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def random_states(function):
    return [variable for variable in function.get_shared() or [] if variable.name == "dropout state"]


def words(text):
    return np.array([int(word, 16) for word in text.split()], "uint32")


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_philox_below_gives_the_published_numbers(counter, key, expected):
    np.testing.assert_array_equal(philox(words(counter)[:, None], words(key))[:, 0], words(expected))


def philox(counter, key):
    """The same in NumPy, from the paper: counter (4, n) and key (2,), uint32."""
    c, k = [np.uint64(row) for row in counter.astype("uint64")], [np.uint64(word) for word in key]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ k[0], p1 & low, (p0 >> np.uint64(32)) ^ c[3] ^ k[1], p0 & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.array(c).astype("uint32")


def draws(state, row, count):
    """What philox.h's `draw` says: word k of counter 16 g + l is number 64 g + 16 k + l, two draws each."""
    groups = -(-count // 128)
    index = np.arange(16 * groups, dtype="uint32")
    counter = np.array([index, np.full_like(index, row), np.full_like(index, state[2]),
                        np.full_like(index, state[3])])
    found = philox(counter, state[:2]).reshape(4, groups, 16).transpose(1, 0, 2)
    return np.ascontiguousarray(found).reshape(-1).view("uint16")[:count]


def masks(p, state, rows=64, units=1000, calls=1):
    """Zeros and ones of a dense layer whose outputs are all 1 before dropout."""
    op = ops.Dense(ops.RECTIFIER, groups.threshold(DropoutLayer(InputLayer((None, 1)), p=p)))
    found = []
    for _ in range(calls):
        cells = [[None], [None]]
        op.perform(None, [np.zeros((rows, 1), "float32"), np.zeros((1, units), "float32"),
                          np.ones(units, "float32"), state], cells)
        state = cells[1][0]
        found.append(cells[0][0] != 0)
    return np.array(found)


def state(seed, use=0, call=0):
    return np.array([seed, use, call, 0], "uint32")


@pytest.mark.parametrize("p", [0.3, *(bit / 65536 for bit in (1, 0x5555, 0xAAAA, 0xFFFF))])
def test_the_dense_mask_is_its_definition(p):
    found = masks(p, state(0xA4093822, 0x299F31D0, 9), rows=3, units=300)[0]
    for row in range(3):
        expected = draws(state(0xA4093822, 0x299F31D0, 9), row, 300) >= round(p * 65536)
        np.testing.assert_array_equal(found[row], expected)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[4]], ids=str)
def test_the_stages_mask_is_its_definition_and_so_is_its_gradient(shape):
    n, c, h, w, k, rows, columns = shape
    net = layers(*shape, p=0.4)
    x, weight = T.tensor4(), T.tensor4()
    dropped = substitute.get_output(net, x)
    plain = substitute.original_get_output(net.input_layer, x)
    function = theano.function([x, weight], [
        dropped, plain, *T.grad((dropped * weight).sum(), [*lasagne.layers.get_all_params(net), x])])
    assert kinds(function)["Stage"] == kinds(function)["StageGradient"] == 1
    seed = random_states(function)[0].get_value()
    image, weights = numbers(n, c, h, w, seed=1), numbers(n, k, (h - rows + 1) // 2, (w - columns + 1) // 2, seed=2)
    y, full, *found = function(image, weights)
    limit = round(0.4 * 65536)
    mask = np.array([draws(seed, row, y[0].size).reshape(*y.shape[2:], k).transpose(2, 0, 1) >= limit
                     for row in range(n)]) * (65536 / (65536 - limit))
    np.testing.assert_allclose(y, full * mask, rtol=1e-4, atol=1e-5)
    theirs = theano.function([x, weight], T.grad((plain * weight).sum(), [*lasagne.layers.get_all_params(net), x]),
                             mode=THEANOS)
    for one, other in zip(found, theirs(image, (weights * mask).astype("float32"))):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


def test_each_image_of_a_long_batch_has_its_own_mask():
    """Images are worked on a few at a time; their masks are keyed by the place in the batch."""
    n, limit = 37, 1 << 15
    op, cells = ops.Stage(threshold=limit), [[None], [None], [None]]
    op.perform(None, [np.zeros((n, 1, 8, 8), "f"), np.zeros((16, 1, 3, 3), "f"), np.ones(16, "f"), state(5)], cells)
    for row in range(n):
        expected = draws(state(5), row, 16 * 9).reshape(3, 3, 16).transpose(2, 0, 1) >= limit
        np.testing.assert_array_equal(cells[0][0][row] != 0, expected)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.3, 0.5])
def test_the_rate_is_right(p):
    found = masks(p, state(1), calls=20)
    deviation = np.sqrt(p * (1 - p) / found.size)
    assert abs(1 - found.mean() - p) < 4.5 * deviation + 0.5 / 65536
    for axis in (0, 1, 2):  # no call, row or unit stands out
        means = 1 - found.mean(axis=tuple({0, 1, 2} - {axis}))
        assert np.abs(means - p).max() < 5.5 * np.sqrt(p * (1 - p) * len(means) / found.size)


@pytest.mark.parametrize("other", [
    {"state": state(1, call=1)}, {"state": state(2)}, {"state": state(1, use=1)}, {"shift": (0, 1)}, {"shift": (1, 0)},
    {"shift": (0, 16)}, {"shift": (0, 128)},
], ids=["calls", "seeds", "uses", "neighbours", "rows", "lanes", "groups"])
def test_masks_are_independent(other):
    rows, units = 512, 1024
    one = masks(0.5, state(1), rows, units)[0]
    two = masks(0.5, other["state"], rows, units)[0] if "state" in other else np.roll(one, other["shift"], (0, 1))
    correlation = np.corrcoef(one.ravel(), two.ravel())[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(one.size)


def test_the_mean_is_kept():
    cells = [[None], [None]]
    ops.Dense(ops.RECTIFIER, round(0.1 * 65536)).perform(None, [np.zeros((500, 1), "f"), np.zeros((1, 1000), "f"),
                                                       np.ones(1000, "f"), state(3)], cells)
    assert abs(cells[0][0].mean() - 1) < 4.5 * np.sqrt(0.1 / 0.9 / 500000)


def net(p=0.5):
    return DropoutLayer(DenseLayer(InputLayer((None, 4)), 50, W=lasagne.init.Constant(1)), p=p)


def test_each_call_draws_anew_and_a_restored_state_draws_again():
    x = T.matrix()
    function = theano.function([x], substitute.get_output(net(), x))
    variable = random_states(function)[0]
    ones, saved = np.ones((8, 4), "float32"), variable.get_value()
    first, second = function(ones), function(ones)
    assert (first != second).any()
    variable.set_value(saved)
    np.testing.assert_array_equal(function(ones), first)
    np.testing.assert_array_equal(function(ones), second)


def test_the_state_counts_past_32_bits():
    cell = [None]
    native.next_state(np.array([1, 2, 0xFFFFFFFF, 7], "uint32"), cell)
    (following,) = cell
    np.testing.assert_array_equal(following, [1, 2, 0, 8])


def test_lasagnes_seed_is_the_masks_seed():
    def mask(seed):
        lasagne.random.set_rng(np.random.RandomState(seed))
        return substitute.get_output(net(), T.constant(np.ones((8, 4), "float32"))).eval()

    np.testing.assert_array_equal(mask(1), mask(1))
    assert (mask(1) != mask(2)).any()


def test_two_uses_of_a_layer_draw_differently():
    x, layer = T.matrix(), net()
    one, two = theano.function([x], [substitute.get_output(layer, x), substitute.get_output(layer, x)])(
        np.ones((8, 4), "float32"))
    assert (one != two).any()


def test_nothing_is_dropped_when_deterministic():
    x = T.matrix()
    function = theano.function([x], substitute.get_output(net(), x, deterministic=True))
    np.testing.assert_array_equal(function(np.ones((8, 4), "float32")), np.full((8, 50), 4, "float32"))
    assert not random_states(function)
