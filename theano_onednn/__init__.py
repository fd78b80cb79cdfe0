"""Makes Theano, Lasagne and nolearn import and run fast on a current machine.

Import this before Theano.  The environment variable FKP_ONEDNN says what
computes on the CPU: `1` our Ops on oneDNN (fails with the reason where that is
not available), `blas` our Ops without it, on the BLAS that SciPy brings (fails
likewise), `0` Theano's own Ops, or `auto` (the default) the first of these
three that can be had.
"""
import os
import sys

from . import checks, child
from .errors import NotReady, Problem, end

__all__ = ["NotReady", "Problem", "describe", "facts", "fastest_precision", "prepare", "set_precision", "threads"]


def prepare():
    """What happens before the first net is built, in the only order that works.  Raises NotReady, a Problem."""
    checks.check_python()      # first: nothing below need parse on an older one
    checks.check_packages()    # before what they need
    checks.check_threads()     # before OpenMP is loaded, with our library or Theano's
    from . import compiler, settings
    compiler.check()           # before Theano looks for one, and says less
    settings.apply()           # before NumPy: its OpenBLAS reads the number of threads when it is loaded
    checks.import_packages()   # before Theano, which takes their errors for its own
    from . import compat, gpu  # imports NumPy
    compat.install()           # before Theano, Lasagne and nolearn, which ask for the old names
    gpu.listen()               # before Theano, which reports a GPU that does not start when it is imported
    checks.import_theano()     # before Lasagne, which takes any error of Theano's for an old release
    from . import start        # imports Lasagne and nolearn
    gpu.prepare()              # before our Ops: they are for the CPU only
    start.start()
    os.environ.setdefault(child.PARENT, "import")  # workers are prepared as well


try:
    prepare()
except (Problem, KeyboardInterrupt) as error:
    if sys.argv[:1] == ["-m"]:  # `python -m theano_onednn` finds this package before it runs __main__.py
        end(error)
    raise
from .start import describe, facts, fastest_precision, set_precision, threads
