"""Pickles of Python 2 and of NumPy 2 open, for the process of `python -m theano_onednn`.

Text of Python 2 is in Latin-1; nets of nolearn 0.6.0 compute.

`python -m theano_onednn.weights` takes arrays out of a stranger's pickle; what is here runs it.
"""
import functools
import io
import pickle
import sys

import numpy as np
import theano
from theano.compile import function_module
from theano.tensor import TensorType
from theano.tensor.sharedvar import TensorSharedVariable

FUNCTION, MAKER = "_constructor_Function", "_constructor_FunctionMaker"  # of theano.compile.function_module


class Unpickler(pickle.Unpickler):
    """Python's own, with text of Python 2 in Latin-1; functions of Theano are compiled when they are called."""

    def __init__(self, file, *, encoding="latin1", **options):
        super().__init__(file, encoding="latin1" if encoding == "ASCII" else encoding, **options)

    def find_class(self, module, name):
        if module == function_module.__name__ and name in (FUNCTION, MAKER):
            return Later if name == FUNCTION else dict
        if module.startswith(GPUS) and theano.config.device == "cpu" and name in ON_THE_CPU:
            return ON_THE_CPU[name]
        if BEFORE_NUMPY_2 and (module, name) in RANDOM:
            return RANDOM[module, name]
        if BEFORE_NUMPY_2 and module.startswith("numpy._core"):
            module = module.replace("_core", "core", 1)
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            owner, _, rest = module.partition(".")
            if owner == "sklearn" and "." in rest:  # its modules have an underscore before their names since 0.22
                return super().find_class(module.rpartition(".")[0], name)
            if owner != "theano":
                raise
            return type(name, (Gone,), {"__module__": module})


class Later:
    """A compiled function: its Ops may be gone, or others, in this Theano.  Called, it compiles what it was made of."""

    def __init__(self, maker, *arguments):
        self.maker, self.arguments = maker, arguments

    @functools.cached_property
    def function(self):
        made = isinstance(self.maker, function_module.FunctionMaker)  # Theano 0.8 and before: by MAKER, of a dictionary
        maker = self.maker if made else getattr(function_module, MAKER)(self.maker)
        return getattr(function_module, FUNCTION)(maker, *self.arguments)

    def __call__(self, *arguments, **named):
        return self.function(*arguments, **named)

    def __reduce__(self):
        return function_module._pickle_Function(self.function)


class Type(TensorType):
    """A GPU's arrays."""

    def __setstate__(self, state):
        self.__class__ = TensorType
        self.__init__(state.get("dtype", "float32"), state["broadcastable"], state.get("name"))


class SharedVariable(TensorSharedVariable):
    """A GPU's."""

    def __setstate__(self, state):
        self.__class__ = TensorSharedVariable
        vars(self).update(state)


def array(numbers, *place):
    """What lay on a GPU was pickled as an array of NumPy's."""
    return numbers


GPUS = ("theano.sandbox.cuda.", "theano.gpuarray.")
ON_THE_CPU = {"CudaNdarrayType": Type, "GpuArrayType": Type, "CudaNdarraySharedVariable": SharedVariable,
              "GpuArraySharedVariable": SharedVariable, "CudaNdarray_unpickler": array, "GpuArray_unpickler": array}


def bit_generator(kind="MT19937"):
    """NumPy 2 hands over the class, and its state with more behind it; NumPy 1 the name, and the state alone."""
    kind = getattr(np.random, kind) if isinstance(kind, str) else kind
    return type(kind.__name__, (kind,), {"__setstate__": set_state})()


def set_state(generator, state):
    generator.state = state[0] if isinstance(state, tuple) else state


def drawing(kind, bits="MT19937", *constructor):
    """A `kind` that draws from these bits: a generator of them, or its name."""
    return kind(bit_generator(bits) if isinstance(bits, str) else bits)


BEFORE_NUMPY_2 = int(np.__version__.partition(".")[0]) < 2
RANDOM = {("numpy.random._pickle", "__bit_generator_ctor"): bit_generator,
          ("numpy.random._pickle", "__randomstate_ctor"): functools.partial(drawing, np.random.RandomState),
          ("numpy.random._pickle", "__generator_ctor"): functools.partial(drawing, np.random.Generator)}


class Gone:
    """What Theano 1.0.5 has no more, such as the Ops of its first GPU backend: in a function that nobody calls."""

    def __new__(cls, *arguments, **named):
        return super().__new__(cls)

    def __init__(self, *arguments, **named):
        pass

    def __setstate__(self, state):
        pass


def load(file, **options):
    return Unpickler(file, **options).load()


def loads(data, **options):
    return load(io.BytesIO(data), **options)


def restore():
    """Put them in the place of pickle's and of cPickle's; let np.load open arrays of objects, as until 1.16.3."""
    pickle.Unpickler, pickle.load, pickle.loads = Unpickler, load, loads
    sys.modules["cPickle"] = pickle  # Python 2's, which no syntax tells
    np.load = functools.wraps(np.load)(functools.partial(np.load, allow_pickle=True, encoding="latin1"))
