"""Recurrent layers as ONNX: with masks, backwards, with initial states, of any length."""
import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from exporting import RANDOM, assert_same, kinds, numbers, seeded  # noqa: F401  seeds each test
from lasagne import init, layers
from lasagne import nonlinearities as nl
from lasagne.layers import Gate, InputLayer

from fkp import Problem, onnx

KINDS = [layers.RecurrentLayer, layers.LSTMLayer, layers.GRULayer]
OPTIONS = [{}, {"backwards": True}, {"precompute_input": False}, {"learn_init": True, "hid_init": init.Uniform(1.0)},
           {"unroll_scan": True}, {"unroll_scan": True, "backwards": True}, {"grad_clipping": 1.0},
           {"gradient_steps": 3}]



def with_biases(net):
    """Biases and peepholes that are not 0."""
    for parameter in lasagne.layers.get_all_params(net):
        parameter.set_value(RANDOM.uniform(-0.5, 0.5, parameter.get_value().shape).astype(np.float32))
    return net


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers(kind, options):
    net = with_biases(kind(InputLayer((None, 6, 3)), 4, **options))
    assert_same(net, numbers(5, 6, 3), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"backwards": True}, {"unroll_scan": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_masks(kind, options):
    sequences, mask = InputLayer((None, 6, 3), name="sequences"), InputLayer((None, 6), name="mask")
    net = with_biases(kind(sequences, 4, mask_input=mask, **options))
    lengths = np.array([6, 2, 4, 1, 3])
    assert_same(net, numbers(5, 6, 3), (np.arange(6) < lengths[:, None]).astype(np.float32), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_sequences_of_any_length(kind):
    net = with_biases(kind(InputLayer((None, None, 3)), 4))
    model = assert_same(net, numbers(2, 9, 3), atol=1e-5)
    assert "Scan" in kinds(model) and "ScatterElements" not in kinds(model)


def test_gates_with_nonlinearities_of_their_own():
    net = with_biases(layers.LSTMLayer(InputLayer((None, 5, 3)), 4, peepholes=False, nonlinearity=nl.rectify,
                                       ingate=Gate(nonlinearity=T.nnet.hard_sigmoid), cell=Gate(nonlinearity=None)))
    assert_same(net, numbers(2, 5, 3), atol=1e-5)


def test_the_last_answer_of_both_directions():
    begin = InputLayer((None, 5, 2, 3))
    both = [layers.LSTMLayer(begin, 4), layers.GRULayer(begin, 4, backwards=True)]
    ends = [layers.SliceLayer(each, index, 1) for each, index in zip(both, (-1, 0))]
    assert_same(with_biases(layers.DenseLayer(layers.ConcatLayer(ends), 2)), numbers(3, 5, 2, 3), atol=1e-5)


@pytest.mark.parametrize("precompute", [True, False])
def test_convolutions_from_step_to_step(precompute):
    begin = InputLayer((None, 4, 2, 5, 5))
    inside = layers.Conv2DLayer(InputLayer((None, 2, 5, 5)), 3, 3, pad="same", nonlinearity=None)
    onwards = layers.Conv2DLayer(InputLayer((None, 3, 5, 5)), 3, 3, pad="same", nonlinearity=None)
    net = layers.CustomRecurrentLayer(begin, inside, onwards, nonlinearity=nl.tanh, precompute_input=precompute,
                                      hid_init=init.Constant(0.1))
    assert_same(net, numbers(2, 4, 2, 5, 5), atol=1e-5)


def test_states_that_are_an_expression():
    start = theano.shared(numbers(3, 4), "start")
    net = with_biases(layers.GRULayer(InputLayer((None, 5, 2)), 4, hid_init=T.tanh(start) * 2))
    assert_same(net, numbers(3, 5, 2), atol=1e-5)


def test_the_last_state_alone():
    class Last(layers.GRULayer):  # `only_return_final` of later releases
        def get_output_for(self, inputs, **kwargs):
            return super().get_output_for(inputs, **kwargs)[:, -1]

    assert_same(with_biases(Last(InputLayer((None, 5, 2)), 4)), numbers(3, 5, 2), atol=1e-5)


def test_a_loop_that_onnx_cannot_say_is_named(tmp_path):
    class Fibonacci(layers.Layer):
        def get_output_for(self, input, **kwargs):
            first = input.dimshuffle(1, 0)
            out, _ = theano.scan(lambda x, a, b: x + a - b, first, [{"initial": first[:2], "taps": [-1, -2]}])
            return out.dimshuffle(1, 0)

    with pytest.raises(Problem, match=r"layer odd \(Fibonacci\): a scan .* has no ONNX form here"):
        onnx.export(Fibonacci(InputLayer((None, 5)), name="odd"), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
