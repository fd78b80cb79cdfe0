"""Matrix products: Fortran's sgemm_, and the layers' in bfloat16."""
import ctypes

import numpy as np
import pytest
import theano
import theano.tensor as T

from theano_onednn import ops, settings, start
from theano_onednn.ops import activation, native
from test_stage import close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def sgemm(transpose, m, n, k, alpha, a, b, beta, c):
    """c = alpha op(a) op(b) + beta c in Fortran's order; columns lie two numbers further apart than they are long."""
    number, real = (lambda v: ctypes.byref(ctypes.c_int(v))), (lambda v: ctypes.byref(ctypes.c_float(v)))
    native.LIBRARY.sgemm_(*transpose, number(m), number(n), number(k), real(alpha), ctypes.c_void_p(a.ctypes.data),
                          number(len(a) + 2), ctypes.c_void_p(b.ctypes.data), number(len(b) + 2), real(beta),
                          ctypes.c_void_p(c.ctypes.data), number(m + 2))


def factors(transpose, m, n, k):
    """(a, b, c) and the memory that c lies in."""
    room = [np.asfortranarray(numbers(rows + 2, columns, seed=seed)) for seed, (rows, columns) in enumerate(
        [(m, k) if transpose[0] == b"N" else (k, m), (k, n) if transpose[1] == b"N" else (n, k), (m, n)])]
    return [array[:-2] for array in room], room[2]


SIZES = [(5, 7, 3), (1300, 140, 130), (140, 1300, 130), (140, 130, 1300), (3, 2, 800000)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("sizes", SIZES)  # each axis is the one that is cut among the threads, or none is
@pytest.mark.parametrize("transpose", [(b"N", b"N"), (b"T", b"N"), (b"N", b"T"), (b"T", b"T")])
def test_sgemm_is_fortrans(transpose, sizes, threads, set_threads):
    (a, b, c), room = factors(transpose, *sizes)
    expected = room.copy()
    expected[:-2] = 2 * (a if transpose[0] == b"N" else a.T) @ (b if transpose[1] == b"N" else b.T) + 0.5 * c
    set_threads(threads)
    sgemm(transpose, *sizes, 2, a, b, 0.5, c)
    close(room, expected)


@pytest.mark.parametrize("sizes", SIZES)
def test_a_product_is_the_same_for_any_number_of_threads(sizes, set_threads):
    found = []
    for threads in (1, 2, 3, 5):
        set_threads(threads)
        (a, b, c), room = factors((b"N", b"N"), *sizes)
        sgemm((b"N", b"N"), *sizes, 1, a, b, 0, c)
        found.append(c.copy())
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_the_gradient_of_a_wide_layers_input_is_the_same_for_any_number_of_threads(set_threads):
    """Its columns go strip by strip, the last one narrower."""
    x, weights, gy = numbers(70, 1300, seed=1), numbers(1300, 150, seed=2), numbers(70, 150, seed=3)
    found = []
    for threads in (1, 2, 5):
        set_threads(threads)
        cells = [[None] for _ in range(3)]
        ops.DenseGradient(activation.LINEAR).perform(None, [x, weights, gy[0], gy, gy], cells)
        found.append(cells[0][0])
        close(found[-1], gy @ weights.T, 1e-5)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("beta", [0, 0.5, 1])
def test_a_sum_of_nothing_leaves_beta_c(beta):
    (a, b, c), room = factors((b"N", b"N"), 4, 3, 0)
    expected = beta * c
    if not beta:
        c[:] = np.nan  # not read
    sgemm((b"N", b"N"), 4, 3, 0, 2, a, b, beta, c)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("beta", [0, 0.5])
def test_no_factor_is_read_where_alpha_is_0(beta):
    (a, b, c), room = factors((b"N", b"N"), 4, 3, 2)
    a[:] = np.nan
    expected = beta * c
    sgemm((b"N", b"N"), 4, 3, 2, 0, a, b, beta, c)
    np.testing.assert_array_equal(c, expected)


def test_theanos_own_products_run_on_it():
    if "-lfkp" not in theano.config.blas.ldflags:
        pytest.skip("the BLAS was chosen by the user")
    a, b = T.matrix(), T.matrix()
    function = theano.function([a, b], T.dot(a, b))
    close(function(numbers(4, 5), numbers(5, 6)), numbers(4, 5) @ numbers(5, 6))
    assert settings.scipy_blas(ours=["sgemm"]) in theano.config.blas.ldflags


def to_bfloat16(x):
    """Rounded to nearest, ties to even, in whole numbers."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32).astype(np.float64)


has_bfloat16 = pytest.mark.skipif(start.reason is None and native.LIBRARY.fkp_isa() & start.BF16 != start.BF16,
                                  reason="this processor has no bfloat16")


@has_bfloat16
@pytest.mark.parametrize("rows, inputs, units", [(1, 3, 5), (128, 1000, 30), (7, 33, 1), (64, 500, 257)])
def test_in_bfloat16_the_factors_are_rounded_to_nearest_and_the_sums_are_exact(rows, inputs, units):
    x, weights, gy = numbers(rows, inputs), numbers(inputs, units, seed=2), numbers(rows, units, seed=4)
    x[0, 0] = np.uint32(0x3F808000).view(np.float32)  # half way between two: rounded to the even one
    inputs, gradient = [T.matrix(), T.matrix(), T.vector()], T.matrix()
    y, _ = ops.Dense(activation.LINEAR, bf16=True)(*inputs)
    function = theano.function([*inputs, gradient], [y, *T.grad(None, inputs[:2], known_grads={y: gradient})])
    found = function(x, weights, np.zeros(units, np.float32), gy)
    a, b, g = map(to_bfloat16, (x, weights, gy))
    for ours, exact, sums in zip(found, (a @ b, g @ b.T, a.T @ g),
                                 (abs(a) @ abs(b), abs(g) @ abs(b.T), abs(a.T) @ abs(g))):
        assert (abs(ours - exact) <= 1e-5 * sums + 1e-30).all()


@has_bfloat16
@pytest.mark.parametrize("shared", [True, False], ids=["layer's numbers", "gradient's own"])
def test_the_gradient_takes_the_bfloat16_weights_of_its_own_call(shared, monkeypatch):
    """Rounded once for both products, and anew after an update, a `set_value` or another function's update."""
    if not shared:
        monkeypatch.setattr(native.LIBRARY, "fkp_dense_takes_half", lambda: 0)  # as with AMX
    x, gy, kept = numbers(64, 40), numbers(64, 257, seed=4), theano.shared(numbers(40, 257, seed=2))
    image, gradient = T.matrix(), T.matrix()
    y = ops.Dense(activation.LINEAR, bf16=True)(image, kept, T.zeros((257,)))[0]
    gx, gweights = T.grad(None, [image, kept], known_grads={y: gradient})
    train = theano.function([image, gradient], gx, updates=[(kept, kept - gweights)])
    other = theano.function([], [], updates=[(kept, -kept)])
    for change in (lambda: None, lambda: kept.set_value(numbers(40, 257, seed=7)), other):
        change()
        weights = kept.get_value()
        close(train(x, gy), to_bfloat16(gy) @ to_bfloat16(weights).T, 1e-5)
        assert not np.array_equal(kept.get_value(), weights)
