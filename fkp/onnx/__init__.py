"""Trained nets as ONNX files, for programs without Theano.

    python -m fkp.onnx models/net4.npz           # writes models/net4.onnx

`export` does it for any Lasagne net.  How a net becomes ONNX: net.py walks its
layers.  Those that ONNX has as such are in layers.py; any other is read from
the Theano expression that it builds (expressions.py, and the Ops in
elementwise.py, arrays.py, images.py and loops.py).  pixels.py prepares pixels
within the file, metadata.py says what the numbers mean.
"""
from pathlib import Path

from fkp import Problem

SUFFIX = ".onnx"
INSTALL = "pip install onnx==1.17.0 (from Python 3.12 on: onnx==1.23.2)"   # with NumPy 1.23, and with NumPy 2


def check(path):
    """Raises Problem where no ONNX file of this name can be made."""
    if Path(path).suffix != SUFFIX:  # a slip of the keyboard must not replace a model
        raise Problem(f"{path}: an ONNX file's name ends with {SUFFIX}; choose such a name")
    try:
        from onnx import checker, helper, numpy_helper, shape_inference  # noqa: F401
    except ImportError as error:
        raise Problem(f"ONNX files need the package onnx ({error}): {INSTALL}") from None


def export(net_or_output_layer, path, raw=False):
    """Write a net as an ONNX file: its inputs with a free batch size, one output, what it answers once trained.

    net_or_output_layer: a nolearn NeuralNet (as `load.open_net` gives; the
    file then takes what its `predict` takes as floats), or any Lasagne output
    layer.  raw: the file takes the faces' bytes as photographed (uint8), and
    prepares them itself; only for this collection's nets.  Raises Problem for
    a layer without ONNX meaning, a path that cannot be written, or where the
    package onnx is missing.  Returns the onnx.ModelProto.
    """
    check(path)
    from fkp import files
    from fkp.onnx.file import build  # needs the package
    model = build(net_or_output_layer, raw)
    files.write_bytes(Path(path).expanduser(), model.SerializeToString())
    return model
