"""What NumPy 2 does in another way than Theano 1.0.5 expects.  Each function takes the module it changes."""
import copy
import hashlib
from pathlib import Path

import numpy as np

PRELUDE = Path(__file__).with_name("numpy2.h").read_text(encoding="utf-8")
VERSION = hashlib.sha256(PRELUDE.encode()).hexdigest()  # of the prelude: part of the key of a compiled module


def old_c_names(cmodule):
    """Theano's C sources, and those it generates, are written for NumPy 1."""
    compile_str = cmodule.GCC_compiler.compile_str

    def compile_with_prelude(module_name, src_code, *args, **kwargs):
        source = src_code.replace("#include <numpy/noprefix.h>", "")
        return compile_str(module_name, PRELUDE + source, *args, **kwargs)

    cmodule.GCC_compiler.compile_str = staticmethod(compile_with_prelude)


def wrapping_integers(safe_asarray):
    """NumPy 2 refuses a Python integer that does not fit; Theano tries types until one gives the integer back.

    (Without this `fmatrix + 300` becomes float64 without a word.)
    """
    as_array = safe_asarray._asarray

    def _asarray(a, dtype, order=None):
        try:
            return as_array(a, dtype, order)
        except OverflowError:
            whole = np.asarray(a)
            if whole.dtype != np.int64:  # too large for C's long: NumPy 1 refuses as well
                raise
            return as_array(whole, dtype, order)

    safe_asarray._asarray = _asarray


def own_random_states(raw_random):
    """A copy of a RandomState shares its state since NumPy 2; Theano wants one of its own."""
    raw_random.copy = copy.deepcopy


def keep_unsigned_negation(opt):
    """-x is rewritten as -1 * x, but NumPy 2 has no unsigned -1."""
    to_mul = opt.local_neg_to_mul.transform
    opt.local_neg_to_mul.transform = lambda node: None if node.inputs[0].dtype.startswith("uint") else to_mul(node)


def increments_without_c(subtensor):
    """x[rows] += y in C uses an iterator that NumPy 2 keeps to itself; without C Theano calls np.add.at."""
    del subtensor.AdvancedIncSubtensor1.c_code
