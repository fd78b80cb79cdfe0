"""What is said of a script of Python 2 that ended with an error."""
import runpy

import pytest

from theano_onednn import python2

DIVISIONS = [
    ("rows = 10\nhalf = rows / 2\nrows = rows - 1\nfor i in xrange(half):\n    pass\n", "line 2: half = rows / 2"),
    ("rows = list(xrange(10))\nprint(\n    rows[:len(rows) / 2])\n", "line 2: print(rows[:len(rows) / 2])"),
    ("rows = [0] * (10 / 2)\n", "line 1: rows = [0] * (10 / 2)"),
    ("import numpy as np\nnp.zeros((10 / 2, 3))\n", "line 2: np.zeros((10 / 2, 3))"),
    ("import numpy as np\nhalf = 4\nhalf /= 2\nnp.zeros(4).reshape(half, 2)\n", "line 3: half /= 2"),
    ("class Net:\n    def __init__(self, rows):\n        self.half, self.rest = rows / 2, rows % 2\n\n"
     "    def fit(self):\n        return [i for i in range(self.half)]\n\nNet(8).fit()\n",
     "line 3: self.half, self.rest = (rows / 2, rows % 2)"),
    ("def fit(rounds):\n    for i in range(rounds):\n        pass\n\nfit(7 / 2)\n", "line 5: fit(7 / 2)"),
]




def said(path):
    """The advice for the script at this path, which ends with an error."""
    try:
        runpy.run_path(str(path), {"xrange": range}, "__main__")
    except Exception as error:
        return python2.advice(error, str(path.parent))
    raise AssertionError("the script has no error")


@pytest.fixture
def script(tmp_path):
    def write(text, name="script.py"):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return write


@pytest.mark.parametrize(("text", "line"), DIVISIONS, ids=[line for _, line in DIVISIONS])
def test_a_division_that_a_converter_left_is_named(script, text, line):
    path = script(text)
    assert said(path) == ("in Python 3 `/` makes a fraction of whole numbers; is `//` meant?  %s, %s" % (path, line))


def test_a_layer_of_half_the_units_is_named_where_the_script_asks_for_it(script):
    path = script("from lasagne.layers import DenseLayer, InputLayer\nunits = 7\n"
                  "DenseLayer(InputLayer((None, 2)), units / 2)\n")
    assert said(path).endswith("%s, line 3: DenseLayer(InputLayer((None, 2)), units / 2)" % path)


def test_every_division_of_a_value_is_named_up_to_three(script):
    path = script("half = 4\n" + "half = half / 2\n" * 4 + "range(half)\n")
    assert [part.rpartition("line ")[2] for part in said(path).split("; ")[1:]] == [
        "%d: half = half / 2" % line for line in (2, 3, 4)]


@pytest.mark.parametrize("text", [
    "'a' / 2\n", "x = 1 / 2\nint('a')\n", "x = 5 / 2\nraise ValueError('no integer')\n",
    "import json\njson.dumps(1j)\n",
    "x = 1 / 2\nx['a']\n", "x = 1 / 2\nx()\n", "range(2.5)\n", "1 / 0\n", "raise KeyError('int')\n",
])
def test_other_errors_are_left_alone(script, text):
    assert said(script(text)) is None


def test_what_is_installed_is_left_alone(script, tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    script("def half(rows):\n    return range(rows / 2)\n", "site-packages/package.py")
    assert said(script("import sys\nsys.path.insert(0, %r)\nimport package\npackage.half(4)\n" % str(folder))) is None
