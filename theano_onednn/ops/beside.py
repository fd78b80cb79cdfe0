"""Images beside each other in their channels, and apart again, where Theano's Join and Split copy with one thread."""
import theano.tensor as T
from theano.gof import Apply

from .native import NUMBER, POINTER, STRIDES, Call, Prepared, address, call, channels_last_room, elements, float32


class PlaceCall(Call):
    """`struct Place` of beside.cpp."""
    size_name = "fkp_place_size"
    _fields_ = [("images", NUMBER), ("size", NUMBER * 3), ("strides", STRIDES), ("channels", NUMBER), ("x", POINTER),
                ("to", POINTER)]


class Beside(Prepared):
    """`T.concatenate(images, 1)` of float32 images (n, c, h, w) with any strides; channels-last in memory.

    layout.py puts it in Theano's place when gradients are taken already.
    """
    __props__ = ()

    def make_node(self, *images):
        float32(self, images, *[4] * len(images))
        n, _, h, w = zip(*(image.broadcastable for image in images))
        return Apply(self, images, [T.TensorType("float32", [any(n), False, any(h), any(w)])()])

    def infer_shape(self, node, shapes):
        n, _, h, w = shapes[0]
        return [(n, sum(shape[1] for shape in shapes), h, w)]

    def compute(self, inputs, outputs, wanted):
        n, _, h, w = inputs[0].shape
        if any((x.shape[0], *x.shape[2:]) != (n, h, w) for x in inputs):
            raise ValueError(f"images of shapes {', '.join(str(x.shape) for x in inputs)} do not fit beside each other")
        channels = sum(x.shape[1] for x in inputs)
        to = address(channels_last_room(outputs[0], (n, channels, h, w)))
        for x in inputs:
            c = x.shape[1]
            call("fkp_place", PlaceCall(n, (NUMBER * 3)(c, h, w), elements(x), channels, address(x), to), x)
            to += 4 * c


class Apart(Prepared):
    """Theano's Split of images (n, c, h, w) along the channels, as views: our Ops take any strides."""
    __props__ = ("parts",)

    def __init__(self, parts):
        self.parts = parts
        self.view_map = {part: [0] for part in range(parts)}

    def make_node(self, x, channels):
        pattern = [x.broadcastable[0], False, *x.broadcastable[2:]]
        return Apply(self, [x, channels], [T.TensorType(x.dtype, pattern)() for _ in range(self.parts)])

    def infer_shape(self, node, shapes):
        n, _, h, w = shapes[0]
        return [(n, node.inputs[1][part], h, w) for part in range(self.parts)]

    def compute(self, inputs, outputs, wanted):
        x, channels = inputs
        if len(channels) != self.parts or sum(channels) != x.shape[1] or min(channels) < 0:
            raise ValueError(f"{x.shape[1]} channels cannot be split into {', '.join(map(str, channels))}")
        first = 0
        for cell, count in zip(outputs, channels):
            cell[0] = x[:, first:first + count]
            first += count
