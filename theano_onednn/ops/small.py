"""Small Ops of Theano's run by their own Python code beside ours.

Theano compiles a C++ module per kind of Op, more than a second each.  What it
has to do around our Ops is a loss over a few thousand numbers: NumPy takes
microseconds for that, and a net starts ten seconds sooner.
"""
import theano
from theano.compile import DeepCopyOp, SharedVariable
from theano.compile.ops import Shape, Shape_i
from theano.gof import Apply, Constant, Op, Optimizer
from theano.scalar import Composite
from theano.tensor.basic import ScalarFromTensor, TensorFromScalar
from theano.tensor.elemwise import DimShuffle, Elemwise, Sum
from theano.tensor.opt import MakeVector
from theano.tensor.subtensor import Subtensor

from . import (Convolution, ConvolutionGradient, ConvolutionInputs, ConvolutionWeights, Dense, DenseGradient, Nesterov,
               Pool, PoolGradient, Stage, StageGradient, Upscale)

BOOKKEEPING = (DeepCopyOp, DimShuffle, MakeVector, ScalarFromTensor, Shape, Shape_i, Subtensor, TensorFromScalar)
LAYERS = (Convolution, ConvolutionInputs, Dense, Pool, Stage, Upscale)
GRADIENTS = (ConvolutionGradient, ConvolutionWeights, DenseGradient, PoolGradient, StageGradient)


class InPython(Op):
    """An Op that never asks for C.  Its own thunk runs: `perform` alone misses what some Ops prepare."""
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
        return self.op.make_thunk(inner, storage, computed, no_recycling, impl="py")

    def perform(self, node, inputs, outputs):
        raise NotImplementedError("%s runs through its thunk" % self)


class RunSmallOpsInPython(Optimizer):
    """Where a function holds our Ops: split fused element-wise Ops, then let small Ops use `perform`."""

    def add_requirements(self, fgraph):
        fgraph.attach_feature(theano.gof.toolbox.ReplaceValidate())

    def apply(self, fgraph):
        if not any(isinstance(node.op, LAYERS) for node in fgraph.apply_nodes):
            return
        for step in (split, in_python):
            large = find_large(fgraph)
            for node in fgraph.toposort():
                if isinstance(node.op, BOOKKEEPING) or not large.intersection(node.inputs):
                    outputs = step(node)
                    if outputs:
                        fgraph.replace_all_validate(list(zip(node.outputs, outputs)), reason="small Ops in Python")


def find_large(fgraph):
    """Variables that may hold many numbers: pictures, parameters, their gradients, and what is made of them."""
    large = {variable for variable in fgraph.variables if getattr(variable, "ndim", 0) > 2}
    large.update(variable for variable in fgraph.inputs if variable.ndim > 1 and is_parameter(variable, fgraph))
    for node in fgraph.toposort():
        if isinstance(node.op, GRADIENTS) or (not isinstance(node.op, (*LAYERS, *BOOKKEEPING))
                                              and large.intersection(node.inputs)):
            large.update(node.outputs)
    return large


def is_parameter(variable, fgraph):
    """Shared variables lose their class in a compiled graph; parameters are inputs of our Ops or updated."""
    return isinstance(variable, SharedVariable) or any(
        node != "output" and isinstance(node.op, (*LAYERS, *GRADIENTS, Nesterov)) and index in (0, 1)
        for node, index in variable.clients)


def split(node):
    """The separate element-wise Ops of a fused one, or None."""
    if not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, Composite):
        return None
    inner = node.op.scalar_op.fgraph
    found = dict(zip(inner.inputs, node.inputs))
    for part in inner.toposort():
        if getattr(part.op, "nfunc_spec", None) is None:
            return None
        inputs = [theano.tensor.constant(v.data) if isinstance(v, Constant) else found[v] for v in part.inputs]
        found.update(zip(part.outputs, Elemwise(part.op)(*inputs, return_list=True)))
    return [found[variable] for variable in inner.outputs]


def in_python(node):
    """The node's outputs from its Op run in Python, or None."""
    if isinstance(node.op, Elemwise):
        if getattr(node.op.scalar_op, "nfunc_spec", None) is None and node.outputs[0].ndim > 1:
            return None
    elif not isinstance(node.op, (*BOOKKEEPING, Sum)):
        return None
    return Apply(InPython(node.op), node.inputs, [variable.type() for variable in node.outputs]).outputs
