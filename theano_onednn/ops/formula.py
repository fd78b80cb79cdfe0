"""Theano's element-wise Ops by NumPy, for a few thousand numbers at most."""
import functools

import numpy as np
from theano import scalar
from theano.gof import Constant
from theano.scalar import Cast, Composite, Switch

REAL = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"}
ANY_NUMBER = {scalar.Add: np.add, scalar.Mul: np.multiply}  # of inputs
OTHERS = {"mod", "floor_divide"}                            # NumPy's divide in another way than C


def formula(node):
    """A function from the inputs of an element-wise node, a list of arrays, to a list of new arrays.

    None where NumPy has not all that it takes.
    """
    inputs, outputs, nodes = scalars(node)
    functions = [function(part) for part in nodes]
    if None in functions:
        return None
    constants = [v for part in nodes for v in part.inputs if isinstance(v, Constant)]
    place = {v: i for i, v in enumerate([*inputs, *constants, *(part.outputs[0] for part in nodes)])}
    fixed = [np.asarray(v.data, v.dtype) for v in constants]
    steps = [(one, [place[v] for v in part.inputs]) for one, part in zip(functions, nodes)]
    return functools.partial(compute, fixed, steps, [place[v] for v in outputs])


def compute(fixed, steps, wanted, arrays):
    """Each step is a function, and which of what was found so far it takes."""
    found = [*arrays, *fixed]
    with np.errstate(all="ignore"):  # C says nothing
        for one, places in steps:
            found.append(one(*[found[i] for i in places]))
    return [found[i] for i in wanted]


def scalars(node):
    """The scalar Ops of an element-wise node: inputs, outputs and, in order, their nodes."""
    op = node.op.scalar_op
    if isinstance(op, Composite):
        return op.fgraph.inputs, op.fgraph.outputs, op.fgraph.toposort()
    inputs = [scalar.get_scalar_type(v.dtype)() for v in node.inputs]
    single = op.make_node(*inputs)
    return inputs, single.outputs, [single]


def function(part):
    """What NumPy has for one scalar node: a function of arrays, or None."""
    types, wanted = [v.dtype for v in part.inputs], [v.dtype for v in part.outputs]
    if len(wanted) > 1 or not REAL.issuperset(types + wanted):
        return None
    dtype = np.dtype(wanted[0])
    if isinstance(part.op, Cast):
        return lambda x: np.array(x, dtype)
    numpys = ufunc(part.op, len(types))
    if numpys is None:
        return None
    if isinstance(part.op, Switch):
        return lambda condition, yes, no: np.asarray(np.where(condition, yes, no), dtype)
    taken = dtype if dtype.kind == "f" else common(types)
    if taken is None:
        return None
    return lambda *arrays: np.asarray(numpys(*[np.asarray(x, taken) for x in arrays]), dtype)


def common(types):
    """In which type C compares: the widest real one, else the one that all have, or None."""
    real = [name for name in types if name.startswith("float")]
    return np.dtype(max(real)) if real else np.dtype(types[0]) if len(set(types)) == 1 else None


def ufunc(op, count):
    """NumPy's function for a scalar Op with so many inputs, or None."""
    name, inputs, _ = getattr(op, "nfunc_spec", None) or (None, None, None)
    if type(op) in ANY_NUMBER and count != inputs:
        return functools.partial(sequence, ANY_NUMBER[type(op)])
    return getattr(np, name, None) if inputs == count and name not in OTHERS else None


def sequence(two, *arrays):
    """One after the other: NumPy's functions take two."""
    return functools.reduce(two, arrays)
