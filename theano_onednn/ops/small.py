"""Small Ops of Theano's run by their own Python code beside ours.

Theano compiles a C++ module per kind of Op, more than a second each.  What it
has to do around our Ops is a loss over a few thousand numbers: NumPy takes
microseconds for that, and a net starts ten seconds sooner.

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
from theano.tensor.basic import ScalarFromTensor, TensorFromScalar
from theano.tensor.elemwise import DimShuffle, Elemwise, Sum
from theano.tensor.opt import MakeVector
from theano.tensor.subtensor import Subtensor

from . import (Convolution, ConvolutionGradient, ConvolutionInputs, ConvolutionWeights, Dense, DenseGradient, Nesterov,
               Pool, PoolGradient, Stage, StageGradient, Upscale, loops)
from .formula import formula

SMALL = 1 << 14  # numbers; NumPy takes 10 microseconds for a step
MOST = 32  # arrays that NumPy's functions take at once
# These cost the same for any number of numbers, or as much as in C.
BOOKKEEPING = (DeepCopyOp, DimShuffle, MakeVector, ScalarFromTensor, Shape, Shape_i, Subtensor, TensorFromScalar)
FEW = (MakeVector, ScalarFromTensor, Shape, Shape_i, Subtensor, TensorFromScalar)  # of these a few numbers come
LAYERS = (Convolution, ConvolutionInputs, Dense, Pool, Stage, Upscale)
GRADIENTS = (ConvolutionGradient, ConvolutionWeights, DenseGradient, PoolGradient, StageGradient)


class InPython(Op):
    """An Op that never asks for C as long as its arrays are small."""
    __props__ = ("op",)

    def __init__(self, op):
        self.op = op
        self.view_map, self.destroy_map = getattr(op, "view_map", {}), getattr(op, "destroy_map", {})

    def __str__(self):
        return "%s in Python" % self.op

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        inner = Apply(self.op, node.inputs, [variable.type() for variable in node.outputs])
        storage, computed = dict(storage_map), dict(compute_map)
        for mine, its in zip(node.outputs, inner.outputs):
            storage[its], computed[its] = storage_map[mine], compute_map[mine]

        def theanos(impl):  # its own thunk: `perform` alone misses what some Ops prepare
            return self.op.make_thunk(inner, storage, computed, no_recycling, impl=impl)

        by_numpy = isinstance(self.op, Elemwise) and formula(inner)
        in_python = numpys(inner, by_numpy, storage, computed) if by_numpy else theanos("py")
        if isinstance(self.op, BOOKKEEPING) or not node.inputs[0].ndim:
            return in_python
        return by_size(inner, storage, in_python, lambda: theanos("c"))

    def perform(self, node, inputs, outputs):
        raise NotImplementedError("%s runs through its thunk" % self)


def numpys(node, compute, storage, computed):
    """The thunk of an element-wise node, by its formula."""
    inputs, outputs = ([storage[v] for v in variables] for variables in (node.inputs, node.outputs))
    done, inplace = [computed[v] for v in node.outputs], node.op.inplace_pattern

    def thunk():
        arrays = [cell[0] for cell in inputs]
        for number, (cell, array) in enumerate(zip(outputs, compute(arrays))):
            if number in inplace:
                arrays[inplace[number]][...], array = array, arrays[inplace[number]]
            cell[0], done[number][0] = array, True

    return prepared(thunk, inputs, outputs)


def by_size(node, storage, in_python, make_in_c):
    """A thunk that leaves to Theano's C, compiled when it is first wanted, what is large, and what does not fit."""
    inputs, outputs = ([storage[v] for v in variables] for variables in (node.inputs, node.outputs))
    # per axis: the inputs that have all of it
    axes = [[i for i, v in enumerate(node.inputs) if not v.broadcastable[axis]] for axis in range(node.inputs[0].ndim)]
    in_c = []

    def thunk():
        numbers = 1
        for axis, whole in enumerate(axes):
            sizes = {inputs[i][0].shape[axis] for i in whole}
            numbers *= (sizes.pop() if len(sizes) == 1 else math.inf) if whole else 1
        if numbers <= SMALL:
            return in_python()
        if not in_c:
            in_c.append(make_in_c())
        return in_c[0]()

    return prepared(thunk, inputs, outputs)


def prepared(thunk, inputs, outputs):
    thunk.inputs, thunk.outputs, thunk.lazy = inputs, outputs, False
    return thunk


class RunSmallOpsInPython(Optimizer):
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
        chosen = [node for node in fgraph.toposort() if may_run_in_python(node)
                  and (isinstance(node.op, BOOKKEEPING) or not large.intersection(node.inputs))]
        for node in chosen:
            outputs = Apply(InPython(node.op), node.inputs, [variable.type() for variable in node.outputs]).outputs
            fgraph.replace_all_validate(list(zip(node.outputs, outputs)), reason="small Ops in Python")


def may_run_in_python(node):
    """Is there a way for this node's Op that costs microseconds where its arrays are small?"""
    if isinstance(node.op, Elemwise):
        few = len(node.inputs) < MOST  # else Theano's Python refuses
        return (few and node.outputs[0].ndim == 0) or formula(node) is not None
    return isinstance(node.op, (*BOOKKEEPING, Sum))


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
