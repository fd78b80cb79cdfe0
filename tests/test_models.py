"""Model files: whatever stands in one, a net is opened or one line says why not."""
import json

import load
import net1
import numpy as np
import pytest
import test2
import test3
from conftest import a_run, some_faces, train
from hypothesis import given, settings
from hypothesis import strategies as st

from fkp import Problem, compact, files, models


def saved(tmp_path, drawn, **changes):
    X, y = some_faces(drawn, flat=True)
    net = net1.build(epochs=1)
    path = tmp_path / "net1.npz"
    train(net, X, y[:, :30], path, a_run("net1", epochs=1))
    arrays = files.read_npz(path)
    head = files.untext(arrays["header"], path)
    head.update(changes)
    files.write_npz(path, dict(arrays, header=files.text(head)))
    return path


@pytest.mark.parametrize("changes, message", [
    ({"script": "os"}, "written by 'os', which is no script here"),
    ({"settings": {"build": {"epochs": 1, "gpu": 3}}}, "settings that net1.py does not know"),
    ({"settings": {"build": {"epochs": []}}}, "settings are damaged"),
    ({"settings": {"build": {"seed": -1}}}, "settings are damaged"),
    ({"settings": {"build": {"seed": 10 ** 30}}}, "settings are damaged"),
    ({"script": "net4", "settings": {"build": {"hidden": 10 ** 9}}},
     r"a layer with weights of shape \(15488, 1000000000"),
    ({"history": [{"epoch": "1"}]}, "history is damaged"),
    ({"history": 3}, "has no 'history'"),
    ({"script": "net2", "settings": {"build": {"epochs": 1}}}, None),
    ({"script": "net5", "settings": {"build": {"group": "LE", "win": 32}}}, "do not fit net5's layers"),
    ({"script": "net3"}, "a layer with weights of shape")])
def test_a_strange_header_is_refused(changes, message, tmp_path, drawn):
    path = saved(tmp_path, drawn, **changes)
    if message is None:
        load.open_net(path)
        return
    with pytest.raises(Problem, match=message):
        load.open_net(path)


def test_a_missing_model_says_how_to_get_it(tmp_path):
    with pytest.raises(Problem, match="net5-LE-38.npz: not found; train it first: python net5.py"):
        models.read(tmp_path / "net5-LE-38.npz")


def test_compact_models_predict_almost_the_same(drawn, tmp_path):
    path = saved(tmp_path, drawn)
    X, _ = some_faces(drawn, flat=True)
    before, size = load.open_net(path).predict(X), path.stat().st_size
    compact.main([str(tmp_path)])
    assert path.stat().st_size < 0.52 * size
    np.testing.assert_allclose(load.open_net(path).predict(X) * 48, before * 48, atol=0.1)
    assert files.untext(files.read_npz(path)["header"], path)["script"] == "net1"


def test_compact_specialists_know_the_compact_nets_that_they_stand_behind(tmp_path):
    def save(name, value, **header):
        arrays = {"param_0": np.full(3, value, np.float32), "param_1": np.zeros((2, 2), np.float32)}
        files.write_npz(tmp_path / name, {**arrays, "header": files.text(header)})
        return compact.fingerprint(arrays)
    level1 = save("net4.npz", 0.1)
    level2 = save("net5-LE-38.npz", 0.2, behind={"net4": level1})
    (tmp_path / "net5.json").write_text(json.dumps({"of the nets": {"net4": level1, "net5-LE-38": level2}}))
    compact.main([str(tmp_path)])
    halves = [compact.fingerprint(files.read_npz(tmp_path / name)) for name in ("net4.npz", "net5-LE-38.npz")]
    assert level1 not in halves
    assert files.untext(files.read_npz(tmp_path / "net5-LE-38.npz")["header"], "")["behind"] == {"net4": halves[0]}
    rules = json.loads((tmp_path / "net5.json").read_text())
    assert rules == {"of the nets": dict(zip(("net4", "net5-LE-38"), halves))}


def test_a_compact_nets_fingerprint_is_that_of_the_net(drawn, tmp_path):
    path = saved(tmp_path, drawn)
    assert compact.fingerprint(files.read_npz(path)) == models.fingerprint(load.open_net(path))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                    max_leaves=5)
PLACES = [("script",), ("settings",), ("settings", "build"), ("settings", "build", "epochs"),
          ("settings", "build", "win"),
          ("settings", "preprocess"), ("data",), ("versions",), ("seed",), ("history",), ("history", 0)]
PLACES += [("history", 0, key) for key in models.ROW]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_a_header_says_it_is_shown_or_refused_in_one_line(place, value, tmp_path_factory):
    head = dict(a_run("net1", epochs=1).to_json(),
                history=[{"epoch": 1, "train_loss": 1.0, "valid_loss": 1.0, "dur": 1.0}])
    inner = head
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path_factory.mktemp("header") / "net1.npz"
    files.write_npz(path, {"header": files.text(head)})
    for read in (load.open_net, lambda path: test3.print_table(dict([test3.history_of(path.parent, "net1")]))):
        try:
            read(path)
        except Problem as problem:
            assert str(problem).isprintable()


@pytest.mark.parametrize("own", [{"preprocess": []}, {"preprocess": 3}, {"preprocess": "fourier"}])
def test_a_model_with_a_strange_preprocessing_is_refused(own, tmp_path, drawn):
    saved(tmp_path, drawn, settings={"build": {"epochs": 1}, **own})
    with pytest.raises(Problem, match="its settings are damaged"):
        test2.predictor("net1", tmp_path)
