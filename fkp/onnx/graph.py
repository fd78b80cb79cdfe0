"""An ONNX graph as it grows: nodes, constants, names."""
import contextlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fkp import Problem

OPSET = 17   # June 2022: onnxruntime from 1.12 on
IR = 8       # the file format of the same time

ELEMENTS = {"f": TensorProto.FLOAT, "b": TensorProto.BOOL, "i": TensorProto.INT64, "u": TensorProto.INT64}

REMEDY = "export the layer before it, and leave the rest to the program that opens the file"


class NoMeaning(Problem):
    """A layer, or what it builds, that ONNX cannot say; the text says what."""


def element(dtype):
    """The ONNX element type for a NumPy dtype: within a graph there are float32, int64 and bool only."""
    try:
        return ELEMENTS[np.dtype(dtype).kind]
    except KeyError:
        raise NoMeaning(f"{dtype} numbers have no ONNX form here") from None


def as_stored(value):
    """An array as the graph holds it: float32, int64 or bool."""
    value = np.asarray(value)
    return value.astype(helper.tensor_dtype_to_np_dtype(element(value.dtype)))


class Graph:
    """Collects nodes and constants.  Tensors are known by their names, which are unique."""

    def __init__(self):
        self.nodes, self.inputs, self.constants = [], [], {}
        self.names, self.scope, self.shared = set(), "", {}

    def unique(self, name):
        """`name`, with a number behind it where it is taken."""
        candidate, number = name, 1
        while candidate in self.names:
            candidate, number = f"{name}_{number}", number + 1
        self.names.add(candidate)
        return candidate

    def add(self, kind, *inputs, outputs=1, **attributes):
        """Append a node; the name of its output, or a list of them where there are several."""
        name = self.unique(self.scope + kind)
        made = [name] + [self.unique(f"{name}:{i}") for i in range(1, outputs)]
        node = helper.make_node(kind, list(inputs), made, name=name, **attributes)
        self.nodes.append(node)
        return made[0] if outputs == 1 else made

    def constant(self, value, name=None):
        """The name of a constant tensor.  Small ones without a name of their own are stored once."""
        value = as_stored(value)
        key = (value.dtype.str, value.shape, value.tobytes()) if name is None and value.size <= 64 else None
        if key in self.shared:
            return self.shared[key]
        made = self.unique(name or self.scope + "constant")
        self.constants[made] = value
        if key:
            self.shared[key] = made
        return made

    def bytes(self):
        """How much all constants hold."""
        return sum(value.nbytes for value in self.constants.values())

    def input(self, name, dtype, shape):
        """A new input of the graph, uint8 ones and narrow integers included; the tensor as `element` types it."""
        made = self.unique(name)
        dtype = np.dtype("float32" if np.dtype(dtype).kind == "f" else dtype)
        own = helper.np_dtype_to_tensor_dtype(dtype)
        self.inputs.append(helper.make_tensor_value_info(made, own, shape))
        return made if own == element(dtype) else self.cast(made, dtype)

    def cast(self, x, dtype):
        return self.add("Cast", x, to=element(dtype))

    def rename(self, old, new):
        """Call a tensor that a node makes `new`, a name that `unique` gave; returns it."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
        return new

    def makes(self, tensor):
        """True for a tensor that a node makes: it is no input and no constant."""
        return any(tensor in node.output for node in self.nodes)

    @contextlib.contextmanager
    def within(self, scope):
        """Nodes and constants made in this block have names that begin with `scope`/."""
        before, self.scope = self.scope, f"{self.scope}{scope}/"
        yield
        self.scope = before

    @contextlib.contextmanager
    def body(self):
        """Nodes made in this block go into the list that it gives: the body of a loop.  Constants stay outside."""
        outside, self.nodes = self.nodes, []
        yield self.nodes
        self.nodes = outside

    def finish(self, name, outputs):
        """The GraphProto with these outputs (onnx.ValueInfoProto), without what none of them needs."""
        nodes = needed(self.nodes, {output.name for output in outputs})
        used = {name for node in nodes for name in reads(node)}
        constants = [numpy_helper.from_array(value, key) for key, value in self.constants.items() if key in used]
        return helper.make_graph(nodes, name, self.inputs, outputs, constants)


def reads(node):
    """Names of the tensors that a node reads, those that the body of a loop takes from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from reads(inner)
        yield from (output.name for output in attribute.g.output)


def needed(nodes, wanted):
    """Those of `nodes`, in their order, that the tensors in the set `wanted` depend on."""
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(reads(node))
            kept.append(node)
    return kept[::-1]
