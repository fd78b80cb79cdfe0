"""`python -m fkp.onnx` with models of this collection: the file answers as `predict` does, or one line says why not."""
import json
import os
import shutil
import subprocess
import sys

import load
import net3
import net4
import net5
import numpy as np
import pytest
from conftest import ROOT, a_run, some_faces, train
from exporting import by_file, checker
from lasagne import layers
from lasagne.layers import get_all_param_values, set_all_param_values
from nolearn.lasagne import NeuralNet

from fkp import Problem, onnx
from fkp.onnx import file
from fkp.pictures.preprocess import preprocessed
from fkp.run import Run

SHIPPED = sorted((ROOT / "models" / "drawn").glob("*.npz"))


def run(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "fkp.onnx", *map(str, arguments)], cwd=ROOT, text=True,
                          capture_output=True, timeout=600, **options)


def about(model):
    return {each.key: each.value for each in model.metadata_props}


def random_pixels(net, n=4):
    return np.random.RandomState(0).uniform(0, 1, (n, *net.layers_[0].shape[1:])).astype(np.float32)


def with_random_weights(net):
    """The net, initialised, with numbers in place of its zeros."""
    net.initialize()
    random = np.random.RandomState(0)
    (layer,) = net._output_layers
    values = [each if each.ndim > 1 else random.uniform(0.1, 1, each.shape)
              for each in get_all_param_values(layer)]
    set_all_param_values(layer, [each.astype(np.float32) for each in values])
    return net


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_models_answer_as_predict_does(path, tmp_path):
    net = load.open_net(path)
    model = onnx.export(net, tmp_path / "net.onnx")
    X = random_pixels(net)
    np.testing.assert_allclose(by_file(tmp_path / "net.onnx", [X]), net.predict(X), atol=2e-6)
    names = json.loads(about(model)["labels"])
    assert len(names) == net.layers_["output"].output_shape[1] and names[0].endswith("_x")
    assert [put.type.tensor_type.shape.dim[0].dim_param for put in (model.graph.input[0], model.graph.output[0])] == [
        "batch", "batch"]
    assert [len(model.graph.input), len(model.graph.output), model.opset_import[0].version] == [1, 1, 17]


@pytest.mark.parametrize("build", [net3.build, net4.build, lambda: net4.build(tuned=True, all_rows=True),
                                   lambda: net5.build("N", 38), lambda: net5.build("M", 48, heatmaps=True)])
def test_nets_as_the_scripts_build_them(build, tmp_path):
    net = with_random_weights(build())
    onnx.export(net, tmp_path / "net.onnx")
    X = random_pixels(net)
    wanted = net.predict(X)
    np.testing.assert_allclose(by_file(tmp_path / "net.onnx", [X]), wanted, atol=1e-5 * np.abs(wanted).max())


def test_metadata_of_a_whole_face_and_of_a_crop(tmp_path):
    whole = about(onnx.export(load.open_net(ROOT / "models/drawn/net4.npz"), tmp_path / "a.onnx"))
    assert whole["script"] == "net4" and json.loads(whole["labels"]) == load.ALL_COLUMNS
    assert whole["half"] == "48" and "96 x 96 picture that the net sees = (answer + 1) * 48" in whole["scale"]
    assert whole["pixels"].startswith("float32, 0 to 1 (divided by 255), grey levels after histogram equalisation")
    assert whole["trained on"].startswith("drawn faces") and whole["looks"].startswith("one look")
    crop = about(onnx.export(load.open_net(ROOT / "models/drawn/net5-LE-38.npz"), tmp_path / "b.onnx"))
    assert crop["half"] == "19" and json.loads(crop["labels"]) == load.columns(load.GROUPS["LE"])
    assert "cut to the 38 x 38 pixels" in crop["pixels"]


@pytest.mark.parametrize("name", ["net1", "net4"])
def test_raw_bytes_are_prepared_in_the_file(name, drawn, tmp_path):
    net = load.open_net(ROOT / "models" / "drawn" / f"{name}.npz")
    model = onnx.export(net, tmp_path / "raw.onnx", raw=True)
    shape = net.layers_[0].shape[1:]
    faces, prepared = drawn.images[:9], preprocessed(drawn.images[:9], net.run_.preprocess)
    answer = by_file(tmp_path / "raw.onnx", [faces.reshape(-1, *shape)])
    np.testing.assert_allclose(answer, net.predict(prepared.reshape(-1, *shape)), atol=2e-6)
    assert about(model)["pixels"] == "uint8, 0 to 255, grey levels as photographed"
    assert about(model)["preprocess"] == "none: the file does it"


@pytest.mark.parametrize("method", load.PREPROCESS)
def test_raw_bytes_however_a_net_wants_them(method, drawn, tmp_path):
    net = load.open_net(ROOT / "models/drawn/net1.npz")
    net.run_ = Run("net1", {}, net.run_.data, 1, preprocess=method)
    onnx.export(net, tmp_path / "raw.onnx", raw=True)
    X = drawn.images[:9].reshape(-1, 9216)
    wanted = net.predict(preprocessed(drawn.images[:9], method).reshape(-1, 9216))
    np.testing.assert_allclose(by_file(tmp_path / "raw.onnx", [X]), wanted, atol=2e-4 * max(1, np.abs(wanted).max()))


def test_a_crop_has_no_raw_bytes(tmp_path):
    net = load.open_net(ROOT / "models/drawn/net5-N-38.npz")
    with pytest.raises(Problem, match=r"net5 sees a part of a face, and what prepared it \(equalise\) saw the whole"):
        onnx.export(net, tmp_path / "raw.onnx", raw=True)
    with pytest.raises(Problem, match="only this collection's nets say how"):
        onnx.export(net.layers_["output"], tmp_path / "raw.onnx", raw=True)
    assert list(tmp_path.iterdir()) == []


def test_what_no_label_taught_is_not_a_number_in_the_file_either(drawn, tmp_path):
    X, y = some_faces(drawn, flat=False)
    y[:, 4:6] = y[:, 8:10] = np.nan  # one eye's corner, and its mirror image
    path = tmp_path / "net4.npz"
    train(net4.build(epochs=1, all_rows=True, hidden=8), X, y, path, a_run("net4", epochs=1, all_rows=True, hidden=8))
    net = load.open_net(path)
    model = onnx.export(net, tmp_path / "net.onnx")
    wanted = net.predict(X)
    assert np.isnan(wanted).any() and not np.isnan(wanted).all()
    np.testing.assert_allclose(by_file(tmp_path / "net.onnx", [(X / 255).astype(np.float32)]), wanted, atol=2e-6)
    untaught = np.array(load.ALL_COLUMNS)[np.isnan(wanted[0])].tolist()
    assert json.loads(about(model)["not taught"]) == untaught and model.graph.output[0].name == "output"
    assert "NaN, since no label taught it: " + untaught[0] in run(path, tmp_path / "cli.onnx").stdout


def test_a_net_without_layers_yet_says_so(tmp_path):
    with pytest.raises(Problem, match=r"the net has no layers yet; .*initialize\(\)"):
        onnx.export(NeuralNet(layers=[("input", layers.InputLayer)]), tmp_path / "net.onnx")
    with pytest.raises(Problem, match="a str is no net"):
        onnx.export("net4.npz", tmp_path / "net.onnx")


def test_a_net_that_no_file_can_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "MAX_BYTES", 3_000_000)
    with pytest.raises(Problem, match="the net has 0.0 GB of parameters, and an ONNX file holds 2"):
        onnx.export(load.open_net(ROOT / "models/drawn/net1.npz"), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


# --- the command ---

@pytest.mark.slow
def test_the_command_writes_beside_the_model_and_says_what_stands_in_the_file(tmp_path):
    shutil.copy(ROOT / "models/drawn/net2.npz", tmp_path)
    done = run(tmp_path / "net2.npz")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'net2.onnx'}: 3.7 MB, opset 17" in done.stdout
    assert "takes input (batch, 9216): float32, 0 to 1 (divided by 255), " in done.stdout
    assert "gives output (batch, 30): pixels from the left and upper edge of the 96 x 96 picture" in done.stdout
    checker.check_model(str(tmp_path / "net2.onnx"), full_check=True)
    raw = run(tmp_path / "net2.npz", tmp_path / "raw.onnx", "--raw")
    assert raw.returncode == 0 and "takes input (batch, 9216): uint8, 0 to 255" in raw.stdout


def refused(message, *arguments, **options):
    done = run(*arguments, **options)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr


@pytest.mark.slow
def test_what_is_no_model_is_refused(tmp_path):
    out = tmp_path / "out.onnx"
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "half.npz").write_bytes((ROOT / "models/drawn/net1.npz").read_bytes()[:5000])
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    shutil.copy(ROOT / "models/drawn/net1.npz", tmp_path / "net4.checkpoint.npz")
    refused("text.npz: ", tmp_path / "text.npz", out)
    refused("half.npz: ", tmp_path / "half.npz", out)
    refused("arrays.npz: has no header, so it is no model", tmp_path / "arrays.npz", out)
    refused("net3.npz: not found; train it first: python net3.py", tmp_path / "net3.npz", out)
    refused("net4.checkpoint.npz: is an unfinished run; finish it with --resume", tmp_path / "net4.checkpoint.npz", out)
    refused("fkp.onnx: raw pixels: net5 sees a part of a face", ROOT / "models/drawn/net5-LE-38.npz", out, "--raw")
    assert not out.exists() and not list(tmp_path.glob("*.tmp"))


@pytest.mark.slow
def test_where_no_file_can_be_written_nothing_is_lost(tmp_path):
    model = tmp_path / "net1.npz"
    shutil.copy(ROOT / "models/drawn/net1.npz", model)
    refused("net1.npz: an ONNX file's name ends with .onnx; choose such a name", model, model)
    (tmp_path / "folder.onnx").mkdir()
    refused("folder.onnx: cannot be written (Is a directory)", model, tmp_path / "folder.onnx")
    refused("cannot be written (", model, tmp_path / "net1.npz" / "net.onnx")
    refused("the following arguments are required: MODEL.npz")
    assert model.read_bytes() == (ROOT / "models/drawn/net1.npz").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.onnx", "net1.npz"]


def test_without_the_package_one_line_says_how_to_install_it(tmp_path):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "__init__.py").write_text("raise ImportError('no such module here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    refused("ONNX files need the package onnx (no such module here): pip install onnx==",
            ROOT / "models/drawn/net1.npz", tmp_path / "net.onnx", env={**os.environ, "PYTHONPATH": path})


def test_the_pins_in_the_message_are_those_of_the_tests():
    pinned = [line.split(" ")[0] for line in (ROOT / "tests/requirements.txt").read_text().splitlines()
              if line.startswith("onnx==")]
    assert len(pinned) == 2 and all(each in onnx.INSTALL for each in pinned)
