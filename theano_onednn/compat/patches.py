"""What changes in modules of Theano, Lasagne and nolearn once Python has loaded them."""
import re
import shlex
import sys

from . import estimator, names, numpy2, theano_cache


def old_pooling(signal):
    """Theano 0.9 made `downsample` into `pool` and renamed its keywords; Lasagne 0.1 asks for the old ones."""
    from theano.tensor.signal import pool

    def max_pool_2d(input, ds, ignore_border=None, st=None, padding=(0, 0), mode="max"):
        return pool.pool_2d(input, ws=ds, ignore_border=ignore_border, stride=st, pad=padding, mode=mode)

    def DownsampleFactorMax(ds, ignore_border=False, st=None, padding=(0, 0), mode="max"):
        return lambda input: pool.pool_2d(input, ds, ignore_border, st, padding, mode)

    signal.downsample = names.module("theano.tensor.signal.downsample", max_pool_2d=max_pool_2d,
                                     max_pool_2d_same_size=pool.max_pool_2d_same_size,
                                     DownsampleFactorMax=DownsampleFactorMax)


def without_c(scan_module):
    """scan's C helper, made by an old Cython, is not for Python 3.11 nor NumPy 2; Theano then loops in Python."""
    sys.modules[scan_module.__name__ + ".scan_perform_ext"] = None


class Quoted(str):
    """Flags whose `split` leaves quoted spaces alone."""

    def split(self):
        return shlex.split(self)


def quoted_paths(blas):
    """Theano cuts blas.ldflags at every space, and the linker its option at commas; folders' names have both."""
    plain = blas._ldflags

    def _ldflags(ldflags_str, **kinds):
        return [flag for flag in plain(ldflags_str=Quoted(ldflags_str), **kinds)
                if not flag.startswith("-Wl,-rpath,") or flag.count(",") == 2]  # without: SciPy has loaded the library

    blas._ldflags = _ldflags


def repeated_rows(elemwise):
    """DimShuffle takes a stride of 0 for an axis of its own, and reads past an array that np.broadcast_to made."""
    load = elemwise.DimShuffle.load_c_code

    def corrected(code):
        return re.sub(r"if \(strides\[(.+)\] == 0\)", r"if (strides[\1] == 0 && dimensions[\1] == 1)", code)

    def load_c_code(op, files):
        load(op, files)
        op.func_codes = list(map(corrected, op.func_codes))  # what the key of a compiled module is made of
        op.code_sections = {tag: corrected(code) for tag, code in op.code_sections.items()}

    elemwise.DimShuffle.load_c_code = load_c_code


def shapes_without_themselves(opt):
    """Theano may take for an array's shape what was computed from it, and then follow the circle for ever.

    (It does in the gradient of Lasagne's PadLayer.)
    """
    from theano.gof.graph import ancestors

    update = opt.ShapeFeature.update_shape

    def update_shape(feature, array, other):
        known, shape = feature.shape_of.get(array), feature.shape_of[other]
        if not known or not shape or array not in ancestors(list(shape)):
            return update(feature, array, other)
        feature.shape_of[other] = tuple(own if array in ancestors([size]) else size for own, size in zip(known, shape))
        update(feature, array, other)
        feature.shape_of[other] = shape

    opt.ShapeFeature.update_shape = update_shape


def old_reading(inischema):
    """Python 3.12 dropped ConfigParser.readfp."""
    inischema.ConfigParser = type("ConfigParser", (inischema.ConfigParser,),
                                  {"readfp": inischema.ConfigParser.read_file})


# (module, what changes, where)
PATCHES = [
    ("theano.tensor.signal", old_pooling, True),
    ("theano.gof.op", theano_cache.steady_digest, True),
    ("theano.gof.cc", theano_cache.steady_key, True),
    ("theano.gof.compilelock", theano_cache.silent_takeover, True),
    ("theano.tensor.blas", quoted_paths, True),
    ("theano.tensor.elemwise", repeated_rows, True),
    ("theano.tensor.opt", shapes_without_themselves, True),
    ("theano.scan_module", without_c, names.NUMPY_2 or sys.version_info >= (3, 11)),
    ("theano.gof.cmodule", numpy2.old_c_names, names.NUMPY_2),
    ("theano.misc.safe_asarray", numpy2.wrapping_integers, names.NUMPY_2),
    ("theano.tensor.raw_random", numpy2.own_random_states, names.NUMPY_2),
    ("theano.tensor.opt", numpy2.keep_unsigned_negation, names.NUMPY_2),
    ("theano.tensor.subtensor", numpy2.increments_without_c, names.NUMPY_2),
    ("nolearn.lasagne.base", estimator.restore, True),
    ("nolearn.inischema", old_reading, names.PYTHON_312),
]


def apply(module):
    """Change `module`, just loaded, if there is something to change."""
    for name, change, here in PATCHES:
        if name == module.__name__ and here:
            change(module)
