"""Shapes, parts, products and sums of tensors."""
import numpy as np
import theano.tensor as T
from theano.compile.ops import DeepCopyOp, Rebroadcast, Shape, Shape_i, SpecifyShape, ViewOp
from theano.scalar import Maximum, Minimum
from theano.tensor import basic, blas, elemwise, extra_ops, opt, subtensor
from theano.tensor.nnet import nnet

from fkp.onnx.expressions import converts
from fkp.onnx.graph import NoMeaning

LAST, FIRST = np.iinfo(np.int64).max, np.iinfo(np.int64).min   # "to the end", as Slice takes it


@converts(ViewOp, DeepCopyOp, Rebroadcast, SpecifyShape, opt.Assert, basic.TensorFromScalar, basic.ScalarFromTensor)
def unchanged(expressions, node, x, *_):
    return x


# --- shapes ---

@converts(Shape)
def shape(expressions, node, x):
    return expressions.graph.add("Shape", x)


@converts(Shape_i)
def size(expressions, node, x):
    return size_of(expressions.graph, x, node.op.i)


def size_of(graph, x, axis):
    """The tensor, int64 without axes, that holds the size of an axis."""
    return graph.add("Gather", graph.add("Shape", x), graph.constant(np.int64(axis)))


def vector(expressions, scalars):
    """The tensor, int64 (n,), made of scalar Theano variables."""
    graph = expressions.graph
    if all(map(expressions.is_fixed, scalars)):
        return graph.constant(np.array([expressions.value(each) for each in scalars], np.int64).reshape(-1))
    one = graph.constant(np.array([1]))
    parts = [graph.add("Reshape", expressions.tensor(each, "int64"), one) for each in scalars]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=0)


@converts(opt.MakeVector)
def make_vector(expressions, node, *_):
    made = vector(expressions, node.inputs)
    return made if node.outputs[0].dtype.startswith(("int", "uint")) else expressions.graph.cast(made, "float32")


@converts(basic.Reshape)
def reshape(expressions, node, x, _):
    wanted = node.inputs[1]
    if wanted.owner and isinstance(wanted.owner.op, opt.MakeVector):
        sizes = [expressions.value(each) if expressions.is_fixed(each) else None for each in wanted.owner.inputs]
        if sizes.count(None) == 1 and all(each is None or each > 0 for each in sizes):  # the one that follows
            sizes = [-1 if each is None else each for each in sizes]
            return expressions.graph.add("Reshape", x, expressions.graph.constant(np.array(sizes, np.int64)))
    return expressions.graph.add("Reshape", x, expressions.tensor(wanted, "int64"))


@converts(basic.Flatten)
def flatten(expressions, node, x):
    return flat(expressions.graph, x, node.op.outdim, node.inputs[0].ndim)


def flat(graph, x, outdim, ndim):
    """The last axes as one, so that `outdim` are left."""
    if outdim == ndim:
        return x
    if outdim == 2:
        return graph.add("Flatten", x, axis=1)
    return graph.add("Reshape", x, graph.constant(np.array([0] * (outdim - 1) + [-1])))


@converts(elemwise.DimShuffle)
def dimshuffle(expressions, node, x):
    graph, order = expressions.graph, node.op.new_order
    if node.op.drop:
        x = graph.add("Squeeze", x, graph.constant(np.array(node.op.drop)))
    kept = [axis for axis in order if axis != "x"]
    if kept != sorted(kept):
        x = graph.add("Transpose", x, perm=[sorted(kept).index(axis) for axis in kept])
    new = [i for i, axis in enumerate(order) if axis == "x"]
    return graph.add("Unsqueeze", x, graph.constant(np.array(new))) if new else x


@converts(basic.Alloc)
def alloc(expressions, node, x, *_):
    return expressions.graph.add("Expand", x, vector(expressions, node.inputs[1:]))


@converts(basic.AllocEmpty)
def alloc_empty(expressions, node, *_):
    zero = expressions.graph.constant(np.zeros((), node.outputs[0].dtype))
    return expressions.graph.add("Expand", zero, vector(expressions, node.inputs))


@converts(basic.ARange)
def arange(expressions, node, *_):
    return expressions.graph.add("Range", *(expressions.tensor(each, node.outputs[0].dtype) for each in node.inputs))


# --- parts ---

@converts(basic.Join)
def join(expressions, node, *_):
    axis, out = int(expressions.fixed(node.inputs[0])), node.outputs[0]
    parts = [expressions.tensor(each, out.dtype) for each in node.inputs[1:]]
    return expressions.graph.add("Concat", *parts, axis=axis)


@converts(basic.Split)
def split(expressions, node, x, *_):
    axis, sizes = int(expressions.fixed(node.inputs[1])), expressions.tensor(node.inputs[2], "int64")
    made = expressions.graph.add("Split", x, sizes, axis=axis, outputs=len(node.outputs))
    return [made] if isinstance(made, str) else made


@converts(subtensor.Subtensor)
def part(expressions, node, x, *_):
    return cut(expressions, x, subtensor.get_idx_list(node.inputs, node.op.idx_list))


def cut(expressions, x, indices):
    """x[indices], of numbers and slices, whose parts may be Theano variables."""
    graph = expressions.graph
    slices = [(axis, *ends(expressions, each)) for axis, each in enumerate(indices)
              if isinstance(each, slice) and each != slice(None)]
    if slices:
        axes, starts, stops, steps = zip(*slices)
        x = graph.add("Slice", x, *(vector(expressions, each) for each in (starts, stops)), graph.constant(
            np.array(axes)), vector(expressions, steps))
    for axis, each in reversed(list(enumerate(indices))):
        if not isinstance(each, slice):
            x = graph.add("Gather", x, expressions.tensor(T.as_tensor_variable(each), "int64"), axis=axis)
    return x


def ends(expressions, indices):
    """Start, stop and step of a slice as Theano variables, its defaults filled in."""
    step = T.as_tensor_variable(1 if indices.step is None else indices.step)
    backwards = expressions.fixed(step) < 0
    usual = (LAST, FIRST) if backwards else (0, LAST)
    return [*(T.as_tensor_variable(np.int64(other) if each is None else each)
              for each, other in zip((indices.start, indices.stop), usual)), step]


@converts(subtensor.IncSubtensor)
def put(expressions, node, x, y, *_):
    """x with y in place of x[indices], or added to it: by the number that each entry has in x."""
    graph, op = expressions.graph, node.op
    whole, all_of_it = graph.add("Shape", x), graph.constant(np.array([-1]))
    count = graph.add("ReduceProd", whole, keepdims=0)
    numbers = graph.add("Range", graph.constant(np.int64(0)), count, graph.constant(np.int64(1)))
    chosen = cut(expressions, graph.add("Reshape", numbers, whole),
                 subtensor.get_idx_list(node.inputs[:1] + node.inputs[2:], op.idx_list))
    y = graph.add("Expand", expressions.tensor(node.inputs[1], node.outputs[0].dtype), graph.add("Shape", chosen))
    how = {} if op.set_instead_of_inc else {"reduction": "add"}
    changed = graph.add("ScatterElements", *(graph.add("Reshape", each, all_of_it) for each in (x, chosen, y)),
                        axis=0, **how)
    return graph.add("Reshape", changed, whole)


@converts(subtensor.AdvancedSubtensor1)
def rows(expressions, node, x, numbers):
    return expressions.graph.add("Gather", x, numbers, axis=0)


@converts(subtensor.AdvancedSubtensor)
def rows_by_tensor(expressions, node, x, *tensors):
    chosen = [i for i, each in enumerate(node.inputs[1:]) if hasattr(each.type, "dtype")]
    others = [getattr(each, "data", None) for i, each in enumerate(node.inputs[1:]) if i not in chosen]
    if len(chosen) != 1 or any(each != slice(None) for each in others) or node.inputs[1 + chosen[0]].dtype == "bool":
        raise NoMeaning("an index made of several tensors has no ONNX form here; index by one at a time")
    return expressions.graph.add("Gather", x, tensors[chosen[0]], axis=chosen[0])


# --- products, sums, extremes ---

@converts(basic.Dot, blas.BatchedDot)
def dot(expressions, node, *_):
    return expressions.graph.add("MatMul", *(expressions.tensor(each, node.outputs[0].dtype) for each in node.inputs))


@converts(elemwise.CAReduce)
def reduce(expressions, node, _):
    """Sums and products; the largest, the smallest; "any" and "all" as these."""
    graph, op, (x,), out = expressions.graph, node.op, node.inputs, node.outputs[0]
    axes = list(range(x.ndim)) if op.axis is None else sorted(op.axis)
    is_bool = isinstance(op, (elemwise.Any, elemwise.All))
    tensor = expressions.tensor(x, "int64" if is_bool else out.dtype)
    if not axes:
        return tensor
    if isinstance(op, elemwise.Sum):
        return graph.add("ReduceSum", tensor, graph.constant(np.array(axes)), keepdims=0)
    kind = ("ReduceProd" if isinstance(op, elemwise.Prod) else
            "ReduceMax" if isinstance(op, elemwise.Any) or isinstance(op.scalar_op, Maximum) else
            "ReduceMin" if isinstance(op, elemwise.All) or isinstance(op.scalar_op, Minimum) else None)
    if kind is None:
        raise NoMeaning(f"Theano's {op} has no ONNX form here")
    made = graph.add(kind, tensor, axes=axes, keepdims=0)
    return graph.cast(made, "bool") if is_bool else made


@converts(basic.MaxAndArgmax)
def max_and_argmax(expressions, node, x):
    axes = sorted(node.op.axis)
    return [expressions.graph.add("ReduceMax", x, axes=axes, keepdims=0), argmax(expressions, node, x)]


@converts(basic.Argmax)
def argmax(expressions, node, x, *_):
    """The place of the largest number, counted over all the axes that it is looked for in."""
    graph, ndim = expressions.graph, node.inputs[0].ndim
    axes = list(range(ndim)) if node.op.axis is None else sorted(node.op.axis)
    if len(axes) > 1:
        others = [axis for axis in range(ndim) if axis not in axes]
        x = graph.add("Transpose", x, perm=others + axes)
        x, axes = flat(graph, x, len(others) + 1, ndim), [len(others)]
    return graph.add("ArgMax", x, axis=axes[0], keepdims=0)


@converts(nnet.Softmax)
def softmax(expressions, node, x):
    return expressions.graph.add("Softmax", x, axis=-1)


@converts(nnet.SoftmaxWithBias)
def softmax_with_bias(expressions, node, x, b):
    return expressions.graph.add("Softmax", expressions.graph.add("Add", x, b), axis=-1)


@converts(nnet.LogSoftmax)
def log_softmax(expressions, node, x):
    return expressions.graph.add("LogSoftmax", x, axis=-1)


@converts(extra_ops.CumOp)
def cumulative(expressions, node, x):
    graph, op = expressions.graph, node.op
    if op.mode != "add":
        raise NoMeaning("products along an axis, step by step, have no ONNX form; sums have")
    if op.axis is None:
        x = flat(graph, x, 1, node.inputs[0].ndim)
    return graph.add("CumSum", x, graph.constant(np.int64(op.axis or 0)))
