"""Every Python and NumPy gives the numbers of Python 3.11, and other libraries notice nothing of the old names."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from fkp import models

LOSSES = json.loads((Path(__file__).parent / "losses.json").read_text())


def run(*arguments, check=True, **environment):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, text=True, capture_output=True, check=check,
                          env={**os.environ, **environment})


def train(folder, onednn):
    """Nets 1 to 5, three epochs on 300 rows: {model: losses of every epoch}."""
    for net in sorted(ROOT.glob("net?.py")):
        run(net.name, "--rows", 300, "--epochs", 3, "--models", folder, "--out", folder, "--no-show", FKP_ONEDNN=onednn)
    return {path.stem: [[row["train_loss"], row["valid_loss"]] for row in models.read(path)[1]["history"]]
            for path in sorted(folder.glob("net*.npz"))}


@pytest.mark.slow
@pytest.mark.parametrize("onednn", sorted(LOSSES))
def test_the_losses_are_those_of_python_3_11(onednn, tmp_path):
    if onednn == "1" and not ours():
        pytest.skip("oneDNN does not run here")
    found = train(tmp_path, onednn)
    assert sorted(found) == sorted(LOSSES[onednn])
    for name, losses in LOSSES[onednn].items():
        np.testing.assert_allclose(found[name], losses, atol=1e-4, err_msg=name)


