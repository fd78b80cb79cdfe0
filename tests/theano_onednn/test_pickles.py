"""python -m theano_onednn: what Python 2 or NumPy 2 pickled opens; made by python2/make.py and numpy2/make.py."""
import os
import subprocess
import sys
import zlib

import pytest

from conftest import ROOT

pytestmark = pytest.mark.slow
FILES = ROOT / "tests" / "theano_onednn" / "python2"
NEWER = FILES.with_name("numpy2")
PLACE = """
import pickle
import sys
import numpy as np
files, newer = sys.argv[1], sys.argv[2]
expected = np.load(files + "/expected.npz")

class AdjustVariable(object):
    def __init__(self, name):
        self.name = name

    def __call__(self, net, history):
        getattr(net, self.name).set_value(np.float32(0.01))

def close(found, numbers):
    assert found.shape == numbers.shape, (found.shape, numbers.shape)
    np.testing.assert_allclose(found, numbers, rtol=1e-5, atol=1e-6)
"""
READS = """
import cPickle
from pickle import loads
from lasagne import layers
for name in ("values-0.pkl", "zoo-2.pkl"):
    with open(files + "/" + name, "rb") as file:
        data = file.read()
    for found in (pickle.loads(data), loads(data), cPickle.loads(data), pickle.load(open(file.name, "rb")),
                  pickle.Unpickler(open(file.name, "rb")).load(), pickle.loads(data, encoding="latin1")):
        values = found["param values"] if name.startswith("zoo") else found
        assert [value.shape for value in values] == [(4, 3), (3,), (3, 2), (2,)]
assert found["synset words"] == ["caf\\xe9", "caf\\xe9"]
objects, dictionary = np.load(files + "/objects.npy"), np.load(files + "/dictionary.npy")
net = layers.InputLayer((None, 4))
net = layers.DenseLayer(layers.DenseLayer(net, 3), 2, nonlinearity=None)
layers.set_all_param_values(net, list(objects))
close(layers.get_output(net, expected["X"]).eval(), expected["predicted"])
close(dictionary.item()["conv"]["W"], values[0])
assert pickle.loads(pickle.dumps({"a": b"b"})) == {"a": b"b"}
one = open(files + "/layer-0.pkl", "rb")
chances = layers.get_output(pickle.load(one), expected["images"])
close(chances.eval(), expected["chances"])
two = open("two.pkl", "wb")
for _ in range(2):
    pickle.dump("text", two)
two.close()
with open("two.pkl", "rb") as two:  # one after the other, from where the last one ended
    assert pickle.load(two) == pickle.load(two) == "text"
"""
PARAMS = """
from lasagne.layers import DenseLayer, InputLayer
from nolearn.lasagne import NeuralNet
net = NeuralNet(layers=[("input", InputLayer), ("hidden", DenseLayer), ("output", DenseLayer)], input_shape=(None, 4),
                hidden_num_units=3, output_num_units=2, output_nonlinearity=None, regression=True,
                update_learning_rate=0.1)
net.load_params_from(files + "/params-2.pkl")
close(net.predict(expected["X"]), expected["predicted"])
"""
REGRESSOR = """
net = pickle.load(open("net.pkl", "rb"))
close(net.predict(expected["X"]), expected["predicted"])
net.max_epochs = 2
net.fit(expected["X"], expected["y"])
losses = [row["train_loss"] for row in net.train_history_]
assert len(losses) == 5 and losses == sorted(losses, reverse=True), losses
assert net.update_learning_rate.get_value() == np.float32(0.01)
again = pickle.loads(pickle.dumps(net))
close(again.predict(expected["X"]), net.predict(expected["X"]))
"""
CLASSIFIER = """
net = pickle.load(open("net.pkl", "rb"))
close(net.predict_proba(expected["images"]), expected["chances"])
assert (net.predict(expected["images"]) == expected["chances"].argmax(1)).all()
before = net.get_all_params_values()["conv"][0]
net.fit(expected["images"], expected["classes"])
assert len(net.train_history_) == 6 and (net.get_all_params_values()["conv"][0] != before).any()
assert set(net.predict(expected["images"])) <= {0, 1, 2}
"""
SKLEARN = """
assert pickle.loads(b"csklearn.preprocessing.label\\nLabelEncoder\\n.").__name__ == "LabelEncoder"
scaler = pickle.loads(b"csklearn.preprocessing.data\\nStandardScaler\\n.")
assert scaler().fit_transform([[1.], [3.]]).tolist() == [[-1], [1]]
for gone in (b"csklearn.nowhere\\nX\\n.", b"csklearn.preprocessing.label\\nNothing\\n.", b"cnowhere\\nX\\n."):
    try:
        pickle.loads(gone)
    except (ImportError, AttributeError):
        continue
    raise AssertionError(gone)
"""
FUNCTIONS = """
import theano
import theano.tensor as T
x = T.vector()
function = pickle.loads(pickle.dumps(theano.function([x], 2 * x)))
assert function([1, 2]).tolist() == [2, 4]
again = pickle.loads(pickle.dumps(function))
assert again([3]).tolist() == [6]
"""

NUMPY_2 = """
with open(newer + "/numbers-2.pkl", "rb") as file:
    found = pickle.load(file)
with open(newer + "/numbers-5.pkl", "rb") as file:
    again = pickle.load(file)
assert found["scalar"] == again["scalar"] == np.float32(3) and found["true"] is np.True_
assert [type(random).__name__ for random, _ in found["draws"]] == ["RandomState"] + 4 * ["Generator"]
for random, number in found["draws"] + again["draws"]:
    twin = pickle.loads(pickle.dumps(random))
    assert type(twin) is type(random) and type(twin).__module__.startswith("numpy.random")
    assert random.random(1)[0] == twin.random(1)[0] == number
objects = np.load(newer + "/objects.npy")
assert [one.shape for one in objects] == [(2,), (2, 3)]
net = pickle.load(open("net.pkl", "rb"))
close(net.predict(found["X"]), found["predicted"])
assert net.batch_iterator_train.random.rand() == np.random.RandomState(0).rand()
net.fit(found["X"], found["y"])
assert len(net.train_history_) == 6
"""


def run(folder, script, net=None):
    if net:
        (folder / "net.pkl").write_bytes(net)
    (folder / "script.py").write_text(PLACE + script)
    done = subprocess.run([sys.executable, "-m", "theano_onednn", "script.py", str(FILES), str(NEWER)],
                          cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert done.returncode == 0, done.stderr


def whole(name, files=FILES):
    return zlib.decompress((files / (name + ".pkl.z")).read_bytes())


@pytest.mark.parametrize("script", [READS, PARAMS, FUNCTIONS, SKLEARN],
                         ids=["pickle and np.load", "load_params_from", "functions", "scikit-learn"])
def test_pickles_open(tmp_path, script):
    run(tmp_path, script)


@pytest.mark.parametrize("protocol", "02")
@pytest.mark.parametrize(("name", "script"), [("regressor", REGRESSOR), ("classifier", CLASSIFIER)],
                         ids=["regressor", "classifier"])
def test_whole_nets_of_nolearn_0_6_0_predict_and_are_trained_further(tmp_path, name, script, protocol):
    run(tmp_path, script, whole("%s-%s" % (name, protocol)))


def test_what_numpy_2_wrote_opens_on_numpy_1_too(tmp_path):
    run(tmp_path, NUMPY_2, whole("net", NEWER))


GPU = [(b"theano.tensor.sharedvar\nTensorSharedVariable\n", b"theano.sandbox.cuda.var\nCudaNdarraySharedVariable\n"),
       (b"theano.tensor.type\nTensorType\n", b"theano.sandbox.cuda.type\nCudaNdarrayType\n"),
       (b"theano.tensor.elemwise\nElemwise\n", b"theano.sandbox.cuda.elemwise\nGpuElemwise\n")]


@pytest.mark.parametrize("protocol", "02")
def test_a_net_whose_weights_lay_on_a_gpu_computes_here(tmp_path, protocol):
    net = whole("classifier-" + protocol)
    for here, there in GPU:
        assert here in net or b"Elemwise" in here
        net = net.replace(here, there)
    run(tmp_path, CLASSIFIER, net)
