"""Decides whether our Ops run, on oneDNN or on SciPy's BLAS, and says so."""
import functools
import os
import platform
import shlex
import threading

import lasagne.layers
import lasagne.objectives
import lasagne.updates
import nolearn.lasagne
import scipy
import theano

from . import gpu, library, settings
from .errors import NotReady, Problem
from .ops import groups, layout, loops, native, nesterov, old_convolutions, rewrites, small, substitute, unfold

# dnnl_cpu_isa_t's bits
AVX2, AVX512, BF16, AMX = 0x7, 0x27, 0xE7, 0xFEF
PLAIN = {"x86_64": "SSE", "aarch64": "NEON", "arm64": "NEON"}  # what every processor of a kind has
ASKED_FOR = {"1": "oneDNN", "blas": "our Ops on SciPy's BLAS"}  # FKP_ONEDNN
reason = None   # why our Ops do not run, or None
without = None  # why they run without oneDNN, or None


def start():
    """Load our library and put our Ops in place, or note the reason why not."""
    global reason, without
    try:
        _refuse()
        path, without = _load()
    except library.Unavailable as error:
        reason = str(error)
        if settings.mode() in ASKED_FOR:
            raise NotReady("FKP_ONEDNN=%s asks for %s, but: %s"
                           % (settings.mode(), ASKED_FOR[settings.mode()], reason))
        return
    _link(path.parent)
    _install()


def _load():
    """Load the library that is asked for, else one that can be had: its path, and why it is not oneDNN's, or None."""
    if settings.mode() == "blas":
        return _use(library.BLAS), "FKP_ONEDNN=blas"
    try:
        return _use(library.ONEDNN), None
    except library.Unavailable as error:
        missing = str(error)
    if settings.mode() == "1":
        raise library.Unavailable(missing)
    try:
        return _use(library.BLAS), missing
    except library.Unavailable as error:
        raise library.Unavailable("%s; %s" % (missing, error))


def _use(way):
    """Load the library for a way; returns its path."""
    path = library.path(way, theano.config.cxx, theano.gof.cmodule.gcc_version_str, theano.config.compiledir)
    native.use(library.load(path))
    return path


def _refuse():
    """Raise library.Unavailable where the user or Theano's settings speak against our Ops."""
    if settings.mode() == "0":
        raise library.Unavailable("FKP_ONEDNN=0")
    if theano.config.device != "cpu":
        raise library.Unavailable("our Ops are for the CPU, device is %s" % theano.config.device)
    if theano.config.floatX != "float32":
        raise library.Unavailable("our Ops are float32, floatX is %s" % theano.config.floatX)
    if theano.config.linker == "c":
        raise library.Unavailable("our Ops have no C code of their own, linker is c")
    if not theano.config.cxx:
        raise library.Unavailable("Theano's cxx is empty")


def _link(folder):
    """Put our sgemm_ before the rest of the BLAS that settings.py chose."""
    flags = theano.config.blas.ldflags
    if flags and flags == settings.scipy_blas():
        theano.config.blas.ldflags = "%s -lfkp %s" % (shlex.quote("-L%s" % folder), settings.scipy_blas(ours=["sgemm"]))


def _install():
    os.register_at_fork(before=native.LIBRARY.fkp_before_fork)
    for module in (lasagne.layers, lasagne.layers.helper, lasagne.objectives, nolearn.lasagne.base):
        module.get_output = substitute.get_output
    _put_nesterov()
    theano.compile.Function.__call__ = _in_turn(theano.compile.Function.__call__)
    theano.tensor.repeat = theano.tensor.extra_ops.repeat = substitute.repeat
    theano.compile.optdb.register("fkp_nesterov_inplace", theano.tensor.opt.in2out(nesterov.nesterov_inplace), 70,
                                  "fast_run", "inplace")
    loops.install()
    old_convolutions.install()
    rewrites.register()
    theano.compile.optdb.register("fkp_allow", unfold.Allow(), -2, "fkp", "fast_run", "fast_compile")
    theano.compile.optdb.register("fkp_unfold", unfold.Unfold(), -1, "fast_run", "fast_compile")
    theano.compile.optdb.register("fkp_channels_last", layout.KeepChannelsLast(), 49.5, "fkp", "fast_run")
    # After everything else: 75 and a little are Theano's own in-place rewrites.
    theano.compile.optdb.register("fkp_small_ops", small.LeaveSmallOpsUncompiled(), 99, "fast_run")


def _put_nesterov():
    """Our `nesterov_momentum` under the name of Lasagne's, by which a pickled net finds it; it is nolearn's default."""
    original, ours = substitute.original_nesterov, substitute.nesterov_momentum
    init = nolearn.lasagne.NeuralNet.__init__
    ours.__module__ = original.__module__
    lasagne.updates.nesterov_momentum = nolearn.lasagne.base.nesterov_momentum = ours
    init.__defaults__ = tuple(ours if value is original else value for value in init.__defaults__)


def _in_turn(call):
    """Results on their way lie in memory that each call of a function uses again: threads must take turns."""
    @functools.wraps(call)
    def call_in_turn(function, *args, **kwargs):
        turn = vars(function).get("turn") or vars(function).setdefault("turn", threading.RLock())
        with turn:
            return call(function, *args, **kwargs)

    return call_in_turn


def describe():
    """One line: versions, device, precision and which Ops run."""
    line = "Theano %s on %s, " % (theano.__version__, theano.config.device)
    if gpu.contexts():
        return line + "%s, %s" % (theano.config.floatX, gpu.describe())
    if reason is not None:
        return line + "%s, Theano's own Ops: %s" % (theano.config.floatX, reason)
    multiplier = ("%s %s" % (native.multiplier(), native.LIBRARY.fkp_version().decode())).strip()
    line += "%s, %s (%s), %d thread%s" % (
        groups.precision, multiplier, instructions(), threads(), "s" * (threads() != 1))
    return "%s: %s" % (line, without) if without else line


def facts():
    """What the last digits of a result depend on: {name: text or number}."""
    found = {"device": theano.config.device, "floatX": theano.config.floatX}
    if gpu.contexts():
        return dict(found, ops="gpuarray", **gpu.facts())
    if reason is not None:
        return dict(found, ops="Theano", threads=threads())
    found.update(instructions=instructions(), threads=threads())
    if without:
        return dict(found, ops="BLAS", SciPy=scipy.__version__)
    return dict(found, ops="oneDNN", oneDNN=native.LIBRARY.fkp_version().decode())


def instructions():
    """The widest instructions that our Ops use here: 'AVX-512, AMX'."""
    isa = native.LIBRARY.fkp_isa()
    have = [name for name, bits in (("AVX2", AVX2), ("AVX-512", AVX512), ("AMX", AMX)) if isa & bits == bits]
    return ", ".join(have[have[-1:] != ["AVX2"]:]) or PLAIN.get(platform.machine(), platform.machine())


def threads():
    """How many threads the Ops use: OpenMP's number."""
    if reason is None:
        return native.LIBRARY.fkp_threads()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() else os.cpu_count() or 1


def fastest_precision():
    """'bfloat16' where the processor multiplies it fast and oneDNN runs, else 'float32'."""
    return "bfloat16" if reason is None and native.LIBRARY.fkp_isa() & BF16 == BF16 else "float32"


def set_precision(precision):
    """Multiply in 'float32' or 'bfloat16' in nets initialised from now on; raises Problem where that cannot be.

    With bfloat16, weights and sums stay float32.
    """
    if precision not in ("float32", "bfloat16"):
        raise Problem("precision is float32 or bfloat16, not %r" % (precision,))
    if precision == "bfloat16":
        if reason is not None:
            raise Problem("bfloat16 needs oneDNN, and Theano's own Ops run here (%s): use float32" % reason)
        if without:
            raise Problem("bfloat16 needs oneDNN, and SciPy's BLAS is used here (%s): use float32" % without)
        if native.LIBRARY.fkp_isa() & BF16 != BF16:
            raise Problem("this processor has neither AMX nor AVX-512 BF16, bfloat16 would be slow: use float32")
    groups.precision = precision
