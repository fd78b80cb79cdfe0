"""What changes in modules of Theano, Lasagne and nolearn once Python has loaded them."""
from . import estimator, names, theano_cache


def old_pooling(signal):
    """Theano 0.9 made `downsample` into `pool` and renamed its keywords; Lasagne 0.1 asks for the old ones."""
    from theano.tensor.signal import pool

    def max_pool_2d(input, ds, ignore_border=None, st=None, padding=(0, 0), mode="max"):
        return pool.pool_2d(input, ws=ds, ignore_border=ignore_border, stride=st, pad=padding, mode=mode)

    signal.downsample = names.module("theano.tensor.signal.downsample", max_pool_2d=max_pool_2d)


PATCHES = {
    "theano.tensor.signal": old_pooling,
    # Compiled modules are found again at the next start.
    "theano.gof.op": theano_cache.steady_digest,
    "theano.gof.cc": theano_cache.steady_key,
    # A net is a scikit-learn estimator again.
    "nolearn.lasagne.base": estimator.restore,
}


def apply(module):
    """Change `module`, just loaded, if there is something to change."""
    if module.__name__ in PATCHES:
        PATCHES[module.__name__](module)
