"""Derivatives of our gradients, and R-operators: by Theano's own graph of what an Op computes.

A derivative beyond the first is rare, and wanted right rather than fast.  The
convolutions and pools in such a graph find their way to oneDNN as all others do.
"""
from collections import OrderedDict

import theano
import theano.tensor as T
from theano.gradient import DisconnectedType


class ByTheano:
    """For an Op whose `in_theano(inputs)` is a list with Theano's own expressions of its outputs (None: no number)."""

    def in_theano(self, inputs):
        raise NotImplementedError

    def R_op(self, inputs, directions):
        moved = [i for i, direction in enumerate(directions) if direction is not None]
        fresh, outputs = twin(self, inputs)
        points = [inputs[i].type() for i in moved]
        found = [None if one is None else T.Rop(one, [fresh[i] for i in moved], points) for one in outputs]
        return put_back(found, [*fresh, *points], [*inputs, *[directions[i] for i in moved]])


class GradientByTheano(ByTheano):
    """The same for an Op that has no `L_op` of its own."""

    def connection_pattern(self, node):
        return [[v.dtype == "float32"] * len(node.outputs) for v in node.inputs]

    def L_op(self, inputs, outputs, gradients):
        fresh, expressions = twin(self, inputs)
        given = [(e, g, g.type()) for e, g in zip(expressions, gradients) if not isinstance(g.type, DisconnectedType)]
        real = [v for v in fresh if v.dtype == "float32"]
        found = dict(zip(real, T.grad(None, real, known_grads=OrderedDict((e, point) for e, _, point in given),
                                      disconnected_inputs="ignore")))
        found = put_back([found.get(v) for v in fresh], [*fresh, *[point for _, _, point in given]],
                         [*inputs, *[g for _, g, _ in given]])
        return [DisconnectedType()() if one is None else one for one in found]


def twin(op, inputs):
    """Fresh variables and the outputs made of them: a path from one of the inputs to another is not the Op's own."""
    fresh = [v.type() for v in inputs]
    return fresh, op.in_theano(fresh)


def put_back(found, fresh, variables):
    """The expressions with the graph's own variables in the fresh ones' place; None stays."""
    real = theano.clone([one for one in found if one is not None], dict(zip(fresh, variables)))
    return [real.pop(0) if one is not None else None for one in found]
