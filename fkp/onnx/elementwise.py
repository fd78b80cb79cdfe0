"""What happens number by number: sums, products, comparisons, nonlinearities."""
import numpy as np
import theano.scalar as S
from theano.scalar.basic_scipy import Erf, Erfc
from theano.tensor.elemwise import Elemwise
from theano.tensor.nnet import nnet, sigm

from fkp.onnx.expressions import converts
from fkp.onnx.graph import REMEDY, NoMeaning, element

# Theano's scalar Op -> ONNX's, of any number of inputs, all of the output's type.
SAME = {S.Abs: "Abs", S.Add: "Add", S.ArcCos: "Acos", S.ArcCosh: "Acosh", S.ArcSin: "Asin", S.ArcSinh: "Asinh",
        S.ArcTan: "Atan", S.ArcTanh: "Atanh", S.Ceil: "Ceil", S.Cos: "Cos", S.Cosh: "Cosh", S.Exp: "Exp",
        S.Floor: "Floor", S.Identity: "Identity", S.Inv: "Reciprocal", S.Log: "Log", S.Maximum: "Max",
        S.Minimum: "Min", S.Mul: "Mul", S.Neg: "Neg", S.Pow: "Pow", S.RoundHalfToEven: "Round", S.Sgn: "Sign",
        S.Sin: "Sin", S.Sinh: "Sinh", S.Sqrt: "Sqrt", S.Sub: "Sub", S.Tan: "Tan", S.Tanh: "Tanh", S.TrueDiv: "Div",
        Erf: "Erf", nnet.ScalarSoftsign: "Softsign", sigm.ScalarSigmoid: "Sigmoid",
        sigm.ScalarSoftplus: "Softplus"}
TWO_AT_A_TIME = {"Add", "Mul", "Or", "And"}   # of these Theano's take any number, ONNX's two
COMPARED = {S.EQ: "Equal", S.GE: "GreaterOrEqual", S.GT: "Greater", S.LE: "LessOrEqual", S.LT: "Less"}
LOGICAL = {S.AND: "And", S.OR: "Or", S.XOR: "Xor", S.Invert: "Not"}
OF_BOOLEANS = {S.Add: "Or", S.Maximum: "Or", S.Mul: "And", S.Minimum: "And", S.Identity: "Identity"}
NARROW = {"int8", "int16", "int32", "uint8", "uint16", "uint32"}   # these overflow sooner than the graph's int64


@converts(Elemwise)
def elemwise(expressions, node, *_):
    scalar = node.op.scalar_op
    dtypes = [each.dtype for each in node.inputs]
    wanted = types_within(scalar, dtypes, node.outputs[0].dtype)
    tensors = [expressions.tensor(each, dtype) for each, dtype in zip(node.inputs, wanted)]
    return number_by_number(expressions.graph, scalar, tensors, wanted, node.outputs[0].dtype)


def types_within(scalar, dtypes, result):
    """The types that a scalar Op's inputs have to have."""
    if isinstance(scalar, (S.LogicalComparison, S.FixedLogicalComparison)):
        return [S.upcast(*dtypes)] * len(dtypes)
    if isinstance(scalar, S.Switch):
        return ["bool", result, result]
    if isinstance(scalar, (S.Cast, S.Composite, S.Second)):
        return dtypes
    return [result] * len(dtypes)


def number_by_number(graph, scalar, tensors, dtypes, result):
    """The tensor that a scalar Op makes of `tensors`, which have these dtypes; `result` is its own."""
    kind = type(scalar)
    if kind in LOGICAL and result != "bool":
        raise NoMeaning(f"Theano's {scalar} of whole numbers, bit by bit, has no ONNX form here")
    same = OF_BOOLEANS if result == "bool" else SAME
    if kind in same:
        made = in_turn(graph, same[kind], tensors)
    elif kind in COMPARED or kind in LOGICAL:
        made = graph.add({**COMPARED, **LOGICAL}[kind], *tensors)
    elif kind in COMPOSED:
        made = COMPOSED[kind](graph, scalar, tensors, dtypes, result)
    else:
        raise NoMeaning(f"Theano's {scalar} has no ONNX form here; {REMEDY}")
    return wrapped(graph, made, result) if result in NARROW else made


def in_turn(graph, kind, tensors):
    """One ONNX node, or a row of them where it takes two inputs at a time."""
    if kind not in TWO_AT_A_TIME:
        return graph.add(kind, *tensors)
    made = tensors[0]
    for other in tensors[1:]:
        made = graph.add(kind, made, other)
    return made


def wrapped(graph, made, dtype):
    """Whole numbers that are too large for their type begin again at its other end."""
    info = np.iinfo(dtype)
    size, low = graph.constant(np.int64(info.max) - info.min + 1), graph.constant(np.int64(info.min))
    return graph.add("Add", graph.add("Mod", graph.add("Sub", made, low), size), low)


def number(graph, value, dtype):
    return graph.constant(np.asarray(value, dtype))


def cast(graph, scalar, tensors, dtypes, result):
    return tensors[0] if element(dtypes[0]) == element(result) else graph.cast(tensors[0], result)


def switch(graph, scalar, tensors, dtypes, result):
    return graph.add("Where", *tensors)


def second(graph, scalar, tensors, dtypes, result):
    """The second input, of the first one's shape too."""
    return graph.add("Expand", tensors[1], graph.add("Shape", tensors[0]))


def clip(graph, scalar, tensors, dtypes, result):
    return graph.add("Min", graph.add("Max", tensors[0], tensors[1]), tensors[2])


def not_equal(graph, scalar, tensors, dtypes, result):
    return graph.add("Not", graph.add("Equal", *tensors))


def square(graph, scalar, tensors, dtypes, result):
    return graph.add("Mul", tensors[0], tensors[0])


def modulo(graph, scalar, tensors, dtypes, result):
    """With the divisor's sign, as in Python."""
    if element(result) != element("float32"):
        return graph.add("Mod", *tensors)
    times = graph.add("Floor", graph.add("Div", *tensors))
    return graph.add("Sub", tensors[0], graph.add("Mul", times, tensors[1]))


def floor_division(graph, scalar, tensors, dtypes, result):
    """Rounded down, as in Python; ONNX rounds whole numbers towards 0."""
    if element(result) == element("float32"):
        return graph.add("Floor", graph.add("Div", *tensors))
    return graph.add("Div", graph.add("Sub", tensors[0], graph.add("Mod", *tensors)), tensors[1])


def truncate(graph, scalar, tensors, dtypes, result):
    return graph.add("Mul", graph.add("Sign", tensors[0]), graph.add("Floor", graph.add("Abs", tensors[0])))


def round_away(graph, scalar, tensors, dtypes, result):
    half = graph.add("Add", graph.add("Abs", tensors[0]), number(graph, 0.5, result))
    return graph.add("Mul", graph.add("Sign", tensors[0]), graph.add("Floor", half))


def exp2(graph, scalar, tensors, dtypes, result):
    return graph.add("Pow", number(graph, 2, result), tensors[0])


def expm1(graph, scalar, tensors, dtypes, result):
    """exp(x) - 1 as 2 tanh(x / 2) / (1 - tanh(x / 2)) where x is small, so that no digit is lost."""
    x = tensors[0]
    half = graph.add("Tanh", graph.add("Mul", x, number(graph, 0.5, result)))
    one = number(graph, 1, result)
    small = graph.add("Div", graph.add("Add", half, half), graph.add("Sub", one, half))
    large = graph.add("Sub", graph.add("Exp", x), one)
    return graph.add("Where", graph.add("Less", graph.add("Abs", x), one), small, large)


def log1p(graph, scalar, tensors, dtypes, result):
    """log(1 + x) as 2 artanh(x / (2 + x)) where x is small, so that no digit is lost."""
    x = tensors[0]
    one, two = number(graph, 1, result), number(graph, 2, result)
    small = graph.add("Mul", two, graph.add("Atanh", graph.add("Div", x, graph.add("Add", two, x))))
    large = graph.add("Log", graph.add("Add", x, one))
    return graph.add("Where", graph.add("Less", graph.add("Abs", x), number(graph, 0.5, result)), small, large)


def times(kind, factor):
    """A composed Op: `kind` of the input, multiplied by `factor`."""
    def composed(graph, scalar, tensors, dtypes, result):
        return graph.add("Mul", graph.add(kind, tensors[0]), number(graph, factor, result))
    return composed


def erfc(graph, scalar, tensors, dtypes, result):
    return graph.add("Sub", number(graph, 1, result), graph.add("Erf", tensors[0]))


def is_nan(graph, scalar, tensors, dtypes, result):
    return graph.add("IsNaN", tensors[0])


def is_infinite(graph, scalar, tensors, dtypes, result):
    return graph.add("IsInf", tensors[0])


def composite(graph, scalar, tensors, dtypes, result):
    """Several scalar Ops that Theano has made one."""
    known = dict(zip(scalar.fgraph.inputs, tensors))
    for node in scalar.fgraph.toposort():
        out = node.outputs[0]
        wanted = types_within(node.op, [each.dtype for each in node.inputs], out.dtype)
        inputs = [graph.constant(np.asarray(each.data, dtype)) if hasattr(each, "data")
                  else known[each] if element(each.dtype) == element(dtype) else graph.cast(known[each], dtype)
                  for each, dtype in zip(node.inputs, wanted)]
        known[out] = number_by_number(graph, node.op, inputs, wanted, out.dtype)
    return known[scalar.fgraph.outputs[0]]


COMPOSED = {S.Cast: cast, S.Switch: switch, S.Second: second, S.Clip: clip, S.NEQ: not_equal, S.Sqr: square,
            S.Mod: modulo, S.IntDiv: floor_division, S.Trunc: truncate, S.RoundHalfAwayFromZero: round_away,
            S.Exp2: exp2, S.Expm1: expm1, S.Log1p: log1p, S.Log2: times("Log", 1 / np.log(2)),
            S.Log10: times("Log", 1 / np.log(10)), S.Deg2Rad: times("Identity", np.pi / 180),
            S.Rad2Deg: times("Identity", 180 / np.pi), S.IsNan: is_nan, S.IsInf: is_infinite, Erfc: erfc,
            S.Composite: composite}
