"""Pixels that a file prepares itself are those that Pillow and SciPy prepare: bytes to the bit."""
import numpy as np
import pytest
from exporting import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image, ImageOps

from fkp.keypoints import AREA, SIZE
from fkp.onnx import pixels
from fkp.onnx.graph import IR, OPSET, Graph
from fkp.pictures.preprocess import PREPROCESS, as_batch, preprocessed


def session(method):
    """A file that does nothing but prepare pixels."""
    graph = Graph()
    answer = pixels.prepared(graph, graph.input("faces", "uint8", ["batch", SIZE, SIZE]), method)
    output = helper.make_tensor_value_info(answer, TensorProto.FLOAT, None)
    proto = graph.finish("pixels", [output])
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def sessions():
    return {method: session(method) for method in PREPROCESS}


TOLERANCE = {"plain": 0, "equalise": 0, "standardise": 2e-5, "local": 2e-5}


def prepared(session, faces):
    return session.run(None, {"faces": faces})[0].reshape(-1, AREA)


def equalised(session, faces):
    """What the file makes of bytes, as bytes again."""
    return np.rint(prepared(session, faces) * 255).astype(np.uint8).reshape(faces.shape)


def by_pillow(faces):
    return np.stack([np.asarray(ImageOps.equalize(Image.fromarray(face))) for face in faces])


@pytest.mark.parametrize("method", PREPROCESS)
def test_drawn_faces(method, sessions, drawn):
    faces = drawn.images[:20]
    wanted = as_batch(preprocessed(faces, method)).reshape(-1, AREA)
    np.testing.assert_allclose(prepared(sessions[method], faces), wanted, atol=TOLERANCE[method])


@pytest.mark.parametrize("method", PREPROCESS)
def test_real_faces(method, sessions, real_data):
    import load
    faces = load.faces(data=real_data, rows=200).images
    wanted = as_batch(preprocessed(faces, method)).reshape(-1, AREA)
    np.testing.assert_allclose(prepared(sessions[method], faces), wanted, atol=TOLERANCE[method])


def face_of(counts):
    """A face whose grey levels occur so often: {level: times}, the rest 0."""
    levels = np.repeat(list(counts), list(counts.values()))[:AREA]
    levels = np.pad(levels, (0, AREA - len(levels))).astype(np.uint8)
    return np.random.RandomState(0).permutation(levels).reshape(SIZE, SIZE)


ALL_LEVELS = np.arange(AREA).reshape(SIZE, SIZE)


@pytest.mark.parametrize("face", [
    face_of({}), face_of({255: AREA}), face_of({7: AREA}), face_of({255: 1}), face_of({1: AREA - 1}),
    face_of({200: AREA - 254}), face_of({200: AREA - 255}), face_of({200: AREA - 256}), face_of({5: 509, 9: 3}),
    face_of({3: 500, 250: 9, 251: 1}), ALL_LEVELS % 256, ALL_LEVELS % 2])
def test_strange_faces(face, sessions):
    faces = np.stack([face.astype(np.uint8), 255 - face.astype(np.uint8)])
    np.testing.assert_array_equal(equalised(sessions["equalise"], faces), by_pillow(faces))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 ** 32 - 1), st.integers(1, 256), st.floats(0.05, 20))
def test_random_faces(sessions, seed, levels, shape):
    """Few levels or many, rare dark ones or rare light ones."""
    random = np.random.RandomState(seed)
    chosen = random.choice(256, levels, replace=False)
    numbers = (random.beta(shape, 1 / shape, (3, SIZE, SIZE)) * levels).astype(int).clip(0, levels - 1)
    faces = chosen[numbers].astype(np.uint8)
    np.testing.assert_array_equal(equalised(sessions["equalise"], faces), by_pillow(faces))


def test_the_table_stops_at_white(sessions):
    """Where the step is rounded down, the lightest levels would come out above 255."""
    random = np.random.RandomState(3)
    faces = np.minimum(random.geometric(0.02, (50, SIZE, SIZE)), 255).astype(np.uint8)
    np.testing.assert_array_equal(equalised(sessions["equalise"], faces), by_pillow(faces))
