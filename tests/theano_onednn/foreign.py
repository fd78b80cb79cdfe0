"""Runs a package's own tests, of 2015, on this backend: python tests/theano_onednn/foreign.py PYTEST_ARGUMENTS

For tests/theano_onednn/test_foreign.py.  What those tests import and is no more stands in
here: the package mock, a layer of Lasagne's next release, and two data sets,
with digits that scikit-learn has.
"""
import sys
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.modules["mock"] = unittest.mock

import theano_onednn  # noqa: E402, F401, I001  (first: prepares Theano)
import lasagne  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from theano_onednn.compat import scripts  # noqa: E402
from theano_onednn.layers import BatchNormLayer  # noqa: E402
from sklearn import datasets  # noqa: E402
from sklearn.utils import Bunch  # noqa: E402


def fetch_mldata(name):
    """MNIST's shape: 70,000 images of 28 x 28, from scikit-learn's 1,797 of 8 x 8."""
    digits = datasets.load_digits()
    images = np.pad(np.kron(digits.images, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))) * (255 / 16)
    return Bunch(data=np.resize(images.astype("uint8").reshape(len(images), -1), (70000, 784)),
                 target=np.resize(digits.target, 70000))


def load_boston():
    """506 rows of 13 columns, whose target, of Boston's mean and spread, follows them."""
    x, y = datasets.make_regression(506, 13, random_state=42)
    return Bunch(data=x, target=22.5 + 9.2 * y / y.std())


if __name__ == "__main__":
    scripts.gpu_layers.restore = lambda: None  # where there are none, their tests are skipped
    scripts.restore()
    vars(datasets).update(fetch_mldata=fetch_mldata, load_boston=load_boston)
    lasagne.layers.BatchNormLayer = BatchNormLayer
    sys.exit(pytest.main(["-c", "/dev/null", "-p", "no:cacheprovider", "-q", "-rfE", "--tb=line", *sys.argv[1:]]))
