"""Layers with settings and methods of Lasagne's later versions compute what they say, both ways."""
import inspect
import os
import subprocess
import sys

import lasagne
import numpy as np
import pytest
from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, Layer, MaxPool2DLayer, get_all_layers
from later_lasagne import make

from conftest import ROOT
from theano_onednn import start
from theano_onednn.ops import census, groups, released, substitute

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)
IMAGE = InputLayer((None, 4, 9, 8))
PLACE = """
import sys
import lasagne
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import (Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer, NonlinearityLayer,
                            get_all_params)
from theano_onednn.ops import substitute

lasagne.random.set_rng(np.random.RandomState(1))
numbers = np.random.RandomState(2).standard_normal((3, 4, 9, 8)).astype("float32")
image = InputLayer((None, 4, 9, 8))


def ours(net, **settings):
    '''Asserts that the net's values and gradients are Theano's; returns the names of our Ops in it.'''
    found = []
    for get_output, mode in ((substitute.get_output, theano.compile.get_default_mode()),
                             (substitute.original_get_output, theano.compile.get_default_mode().excluding("fkp"))):
        y = get_output(net, **settings)
        gradients = T.grad((y ** 2).sum(), get_all_params(net, trainable=True))
        function = theano.function([image.input_var], [y, *gradients], mode=mode)
        found.append((function(numbers), set(substitute.replaced(function))))
    (mine, ops), (theirs, none) = found
    assert not none
    for one, other in zip(mine, theirs):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())
    return ops
"""
SCRIPTS = {
    "flip_filters": """
plain, turned = (Conv2DLayer(image, 5, 3, pad="same", flip_filters=flip, W=np.ones((5, 4, 3, 3), "float32").cumsum(3))
                 for flip in (True, False))
assert ours(plain) == ours(turned) and "Convolution" in ours(turned)
assert "Stage" in ours(MaxPool2DLayer(turned, 2))
assert np.abs(np.subtract(*[substitute.get_output(net, numbers).eval() for net in (plain, turned)])).max() > 1
""",
    "num_groups": """
net = Conv2DLayer(image, 6, 3, num_groups=2)
assert net.W.get_value().shape == (6, 2, 3, 3) and not {"Convolution", "Stage"} & ours(MaxPool2DLayer(net, 2))
""",
    "num_leading_axes": """
net = DenseLayer(image, 5, num_leading_axes=2)
assert not ours(net) and substitute.get_output(net, numbers).eval().shape == (3, 4, 5)
assert "Dense" in ours(DenseLayer(net, 3))
""",
    "shared_axes": """
net = DropoutLayer(MaxPool2DLayer(Conv2DLayer(image, 6, 3), 2), 0.5, shared_axes=(2, 3))
y, whole = (substitute.get_output(net, numbers, deterministic=d).eval() for d in (False, True))
kept = (y != 0).any((2, 3))
np.testing.assert_allclose(y, 2 * whole * kept[:, :, None, None], rtol=1e-4, atol=1e-6)
assert 0 < kept.sum() < kept.size and "Stage" in ours(net, deterministic=True)
dense = DropoutLayer(DenseLayer(image, 50), 0.5, shared_axes=(0,))
y, whole = (substitute.get_output(dense, numbers, deterministic=d).eval() for d in (False, True))
assert ((y != 0) == (whole != 0) & (y != 0).any(0)).all()
""",
    "its own convolve": """
class Twice(Conv2DLayer):
    def convolve(self, input, **kwargs):
        return 2 * super().convolve(input, **kwargs)

twice = Twice(image, 5, 3)
once = Conv2DLayer(image, 5, 3, W=twice.W, b=None, nonlinearity=None)
assert "Stage" not in ours(MaxPool2DLayer(twice, 2))
y, half = (substitute.get_output(net, numbers).eval() for net in (twice, once))
np.testing.assert_allclose(y, np.maximum(2 * half, 0), rtol=1e-4, atol=1e-5)
once.convolve = lambda input, **kwargs: input
assert substitute.get_output(once, numbers).eval().shape == numbers.shape
""",
    "layers for GPUs": """
from theano_onednn.compat import gpu_layers
W = np.ones((5, 4, 3, 3), "float32").cumsum(3)
for flip in (True, False):
    one, other = (kind(image, 5, 3, W=W, flip_filters=flip) for kind in (gpu_layers.Conv2D, Conv2DLayer))
    np.testing.assert_array_equal(*[substitute.get_output(net, numbers).eval() for net in (one, other)])
assert not gpu_layers.Conv2D(image, 5, 3).flip_filters
assert "Stage" in ours(MaxPool2DLayer(gpu_layers.Conv2D(image, 5, 3), 2))
""",
}


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    return make(tmp_path_factory.mktemp("later"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_later_settings_and_methods_are_heeded(later, script):
    places = os.pathsep.join([str(later), str(ROOT)])
    done = subprocess.run([sys.executable, "-c", "import theano_onednn" + PLACE + script], cwd=later, text=True,
                          stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=places, FKP_ONEDNN="1"))
    assert done.returncode == 0, done.stderr


def changed(layer, **values):
    vars(layer).update(values)
    return layer


def taller(layer):
    """A layer of a class with another method for the shape of the weights."""
    layer.__class__ = type("Taller", (type(layer),), {"get_W_shape": lambda self: (9, 9, 9, 9)})
    return layer


APART = [
    (Conv2DLayer, lambda: changed(Conv2DLayer(IMAGE, 6, 3), flip_filters=False), "its flip_filters is False"),
    (Conv2DLayer, lambda: changed(Conv2DLayer(IMAGE, 6, 3), num_groups=2), "its num_groups is 2"),
    (Conv2DLayer, lambda: taller(Conv2DLayer(IMAGE, 6, 3)), "its get_W_shape is not Lasagne's"),
    (DenseLayer, lambda: changed(DenseLayer(IMAGE, 3), num_leading_axes=-1), "its num_leading_axes is -1"),
    (DenseLayer, lambda: changed(DenseLayer(IMAGE, 3), get_output_for=len), "its get_output_for is not Lasagne's"),
    (DropoutLayer, lambda: changed(DropoutLayer(IMAGE), shared_axes=(2, 3)), "its shared_axes is (2, 3)"),
    (DropoutLayer, lambda: changed(DropoutLayer(IMAGE), shared_axes=np.arange(2)), "its shared_axes is array([0, 1])"),
]


@pytest.mark.parametrize(("kind", "build", "words"), APART, ids=[words for *_, words in APART])
def test_what_sets_a_layer_apart_is_said(kind, build, words):
    layer = build()
    assert released.difference(layer, kind) == words and not released.does(layer, kind)


@pytest.mark.parametrize("kind", released.KNOWN, ids=lambda kind: kind.__name__)
def test_lasagnes_own_constructors_are_known(kind):
    assert released.PARAMETERS[kind] <= set(released.KNOWN[kind].split())


def test_a_constructor_that_takes_more_is_left_to_theano(monkeypatch):
    net = MaxPool2DLayer(Conv2DLayer(IMAGE, 6, 3), 2)
    assert groups.find_groups(get_all_layers(net), [net])
    monkeypatch.setitem(released.PARAMETERS, Conv2DLayer, released.PARAMETERS[Conv2DLayer] | {"filter_dilation"})
    assert not groups.find_groups(get_all_layers(net), [net])
    assert released.difference(net.input_layer, Conv2DLayer) == "this Lasagne's Conv2DLayer has a filter_dilation"


def test_a_setting_that_the_installed_lasagne_does_not_read_changes_nothing():
    net = MaxPool2DLayer(changed(Conv2DLayer(IMAGE, 6, 3), flip_filters=False), 2)
    numbers = np.random.RandomState(2).standard_normal((3, 4, 9, 8)).astype("float32")
    found, expected = (get(net, numbers).eval() for get in (substitute.get_output, substitute.original_get_output))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert "its flip_filters is False" not in census.line()  # its convolution is still ours, by rewrite


class Heard(Layer):
    def get_output_for(self, input, loud=False, **kwargs):
        return 2 * input if loud else input


@pytest.mark.parametrize(("kwargs", "theirs"), [({}, False), ({"deterministic": True}, False), ({"loud": True}, False),
                                                ({"named": 1}, False), ({"lout": True}, True)], ids=str)
def test_lasagne_itself_warns_of_keyword_arguments_that_no_layer_takes(monkeypatch, kwargs, theirs):
    monkeypatch.setattr(lasagne.utils, "inspect_kwargs", lambda f: list(inspect.signature(f).parameters), raising=False)
    monkeypatch.setattr(substitute, "original_get_output", lambda *arguments, **kwargs: "Lasagne's")
    net = DenseLayer(Heard(IMAGE), 3)
    for layer in get_all_layers(net):
        layer.get_output_kwargs = ["named"]
    assert (substitute.get_output(net, **kwargs) == "Lasagne's") == theirs
