"""Makes Theano, Lasagne and nolearn import and run fast on a current machine.

Import this before Theano; `load.py` does.  The environment variable FKP_ONEDNN
says whether oneDNN's kernels replace Theano's own on the CPU: `auto` (the
default: where they are available), `1` (fail where they are not) or `0`.
"""
from . import checks

checks.check_python()
checks.check_compiler()
from . import compat, gpu, settings

settings.apply()
compat.restore()
gpu.listen()
compat.restore_downsample()  # imports Theano
compat.steady_cache()
from . import start  # imports Lasagne and nolearn
from .start import describe, set_precision, threads

__all__ = ["describe", "set_precision", "threads"]
compat.restore_estimator()
gpu.prepare()
start.start()
