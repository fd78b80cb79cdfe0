"""Lasagne 0.1's own tests, from its source package, pass alike on oneDNN and on Theano's own Ops.

Ten minutes and a download: only where FKP_FOREIGN is set.
"""
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fkp.backend import start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("FKP_FOREIGN"), reason="FKP_FOREIGN is not set: ten minutes, a download"),
    pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason),
]
KNOWN = {  # test: why it fails on any machine of today
    "TestConv2DDNNLayer.test_import_without_gpu_or_cudnn_raises": "theano.sandbox.cuda's tests ask for the package nose",
    "TestGetOutput_MergeLayer": "its fixture's Mock(spec=layer) reads every property, an abstract one too",
    "TestGetOutputShape_MergeLayer": "its fixture's Mock(spec=layer) reads every property, an abstract one too",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lasagne's tests, in a folder of their own: the installed Lasagne is what they import."""
    path = tmp_path_factory.mktemp("foreign")
    done = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d",
                           str(path), "Lasagne==0.1"], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip("Lasagne's source package cannot be had: %s" % done.stderr.strip().splitlines()[-1])
    with tarfile.open(next(path.glob("*.tar.gz"))) as archive:
        archive.extractall(path)
    (path / "Lasagne-0.1" / "lasagne" / "tests").rename(path / "lasagne_tests")
    return path


def failures(folder, onednn):
    """Names of the tests that fail, and how many pass."""
    report = folder / ("report-%s.xml" % onednn)
    subprocess.run([sys.executable, Path(__file__).with_name("foreign.py"), folder, "--junitxml", report,
                    folder / "lasagne_tests"], env=dict(os.environ, FKP_ONEDNN=onednn), stdout=subprocess.DEVNULL)
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = {"%s.%s" % (case.get("classname").rpartition(".")[2], case.get("name")) for case in cases
              if case.find("failure") is not None or case.find("error") is not None}
    return failed, sum(len(list(case)) == 0 for case in cases)


def test_lasagnes_own_tests_pass_both_ways(folder):
    (ours, passed), (theirs, theirs_passed) = failures(folder, "1"), failures(folder, "0")
    assert ours == theirs and passed == theirs_passed > 400
    assert not {name for name in ours if not any(name.startswith(known) for known in KNOWN)}
