"""What Python did for some shapes is done again without it: which nets, the same values, what is never kept."""
import gc
import sys
import weakref

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (ConcatLayer, Conv2DLayer, DenseLayer, DropoutLayer, ElemwiseSumLayer, InputLayer,
                            MaxPool2DLayer, Pool2DLayer)

from theano_onednn import ops, start
from theano_onednn.layers import UpscaleLayer
from theano_onednn.ops import native, replay, substitute
from test_stage import close, numbers

pytestmark = pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason)


def layers(last, *kinds):
    for kind, *settings in kinds:
        last = kind(last, *settings)
    return last


FEW, PICTURES = (16, 10), (4, 2, 12, 12)
NETS = {
    "mlp": (FEW, lambda x: layers(x, [DenseLayer, 20], [DenseLayer, 1])),
    "sigmoid": ((4, 2), lambda x: DenseLayer(DenseLayer(x, 3, nonlinearity=T.tanh), 1, nonlinearity=T.nnet.sigmoid)),
    "dropout": (FEW, lambda x: layers(x, [DenseLayer, 20], [DropoutLayer], [DenseLayer, 20], [DropoutLayer],
                                      [DenseLayer, 3])),
    "sum of layers": (FEW, lambda x: ElemwiseSumLayer([DenseLayer(x, 5) for _ in range(3)])),
    "stage": (PICTURES, lambda x: layers(x, [Conv2DLayer, 3, 3], [MaxPool2DLayer, 2], [DropoutLayer],
                                         [DenseLayer, 2])),
    "convolutions": (PICTURES, lambda x: layers(x, [Conv2DLayer, 3, 3], [Conv2DLayer, 4, 3], [DenseLayer, 2])),
    "pools": (PICTURES, lambda x: layers(Pool2DLayer(Conv2DLayer(x, 3, 3), 3, mode="average_inc_pad"),
                                         [UpscaleLayer], [Conv2DLayer, 2, 1])),
    "beside": (PICTURES, lambda x: Conv2DLayer(ConcatLayer([Conv2DLayer(x, 3, 3), Conv2DLayer(x, 5, 3)]), 2, 1)),
}


def trained(name, mode=None):
    """(a function that trains once and returns loss and output, its parameters)."""
    shape, make = NETS[name]
    lasagne.random.set_rng(np.random.RandomState(1))
    x = T.TensorType("float32", [False] * len(shape))()
    net = make(InputLayer((None, *shape[1:]), x))
    y = substitute.get_output(net)
    loss, parameters = ((y - 0.5) ** 2).mean(), lasagne.layers.get_all_params(net)
    updates = substitute.nesterov_momentum(loss, parameters, 0.1)
    return theano.function([x], [loss, y], updates=updates, mode=mode), parameters


def python_calls(function, *given):
    """The names of Python's functions that run while Theano runs its thunks."""
    called, fn = [], function.fn
    for container, array in zip(function.input_storage, given):
        container.storage[0] = array
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        fn()
    finally:
        sys.setprofile(None)
    return called


@pytest.mark.parametrize("name", NETS)
def test_shapes_that_were_met_need_no_python(name):
    function, _ = trained(name)
    x = numbers(*NETS[name][0])
    function(x)
    assert python_calls(function, x) == []
    assert python_calls(function, x[:3]) != []
    assert python_calls(function, x[1:4]) == []


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("collected", [False, True])
def test_the_values_are_those_of_python(name, collected, monkeypatch):
    """Batches of changing sizes; what was returned stays as it was."""
    found = []
    for again in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(theano.config, "allow_gc", collected)
            if not again:
                patch.setattr(replay, "record", lambda run, *rest: run())
            function, parameters = trained(name)
            x = numbers(*NETS[name][0])
            results = [function(given) for given in (x, x[:3], x, x[1:4], x[::-1], x)]
        found.append([array for result in results for array in result] + [p.get_value() for p in parameters])
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)


def dense():
    x, w, b = T.matrix(), T.matrix(), T.vector()
    return theano.function([x, w, b], ops.Dense()(x, w, b))


def expected(x, w, b):
    return np.maximum(x @ w + b, 0)


def test_any_strides():
    function, x, w, b = dense(), numbers(6, 4), numbers(4, 5, seed=1), numbers(5, seed=2)
    for _ in range(3):
        for given in (x, x[::2], numbers(4, 6).T, x[:0], np.asfortranarray(x), x[:, ::-1]):
            close(function(given, w, b), expected(given, w, b))


def test_more_shapes_than_are_remembered():
    function, x, w, b = dense(), numbers(200, 4), numbers(4, 5, seed=1), numbers(5, seed=2)
    for rows in [*range(200), *range(200)]:
        close(function(x[:rows], w, b), expected(x[:rows], w, b))


def test_an_array_given_twice_need_not_be_so_again():
    x, w, b, gy = T.matrix(), T.matrix(), T.vector(), T.matrix()
    y = ops.Dense(ops.LINEAR)(x, w, b)
    function = theano.function([x, w, b, gy], T.grad(None, [x, w], known_grads={y: gy}), on_unused_input="ignore")
    square, other = numbers(4, 4), numbers(4, 4, seed=1)
    for arrays in ([square] * 3, [square, other, square], [square, square, other], [other, square, square]):
        (gx, gw), (one, weights, gradient) = function(arrays[0], arrays[1], numbers(4), arrays[2]), arrays
        close(gx, gradient @ weights.T)
        close(gw, one.T @ gradient)


def test_sizes_that_are_numbers_are_compared():
    weights, gy, size = T.tensor4(), T.tensor4(), T.lvector()
    function = theano.function([weights, gy, size],
                               ops.ConvolutionInputs(ops.Geometry(stride=(2, 2)))(weights, gy, size))
    kernel, gradient = numbers(3, 2, 3, 3), numbers(1, 3, 4, 4, seed=1)
    for _ in range(2):
        for rows in (9, 10):
            assert function(kernel, gradient, [rows, 9]).shape == (1, 2, rows, 9)


def test_an_error_is_pythons_and_the_next_call_is_right():
    function, x, w, b = dense(), numbers(6, 4), numbers(4, 5, seed=1), numbers(5, seed=2)
    function(x, w, b)
    with pytest.raises(ValueError, match="a bias of shape"):
        function(x, w, b[:3])
    close(function(x, w, b), expected(x, w, b))


def test_an_error_of_theanos_own_thunk_comes_through():
    x, n, by = T.matrix(), T.lvector(), T.lvector()
    y = substitute.get_output(DenseLayer(InputLayer((None, 5), x), 3))
    function = theano.function([x, n, by], [y, n // by])
    given, whole = numbers(2, 5), np.arange(30000)
    for _ in range(2):
        assert function(given, whole, whole + 1)[1].max() == 0
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        function(given, whole, whole)
    assert function(given, whole, whole + 1)[1].max() == 0


def test_an_output_that_is_the_next_input():
    """After an update, the output's memory and the input's are one."""
    state = theano.shared(numbers(3, 40))
    w, b = numbers(40, 40, seed=1), numbers(40, seed=2)
    function = theano.function([], updates=[(state, ops.Dense("tanh")(state, w, b))])
    found = state.get_value()
    for _ in range(4):
        function()
        found = np.tanh(found @ w + b)
        close(state.get_value(), found)


def test_memory_is_as_python_made_it():
    x, w = T.tensor4(), T.tensor4()
    function = theano.function([x, w], ops.Convolution()(x, w))
    first, again = (function(numbers(2, 3, 8, 7), numbers(4, 3, 2, 2)) for _ in range(2))
    assert again.strides == first.strides and again.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(first, again)


def test_a_function_goes_when_nobody_holds_it():
    function = dense()
    function(numbers(6, 4), numbers(4, 5), numbers(5))
    gone = weakref.ref(function.fn.thunks[0])
    del function
    gc.collect()
    assert gone() is None


def test_what_shapes_do_not_tell_is_not_kept():
    class Peeps(native.Prepared):
        """Gives the number that it reads."""
        __props__ = ()

        def make_node(self, x):
            return theano.gof.Apply(self, [x], [T.fscalar()])

        def compute(self, inputs, outputs, wanted):
            outputs[0][0] = np.array(inputs[0][0, 0])

    x = T.matrix()
    function = theano.function([x], Peeps()(x) + 1)
    assert [float(function(numbers(2, 2) * 0 + value)) for value in (1, 5, 3)] == [2, 6, 4]


def test_theanos_linker_in_python_and_its_debug_mode():
    x = numbers(*FEW)
    wanted = [trained("mlp")[0](x)[0]]
    for mode in (theano.Mode(linker="py"), theano.Mode(linker=theano.gof.vm.VM_Linker(use_cloop=False))):
        function, _ = trained("mlp", mode)
        close(function(x)[0], wanted[0])
        function(x)
