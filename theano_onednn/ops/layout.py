"""Channels-last memory is kept between our Ops.

Theano's element-wise Ops, Join and Split write channels-first, whatever they
read, and our next Op would have to turn that round.  Where their input is
channels-last, element-wise Ops get it as (n, h, w, c), which is dense to
them, and Join and Split along the channels become Ops of ours.
"""
import theano
from theano.gof import Optimizer
from theano.tensor.basic import Join, Split
from theano.tensor.elemwise import DimShuffle, Elemwise

from . import (OURS, Apart, BatchNormTrain, BatchNormTrainGradient, Beside, Convolution, ConvolutionGradient,
               ConvolutionInputs, Pool, PoolGradient, Stage, StageGradient, Upscale)

CHANNELS, LAST, FIRST = 1, (0, 2, 3, 1), (0, 3, 1, 2)
ALWAYS = (BatchNormTrain, BatchNormTrainGradient, ConvolutionGradient, ConvolutionInputs, Pool, PoolGradient,
          StageGradient, Upscale)


class KeepChannelsLast(Optimizer):
    """After element-wise Ops were fused, before any works in place."""

    def add_requirements(self, fgraph):
        fgraph.attach_feature(theano.gof.toolbox.ReplaceValidate())

    def apply(self, fgraph):
        channels_last = set()
        for node in fgraph.toposort():
            if isinstance(node.op, ALWAYS) or (isinstance(node.op, (Convolution, Stage)) and node.op.channels_last):
                channels_last.add(node.outputs[0])
            elif channels_last.intersection(node.inputs):
                outputs = turned(node)
                if outputs:
                    fgraph.replace_all_validate(list(zip(node.outputs, outputs)), reason="channels-last memory")
                    channels_last.update(outputs)


def turned(node):
    """The node's outputs by way of (n, h, w, c), or None where that is not possible."""
    op, inputs = node.op, node.inputs
    if any(v.ndim != 4 for v in node.outputs):
        return None
    if isinstance(op, Elemwise):
        found = op(*map(last, inputs), return_list=True)
    elif isinstance(op, Join) and along_channels(inputs[0]) and {v.dtype for v in inputs[1:]} == {"float32"}:
        return same_types(Beside()(*inputs[1:], return_list=True), node)
    elif isinstance(op, Split) and along_channels(inputs[1]):
        return same_types(apart(node), node)
    else:
        return None
    return [v.dimshuffle(FIRST) for v in found]


def apart(node):
    """A Split's outputs as views, but dense for Ops of Theano's: those are slow with any strides."""
    views = Apart(node.op.len_splits)(node.inputs[0], node.inputs[2], return_list=True)
    ours = [all(client != "output" and isinstance(client.op, OURS) for client, _ in output.clients)
            for output in node.outputs]
    return [view if taken else Beside()(view) for view, taken in zip(views, ours)]


def same_types(outputs, node):
    """The outputs, or None where Theano's Op knows of axes of length 1 that ours does not, or the other way round."""
    return outputs if [v.type for v in outputs] == [v.type for v in node.outputs] else None


def last(variable):
    """(n, c, h, w) as (n, h, w, c); what was turned before is turned back."""
    owner = variable.owner
    if owner and isinstance(owner.op, DimShuffle) and tuple(owner.op.new_order) == FIRST:
        return owner.inputs[0]
    return variable.dimshuffle(LAST)


def along_channels(axis):
    return isinstance(axis, theano.Constant) and int(axis.data) == CHANNELS
