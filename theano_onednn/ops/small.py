"""Small Ops of Theano's beside ours need no compiler.

Theano compiles a C++ module per kind of Op, more than a second each.  What it
has to do around our Ops is a loss over a few thousand numbers: an interpreter
(formula.py) takes microseconds for that, and a net starts ten seconds sooner.

How many numbers there are is not known when a function is compiled.  What is
surely large (pictures, parameters, and what is made of them) is Theano's C at
once, the rest from the first time that it is large.
"""
import math

import theano
from theano.compile import DeepCopyOp, SharedVariable
from theano.compile.ops import Shape, Shape_i
from theano.gof import Apply, Op, Optimizer
from theano.scan_module.scan_op import Scan
from theano.tensor.basic import NotScalarConstantError, ScalarFromTensor, TensorFromScalar
from theano.tensor.elemwise import DimShuffle, Elemwise, Sum
from theano.tensor.opt import MakeVector
from theano.tensor.subtensor import Subtensor

from . import (Convolution, ConvolutionGradient, ConvolutionInputs, ConvolutionWeights, Dense, DenseGradient, Nesterov,
               Pool, PoolGradient, Stage, StageGradient, Upscale, loops)
from . import replay
from .formula import formula, total, vector
from .native import need_library

SMALL = 1 << 14  # numbers; the interpreter takes some microseconds for a step
# These cost the same for any number of numbers, or as much as in C.
BOOKKEEPING = (DeepCopyOp, DimShuffle, MakeVector, ScalarFromTensor, Shape, Shape_i, Subtensor, TensorFromScalar)
FEW = (MakeVector, ScalarFromTensor, Shape, Shape_i, Subtensor, TensorFromScalar)  # of these a few numbers come
LAYERS = (Convolution, ConvolutionInputs, Dense, Pool, Stage, Upscale)
GRADIENTS = (ConvolutionGradient, ConvolutionWeights, DenseGradient, PoolGradient, StageGradient)


class Uncompiled(Op):
    """An Op that never asks for a compiler as long as its arrays are small."""
    __props__ = ("op",)

    def __init__(self, op):
        self.op = op
        self.view_map, self.destroy_map = getattr(op, "view_map", {}), getattr(op, "destroy_map", {})

    def __str__(self):
        return "%s, uncompiled" % self.op

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        need_library(self)
        inner = Apply(self.op, node.inputs, [variable.type() for variable in node.outputs])
        storage, computed = dict(storage_map), dict(compute_map)
        for mine, its in zip(node.outputs, inner.outputs):
            storage[its], computed[its] = storage_map[mine], compute_map[mine]

        def theanos(impl):  # its own thunk: `perform` alone misses what some Ops prepare
            return self.op.make_thunk(inner, storage, computed, no_recycling, impl=impl)

        compute = computed_by(inner)
        run = bound(compute, inner, storage) if compute else theanos("py")
        if not isinstance(self.op, BOOKKEEPING) and node.inputs[0].ndim:
            run = by_size(inner, storage, run, lambda: theanos("c"))
        return replay.thunk(run, inner, storage, computed, isinstance(self.op, (Shape, Shape_i)))

    def perform(self, node, inputs, outputs):
        raise NotImplementedError("%s runs through its thunk" % self)


def computed_by(node):
    """A function that computes the node's cells from its inputs' arrays in our library, or None."""
    for kind, make in ((Elemwise, formula), (MakeVector, vector), (Subtensor, part), (Sum, total)):
        if isinstance(node.op, kind):
            return make(node)
    return None


def part(node):
    """As `formula`, for a Subtensor whose indices are constants; a view even of a single number."""
    try:
        indices = node.op.get_constant_idx(node.inputs)
    except NotScalarConstantError:
        return None

    def take(inputs, outputs):
        outputs[0][0] = inputs[0][(*indices, ...)]

    return take


def bound(compute, node, storage):
    inputs, outputs = ([storage[v] for v in variables] for variables in (node.inputs, node.outputs))
    return lambda: compute([cell[0] for cell in inputs], outputs)


def by_size(node, storage, run, make_in_c):
    """Leaves to Theano's C, compiled when it is first wanted, what is large, and what does not fit."""
    inputs = [storage[v] for v in node.inputs]
    # per axis: the inputs that have all of it
    axes = [[i for i, v in enumerate(node.inputs) if not v.broadcastable[axis]] for axis in range(node.inputs[0].ndim)]
    in_c = []

    def run_by_size():
        numbers = 1
        for axis, whole in enumerate(axes):
            sizes = {inputs[i][0].shape[axis] for i in whole}
            numbers *= (sizes.pop() if len(sizes) == 1 else math.inf) if whole else 1
        if numbers <= SMALL:
            return run()
        if not in_c:
            in_c.append(make_in_c())
        in_c[0]()
        if numbers < math.inf:
            replay.ran(in_c[0].cthunk)

    return run_by_size


class LeaveSmallOpsUncompiled(Optimizer):
    """Where a function holds our Ops, small Ops of Theano's need no compiler.

    A loop brings dozens of them, for its shapes and indices: they cost more than a compiler saves.
    """

    def add_requirements(self, fgraph):
        fgraph.attach_feature(theano.gof.toolbox.ReplaceValidate())

    def apply(self, fgraph):
        kinds = [type(node.op) for node in fgraph.apply_nodes]
        if loops.inside() or Scan in kinds or not set(LAYERS).intersection(kinds):
            return
        large = find_large(fgraph)
        chosen = [node for node in fgraph.toposort() if may_stay_uncompiled(node)
                  and (isinstance(node.op, BOOKKEEPING) or not large.intersection(node.inputs))]
        for node in chosen:
            outputs = Apply(Uncompiled(node.op), node.inputs, [variable.type() for variable in node.outputs]).outputs
            fgraph.replace_all_validate(list(zip(node.outputs, outputs)), reason="small Ops stay uncompiled")


def may_stay_uncompiled(node):
    """Is there a way for this node's Op without a compiler?"""
    return isinstance(node.op, BOOKKEEPING) or computed_by(node) is not None


def find_large(fgraph):
    """Variables that surely hold many numbers: pictures, parameters, their gradients, and what is made of them."""
    large = {variable for variable in fgraph.variables if getattr(variable, "ndim", 0) > 2}
    large.update(variable for variable in fgraph.inputs if variable.ndim > 1 and is_parameter(variable, fgraph))
    for node in fgraph.toposort():
        if isinstance(node.op, GRADIENTS) or (not isinstance(node.op, (*LAYERS, *FEW))
                                              and large.intersection(node.inputs)):
            large.update(node.outputs)
    return large


def is_parameter(variable, fgraph):
    """Shared variables lose their class in a compiled graph; parameters are inputs of our Ops or updated."""
    return isinstance(variable, SharedVariable) or any(
        node != "output" and isinstance(node.op, (*LAYERS, *GRADIENTS, Nesterov)) and index in (0, 1)
        for node, index in variable.clients)
