"""Theano's small Ops in Python: fired beside our Ops only, the same values, nothing large, nothing in loops."""

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (Conv2DLayer, DenseLayer, ElemwiseSumLayer, GRULayer, InputLayer, LSTMLayer, RecurrentLayer)
from theano.scan_module.scan_op import Scan

from theano_onednn import ops, start
from theano_onednn.ops import census, native, small, substitute
from theano_onednn.ops.formula import formula
from test_stage import close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def masked(prediction, target):
    known = T.invert(T.isnan(target))
    return T.switch(known, (prediction - T.switch(known, target, 0)) ** 2, 0)


LOSSES = [lasagne.objectives.squared_error, masked, lambda p, t: T.exp(p - t) * abs(p) / (1 + t ** 2)]


def function(loss, get_output, l2=0.0):
    """Loss and gradients of a linear layer."""
    net = DenseLayer(InputLayer((None, 5)), 3, W=numbers(5, 3), nonlinearity=None)
    x, y = T.matrix(), T.matrix()
    total = loss(get_output(net, x), y).mean() + l2 * (net.W ** 2).sum()
    return theano.function([x, y], [total, *T.grad(total, [net.W, net.b])], mode=theano.compile.get_mode("FAST_RUN"))


def in_c(compiled):
    """Theano's own Ops that are left."""
    nodes = compiled.maker.fgraph.toposort()
    return [node.op for node in nodes if not isinstance(node.op, (small.Uncompiled, native.Prepared))]


@pytest.mark.parametrize("loss", LOSSES, ids=["squared", "masked", "other"])
def test_the_values_stay(loss):
    x, y = numbers(6, 5, seed=1), numbers(6, 3, seed=2)
    if loss is masked:
        y[::2, 1] = np.nan
    found, expected = function(loss, substitute.get_output), function(loss, substitute.original_get_output)
    for one, other in zip(found(x, y), expected(x, y)):
        close(np.asarray(one), np.asarray(other))
    assert any(isinstance(node.op, small.Uncompiled) for node in found.maker.fgraph.toposort())
    assert not any(isinstance(node.op, small.Uncompiled) for node in expected.maker.fgraph.toposort())


def test_their_names_say_what_they_are():
    names = {str(node.op) for node in function(LOSSES[0], substitute.get_output).maker.fgraph.toposort()}
    assert "Elemwise{sub,no_inplace}, uncompiled" in names, names
    assert not any(" at 0x" in name for name in names)


def test_a_squared_error_needs_no_compiler():
    assert not in_c(function(LOSSES[0], substitute.get_output))


def test_what_touches_parameters_stays_in_c():
    compiled = function(LOSSES[0], substitute.get_output, l2=0.1)
    assert any(isinstance(op, T.elemwise.Elemwise) for op in in_c(compiled))
    for node in compiled.maker.fgraph.toposort():
        if isinstance(node.op, small.Uncompiled) and not isinstance(node.op.op, small.BOOKKEEPING):
            assert "W" not in [variable.name for variable in node.inputs]


def uncompiled(compiled):
    """The nodes that ask for no compiler as long as they are small."""
    return [node for node in compiled.maker.fgraph.toposort() if isinstance(node.op, small.Uncompiled)]


def sum_of_three(layer):
    """Three equal layers' sum, its loss and gradients, and what NumPy computed of how many numbers so far."""
    last = InputLayer((None, 4) if layer is DenseLayer else (None, 1, 8, 8))
    settings = [50] if layer is DenseLayer else [4, 3]
    net = ElemwiseSumLayer([layer(last, *settings) for _ in range(3)])
    x = last.input_var
    y = substitute.get_output(net, x)
    loss = ((y - 1) ** 2).mean()
    return theano.function([x], [loss, y, *T.grad(loss, lasagne.layers.get_all_params(net))])


@pytest.fixture
def computed(monkeypatch):
    """How many numbers the interpreter has computed in each call."""
    sizes, make = [], small.formula

    def counting(node):
        compute = make(node)

        def computing(inputs, outputs):
            sizes.append(max(x.size for x in inputs))
            compute(inputs, outputs)

        return compute and computing

    monkeypatch.setattr(small, "formula", counting)
    return sizes


@pytest.mark.parametrize("layer", [DenseLayer, Conv2DLayer])
def test_the_interpreter_computes_a_few_thousand_numbers_at_most(layer, computed):
    function = sum_of_three(layer)
    shape = (1000, 4) if layer is DenseLayer else (1000, 1, 8, 8)
    function(numbers(*shape))
    assert computed and max(computed) <= small.SMALL < 1000 * 50
    del computed[:]
    function(numbers(8, *shape[1:]))
    assert (8 * 50 in computed) == (layer is DenseLayer)  # pictures are C's whatever their size


@pytest.mark.parametrize("rows", [8, 1000])
def test_what_changes_its_size_keeps_its_values(rows):
    function, x = sum_of_three(DenseLayer), numbers(1000, 4)
    large, few = function(x), function(x[:8])
    close(few[1], large[1][:8], 1e-6)
    again = function(x[:rows])
    close(again[1], large[1][:rows], 1e-6)
    close(again[0], ((large[1][:rows].astype("float64") - 1) ** 2).mean(), 1e-5)


def test_only_what_is_cheap_at_any_size_or_chosen_by_it_runs_uncompiled():
    for layer in (DenseLayer, Conv2DLayer):
        for node in uncompiled(sum_of_three(layer)):
            op = node.op.op
            assert isinstance(op, (*small.BOOKKEEPING, T.elemwise.Sum, T.elemwise.Elemwise)), op
            assert isinstance(op, small.BOOKKEEPING) or all(v.ndim < 3 for v in node.inputs), node


def test_what_stands_behind_a_turned_picture_is_large_as_well():
    x, w = T.tensor4(), T.tensor4()
    y = T.nnet.conv2d(x, w)
    compiled = theano.function([x, w], [(y.dimshuffle(1, 0, 2, 3) + 1).flatten(2) * 2, T.grad((y.T ** 2).sum(), w)])
    assert not [node for node in uncompiled(compiled) if not isinstance(node.op.op, small.BOOKKEEPING)
                and node.outputs[0].ndim]


@pytest.mark.parametrize("layer", [RecurrentLayer, LSTMLayer, GRULayer])
def test_a_function_with_a_loop_is_theanos(layer):
    lasagne.random.set_rng(np.random.RandomState(1))
    last = InputLayer((None, 5, 3))
    net = DenseLayer(DenseLayer(layer(last, 4), 6), 2)
    found = []
    for get_output in (substitute.get_output, substitute.original_get_output):
        y = get_output(net, last.input_var)
        parameters = lasagne.layers.get_all_params(net, trainable=True)
        gradients = T.grad((y ** 2).sum(), parameters)
        updates = substitute.nesterov_momentum(gradients, parameters, 0.0)
        compiled = theano.function([last.input_var], [y, *gradients], updates=updates)
        nodes = compiled.maker.fgraph.toposort()
        loops = [node.op.fn.maker.fgraph.toposort() for node in nodes if isinstance(node.op, Scan)]
        assert len(loops) == 2
        assert not [node for part in (nodes, *loops) for node in part if isinstance(node.op, small.Uncompiled)]
        assert not [node for part in (nodes, *loops) for node in part if isinstance(node.op, ops.OURS)]
        found.append(compiled(numbers(2, 5, 3)))
    for one, other in zip(*found):
        close(one, other, 1e-4)


def test_a_convolution_in_a_loop_is_ours():
    x, w = T.tensor4(), T.tensor4()
    y, _ = theano.scan(lambda before, w: T.nnet.conv2d(before, w, border_mode="half"), outputs_info=x, non_sequences=w,
                       n_steps=3)
    compiled = theano.function([x, w], y[-1])
    (loop,) = [node.op.fn.maker.fgraph.toposort() for node in compiled.maker.fgraph.toposort()
               if isinstance(node.op, Scan)]
    assert ops.Convolution in [type(node.op) for node in loop]


VALUES = np.array([-2.5, -1, -0.0, 0, 0.5, 1, 3, np.nan, np.inf, -np.inf], "float32")
a, b, whole = T.matrix(), T.matrix(), T.imatrix()
FORMULAS = {
    "sums of many": a + b + 2 * a + 1, "products": a * b * a, "differences": a - b, "quotients": a / b,
    "powers": T.sqr(a) + abs(b) ** 1.5, "roots": T.sqrt(abs(a)), "curves": T.exp(-abs(a)) + T.tanh(b),
    "logarithms": T.log1p(abs(a)) - T.log(b), "choices": T.switch(a > b, a, T.switch(T.isnan(a), 0, b)),
    "comparisons": T.eq(a, b) + T.neq(a, b) + (a <= b) + (a < b), "extremes": T.maximum(a, b) - T.minimum(a, b),
    "truths": T.and_(a > 0, T.invert(T.isnan(b))), "signs": T.sgn(a), "rounded": T.floor(a) + T.ceil(b),
    "whole numbers": whole * 2 - whole, "a whole and a real one": T.cast(whole, "float32") * a,
    "roots of whole ones": T.sqrt(T.cast(abs(whole), "float32")),
    "cast": T.cast(T.clip(T.switch(T.isnan(a), 0, a), -3, 3), "int8"),
    "64 bits": a.astype("float64") + b, "constants": (a + 1) * 0.5, "remainders": whole % 3 + whole // -2,
    "small whole numbers": T.cast(whole, "int8") * 50 + T.cast(whole, "int8"), "signs of whole ones": T.sgn(whole),
    "angles": T.sin(a) + T.arctan2(a, b), "bits": T.bitwise_xor(whole, whole * 3) | 4,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_interpreters_formula_is_theanos_c(name):
    """All pairs of values that behave in their own way; a node that it has not is compared with itself."""
    left, right = np.repeat(VALUES, len(VALUES))[None], np.tile(VALUES, len(VALUES))[None]
    given = {a: left, b: right, whole: np.nan_to_num(left, posinf=7, neginf=-7).astype("int32")}
    compiled = theano.function([a, b, whole], FORMULAS[name], on_unused_input="ignore")
    (node,) = [node for node in compiled.maker.fgraph.toposort() if isinstance(node.op, T.elemwise.Elemwise)]
    expected, values = compiled(*given.values()), dict(zip(compiled.maker.fgraph.inputs, given.values()))
    compute = formula(node)
    assert (compute is None) == (name in UNKNOWN)
    for turn in (np.array, np.asfortranarray, every_second, lambda x: x.T.copy().T) if compute else ():
        arrays = [turn(values[v]) if v in values else v.data for v in node.inputs]
        cells = [[None] for _ in node.outputs]
        compute(arrays, cells)
        assert cells[0][0].dtype == expected.dtype
        np.testing.assert_allclose(cells[0][0], expected, rtol=1e-6)


def every_second(array):
    return array.repeat(2, 1)[:, ::2]


UNKNOWN = {"cast"}  # there is no clip like Theano's


@pytest.mark.parametrize("shapes", [[(3, 1), (1, 4)], [(700, 3), (1, 1)], [(1, 900), (5, 1)], [(40, 41), (40, 41)],
                                    [(0, 4), (1, 4)]], ids=str)
def test_numbers_are_repeated_along_axes_of_length_one(shapes):
    x, y = [T.TensorType("float32", [size == 1 for size in shape])() for shape in shapes]
    arrays, cells = [numbers(*shape, seed=i) for i, shape in enumerate(shapes)], [[None]]
    formula((x - y).owner)(arrays, cells)
    np.testing.assert_array_equal(cells[0][0], arrays[0] - arrays[1])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("turn", [np.array, np.asfortranarray, every_second])
def test_sums_are_numpys(axis, turn):
    for x, array in ((T.matrix(), numbers(30, 50)), (T.bmatrix(), np.arange(-100, 100).reshape(10, 20).astype("int8"))):
        cells = [[None]]
        small.total(x.sum(axis).owner)([turn(array)], cells)
        np.testing.assert_allclose(cells[0][0], array.sum(axis), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "float32", "int8"])
def test_a_vector_made_of_numbers(dtype):
    node, cells = small.MakeVector(dtype)(T.scalar(dtype=dtype), T.scalar(dtype=dtype)).owner, [[None]]
    small.vector(node)([np.array(3, dtype), np.array(-2, dtype)], cells)
    assert cells[0][0].tolist() == [3, -2] and cells[0][0].dtype == dtype


def test_shapes_that_do_not_fit_are_refused_as_in_c():
    """(3, 1) is no column for Theano where its type does not say so."""
    net = DenseLayer(InputLayer((None, 5)), 3, nonlinearity=None)
    x, y = T.matrix(), T.matrix()
    compiled = theano.function([x, y], substitute.get_output(net, x) - y)
    assert uncompiled(compiled)
    for shape in [(2, 3), (3, 1), (3, 2)]:
        with pytest.raises(ValueError, match="Input dimension mis-match"):
            compiled(numbers(3, 5), numbers(*shape))
    assert compiled(numbers(3, 5), numbers(3, 3)).shape == (3, 3)


def test_an_empty_batch_is_small():
    net = DenseLayer(InputLayer((None, 5)), 3, nonlinearity=None)
    x, y = T.matrix(), T.matrix()
    compiled = theano.function([x, y], [substitute.get_output(net, x) - y, (x + 1).sum(0)])
    assert compiled(numbers(0, 5), numbers(0, 3))[0].shape == (0, 3)


def test_more_whole_numbers_than_numpys_functions_take_are_left_to_c():
    """A deep net's shapes: sums of quotients, which NumPy rounds in another way than C."""
    x, sizes = T.matrix(), [T.lscalar() for _ in range(40)]
    total = sizes[0]
    for size in sizes[1:]:
        total = (total + size) // 2
    y = substitute.get_output(DenseLayer(InputLayer((None, 5)), 3), x)
    found = theano.function([x, *sizes], [y, total])(numbers(2, 5), *range(100, 140))[1]
    expected = 100
    for size in range(101, 140):
        expected = (expected + size) // 2
    assert found == expected


def test_a_dense_layer_in_a_loop_says_so(monkeypatch):
    said = {}
    monkeypatch.setattr(census, "_reasons", said)
    layer = RecurrentLayer(InputLayer((None, 5, 3)), 4)
    last = DenseLayer(layer, 2)
    substitute.get_output(last)
    assert said[layer.hidden_to_hidden] == said[layer.input_to_hidden] == "inside a loop"
    assert said[last] == "behind a loop"
