"""Convolutions and pools as scripts of 2012 to 2015 spell them run on our Ops, and compute the same."""
import os
import subprocess
import sys

import lasagne
import numpy as np
import pytest
import scipy.signal
import theano
import theano.tensor as T
from conftest import ROOT
from lasagne.layers import Conv2DLayer, InputLayer, MaxPool2DLayer
from theano.tensor import signal
from theano.tensor.nnet import conv
from theano.tensor.signal import conv as signals
from theano.tensor.signal import pool

from theano_onednn import start
from theano_onednn.ops import old_convolutions, substitute
from test_stage import close, kinds, numbers

ours = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
X, W = (4, 3, 9, 8), (5, 3, 3, 2)


@ours
@pytest.mark.parametrize("settings", [
    {}, {"border_mode": "full"}, {"subsample": (2, 1)}, {"image_shape": X, "filter_shape": W},
    {"image_shape": (None, 3, T.constant(9), 8), "filter_shape": (5, 3, None, None)},
    {"image_shape": X, "filter_shape": W, "unroll_batch": 2, "unroll_kern": 1, "openmp": False},
], ids=str)
def test_the_first_convolution_is_ours(settings):
    x, w = T.tensor4(), T.tensor4()
    y = conv.conv2d(x, w, **settings)
    function = theano.function([x, w], [y, *T.grad((y ** 2).sum(), [x, w])])
    assert kinds(function) == {"Convolution": 1, "ConvolutionWeights": 1, "ConvolutionInputs": 1}
    z = old_convolutions._conv2d(x, w, **settings)
    same = "subsample" not in settings  # the old one's gradient wants to know the shapes
    expected = theano.function([x, w], [z, *(T.grad((z ** 2).sum(), [x, w]) if same else [])])
    assert not kinds(expected)
    for found, wanted in zip(function(numbers(*X), numbers(*W, seed=1)), expected(numbers(*X), numbers(*W, seed=1))):
        close(found, wanted)


@ours
def test_what_the_others_do_not_know_is_theanos():
    x, w = T.tensor4(), T.tensor4()
    y = conv.conv2d(x, w, image_shape=X, filter_shape=W, kshp_logical=(5, 4))
    assert isinstance(y.owner.op, conv.ConvOp)


@ours
@pytest.mark.parametrize("mode", ["valid", "full"])
@pytest.mark.parametrize("images", [(9, 8), (4, 9, 8)], ids=str)
@pytest.mark.parametrize("kernels", [(3, 2), (5, 3, 2)], ids=str)
@pytest.mark.parametrize("given", [False, True])
def test_the_convolution_of_signals_is_ours(images, kernels, mode, given):
    x, w = (T.TensorType("float32", [False] * len(shape))() for shape in (images, kernels))
    shapes = dict(image_shape=images, filter_shape=kernels) if given else {}
    y = signals.conv2d(x, w, border_mode=mode, **shapes)
    function = theano.function([x, w], y)
    assert kinds(function) == {"Convolution": 1}
    a, b = numbers(*images), numbers(*kernels, seed=1)
    expected = [[scipy.signal.convolve2d(one, other, mode) for other in b.reshape(-1, *kernels[-2:])]
                for one in a.reshape(-1, *images[-2:])]
    close(function(a, b), np.squeeze(np.array(expected, "float32")))


@ours
def test_a_layer_with_the_first_convolution_is_one_of_lasagnes():
    lasagne.random.set_rng(np.random.RandomState(1))
    old, new = [MaxPool2DLayer(Conv2DLayer(InputLayer((None, *X[1:])), 5, 3, W=numbers(5, 3, 3, 3), **settings), 2)
                for settings in ({"convolution": conv.conv2d}, {})]
    x = T.tensor4()
    functions = [theano.function([x], substitute.get_output(net, x)) for net in (old, new)]
    assert kinds(functions[0]) == {"Stage": 1}
    close(*[function(numbers(*X)) for function in functions])


def test_the_first_pool_is_todays():
    x = T.tensor4()
    names = [signal.downsample.DownsampleFactorMax((2, 3))(x), signal.downsample.max_pool_2d(x, (2, 3)),
             signal.downsample.DownsampleFactorMax((3, 3), True, st=(2, 1), padding=(1, 1), mode="average_inc_pad")(x),
             pool.pool_2d(x, (2, 3), False), pool.pool_2d(x, (3, 3), True, (2, 1), (1, 1), "average_inc_pad")]
    function = theano.function([x], names)
    one, other, mean, expected, means = function(numbers(*X))
    close(one, expected)
    close(other, expected)
    close(mean, means)
    if start.reason is None:
        assert kinds(function) == {"Pool": 2}


def test_only_the_maxima_of_patches_stay():
    x = T.tensor4()
    y = signal.downsample.max_pool_2d_same_size(x, (3, 2))
    function, array = theano.function([x], [y, T.grad((y ** 2).sum(), x)]), numbers(2, 3, 9, 8)
    patches = array.reshape(2, 3, 3, 3, 4, 2)
    expected = np.where(patches == patches.max((3, 5), keepdims=True), patches, 0).reshape(array.shape)
    found, gradient = function(array)
    close(found, expected)
    assert np.isfinite(gradient).all()
    if start.reason is None:
        assert {"Pool", "PoolGradient"} <= set(kinds(function))


def test_theanos_old_gpu_backend_is_missing_in_the_usual_way_where_nose_is_installed(tmp_path):
    """It raises nose's SkipTest, which nobody who imports it expects."""
    (tmp_path / "nose" / "plugins").mkdir(parents=True)
    for name in ("__init__.py", "plugins/__init__.py"):
        (tmp_path / "nose" / name).write_text("")
    (tmp_path / "nose" / "plugins" / "skip.py").write_text("from unittest import SkipTest")
    script = ("import load\nfor name in ('', '.dnn'):\n    try:\n        __import__('theano.sandbox.cuda' + name)\n"
              "    except ImportError as gone:\n        print(gone)")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, text=True, capture_output=True, timeout=600,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("is removed from Theano") == 2
