"""Nesterov's update on our C++ library."""
import numpy as np
import theano
import theano.tensor as T
from theano.gof import Apply

from .native import NUMBER, POINTER, Call, Prepared, address, call, dense_array


class NesterovCall(Call):
    """`struct Nesterov` of update.cpp."""
    size_name = "fkp_nesterov_size"
    _fields_ = [("count", NUMBER)] + [(name, POINTER) for name in ["gradient", "rate", "momentum", "parameter",
                                                                  "velocity"]]


class Nesterov(Prepared):
    """Lasagne's Nesterov momentum in one pass: a parameter's and its velocity's next values.

    parameter, velocity, gradient: one shape, float32; rate, momentum: scalars.
    """
    __props__ = ("inplace",)

    def __init__(self, inplace=False):
        self.inplace = inplace
        if inplace:
            self.destroy_map = {0: [0], 1: [1]}

    def make_node(self, parameter, velocity, gradient, rate, momentum):
        arrays = [T.as_tensor_variable(v) for v in (parameter, velocity, gradient)]
        scalars = [T.cast(T.as_tensor_variable(v), "float32") for v in (rate, momentum)]
        if any(v.dtype != "float32" or v.ndim != arrays[0].ndim for v in arrays) or any(v.ndim for v in scalars):
            raise TypeError("Nesterov takes three float32 arrays and two scalars, not %s" % [v.type for v in arrays])
        return Apply(self, arrays + scalars, [arrays[0].type(), arrays[1].type()])

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[1]]

    def compute(self, inputs, outputs, wanted):
        parameter, velocity, gradient, rate, momentum = inputs
        gradient = dense_array(gradient)  # names for copies: they must outlive the call
        rate, momentum = [np.asarray(number, "float32") for number in (rate, momentum)]
        if not parameter.shape == velocity.shape == gradient.shape:
            raise ValueError("parameter, velocity and gradient have shapes %s, %s and %s"
                             % (parameter.shape, velocity.shape, gradient.shape))
        parameter, velocity = [own(array, self.inplace) for array in (parameter, velocity)]
        arrays = gradient, rate, momentum, parameter, velocity
        call("fkp_nesterov", NesterovCall(parameter.size, *map(address, arrays)), *arrays)
        outputs[0][0], outputs[1][0] = parameter, velocity


def own(array, inplace):
    """The array itself where it may be overwritten and is dense, else a copy."""
    return array if inplace and array.flags.c_contiguous else array.copy(order="C")


@theano.gof.local_optimizer([Nesterov], inplace=True)
def nesterov_inplace(node):
    """As Theano does for its own Ops, once everything else is settled."""
    if isinstance(node.op, Nesterov) and not node.op.inplace:
        return Nesterov(inplace=True)(*node.inputs, return_list=True)
    return False
