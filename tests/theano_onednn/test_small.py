"""Theano's small Ops in Python: fired beside our Ops only, the same values, nothing large."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import DenseLayer, InputLayer

from theano_onednn import start
from theano_onednn.ops import native, small, substitute
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
    return [node.op for node in nodes if not isinstance(node.op, (small.InPython, native.Prepared))]


@pytest.mark.parametrize("loss", LOSSES, ids=["squared", "masked", "other"])
def test_the_values_stay(loss):
    x, y = numbers(6, 5, seed=1), numbers(6, 3, seed=2)
    if loss is masked:
        y[::2, 1] = np.nan
    found, expected = function(loss, substitute.get_output), function(loss, substitute.original_get_output)
    for one, other in zip(found(x, y), expected(x, y)):
        close(np.asarray(one), np.asarray(other))
    assert any(isinstance(node.op, small.InPython) for node in found.maker.fgraph.toposort())
    assert not any(isinstance(node.op, small.InPython) for node in expected.maker.fgraph.toposort())


def test_their_names_say_what_they_are():
    names = {str(node.op) for node in function(LOSSES[0], substitute.get_output).maker.fgraph.toposort()}
    assert "Elemwise{sub,no_inplace} in Python" in names, names
    assert not any(" at 0x" in name for name in names)


def test_a_squared_error_needs_no_compiler():
    assert not in_c(function(LOSSES[0], substitute.get_output))


def test_what_touches_parameters_stays_in_c():
    compiled = function(LOSSES[0], substitute.get_output, l2=0.1)
    assert any(isinstance(op, T.elemwise.Elemwise) for op in in_c(compiled))
    for node in compiled.maker.fgraph.toposort():
        if isinstance(node.op, small.InPython) and not isinstance(node.op.op, small.BOOKKEEPING):
            assert "W" not in [variable.name for variable in node.inputs]
