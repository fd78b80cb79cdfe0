"""What our Ops make of some arrays, without Theano's compiler: python tests/theano_onednn/outputs.py FILE.npz

For tests/theano_onednn/test_ways.py, which compares the ways of FKP_ONEDNN.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

import theano_onednn  # noqa: E402, F401, I001  (first: prepares Theano)
import numpy as np  # noqa: E402
from theano_onednn import ops  # noqa: E402
from theano_onednn.ops import Geometry  # noqa: E402
from theano_onednn.ops.convolution import ConvolutionInputs, ConvolutionWeights  # noqa: E402

GEOMETRIES = {  # pads, strides and dilations, alone and together
    "valid": Geometry(), "half": Geometry("half"), "full": Geometry("full"), "correlated": Geometry(flip=False),
    "pads": Geometry(((1, 0), (0, 2))), "wide pads": Geometry((4, 5)), "strides": Geometry(stride=(2, 3)),
    "dilated": Geometry(dilation=(2, 1)), "dilated across": Geometry(dilation=(1, 2)),
    "all": Geometry("half", (2, 2), (1, 2)), "all, full": Geometry("full", (1, 2), (2, 2), flip=False),
}
SHAPES = [  # images, channels, height, width, filters, rows, columns
    (3, 2, 9, 8, 5, 3, 2), (2, 1, 12, 11, 32, 5, 5), (9, 20, 7, 7, 50, 1, 1), (4, 16, 9, 9, 33, 3, 3),
    (37, 1, 20, 21, 32, 3, 3), (3, 6, 9, 8, 1, 3, 3), (30, 16, 15, 14, 17, 2, 2), (30, 16, 15, 14, 17, 3, 3),
    (2, 3, 40, 41, 96, 11, 11), (1, 300, 8, 8, 70, 4, 4),
]

LAYERS = [(1, 3, 5), (128, 1000, 30), (64, 500, 257), (70, 3000, 150), (600, 40, 900), (5, 90000, 3)]  # rows, in, out


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


def run(op, *inputs, outputs=1):
    cells = [[None] for _ in range(outputs)]
    op.perform(None, list(inputs), cells)
    return [cell[0] for cell in cells]


def convolutions(shape, geometry):
    n, c, h, w, k, rows, columns = shape
    x, weights, bias = numbers(n, c, h, w, seed=1), numbers(k, c, rows, columns, seed=2), numbers(k, seed=3)
    y, = run(ops.Convolution(geometry, 0.1), x, weights, bias)
    gy = numbers(*y.shape, seed=4)
    found = [y, *run(ops.ConvolutionGradient(geometry, 0.1), x, weights, bias, y, gy, outputs=3)]
    found += run(ConvolutionWeights(geometry), x, gy, np.array([rows, columns]))
    return found + run(ConvolutionInputs(geometry), weights, gy, np.array([h, w]))


def stages(shape, threshold):
    n, c, h, w, k, rows, columns = shape
    x, weights, bias = numbers(n, c, h, w, seed=1), numbers(k, c, rows, columns, seed=2), numbers(k, seed=3)
    state = np.array([1, 2, 3, 4], "uint32")
    y, where, *_ = run(ops.Stage(threshold=threshold), x, weights, bias, *[state] * bool(threshold),
                       outputs=2 + bool(threshold))
    gradient = ops.StageGradient(threshold=threshold)
    return [y, *run(gradient, x, weights, bias, where, numbers(*y.shape, seed=4), outputs=3)]


def layers(rows, inputs, units, activation):
    x, weights, bias = numbers(rows, inputs, seed=1), numbers(inputs, units, seed=2), numbers(units, seed=3)
    weights /= inputs ** 0.5
    y, = run(ops.Dense(activation), x, weights, bias)
    gy = numbers(*y.shape, seed=4)
    return [y, *run(ops.DenseGradient(activation), x, weights, bias, y, gy, outputs=3)]


def outputs():
    """{name: array}"""
    found = {"convolution %s, %s" % (shape, name): convolutions(shape, geometry)
             for shape in SHAPES for name, geometry in GEOMETRIES.items()}
    found.update(("stage %s, %d" % (shape, threshold), stages(shape, threshold))
                 for shape in SHAPES[:8] for threshold in (0, 20000))
    found.update(("layer %s, %s" % (size, activation), layers(*size, activation))
                 for size in LAYERS for activation in (0.0, "tanh"))
    return {"%s: %d" % (name, i): array for name, arrays in found.items() for i, array in enumerate(arrays)}


if __name__ == "__main__":
    np.savez(sys.argv[1], **outputs())
    print(theano_onednn.describe())
