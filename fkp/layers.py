"""The layer that turns a map per keypoint into its place."""
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import Layer


class SoftArgmaxLayer(Layer):
    """Where each map is high: (n, k, h, w) -> (n, 2k), x and y of every map, -1 and 1 being the picture's edges.

    A softmax makes the map a probability of every pixel; the answer is the
    expected place.  It moves by less than a pixel, and has a gradient.
    """

    def get_output_shape_for(self, input_shape):
        return input_shape[0], 2 * input_shape[1]

    def get_output_for(self, input, **kwargs):
        _, k, h, w = self.input_shape
        probability = T.nnet.softmax(input.reshape((-1, h * w)))
        y, x = np.mgrid[1:2 * h:2, 1:2 * w:2]  # the pixels' centres, in half pixels from the edge
        places = np.stack([x.ravel() / w - 1, y.ravel() / h - 1], 1).astype(theano.config.floatX)
        return T.dot(probability, places).reshape((-1, 2 * k))
