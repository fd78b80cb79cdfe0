"""What docs/onnx.md shows runs as it stands: Python without Theano, and JavaScript."""
import re
import shutil
import subprocess
import sys

import exporting  # noqa: F401  skips these where there is no onnxruntime
import load
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from fkp import onnx

CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = CODE.findall((ROOT / "docs" / "onnx.md").read_text(encoding="utf-8"))
WITHOUT_THEANO, OWN_NET = [text for language, text in BLOCKS if language == "python"]
(JAVASCRIPT,) = [text for language, text in BLOCKS if language == "javascript"]


@pytest.fixture(scope="module")
def face(tmp_path_factory, drawn):
    """A folder with face.onnx, which takes bytes, and a face as a picture and as plain bytes."""
    folder = tmp_path_factory.mktemp("face")
    onnx.export(load.open_net(ROOT / "models/drawn/net4.npz"), folder / "face.onnx", raw=True)
    Image.fromarray(drawn.images[3]).save(folder / "face.png")
    (folder / "face.grey").write_bytes(drawn.images[3].tobytes())
    return folder


@pytest.fixture(scope="module")
def wanted(drawn):
    net = load.open_net(ROOT / "models/drawn/net4.npz")
    return load.unscale(net.predict(load.preprocessed(drawn.images[3:4])[:, None]))[0]


def printed(*command, folder):
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_python_without_theano(face, wanted):
    (face / "predict.py").write_text("import sys\nsys.modules.update(theano=None, lasagne=None, fkp=None)\n"
                                     + WITHOUT_THEANO)
    lines = [line.split() for line in printed(sys.executable, "predict.py", folder=face)]
    assert [label for label, _ in lines] == load.ALL_COLUMNS
    np.testing.assert_allclose([float(place) for _, place in lines], wanted, atol=0.006)


def test_it_takes_ten_lines():
    assert len([line for line in WITHOUT_THEANO.splitlines() if line.strip()]) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("package", ["onnxruntime-web@1.30.0", "onnxruntime-node@1.30.0"])
def test_javascript(package, face, wanted):
    if shutil.which("npm") is None:
        pytest.skip("npm is not there")
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", package]
    if subprocess.run(install, cwd=face, capture_output=True, timeout=600).returncode != 0:
        pytest.skip(f"{package} cannot be installed here")
    (face / "predict.js").write_text(JAVASCRIPT.replace("onnxruntime-web", package.split("@")[0]))
    places = printed("node", "predict.js", folder=face)
    np.testing.assert_allclose([float(place) for place in places], wanted, atol=0.006)


def test_a_net_of_ones_own(tmp_path):
    (tmp_path / "models").symlink_to(ROOT / "models")
    printed(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{OWN_NET}", folder=tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == ["hidden.onnx", "net1.onnx"]
