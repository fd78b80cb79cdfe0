"""Layers that Lasagne 0.1 lacks and that our Ops know: batch normalisation, upscaling."""
import theano
import theano.tensor as T
from lasagne import init
from lasagne.layers import Layer
from theano.tensor.nnet.bn import batch_normalization_test, batch_normalization_train


class BatchNormLayer(Layer):
    """Shifts and scales each channel to mean 0 and variance 1, then by `beta` and `gamma`, which are learned.

    In training mean and variance are the batch's, in prediction (that is,
    with `deterministic`) running averages of these: parameters as well, so
    that a model file has them, but no gradient changes them.  Ioffe and
    Szegedy, "Batch normalization" (ICML 2015).
    """

    SHARE = 0.1  # of the newest batch in the running averages
    EPSILON = 1e-4  # added to the variance

    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, **kwargs)
        channels = self.input_shape[1:2]
        self.gamma = self.add_param(init.Constant(1), channels, "gamma", regularizable=False)
        self.beta = self.add_param(init.Constant(0), channels, "beta", regularizable=False)
        self.mean = self.add_param(init.Constant(0), channels, "mean", trainable=False, regularizable=False)
        self.variance = self.add_param(init.Constant(1), channels, "variance", trainable=False, regularizable=False)

    def get_output_for(self, input, deterministic=False, **kwargs):
        if deterministic:
            return batch_normalization_test(input, self.gamma, self.beta, self.mean, self.variance, "spatial",
                                            self.EPSILON)
        return self.train(input, batch_normalization_train)

    def train(self, input, normalise):
        """The output in training; `normalise` is Theano's `batch_normalization_train` or one that does more."""
        # copies of the variables over the same memory: whatever is compiled from this output updates them
        mean, variance = (theano.clone(average, share_inputs=False) for average in (self.mean, self.variance))
        output, _, _, mean.default_update, variance.default_update = normalise(
            input, self.gamma, self.beta, "spatial", self.EPSILON, self.SHARE, mean, variance)
        return output


class UpscaleLayer(Layer):
    """Each pixel becomes 2 x 2: (n, channels, h, w) -> (n, channels, 2h, 2w)."""

    def get_output_shape_for(self, input_shape):
        return (*input_shape[:2], *(side and 2 * side for side in input_shape[2:]))

    def get_output_for(self, input, **kwargs):
        return T.extra_ops.repeat(T.extra_ops.repeat(input, 2, 2), 2, 3)
