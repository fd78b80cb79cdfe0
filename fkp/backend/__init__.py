"""Makes Theano, Lasagne and nolearn import and run fast on a current machine.

Import this before Theano; `load.py` does.
"""
from . import compat, settings

compat.restore()
settings.apply()
import theano  # noqa: E402

compat.restore_downsample()


def describe():
    """One line: which device and which Ops run."""
    return "Theano %s on %s, %s" % (theano.__version__, theano.config.device, theano.config.floatX)
