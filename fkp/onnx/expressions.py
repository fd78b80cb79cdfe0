"""Theano expressions as ONNX.  Which Op becomes what stands beside its kind: see `converts`."""
import numpy as np
import theano
import theano.tensor as T
from theano.compile.ops import Shape, Shape_i
from theano.gof.graph import io_toposort
from theano.sandbox.rng_mrg import mrg_uniform_base
from theano.tensor.raw_random import RandomFunction
from theano.tensor.sharedvar import TensorSharedVariable
from theano.tensor.subtensor import Subtensor, get_idx_list

from fkp.onnx.graph import REMEDY, NoMeaning, element

PYTHON = theano.Mode(linker="py", optimizer=None)   # for single values: nothing to compile
CONVERTERS = {}


def converts(*kinds):
    """Registers f(expressions, node, *tensors) for the Op classes `kinds`.

    node: the Theano Apply.  tensors: names of its inputs in the graph.  It
    returns the name of its output, or a list of names where it has several.
    """
    def register(function):
        CONVERTERS.update(dict.fromkeys(kinds, function))
        return function
    return register


class Expressions:
    """What stands for Theano variables in a graph: tensors, or values where no input has a say in them.

    known: {variable: the tensor's name}.  shapes: {variable: its sizes, None
    where free, () where it is not known}.  values: {variable: array}, or None
    for one not asked for yet.  sizes: those of them that come from a shape.
    moving: variables in which an input has a say.
    """

    def __init__(self, graph):
        self.graph = graph
        self.known, self.shapes, self.sizes, self.values, self.moving = {}, {}, {}, {}, set()

    def know(self, variable, tensor, shape=()):
        """`tensor` stands for `variable`, of this shape if it is known; the first size, the batch's, is always free."""
        self.known[variable] = tensor
        self.shapes[variable] = shape and (None, *shape[1:])

    def tensor(self, variable, dtype=None):
        """The name of the tensor that stands for a variable; with `dtype`, of that type."""
        if self.is_fixed(variable):
            value = self.value(variable)
            return self.graph.constant(value if dtype is None else value.astype(dtype), self.label(variable))
        for node in io_toposort(list(self.known), [variable]):
            if not all(map(self.is_fixed, node.outputs)):
                self.convert(node)
        if dtype is None or element(dtype) == element(variable.dtype):
            return self.known[variable]
        return self.graph.cast(self.known[variable], dtype)

    def convert(self, node):
        """Put what a Theano Apply computes into the graph."""
        if hasattr(node.op, "in_theano"):  # one of theano_onednn's, which says what it stands for
            expressions = node.op.in_theano(node.inputs)
            made = [self.tensor(each) for each in expressions]
        else:
            kind = next((each for each in type(node.op).__mro__ if each in CONVERTERS), None)
            if kind is None:
                raise NoMeaning(f"Theano's {node.op} has no ONNX form here; {REMEDY}")
            made = CONVERTERS[kind](self, node, *self.inputs(node))
        self.known.update(zip(node.outputs, [made] if isinstance(made, str) else made))

    def inputs(self, node):
        """Names of the tensors that a node reads; None for what is none, such as a slice."""
        return [self.tensor(each) if hasattr(each.type, "dtype") else None for each in node.inputs]

    def is_fixed(self, variable):
        """True where no input has a say in a variable: it depends on constants and parameters alone."""
        if variable not in self.values and variable not in self.moving and variable not in self.known:
            for node in io_toposort([*self.known, *self.values, *self.moving], [variable]):
                self.look_at(node)
            self.look_at_root(variable)
        return variable in self.values

    def look_at(self, node):
        """Note which outputs of a node are fixed, once its inputs have been looked at."""
        if isinstance(node.op, (mrg_uniform_base, RandomFunction)):
            raise NoMeaning("random numbers have no place in a trained net's answer")
        size = self.known_size(node)
        if size is not None:
            self.sizes[node.outputs[0]] = self.values[node.outputs[0]] = np.int64(size)
            return
        for each in node.inputs:
            self.look_at_root(each)
        if all(each in self.values for each in node.inputs):
            self.values.update(dict.fromkeys(node.outputs))
        else:
            self.moving.update(node.outputs)

    def look_at_root(self, variable):
        """A constant or a parameter is fixed; whatever else nothing computes is missing."""
        if variable.owner is not None or variable in self.values or variable in self.known:
            return
        if not isinstance(variable, (theano.Constant, theano.compile.SharedVariable)):
            raise NoMeaning(f"it uses {variable}, which is the input of no InputLayer")
        self.values[variable] = None

    def known_size(self, node):
        """The size that a node takes from the shape of a variable that is known, or None."""
        if isinstance(node.op, Shape_i):
            source, axis = node.inputs[0], node.op.i
        elif isinstance(node.op, Subtensor) and node.inputs[0].owner and isinstance(node.inputs[0].owner.op, Shape):
            source, (axis,) = node.inputs[0].owner.inputs[0], get_idx_list(node.inputs, node.op.idx_list)
            axis = getattr(axis, "data", None)
        else:
            return None
        shape = self.shapes.get(source, ())
        return shape[int(axis)] if axis is not None and -len(shape) <= axis < len(shape) else None

    def value(self, variable):
        """The NumPy array of a fixed variable."""
        if self.values.get(variable) is None:
            if hasattr(variable, "get_value"):
                found = variable.get_value()
            elif isinstance(variable, theano.Constant):
                found = variable.data
            else:
                found = theano.function([], variable, mode=PYTHON, givens=list(self.sizes.items()),
                                        on_unused_input="ignore")()
            self.values[variable] = found
        return self.values[variable]

    def fixed(self, variable):
        """The NumPy array of a variable that ONNX wants to know beforehand.  Raises NoMeaning if an input decides."""
        if not self.is_fixed(variable):
            raise NoMeaning(f"{variable} is not known before the net runs")
        return np.asarray(self.value(variable))

    def parameter(self, variable, change=None):
        """The name of a constant for a parameter, changed by the function `change`."""
        value = self.fixed(variable)
        return self.graph.constant(value if change is None else np.ascontiguousarray(change(value)),
                                   self.label(variable))

    def label(self, variable):
        """A parameter's name, as the file will show it, or None."""
        if not isinstance(variable, TensorSharedVariable) or not variable.name:
            return None
        return variable.name if "." in variable.name else self.graph.scope + variable.name

    def applied(self, function, tensor, dtype, ndim):
        """The tensor that a function of a Theano expression, such as a nonlinearity, makes of one with `ndim` axes."""
        x = T.TensorType(dtype, [False] * ndim)()
        self.known[x] = tensor
        return self.tensor(T.as_tensor_variable(function(x)))
