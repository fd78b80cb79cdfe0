"""Theano's small Ops by formula.cpp's interpreter: element-wise ones, sums, and vectors made of numbers.

`formula(node)`, `total(node)` and `vector(node)` return a function of the
node's inputs, a list of arrays, and its storage cells, which it fills; or None
where the interpreter has not all that it takes.
"""
import ctypes
import functools
import math

import numpy as np
from theano.gof import Constant
from theano.scalar import Cast, Composite, Switch, get_scalar_type

from . import native
from .native import NUMBER, POINTER, Call, address, call, room

MOST, AXES = 32, 2  # arrays that a call takes and gives, and their axes
PAIR = NUMBER * AXES
ANY_NUMBER = {"add", "multiply"}  # of inputs
TRUTHS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isinf"}
BITS = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}
BOOL = TRUTHS | BITS | {"add", "multiply"}
WHOLE = BITS | {"floor_divide", "mod"}  # real numbers are divided in another way
SIMPLE = {"add", "subtract", "multiply", "maximum", "minimum", "abs", "negative", "square", "sign"}  # of any numbers


class Step(ctypes.Structure):
    """`struct Step` of formula.cpp."""
    _fields_ = [("code", ctypes.c_int32), ("type", ctypes.c_int32), ("to", ctypes.c_int32),
                ("taken", ctypes.c_int32 * 3), ("real", ctypes.c_double), ("whole", NUMBER)]


class FormulaCall(Call):
    """`struct Formula` of formula.cpp."""
    size_name = "fkp_formula_size"
    _fields_ = [("sizes", PAIR), ("steps", NUMBER), ("registers", NUMBER),
                ("program", ctypes.c_uint64),  # an address that stays
                ("strides", PAIR * MOST), ("arrays", POINTER * MOST)]


class TotalCall(Call):
    """`struct Total` of formula.cpp."""
    size_name = "fkp_total_size"
    _fields_ = [("sizes", PAIR), *[(name, NUMBER) for name in ["numbers", "type", "to_type"]], ("strides", PAIR),
                ("to_strides", PAIR), ("array", POINTER), ("to", POINTER)]


@functools.lru_cache(None)
def words(library, name):
    """{word: its place} in a text of the library's."""
    return {word: i for i, word in enumerate(ctypes.c_char_p.in_dll(library, name).value.decode().split())}


def code(name):
    return words(native.LIBRARY, "fkp_formula_names")[name]


def types():
    return words(native.LIBRARY, "fkp_formula_types")


class Program:
    """Steps for the interpreter.  Raises KeyError for what it does not know."""

    def __init__(self):
        self.steps, self.registers, self.found, self.array = [], 0, {}, None

    def step(self, name, dtype, taken, value=0):
        """Add a step; returns the register of what it gives."""
        whole = int(value) if np.dtype(dtype).kind in "biu" else 0
        self.steps.append(Step(code(name), types()[dtype], self.registers, (ctypes.c_int32 * 3)(*taken), value, whole))
        self.registers += 1
        return self.registers - 1

    def load(self, variables):
        """The call's first arrays; see `register`."""
        for i, v in enumerate(variables):
            self.found[v] = self.step("load", v.dtype, [i])

    def store(self, variables, first):
        """Into the call's arrays from the `first` on; ends the program."""
        self.steps += [Step(code("store"), types()[v.dtype], i, (ctypes.c_int32 * 3)(self.register(v)))
                       for i, v in enumerate(variables, first)]
        self.array = (Step * len(self.steps))(*self.steps)

    def register(self, variable):
        if variable not in self.found and isinstance(variable, Constant):
            self.found[variable] = self.step("constant", variable.dtype, [], variable.data)
        return self.found[variable]

    def cast(self, variable, dtype):
        """The register of a variable as another type."""
        register = self.register(variable)
        return register if variable.dtype == dtype else self.step("cast", dtype, [register, types()[variable.dtype]])

    def scalar(self, node):
        """Compute a scalar Op's output."""
        out = node.outputs[0].dtype
        if isinstance(node.op, Cast):
            found = self.cast(node.inputs[0], out)
        elif isinstance(node.op, Switch):
            condition, *choices = node.inputs
            found = self.step("where", out, [self.cast(condition, "bool"), *(self.cast(v, out) for v in choices)])
        else:
            found = self.fold(*function(node.op, [v.dtype for v in node.inputs], out), node.inputs)
        self.found[node.outputs[0]] = found

    def fold(self, name, dtype, variables):
        """Sums and products of many are made one after the other; small whole numbers wrap."""
        found, *others = [self.cast(v, dtype) for v in variables]
        for other in [[register] for register in others] or [[]]:
            found = self.step(name, dtype, [found, *other])
            if name not in TRUTHS and dtype not in ("int64", "float32", "float64"):
                found = self.step("cast", dtype, [found, types()["int64"]])
        return found

    def call(self, sizes, arrays, strides, addresses):
        f = FormulaCall(PAIR(*sizes), len(self.steps), self.registers, ctypes.addressof(self.array))
        for i, (pair, where) in enumerate(zip(strides, addresses)):
            f.strides[i], f.arrays[i] = PAIR(*pair), where
        call("fkp_formula", f, *arrays)


def function(op, dtypes, out):
    """(the interpreter's name for a scalar Op, the type that it takes); raises KeyError where it has none."""
    name, inputs, outputs = getattr(op, "nfunc_spec", None) or (None, 0, 0)
    if outputs != 1 or (len(dtypes) != inputs and name not in ANY_NUMBER):
        raise KeyError(op)
    taken = common(dtypes) if name in TRUTHS else out
    kind = np.dtype(taken).kind
    if kind == "b" and name == "invert":
        return "logical_not", taken
    if name in WHOLE if kind == "f" else name not in (BOOL if kind == "b" else TRUTHS | WHOLE | SIMPLE):
        raise KeyError(op)
    return name, taken


def common(dtypes):
    """In which type C compares: the widest real one, else the one that all have; raises KeyError."""
    real = [name for name in dtypes if name.startswith("float")]
    if not real and len(set(dtypes)) > 1:
        raise KeyError(dtypes)
    return max(real, default=dtypes[0])


# --- element-wise ---

def formula(node):
    if len(node.inputs) + len(node.outputs) > MOST or node.outputs[0].ndim > AXES:
        return None
    inputs, outputs, nodes = scalars(node)
    program = Program()
    try:
        program.load(inputs)
        for part in nodes:
            program.scalar(part)
        program.store(outputs, len(inputs))
    except KeyError:
        return None
    return functools.partial(compute, program, node.op.inplace_pattern, [v.dtype for v in outputs])


def scalars(node):
    """The scalar Ops of an element-wise node: inputs, outputs and, in order, their nodes."""
    op = node.op.scalar_op
    if isinstance(op, Composite):
        return op.fgraph.inputs, op.fgraph.outputs, op.fgraph.toposort()
    inputs = [get_scalar_type(v.dtype)() for v in node.inputs]
    single = op.make_node(*inputs)
    return inputs, single.outputs, [single]


def compute(program, inplace, dtypes, inputs, outputs):
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    for i, (cell, dtype) in enumerate(zip(outputs, dtypes)):
        if i in inplace:
            cell[0] = inputs[inplace[i]]
        else:
            room(cell, shape, dtype)
    arrays = [*inputs, *(cell[0] for cell in outputs)]
    sizes, strides = merged(shape, [np.broadcast_to(x, shape).strides for x in arrays])
    program.call(sizes, arrays, strides, map(address, arrays))


def merged(shape, strides):
    """(sizes, strides) on two axes; on the second alone where one walk along it meets all numbers."""
    missing = AXES - len(shape)
    rows, columns = (1,) * missing + shape
    pairs = [(0,) * missing + one for one in strides]
    if columns == 1:
        return (1, rows), [(0, row) for row, _ in pairs]
    if all(row == columns * column for row, column in pairs):
        return (1, rows * columns), pairs
    return (rows, columns), pairs


# --- a vector made of numbers ---

def vector(node):
    """Each number of the vector is an array of its own."""
    program, inputs = Program(), [get_scalar_type(v.dtype)() for v in node.inputs]
    if 2 * len(inputs) > MOST or not {node.op.dtype} == {v.dtype for v in inputs} <= set(types()):
        return None
    program.load(inputs)
    program.store(inputs, len(inputs))
    return functools.partial(put_beside, program, node.op.dtype)


def put_beside(program, dtype, inputs, outputs):
    y = room(outputs[0], (len(inputs),), dtype)
    parts = [address(y) + i * y.itemsize for i in range(len(y))]
    program.call((1, 1), inputs, [(0, 0)] * 2 * len(y), [*map(address, inputs), *parts])


# --- sums ---

def total(node):
    op, (x,), (y,) = node.op, node.inputs, node.outputs
    wide = "float64" if x.dtype.startswith("float") else "int64"
    if x.ndim > AXES or not {x.dtype, y.dtype} <= set(types()) or op.acc_dtype != wide:
        return None
    away = [op.axis is None or axis in op.axis for axis in range(x.ndim)]
    return functools.partial(add_up, away, y.dtype)


def add_up(away, dtype, inputs, outputs):
    (x,) = inputs
    y = room(outputs[0], tuple(size for size, gone in zip(x.shape, away) if not gone), dtype)
    missing, rest, to_strides = AXES - x.ndim, math.prod(y.shape), []
    for size, gone in zip(x.shape, away):
        rest = rest if gone else rest // max(size, 1)
        to_strides.append(0 if gone else rest)
    t = TotalCall(PAIR(*[1] * missing, *x.shape), y.size, types()[str(x.dtype)], types()[dtype],
                  PAIR(*[0] * missing, *x.strides), PAIR(*[0] * missing, *to_strides), address(x), address(y))
    call("fkp_total", t, x)
