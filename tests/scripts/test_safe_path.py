"""Pythons that leave a script's folder out of their path: -P and PYTHONSAFEPATH since 3.11, -I in all."""
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py") if path.name != "load.py")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_finds_what_lies_beside_it(name):
    """Each puts its folder in front before it imports anything that is not Python's own."""
    before, _, _ = (ROOT / name).read_text(encoding="utf-8").partition("import load ")
    assert before.splitlines()[-1].startswith("sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))")
    assert not re.search(r"^(?:import|from) (?:fkp|theano|net\d)", before, re.M)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["-I", "-P"])
@pytest.mark.parametrize("name", ["net1.py", "test3.py"])
def test_and_runs_from_anywhere(name, option, tmp_path):
    if option == "-P" and sys.version_info < (3, 11):
        pytest.skip("Python has -P since 3.11")
    done = subprocess.run([sys.executable, option, ROOT / name, "--help"], cwd=tmp_path, text=True, capture_output=True,
                          env={**os.environ, "PYTHONSAFEPATH": "1"})
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("usage: ")
