"""How the Ops call C++."""
import numpy as np
import pytest

from theano_onednn.ops import native

X = np.arange(24, dtype="float32").reshape(2, 3, 4)
FIXED = X.copy()
FIXED.flags.writeable = False


@pytest.mark.parametrize("array", [
    X, X.T, X[:, 1:], X[..., ::-1], FIXED, FIXED[:, ::2], X[:0], np.empty((0, 3), "float32"), np.array(1.5, "float32"),
    np.broadcast_to(X[:1], X.shape), X.astype("uint8"), X.view(np.recarray)], ids=lambda array: str(array.strides))
def test_an_address_is_numpys_whatever_the_array(array):
    assert native.address(array) == array.__array_interface__["data"][0]
