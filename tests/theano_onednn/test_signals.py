"""Signals in the middle of a product leave it, and the memory around it, alone (signals.h); forks leave it alive."""
import os
import subprocess
import sys

import pytest
from conftest import ROOT
import theano_onednn

SCRIPT = """
import signal

import load  # prepares Theano
import numpy as np
from theano_onednn import ops

random = np.random.RandomState(0)
array = lambda *shape: random.uniform(-1, 1, shape).astype("float32")
x, weights, bias = array(128, 9216), array(9216, 100), array(100)
faces, kernel, gy = array(32, 1, 96, 96), array(32, 1, 3, 3), array(32, 32, 47, 47)
where = random.randint(0, 4, (32, 47, 47, 32)).astype("uint8")


def products():
    layer, layer_gradient, stage_gradient = [[[None] for _ in range(n)] for n in (1, 3, 3)]
    ops.Dense().compute([x, weights, bias], layer, [True])
    ops.DenseGradient().compute([x, weights, bias, layer[0][0], layer[0][0]], layer_gradient, [True] * 3)
    ops.StageGradient().compute([faces, kernel, bias[:32], where, gy], stage_gradient, [False, True, True])
    return [cell[0] for cell in layer + layer_gradient + stage_gradient]


seen = []
quiet = products()
signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
signal.setitimer(signal.ITIMER_REAL, 2e-4, 2e-4)
for _ in range(20):
    for a, b in zip(quiet, products()):
        np.testing.assert_array_equal(a, b)
signal.setitimer(signal.ITIMER_REAL, 0)
assert len(seen) > 20, len(seen)
"""


@pytest.mark.skipif(theano_onednn.start.reason is not None,
                    reason="our Ops do not run here: %s" % theano_onednn.start.reason)
@pytest.mark.parametrize("most", ["DEFAULT", "AVX2"])  # each instruction set has kernels of its own
@pytest.mark.parametrize("threads", ["1", "2"])
def test_signals_change_no_product(most, threads):
    done = subprocess.run([sys.executable, "-c", SCRIPT], text=True, capture_output=True, cwd=ROOT, timeout=200,
                          env={**os.environ, "ONEDNN_MAX_CPU_ISA": most, "OMP_NUM_THREADS": threads})
    assert (done.returncode, done.stderr) == (0, "")


FORK = """
import os
import signal

import load  # prepares Theano
import numpy as np
from theano_onednn import ops

random = np.random.RandomState(0)
x, weights, bias = [random.uniform(-1, 1, shape).astype("float32") for shape in ((256, 900), (900, 100), 100)]


def product():
    cells = [[None]]
    ops.Dense().perform(None, [x, weights, bias], cells)
    return cells[0][0].tobytes()


before, child = product(), os.fork()
if not child:
    signal.alarm(60)  # ends it where it would wait forever
    same, grandchild = product() == before, os.fork()
    if not grandchild:
        signal.alarm(60)
        os._exit(product() != before)
    os._exit(not same or os.waitpid(grandchild, 0)[1] != 0)
assert product() == before
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(theano_onednn.start.reason is not None,
                    reason="our Ops do not run here: %s" % theano_onednn.start.reason)
def test_a_forked_child_its_own_child_and_the_parent_multiply():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], text=True, capture_output=True, cwd=ROOT,
                          timeout=100,
                          env={**os.environ, "OMP_NUM_THREADS": "2"})
    assert (done.returncode, done.stderr) == (0, "")
