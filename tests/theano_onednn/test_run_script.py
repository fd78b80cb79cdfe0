"""python -m theano_onednn SCRIPT: scripts of 2014 run unmodified."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from theano_onednn import start

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OLD_NAMES = r"""
import sys
import cPickle as pickle
import joblib
import numpy as np
import pandas
import theano.tensor.signal.downsample as downsample
from collections import Iterable, Mapping
from itertools import izip
from lasagne.layers.cuda_convnet import Conv2DCCLayer
from lasagne.layers.dnn import Conv2DDNNLayer, MaxPool2DDNNLayer
from sklearn.cross_validation import KFold, StratifiedKFold, train_test_split
from sklearn.datasets import load_digits
from sklearn.externals import joblib as old
from sklearn.externals.joblib import dump
from sklearn.grid_search import GridSearchCV

assert old is joblib and dump is joblib.dump and np.float is float
assert [len(part) for part in train_test_split(range(10), test_size=.2)] == [8, 2]
assert [len(test) for _, test in KFold(10, 5)] == [2] * 5
assert np.cast["float32"](1.5).dtype == "float32" and np.product([2, 3]) == 6 and np.isnan(np.NaN)
assert len(np.random.choice(5, 5 / 2, replace=False)) == 2 and len(np.random.choice(5, 3)) == 3
assert list(izip(xrange(2), "ab")) == [(0, "a"), (1, "b")]
assert pickle.loads(b"\x80\x02U\x01\xe9q\x00.") == "\xe9" and pickle.loads(pickle.dumps([1])) == [1]  # Python 2
table = pandas.DataFrame({"a": [1, 2], "b": [3, 4]}, index=["r", "s"])
assert (table.ix["r", "a"], table.ix[1, 1], table.ix[0, "b"]) == (1, 4, 3)
table.ix["s", "b"] = 7
assert table.b.tolist() == [3, 7] and table.ix[:1].a.tolist() == [1] and table.a.ix[1] == 2
"""
NET = """
import lasagne
import numpy as np
import theano
import theano.tensor as T
from beside import numbers
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, MaxPool2DLayer, get_output

class Mine(DenseLayer):
    def get_output_for(self, input, **kwargs):
        return 2 * super().get_output_for(input, **kwargs)

x = T.tensor4()
net = Conv2DLayer(InputLayer((None, 1, 8, 8)), 4, 3, name="conv1")
net = Mine(DenseLayer(MaxPool2DLayer(net, 2, name="pool1"), 5), 3, name="output")
print(theano.function([x], get_output(net, x))(numbers).shape)
"""


def run(script, *arguments, **environment):
    return subprocess.run([sys.executable, "-m", "theano_onednn", str(script), *arguments], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, **environment))


@pytest.fixture
def script(tmp_path):
    def write(text):
        (tmp_path / "script.py").write_text(text)
        return tmp_path / "script.py"
    return write


def test_old_names_are_back_and_arguments_arrive(script):
    done = run(script(OLD_NAMES + "print(sys.argv[1:], __name__)"), "--rows", "3")
    assert (done.returncode, done.stdout) == (0, "['--rows', '3'] __main__\n"), done.stderr


@pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run")
def test_one_line_says_which_layers_are_on_onednn_and_why_others_are_not(script):
    path = script(NET)
    path.with_name("beside.py").write_text("import numpy\nnumbers = numpy.ones((2, 1, 8, 8), 'float32')")
    done = run(path)
    assert (done.returncode, done.stdout) == (0, "(2, 3)\n"), done.stderr
    assert done.stderr.splitlines()[1:] == [
        "theano_onednn: layers on oneDNN: conv1, pool1, DenseLayer; Theano's own: output (its get_output_for is not "
        "Lasagne's)"]


SESSION = """
import sys
import theano_onednn
from lasagne.layers import DenseLayer, InputLayer, get_output
mine = DenseLayer(InputLayer((None, 9)), 3, name="of the session")
get_output(mine)
from theano_onednn import __main__
__main__.main(sys.argv[1:])
"""


@pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run")
def test_in_a_session_only_the_scripts_layers_are_named(script):
    path = script(NET)
    path.with_name("beside.py").write_text("import numpy\nnumbers = numpy.ones((2, 1, 8, 8), 'float32')")
    done = subprocess.run([sys.executable, "-c", SESSION, str(path)], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0 and "layers on oneDNN: " in done.stderr, done.stderr
    assert "of the session" not in done.stderr


@pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run")
def test_a_layer_counts_by_what_it_builds_whatever_its_class(script):
    """Behind a pool batch normalisation is ours in training alone; what multiplies nothing counts where it is ours."""
    done = run(script("""
import theano
import theano.tensor as T
from theano_onednn.layers import BatchNormLayer, UpscaleLayer
from lasagne import layers
from lasagne.layers import DenseLayer, InputLayer, Layer, NonlinearityLayer, get_output

class Blur(Layer):
    def get_output_for(self, input, **kwargs):
        return T.nnet.conv2d(input, T.ones((1, 1, 3, 3), "float32"), border_mode="half")

class Scale(Layer):
    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, **kwargs)
        self.factor = self.add_param(theano.shared(T.constant(2.0, dtype="float32").data), (), "factor")

    def get_output_for(self, input, **kwargs):
        return input * self.factor

net = layers.Pool2DLayer(InputLayer((None, 1, 8, 8)), 2, mode="average_inc_pad", name="pool")
net = UpscaleLayer(BatchNormLayer(net, name="norm"), name="upscale")
net = layers.ConcatLayer([Scale(Blur(net, name="blur"), name="scale"), net], name="join")
net = BatchNormLayer(layers.FlattenLayer(net, name="flatten"), name="flat norm")
net = NonlinearityLayer(DenseLayer(net, 3, nonlinearity=None, name="dense"), T.nnet.softmax, name="softmax")
for deterministic in (False, True):
    theano.function([layers.get_all_layers(net)[0].input_var], get_output(net, deterministic=deterministic))
"""))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[1:] == [
        "theano_onednn: layers on oneDNN: pool, norm, upscale, blur, dense; Theano's own: scale (no kernel for a "
        "Scale), flat norm (no kernel for a BatchNormLayer)"]


@pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run")
def test_a_class_of_the_scripts_own_goes_by_its_module_where_lasagne_has_one_of_that_name(script):
    path = script("""
import beside
import lasagne
import theano
from lasagne.layers import InputLayer, get_output

class DenseLayer(lasagne.layers.DenseLayer):
    def get_output_for(self, input, **kwargs):
        return 2 * super().get_output_for(input, **kwargs)

class Plain(lasagne.layers.DenseLayer):
    pass

net = lasagne.layers.DenseLayer(InputLayer((None, 4)), 3)
net = Plain(beside.DenseLayer(DenseLayer(DenseLayer(net, 3), 3, name="second"), num_units=3), 2)
theano.function([lasagne.layers.get_all_layers(net)[0].input_var], get_output(net))
""")
    path.with_name("beside.py").write_text("""
import lasagne

class DenseLayer(lasagne.layers.Layer):
    def __init__(self, incoming, num_units):
        super().__init__(incoming)
        self.W = self.add_param(lasagne.init.Normal(), (self.input_shape[1], num_units), "W")

    def get_output_shape_for(self, shape):
        return (shape[0], self.W.get_value().shape[1])

    def get_output_for(self, input, **kwargs):
        return input.dot(self.W)
""")
    done = run(path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[1:] == [
        "theano_onednn: layers on oneDNN: DenseLayer, Plain; Theano's own: __main__.DenseLayer (its get_output_for is "
        "not Lasagne's), second (its get_output_for is not Lasagne's), beside.DenseLayer (no kernel for a "
        "beside.DenseLayer)"]


def test_layers_for_gpus_of_2015_compute_on_this_machine(script):
    done = run(script("""
import lasagne
import numpy as np
from lasagne.layers import InputLayer, get_output
from lasagne.layers.cuda_convnet import MaxPool2DCCLayer
from lasagne.layers.dnn import Conv2DDNNLayer

images = np.arange(50, dtype="float32").reshape(2, 1, 5, 5)
kernel = np.array([[[[0, 1], [0, 0]]]], "float32")
conv = Conv2DDNNLayer(InputLayer((None, 1, 5, 5)), 1, 2, W=kernel)
np.testing.assert_array_equal(get_output(conv, images).eval(), images[:, :, :-1, 1:])
turned = Conv2DDNNLayer(InputLayer((None, 1, 5, 5)), 1, 2, W=kernel, flip_filters=True)
np.testing.assert_array_equal(get_output(turned, images).eval(), images[:, :, 1:, :-1])
assert get_output(MaxPool2DCCLayer(turned, 3, 2), images).eval().shape == (2, 1, 2, 2)
"""))
    assert done.returncode == 0, done.stderr


def test_theanos_gpu_backend_of_2015_computes_on_this_machine(script):
    done = run(script("""
import numpy as np
import theano
import theano.sandbox.cuda
import theano.sandbox.cuda.dnn as dnn
import theano.tensor as T
from theano.sandbox.cuda import cuda_available, gpu_contiguous
from theano.sandbox.cuda.basic_ops import as_cuda_ndarray_variable, host_from_gpu
from theano.sandbox.cuda.blas import GpuCorrMM
from theano.sandbox.cuda.dnn import dnn_conv, dnn_pool
from theano.sandbox.cuda.fftconv import conv2d_fft
from theano.sandbox.cuda.rng_curand import CURAND_RandomStreams

assert not cuda_available and dnn.dnn_available()
theano.sandbox.cuda.use("gpu0")
x, w = T.tensor4(), T.tensor4()
pictures = [dnn_conv(gpu_contiguous(x), w, (1, 1), (2, 1)), dnn_conv(x, w, conv_mode="cross"),
            GpuCorrMM("valid")(x, w), GpuCorrMM(pad=(1, 1))(x, w), conv2d_fft(x, w, border_mode="full"),
            host_from_gpu(dnn_pool(x, (2, 2))), dnn_pool(x, (2, 2), (2, 2), "average")]
images, kernel = np.arange(25, dtype="float32").reshape(1, 1, 5, 5), np.array([[[[0, 1], [0, 0]]]], "float32")
found = theano.function([x, w], pictures)(images, kernel)
assert [array.shape[2:] for array in found] == [(3, 6), (4, 4), (4, 4), (6, 6), (6, 6), (4, 4), (2, 2)]
np.testing.assert_array_equal(found[1], images[:, :, :-1, 1:])
np.testing.assert_array_equal(found[2], found[1])
np.testing.assert_array_equal(found[5], images[:, :, 1:, 1:])
np.testing.assert_array_equal(found[6][0, 0], [[3, 5], [13, 15]])
assert CURAND_RandomStreams(1).uniform((2,)).eval().shape == (2,)
"""))
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run")
def test_graphs_without_layers_are_counted(script):
    done = run(script("import theano, theano.tensor as T\nx, w = T.tensor4(), T.tensor4()\n"
                      "theano.function([x, w], T.nnet.conv2d(x, w))"))
    assert done.stderr.splitlines()[1:] == ["theano_onednn: no Lasagne layer was built; on oneDNN: Convolution"]


def test_theanos_own_ops_run_it_as_well(script):
    path = script(NET)
    path.with_name("beside.py").write_text("import numpy\nnumbers = numpy.ones((2, 1, 8, 8), 'float32')")
    done = run(path, FKP_ONEDNN="0")
    assert (done.returncode, done.stdout) == (0, "(2, 3)\n"), done.stderr


@pytest.mark.parametrize(("text", "line"), [
    ("import os\nprint 'hello'\n", "line 2, is not Python 3 (Missing parentheses in call to 'print'"),
    ("try:\n    pass\nexcept E, e.x:\n    raise E, 'text'\n", ", is not Python 3 ("),  # which line, Pythons differ on
    ("x = 0777\n", "line 1, is not Python 3 ("),
])
def test_python_2_is_named_in_one_line(script, text, line):
    path = script(text)
    done = run(path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout
    assert line in done.stderr and "pip install fissix, then python -m fissix -w %s" % path in done.stderr


def test_python_2_in_a_module_beside_it_is_named_below_the_traceback(script):
    path = script("import beside\n")
    path.with_name("beside.py").write_text("x = 1\nprint x\n")
    done = run(path)
    assert done.returncode == 1 and not done.stdout
    assert "theano_onednn: %s, line 2, is not Python 3" % path.with_name("beside.py") in done.stderr


def test_a_division_of_whole_numbers_is_named_below_the_traceback(script):
    path = script("rows = 10\nhalf = rows / 2\nfor i in xrange(half):\n    pass\n")
    *_, error, advice = [line for line in run(path).stderr.splitlines() if "layer" not in line]
    assert error == "TypeError: 'float' object cannot be interpreted as an integer"
    assert advice == ("theano_onednn: in Python 3 `/` makes a fraction of whole numbers; is `//` meant?  "
                      "%s, line 2: half = rows / 2" % path)


def test_a_missing_script_is_named():
    done = run("/nowhere/script.py")
    assert (done.returncode, done.stderr) == (2, "theano_onednn: /nowhere/script.py cannot be read: "
                                                 "No such file or directory\n")


def test_the_scripts_own_exit_code_and_errors_are_the_runs(script):
    assert run(script("raise SystemExit(7)")).returncode == 7
    done = run(script("1 / 0"))
    assert done.returncode == 1 and "ZeroDivisionError: division by zero" in done.stderr.splitlines()
