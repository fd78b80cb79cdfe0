"""Theano's scan, of which Lasagne's recurrent layers are made, as ONNX's Scan."""
from onnx import helper
from theano.scan_module.scan_op import Scan
from theano.tensor.basic import AllocEmpty
from theano.tensor.subtensor import IncSubtensor

import numpy as np

from fkp.onnx.expressions import Expressions, converts
from fkp.onnx.graph import NoMeaning, element


@converts(Scan)
def scan(expressions, node, *_):
    """One step is the body; states go from step to step, sequences come in and results go out one by one."""
    op, graph, inputs = node.op, expressions.graph, node.inputs
    unusual = [op.as_while, op.n_mit_mot, op.n_mit_sot, op.n_shared_outs, not op.n_seqs]
    if any(unusual):
        raise NoMeaning("a scan without a sequence, with `until`, updates or taps other than -1 has no ONNX form here")
    starts = [start(expressions, each) for each in op.outer_sitsot(inputs)]
    sequences = [expressions.tensor(each) for each in op.outer_seqs(inputs)]
    inside = dict(zip(op.inner_non_seqs(op.inputs), map(expressions.tensor, op.outer_non_seqs(inputs))))
    states, results = op.inner_sitsot(op.inputs), op.inner_nitsot_outs(op.outputs)
    after = op.inner_sitsot_outs(op.outputs)
    body = step(graph, op, inside, states, after, [*after, *results])
    made = graph.add("Scan", *starts, *sequences, outputs=2 * len(states) + len(results), body=body,
                     num_scan_inputs=len(sequences))
    made = [made] if isinstance(made, str) else made
    collected, results = made[len(starts):2 * len(starts)], made[2 * len(starts):]
    return [*(whole(graph, *each) for each in zip(starts, collected)), *results]


def step(graph, op, inside, states, after, results):
    """The GraphProto of one step: states and a slice of each sequence in; states and results out."""
    inner = Expressions(graph)
    for variable, tensor in inside.items():
        inner.know(variable, tensor)
    with graph.body() as nodes, graph.within("step"):
        fed = [(graph.unique(graph.scope + "input"), each) for each in [*states, *op.inner_seqs(op.inputs)]]
        for name, variable in fed:
            inner.know(variable, name)
        out = [(graph.add("Identity", inner.tensor(each)), each) for each in [*after, *results]]
    ends = [[helper.make_tensor_value_info(name, element(variable.dtype), [None] * variable.ndim)
             for name, variable in each] for each in (fed, out)]
    return helper.make_graph(list(nodes), "step", *ends)


def start(expressions, buffer):
    """The first state.  Theano hands over room for all of them, with the first one in its place."""
    graph, owner = expressions.graph, buffer.owner
    if owner and isinstance(owner.op, IncSubtensor) and isinstance(owner.inputs[0].owner.op, AllocEmpty):
        buffer = owner.inputs[1]
    return graph.add("Gather", expressions.tensor(buffer), graph.constant(np.int64(0)), axis=0)


def whole(graph, first, collected):
    """All states, the first one included."""
    return graph.add("Concat", graph.add("Unsqueeze", first, graph.constant(np.array([0]))), collected, axis=0)
