"""Opens a pickle without running it: arrays, containers, text and numbers, and stand-ins that do nothing.

A pickle is a program: it names functions and classes, and calls them.  Here it
gets a function of this file for each of NumPy's that makes an array, and an
`Inert` for a class or function of Theano, Lasagne or nolearn, and for what draws
random numbers; any other name is refused.  Python's own unpickler in Python runs
it, as C's takes memory by numbers that stand in the file.
"""
import io
import pickle
from collections import OrderedDict

import numpy as np

from .errors import Problem

OWNERS = ("theano.", "theano_onednn.", "lasagne.", "nolearn.", "numpy.random.")
SCRIPTS = {"__main__", "sklearn"}  # a whole net also names its script's handlers and scikit-learn's label encoder
DEEPEST = 100                      # parts in parts; Python hashes tuples in tuples without an end
KINDS = tuple("biufcSUO")


class Inert:
    """What stands in for an object: `state` is what the pickle would have given it.  Called, it gives another."""

    module = name = ""
    state = ()

    def __new__(cls, *arguments, **named):
        return super().__new__(cls)

    def __init__(self, *arguments, **named):
        pass

    def __setstate__(self, state):
        self.state = state

    def get(self, attribute, default=None):
        """The attribute that the object would have; text is text, also where Python 2 had bytes."""
        return self.state.get(attribute, default) if isinstance(self.state, dict) else default

    def ignore(self, *arguments):
        """Items that are added to a list or a dictionary of its own kind."""

    append = extend = add = __setitem__ = ignore


class Dtype:
    """numpy.dtype of a plain kind.  Raises Problem for others."""

    def __init__(self, kind, *flags):
        self.dtype = np.dtype(kind) if isinstance(kind, str) and kind[:1] in KINDS and "," not in kind else None
        if self.dtype is None:
            raise Problem("it holds an array of %.99r, which are no plain numbers and no text" % (kind,))

    def __setstate__(self, state):
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Array:
    """numpy.ndarray, on its way: `value` is a real one as soon as the pickle has told all of it."""

    value = None

    def __init__(self, *arguments):
        pass

    def __setstate__(self, state):
        shape, kind, by_columns, data = state[-4:]
        self.value = array(data, kind.dtype, shape, "F" if by_columns else "C")


def array(data, dtype, shape, order="C"):
    """An array of the bytes `data`; of objects, of a list."""
    if dtype.kind == "O":
        found = np.empty(len(data), object)
        for i, one in enumerate(data):  # at once NumPy would look into them
            found[i] = one
    else:
        data = data.encode("latin1") if isinstance(data, str) else bytes(data)
        found = np.frombuffer(data, dtype)
    return found.reshape(shape, order=order)


def from_buffer(data, kind, shape, order="C"):
    made = Array()
    made.value = array(data, kind.dtype, shape, order)
    return made


def scalar(kind, data=b""):
    return from_buffer(data, kind, ())


def encoded(text, encoding):
    """Python 3's bytes in a pickle for Python 2."""
    return text.encode("latin1" if encoding == "latin1" else "ascii")


def no_bytes():
    """Python 3's b"" in a pickle for Python 2."""
    return b""


def on_the_cpu(array, *place):
    """An array that lay on a GPU."""
    return array


def rebuilt(kind, base, state):
    """copy_reg._reconstructor: an object of protocol 0 or 1."""
    return kind() if isinstance(kind, type) and issubclass(kind, (Inert, list, dict)) else Inert()


def unpickled(kind, state):
    """theano_onednn.compat.estimator.unpickled: a net of today."""
    made = kind()
    made.state = state
    return made


def given():
    """{(module, name): what a pickle gets for it}, besides Inert."""
    found = {("collections", "OrderedDict"): OrderedDict, ("copy_reg", "_reconstructor"): rebuilt,
             ("copyreg", "_reconstructor"): rebuilt, ("_codecs", "encode"): encoded,
             ("nolearn.lasagne.base", "Layers"): OrderedDict, ("nolearn.lasagne.base", "_list"): list,
             ("nolearn.lasagne", "_list"): list,
             ("theano.sandbox.cuda.type", "CudaNdarray_unpickler"): on_the_cpu,
             ("theano.gpuarray.type", "GpuArray_unpickler"): on_the_cpu,
             ("theano_onednn.compat.estimator", "unpickled"): unpickled,
             ("numpy", "dtype"): Dtype, ("numpy", "ndarray"): Array}
    for module in ("__builtin__", "builtins"):
        found[module, "bytes"] = no_bytes
        found.update({(module, kind.__name__): kind
                      for kind in (set, frozenset, slice, complex, object, tuple, list, dict)})
    for core in ("numpy.core", "numpy._core"):
        found[core + ".multiarray", "_reconstruct"] = Array
        found[core + ".multiarray", "scalar"] = scalar
        found[core + ".numeric", "_frombuffer"] = from_buffer
    for kind in ("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                 "float16", "float32", "float64", "complex64", "complex128"):
        found["numpy", kind] = Inert
    return found


GIVEN = given()


class Unpickler(pickle._Unpickler):
    """Raises Problem for a name that is not given; `foreign` are those of SCRIPTS, for which Inert stands in."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file):
        super().__init__(file, encoding="latin1", fix_imports=False)
        self.foreign, self.depths = [], {}

    def find_class(self, module, name):
        if (module, name) in GIVEN:
            return GIVEN[module, name]
        if module.partition(".")[0] in SCRIPTS:
            self.foreign.append("%s.%s" % (module, name))
        elif not (module + ".").startswith(OWNERS):
            raise Problem("it asks for %.99s.%.99s, which no array needs: it is not opened" % (module, name))
        return type("Inert", (Inert,), {"module": module, "name": name})

    def check_depth(self):
        """Of a tuple that was just made."""
        made = self.stack[-1]
        depth = self.depths[id(made)] = 1 + max((self.depths.get(id(one), 0) for one in made if type(one) is tuple),
                                                default=0)
        if depth > DEEPEST:
            raise Problem("its tuples lie in each other deeper than %d: it is not opened" % DEEPEST)


def checked(load):
    def load_tuple(unpickler):
        load(unpickler)
        unpickler.check_depth()

    return load_tuple


for code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    Unpickler.dispatch[code[0]] = checked(Unpickler.dispatch[code[0]])


def load(data):
    """(the object, names of SCRIPTS in it) of a pickle's bytes.  Raises Problem for all that is no such pickle."""
    unpickler = Unpickler(io.BytesIO(data))
    try:
        return unpickler.load(), unpickler.foreign
    except Problem:
        raise
    except MemoryError:
        raise Problem("it asks for more memory than there is") from None
    except RecursionError:
        raise Problem("its parts lie in each other too deeply") from None
    except Exception as error:  # a damaged pickle may do anything to the unpickler
        raise Problem("it is no pickle, or a damaged one (%s)" % (error or type(error).__name__)) from None
