"""Scripts in the manner of public repositories train to the same losses on oneDNN and on Theano's own Ops."""
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from theano_onednn import start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason),
]
FOLDER = ROOT / "tests" / "theano_onednn" / "public"
KERAS = "keras_net"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("data", "run"))


@pytest.fixture(scope="module")
def losses():
    """{script: [its numbers on oneDNN, on Theano's own Ops]}."""
    names = [name for name in SCRIPTS if name != KERAS or importlib.util.find_spec("keras")]
    found = []
    for onednn in "10":
        done = subprocess.run([sys.executable, str(FOLDER / "run.py"), *names], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(ROOT), FKP_ONEDNN=onednn))
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout.splitlines()[-1]))  # before it stands that kernels are compiled)
    return {name: [one[name] for one in found] for name in names}


@pytest.mark.parametrize("name", SCRIPTS)
def test_both_ways_have_the_same_losses(losses, name):
    if name not in losses:
        pytest.skip("keras 2.2.4 is not installed")
    ours, theanos = losses[name]
    assert len(ours) > 4 and len(set(ours)) == len(ours)
    np.testing.assert_allclose(ours, theanos, rtol=1e-3, atol=1e-5)
