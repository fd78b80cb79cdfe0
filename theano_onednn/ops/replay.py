"""Thunks that need Python only when they meet arrays of new shapes.

A node's Python code checks shapes, provides memory and calls the library: ten
microseconds and more, as long as a small net's whole update takes in C.  All of
this follows from the inputs' shapes and strides.  So what was done for some
shapes is kept, and replay.cpp does it again when they come again; only the
arrays' addresses are new.  What shapes alone do not tell is never kept.
"""
import ctypes
import functools
import threading

import numpy as np
from theano.gof import Constant

ANYTHING, SHAPE, NUMBERS = range(3)  # what of an input must be as it was
ROOM, INPUT, VIEW, VALUE = range(4)  # where an output comes from: see replay.cpp
FEW = 8                              # whole numbers, such as a kernel's rows and columns, that are compared
PYTHON = None                        # the library, called with Python's lock held
_heard = threading.local()           # what is called while a node is recorded


class Unclear(Exception):
    """What was done does not follow from shapes alone."""


def use(library):
    """Make thunks with this library, a ctypes.CDLL."""
    global PYTHON
    PYTHON = ctypes.PyDLL(library._name)
    PYTHON.fkp_thunk.argtypes, PYTHON.fkp_thunk.restype = [ctypes.py_object] * 4, ctypes.py_object


def thunk(run, node, storage_map, compute_map, by_shapes=False):
    """Theano's thunk of a node that `run()` computes.  by_shapes: its outputs' numbers follow from shapes."""
    inputs, outputs = ([storage_map[v] for v in variables] for variables in (node.inputs, node.outputs))
    done, constants = [compute_map[v] for v in node.outputs], [isinstance(v, Constant) for v in node.inputs]

    def in_python():  # where Theano does not call `cthunk`, as in its debug modes
        run()
        for flag in done:
            flag[0] = True

    in_python.inputs, in_python.outputs, in_python.lazy = inputs, outputs, False
    in_python.cthunk = PYTHON.fkp_thunk(
        tuple(inputs), tuple(outputs), run, functools.partial(record, run, inputs, outputs, constants, by_shapes))
    return in_python


def record(run, inputs, outputs, constants, by_shapes):
    """Run, and return what was done, as replay.cpp takes it, or None."""
    _heard.calls, _heard.instead = [], None
    before = [cell[0] for cell in inputs]
    try:
        run()
        recording = Recording(before, [cell[0] for cell in outputs], constants, [*inputs, *outputs])
        return recording.told(_heard.calls, _heard.instead, by_shapes)
    except Unclear:
        return None
    finally:
        _heard.calls = None


def called(function, arguments):
    """The library's function is called with this structure."""
    if getattr(_heard, "calls", None) is not None:
        _heard.calls.append((function, arguments))


def ran(cthunk):
    """The node was computed by this thunk of Theano's own, a capsule."""
    _heard.instead = cthunk


class Recording:
    """What a node did with these arrays, from these cells."""

    def __init__(self, inputs, outputs, constants, cells):
        self.inputs, self.outputs, self.constants = inputs, outputs, constants
        self.used, places = set(), enumerate(zip([*inputs, *outputs], cells))
        # an array that is in two cells now need not be so the next time
        self.places = [(i, x, id(x) if i < len(inputs) and constants[i] else id(cell)) for i, (x, cell) in places
                       if type(x) is np.ndarray and (i < len(inputs) or not any(x is y for y in inputs))]

    def told(self, calls, instead, by_shapes):
        """The tuple that replay.cpp takes; raises Unclear."""
        if instead:
            return numbers([self.look(i, True) for i in range(len(self.inputs))]), b"", (), instead
        calls = tuple((ctypes.cast(function, ctypes.c_void_p).value, bytes(arguments),
                       numbers([(place, *self.find(address)) for place, address in pointers(arguments)]))
                      for function, arguments in calls)
        sources = [(VALUE, 0, 0) if by_shapes else self.source(i) for i in range(len(self.outputs))]
        return numbers([self.look(i, by_shapes) for i in range(len(self.inputs))]), numbers(sources), calls, None

    def find(self, address):
        """Whose address it is: (the array's index, bytes behind its first number); raises Unclear."""
        found = {cell: (i, address - first(x)) for i, x, cell in self.places if 0 <= address - first(x) < x.nbytes
                 or address == first(x)}
        if len(found) != 1:
            raise Unclear
        ((index, offset),) = found.values()
        self.used.add(index)
        return index, offset

    def source(self, index):
        """(where an output comes from, of which input, bytes behind its first number); raises Unclear."""
        output = self.outputs[index]
        for i, x in enumerate(self.inputs):
            if output is x:
                return INPUT, i, 0
        if type(output) is np.ndarray and (len(self.inputs) + index in self.used or not output.size):
            return ROOM, 0, 0
        for i, x, _ in self.places:
            if i < len(self.inputs) and x.dtype == output.dtype and np.may_share_memory(x, output):
                self.used.add(i)
                return VIEW, i, first(output) - first(x)
        raise Unclear

    def look(self, index, by_shape):
        """What of an input must be as it was; whole numbers that nobody pointed at were read by Python."""
        x = self.inputs[index]
        if self.constants[index]:
            return ANYTHING
        if type(x) is not np.ndarray:
            raise Unclear
        if by_shape or index in self.used or x.dtype.kind == "f" or not x.size:
            return SHAPE
        if x.size > FEW or not x.flags.c_contiguous:
            raise Unclear
        return NUMBERS


def first(array):
    return array.__array_interface__["data"][0]


def numbers(rows):
    return np.array(rows, "int64").tobytes()


def pointers(arguments):
    """(bytes behind the structure's start, address) of each of its pointers that is not null."""
    for name, kind, *_ in arguments._fields_:
        count = getattr(kind, "_length_", 1)
        if getattr(kind, "_type_", None) is ctypes.c_void_p or kind is ctypes.c_void_p:
            place, value = getattr(type(arguments), name).offset, getattr(arguments, name)
            for i, address in enumerate(value if count > 1 else [value]):
                if address:
                    yield place + 8 * i, address
