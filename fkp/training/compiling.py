"""A line when Theano compiles: on a machine where it has not yet, seconds pass before a net's first epoch."""
import contextlib

import theano_onednn  # noqa: F401  before Theano

from theano.gof.cmodule import GCC_compiler


@contextlib.contextmanager
def announced():
    """Within this block the first call of the C++ compiler is announced."""
    original = GCC_compiler.__dict__["compile_str"]

    def announce(*args, **kwargs):
        GCC_compiler.compile_str = original
        print("Compiling, once ...", flush=True)
        return GCC_compiler.compile_str(*args, **kwargs)
    GCC_compiler.compile_str = staticmethod(announce)
    try:
        yield
    finally:
        GCC_compiler.compile_str = original
