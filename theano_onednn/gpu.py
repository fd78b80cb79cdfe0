"""Theano's GPU backend (gpuarray): one clear line where it cannot start, and what it lacks on OpenCL.

`listen()` comes before Theano's import, `prepare()` after it.  Both do nothing
on the CPU.  On CUDA nothing of Theano's is changed: `device=cuda` is the path
that Theano documents, with cuDNN where it is found.
"""
import logging
import sys

from . import system
from .errors import NotReady

CUDNN_TOO_NEW = 8000  # cuDNN 8 dropped cudnnGetConvolutionForwardAlgorithm, which Theano's C code calls
_first_error = []     # Theano's own report that the GPU did not start


def listen():
    """Keep Theano's report about a GPU that does not start: `prepare` makes one line of its traceback."""
    logging.getLogger("theano.gpuarray").addFilter(_keep)


def _keep(record):
    if record.levelno < logging.ERROR:
        return True
    _first_error.append(record)
    return False


def prepare():
    """Fail where a GPU was asked for and is not there (Theano goes on on the CPU); mend what OpenCL lacks."""
    import theano

    logging.getLogger("theano.gpuarray").removeFilter(_keep)
    if _first_error:
        raise NotReady("device=%s was asked for, but Theano cannot use it: %s.  %s"
                              % (theano.config.device, _reason(_first_error[0]), _devices()))
    for context in contexts():
        if context.kind == b"opencl":
            _check_blas(context)
            _mend_nan()
        else:
            _check_cudnn()


def contexts():
    """The GPUs that Theano has started; none on the CPU."""
    # Theano imports this module itself where a flag asks for a GPU; importing it here would look for one.
    module = sys.modules.get("theano.gpuarray")
    return list(module.init_dev.devmap.values()) if module else []


def describe():
    """'gpuarray Ops of pygpu 0.7.6 on GeForce GTX 980, cuDNN 7605' for the started GPU, or None on the CPU."""
    return "gpuarray Ops of pygpu %(pygpu)s on %(GPU)s, %(cuDNN)s" % facts() if contexts() else None


def facts():
    """The same, apart."""
    import pygpu

    names = " and ".join(" ".join(_text(context.devname).split()) for context in contexts())
    return {"pygpu": pygpu.__version__, "GPU": names, "cuDNN": _cudnn()}


def _cudnn():
    from theano.gpuarray import dnn

    if all(context.kind == b"opencl" for context in contexts()):
        return "neither oneDNN nor cuDNN on OpenCL"
    if dnn.dnn_present():
        return "cuDNN %d" % dnn.version()
    return "no cuDNN"  # Theano has printed the reason


def _reason(record):
    """What stands behind Theano's report, in one line."""
    error = record.exc_info and record.exc_info[1]
    if error is None:  # Theano hides why pygpu could not be imported
        try:
            import pygpu  # noqa: F401
        except ImportError as missing:
            return "pygpu cannot be imported (%s)" % missing
        return record.getMessage()
    return " ".join(_text(error.args[0] if error.args else error).split())


def _devices():
    """'OpenCL devices here: opencl0:0', or what to do where there is none."""
    try:
        import pygpu.gpuarray as ga
        found = ["opencl%d:%d" % (p, d) for p in range(ga.count_platforms("opencl"))
                 for d in range(ga.count_devices("opencl", p))]
    except Exception:  # no pygpu, no OpenCL loader, a broken driver: the line above says enough
        found = []
    return "%sdocs/gpu.md lists the cures; device=cpu always works" % (
        "OpenCL devices here: %s; " % ", ".join(found) if found else "")


def _text(value):
    """libgpuarray's messages arrive as bytes, and as the text of bytes."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text[2:-1] if text[:2] in ("b'", 'b"') else text


def _check_blas(context):
    """Theano tries BLAS on CUDA only; on OpenCL it would fail in the first epoch."""
    import pygpu

    x = pygpu.zeros((2, 2), dtype="float32", context=context)
    try:
        pygpu.blas.gemm(1, x, x, 0, x.copy(), overwrite_c=True)
    except pygpu.gpuarray.GpuArrayException as error:
        raise NotReady("%s: no BLAS for OpenCL (%s): install CLBlast with its development files, %s"
                       % (context.dev, _text(error.args[0]), system.install("clblast")))


def _mend_nan():
    """Maximum and Minimum write `nan("")`, which OpenCL C does not have (Theano then crashes); NAN is in both."""
    from theano import scalar

    for op in (scalar.Maximum, scalar.Minimum):
        if getattr(op, "fkp_mended", False):  # several OpenCL devices
            continue
        op.fkp_mended = True
        op.c_code = _with_nan_macro(op.c_code)
        op.c_code_cache_version = _with_mark(op.c_code_cache_version)


def _with_nan_macro(original):
    def c_code(self, node, name, inputs, outputs, sub):
        return original(self, node, name, inputs, outputs, sub).replace('nan("")', "NAN")
    return c_code


def _with_mark(original):
    """Another cache version: kernels that were compiled without the cure are not taken."""
    def c_code_cache_version(self):
        return original(self) + ("NAN",)
    return c_code_cache_version


def _check_cudnn():
    """cuDNN 8 and later: Theano 1.0.5 warns at most, and its convolutions then do not compile."""
    from theano import config
    from theano.gpuarray import dnn

    if config.dnn.enabled != "False" and dnn.dnn_present() and dnn.version() >= CUDNN_TOO_NEW:
        raise NotReady("cuDNN %d was found, Theano 1.0.5 compiles with cuDNN 5 to 7: set dnn.base_path to such "
                              "a one, or do without: THEANO_FLAGS=device=%s,dnn.enabled=False"
                              % (dnn.version(), config.device))
