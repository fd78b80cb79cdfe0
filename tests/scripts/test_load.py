"""load.py: what its functions give."""
import load
import numpy as np
import pytest

from fkp import Problem


def test_load_gives_what_nets_take():
    X, y = load.load(data=None, rows=60) if load.is_drawn() else pytest.skip("data/ holds Kaggle's CSVs")
    assert X.dtype == np.uint8 and X.shape[1] == 9216 and y.shape == (len(X), 30) and y.dtype == np.float32
    assert np.abs(y).max() <= 1
    X2, y2 = load.load2d(rows=60)
    assert X2.shape == (len(X), 1, 96, 96)
    np.testing.assert_array_equal(X2.reshape(X.shape), X)
    np.testing.assert_array_equal(y, y2)


def test_specialists_load_only_rows_with_their_labels():
    if not load.is_drawn():
        pytest.skip("data/ holds Kaggle's CSVs")
    X, y, rows = load.load_specialist_train("M", rows=60)
    assert X.shape == (len(y), 96, 96) and y.shape[1] == 10 and len(rows) == len(y)
    assert not np.isnan(y).all(1).any()
    with pytest.raises(Problem, match="'EAR' is unknown"):
        load.load_specialist_train("EAR")
