"""SIGKILL at random moments: what was saved stays readable, and the resumed run ends as if nothing had happened.

FKP_KILLS=20 kills more often than the 3 times of a usual test run.
"""
import os
import random
import subprocess
import sys

import pytest
from conftest import ROOT, assert_same_run

from fkp import files
from fkp.training.checkpoint import checkpoint_path

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("FKP_KILLS", 3))
EPOCHS = 40
# net2 with a checkpoint after every epoch, so that many kills fall into the writing of one
DRIVER = """
import sys
sys.argv[0] = "net2.py"
import load
from fkp import cli
from fkp.training import checkpoint
checkpoint.SECONDS, checkpoint.SHARE = 0, 1e9
import net2
cli.run(net2.main)
"""


def start(folder, models):
    options = ["--epochs", str(EPOCHS), "--data", str(folder), "--models", str(models)]
    options += ["--resume"] * (models / "net2.checkpoint.npz").exists()  # the first kills may come before one
    return subprocess.Popen([sys.executable, "-c", DRIVER, *options], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killed_at_any_moment_a_run_ends_as_if_nothing_had_happened(folder, tmp_path):
    whole = start(folder, tmp_path / "whole")
    _, err = whole.communicate(timeout=300)
    assert whole.returncode == 0, err
    moments = random.Random(0)
    path = tmp_path / "killed" / "net2.npz"
    for _ in range(KILLS):
        process = start(folder, path.parent)
        epochs_before_the_kill = moments.randrange(1, 4)
        try:
            for line in process.stdout:
                if line.strip()[:1].isdigit() and "s" in line:
                    epochs_before_the_kill -= 1
                if epochs_before_the_kill == 0:
                    break
            process.communicate(timeout=moments.random() * 0.1)  # then anywhere in an epoch or a save
        except subprocess.TimeoutExpired:
            pass
        process.kill()
        process.communicate()
        for left in path.parent.glob("*.npz"):
            files.read_npz(left)  # readable, whatever happened
    last = start(folder, path.parent)
    _, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    assert_same_run(tmp_path / "whole" / "net2.npz", path)
    assert not checkpoint_path(path).exists() and not list(path.parent.glob("*.tmp"))


@pytest.mark.parametrize("name", ["net2.checkpoint.npz", "net2.npz"])
def test_killed_at_a_rename_a_run_goes_on(name, folder, tmp_path):
    killer = """
import os, signal
replace = os.replace
def killing(a, b):
    if str(b).endswith("/%s"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(a, b)
os.replace = killing
""" % name
    options = ["--epochs", "6", "--data", str(folder), "--models"]
    ends = [subprocess.run([sys.executable, "-c", code, *options, str(tmp_path / target), *resume], cwd=ROOT,
                           capture_output=True, timeout=300).returncode
            for target, code, *resume in (("whole", DRIVER), ("killed", killer + DRIVER),
                                          ("killed", DRIVER, "--force"))]
    assert ends == [0, -9, 0]
    assert_same_run(tmp_path / "whole" / "net2.npz", tmp_path / "killed" / "net2.npz")
    assert not list((tmp_path / "killed").glob("*.tmp"))
