"""Theano's loops (scan).  A turn is short and what is around the loop small: Theano's own C, without Python, is best.

Dense layers in a loop, before and behind it, and the update of such a net are therefore Theano's own.
"""
import functools

import theano
from lasagne.layers.recurrent import CustomRecurrentLayer
from theano.gof.graph import io_toposort
from theano.scan_module import scan_op, scan_views

_depth = 0


def inside():
    """Is a loop's body, or what Lasagne puts before it, being built, or compiled?"""
    return _depth > 0


def behind(*variables):
    """Is one of these made by a loop?"""
    return any(isinstance(node.op, scan_op.Scan) for node in io_toposort([], variables))


def place(*variables):
    """'inside a loop', 'behind a loop' or ''."""
    return "inside a loop" if inside() else "behind a loop" if behind(*variables) else ""


def install():
    scan = _within(theano.scan)
    for module in (theano, theano.scan_module, scan_views):
        module.scan = scan
    CustomRecurrentLayer.get_output_for = _within(CustomRecurrentLayer.get_output_for)
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
