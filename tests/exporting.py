"""A net's answers, by Theano and by its ONNX file.  Whoever imports this is skipped where there is no onnxruntime."""
import tempfile
from pathlib import Path

import lasagne
import numpy as np
import pytest
import theano
from lasagne.layers import InputLayer, get_all_layers, get_output

from fkp import onnx
from theano_onednn import start

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; it has no wheel for musl")
checker = pytest.importorskip("onnx.checker", reason="onnx is not installed; it has no wheel for musl")

# The quickest way to a few numbers.  Theano's own convolutions have no Python code, so it needs ours.
QUICK = "FAST_COMPILE" if start.reason is None else None
RANDOM = np.random.RandomState(0)


@pytest.fixture(autouse=True)
def seeded():
    """A module that imports this draws the same weights and `numbers` in each test, whichever run before it."""
    lasagne.random.set_rng(np.random.RandomState(1))
    RANDOM.seed(0)


def numbers(*shape):
    """Any numbers, float32, of this shape."""
    return RANDOM.standard_normal(shape).astype(np.float32)


def by_theano(layer, arrays, mode=QUICK):
    """What a Lasagne net answers once trained; `arrays` in the order of its InputLayers."""
    inputs = [each.input_var for each in get_all_layers(layer) if isinstance(each, InputLayer)]
    function = theano.function(inputs, get_output(layer, deterministic=True), mode=mode,
                               on_unused_input="ignore")
    return function(*arrays)


def by_file(path, arrays):
    """What an ONNX file answers; `arrays` in the order of its inputs."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, dict(zip([each.name for each in session.get_inputs()], arrays)))
    return answer


def assert_same(layer, *arrays, atol=2e-6, rtol=1e-5, mode=QUICK):
    """Theano and the file that `layer` is written to agree; returns the onnx.ModelProto."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        model = onnx.export(layer, path)
        wanted, found = by_theano(layer, arrays, mode), by_file(path, arrays)
    assert wanted.shape == found.shape
    assert wanted.dtype.kind.replace("u", "i") == found.dtype.kind  # a file has one size of each: float32, int64
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
    return model


def kinds(model):
    """Names of a model's ONNX Ops, in order."""
    return [node.op_type for node in model.graph.node]
