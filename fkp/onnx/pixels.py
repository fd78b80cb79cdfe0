"""Pixels prepared within the file, as fkp/pictures/preprocess.py prepares them: faces come as photographed bytes."""
import numpy as np
from scipy.ndimage import gaussian_filter1d

from fkp.keypoints import AREA, SIZE

LEVELS = 256   # grey levels of a byte


def equalise(graph, x):
    """ImageOps.equalize of rows of pixels, int64 (n, AREA): every grey level equally frequent.

    Its table gives level g the value (step / 2 + number of darker pixels) /
    step, 255 at most, step being a 255th of the pixels that are not of the
    lightest level.  Where that is 0, the face stays as it is.
    """
    add, number = graph.add, lambda value: graph.constant(np.asarray(value, np.int64))
    rows = add("Slice", add("Shape", x), number([0]), number([1]))
    empty = add("Expand", number([[0]]), add("Concat", rows, number([LEVELS]), axis=0))
    ones = add("Expand", number([[1]]), add("Shape", x))
    frequency = add("ScatterElements", empty, x, ones, axis=1, reduction="add")
    lightest = add("GatherElements", frequency, add("ReduceMax", x, axes=[1], keepdims=1), axis=1)
    step = add("Div", add("Sub", number(AREA), lightest), number(LEVELS - 1))
    divisor = add("Max", step, number(1))
    darker = add("CumSum", frequency, number(1), exclusive=1)
    table = add("Div", add("Add", darker, add("Div", step, number(2))), divisor)
    equalised = add("GatherElements", add("Min", table, number(LEVELS - 1)), x, axis=1)
    return add("Where", add("Equal", step, number(0)), x, equalised)


def standardise(graph, x):
    """Rows of pixels, float32 (n, AREA), with mean 0 and standard deviation 1."""
    x = graph.add("Sub", x, graph.add("ReduceMean", x, axes=[1]))
    variance = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[1])
    deviation = graph.add("Max", graph.add("Sqrt", variance), graph.constant(np.float32(1)))
    return graph.add("Div", x, deviation)


def local(graph, x, sigma=8.0):
    """Rows of pixels, float32 (n, AREA), minus their local mean, by their local deviation."""
    x = graph.add("Reshape", x, graph.constant(np.array([-1, SIZE, SIZE])))
    x = graph.add("Sub", x, blurred(graph, x, sigma))
    deviation = graph.add("Sqrt", blurred(graph, graph.add("Mul", x, x), sigma))
    usual = graph.add("Add", graph.add("ReduceMean", deviation, axes=[1, 2]), graph.constant(np.float32(1)))
    return graph.add("Div", x, graph.add("Max", deviation, usual))


def blurred(graph, x, sigma):
    """Faces (n, SIZE, SIZE) through a Gaussian: what it does to a row of pixels is a product with a matrix."""
    weights = gaussian_filter1d(np.eye(SIZE), sigma, axis=0).astype(np.float32)
    down, across = graph.constant(weights), graph.constant(weights.T.copy())
    return graph.add("MatMul", graph.add("MatMul", down, x), across)


def prepared(graph, x, method):
    """Bytes as the graph holds them, int64 (n, ...), as a net takes them: float32, from 0 to 1 or normalised."""
    x = graph.add("Flatten", x, axis=1)
    if method in ("standardise", "local"):
        return {"standardise": standardise, "local": local}[method](graph, graph.cast(x, "float32"))
    x = graph.cast(equalise(graph, x) if method == "equalise" else x, "float32")
    return graph.add("Mul", x, graph.constant(np.float32(1 / 255)))
