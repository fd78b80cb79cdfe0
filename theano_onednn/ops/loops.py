"""Theano's loops (scan).  A turn is short and has many, so that Theano's own C is the best for what is small in it."""
import functools

import theano
from theano.scan_module import scan_op, scan_views

_depth = 0


def inside():
    """Is a loop's body being built, or compiled?"""
    return _depth > 0


def install():
    scan = _within(theano.scan)
    for module in (theano, theano.scan_module, scan_views):
        module.scan = scan
    scan_op.Scan.make_thunk = _within(scan_op.Scan.make_thunk)


def _within(function):
    @functools.wraps(function)
    def called(*args, **kwargs):
        global _depth
        _depth += 1
        try:
            return function(*args, **kwargs)
        finally:
            _depth -= 1

    return called
