"""Makes a Lasagne like the one on GitHub (0.2.dev1) of the released 0.1.

A copy of the package, with code of our own behind it for the settings and
methods that the later one has.
"""
import importlib.util
import shutil
from pathlib import Path

LATER = r'''


from .conv import Conv2DLayer
from .dense import DenseLayer
from .noise import DropoutLayer


def _make_later():
    """Give three layers what 0.2.dev1's have."""
    import theano.tensor as T

    def conv_init(self, incoming, num_filters, filter_size, flip_filters=True, num_groups=1, **kwargs):
        self.flip_filters, self.num_groups = flip_filters, num_groups
        plain_conv(self, incoming, num_filters, filter_size, **kwargs)

    def get_W_shape(self):
        return (self.num_filters, self.input_shape[1] // self.num_groups, *self.filter_size)

    def convolve(self, input, **kwargs):
        more = {"num_groups": self.num_groups} if self.num_groups > 1 else {}
        return self.convolution(input, self.W, self.input_shape, self.get_W_shape(), subsample=self.stride,
                                border_mode="half" if self.pad == "same" else self.pad, filter_flip=self.flip_filters,
                                **more)

    def conv_output(self, input, **kwargs):
        conved = self.convolve(input, **kwargs)
        return self.nonlinearity(conved if self.b is None else conved + self.b.dimshuffle("x", 0, "x", "x"))

    def dense_init(self, incoming, num_units, num_leading_axes=1, **kwargs):
        self.num_leading_axes = num_leading_axes
        shape = getattr(incoming, "output_shape", incoming)
        plain_dense(self, (1, *shape[num_leading_axes:]), num_units, **kwargs)
        self.input_layer, self.input_shape = incoming, shape

    def dense_shape(self, input_shape):
        return (*input_shape[:self.num_leading_axes], self.num_units)

    def dense_output(self, input, **kwargs):
        return self.nonlinearity(T.dot(input.flatten(self.num_leading_axes % input.ndim + 1), self.W) + self.b)

    def drop_init(self, incoming, p=0.5, rescale=True, shared_axes=(), **kwargs):
        self.shared_axes = tuple(shared_axes)
        plain_drop(self, incoming, p, rescale, **kwargs)

    def drop_output(self, input, deterministic=False, **kwargs):
        if deterministic:
            return input
        shape = tuple(1 if axis in self.shared_axes else input.shape[axis] for axis in range(input.ndim))
        mask = self._srng.binomial(shape, p=1 - self.p, dtype=input.dtype)
        return input / (1 - self.p) * T.patternbroadcast(mask, [axis in self.shared_axes for axis in range(input.ndim)])

    plain_conv, plain_dense, plain_drop = Conv2DLayer.__init__, DenseLayer.__init__, DropoutLayer.__init__
    Conv2DLayer.__init__, Conv2DLayer.get_W_shape, Conv2DLayer.convolve = conv_init, get_W_shape, convolve
    Conv2DLayer.get_output_for = conv_output
    DenseLayer.__init__, DenseLayer.get_output_shape_for = dense_init, dense_shape
    DenseLayer.get_output_for = dense_output
    DropoutLayer.__init__, DropoutLayer.get_output_for = drop_init, drop_output


_make_later()
'''


def make(folder):
    """A folder for PYTHONPATH, from which `import lasagne` takes it."""
    source = Path(importlib.util.find_spec("lasagne").origin).parent
    shutil.copytree(source, Path(folder) / "lasagne", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    with open(Path(folder) / "lasagne" / "layers" / "__init__.py", "a") as file:
        file.write(LATER)
    return folder
