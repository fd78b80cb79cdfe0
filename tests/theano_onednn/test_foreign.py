"""Lasagne 0.1's and nolearn 0.6.1's own tests pass alike on oneDNN and on Theano's own Ops."""
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from theano_onednn import start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason),
]
# A source package, and where its tests lie.  nolearn's last one left the tests of its nets out.
LASAGNE, NOLEARN = ("Lasagne-0.1", "lasagne/tests"), ("nolearn-0.6.0", "nolearn/lasagne/tests")
KNOWN = {  # the beginning of a test's name: why it fails today
    "TestBatchIterator.test_simple_x_and_y": "it gives a generator to np.vstack, which NumPy 1.24 and later refuse",
    "TestBatchIterator.test_X_is_dict": "the same",
    "TestConv2DDNNLayer.test_import_without_gpu_or_cudnn_raises": "theano.sandbox.cuda's tests need the package nose",
    "TestGetOutput_MergeLayer.": "its fixture's Mock(spec=layer) reads every property, an abstract one too",
    "TestGetOutputShape_MergeLayer.": "its fixture's Mock(spec=layer) reads every property, an abstract one too",
    "TestInitializeLayers.": "nolearn 0.6.1 answers with a list of output layers",
    "TestRememberBestWeights.test_restore": "nolearn 0.6.1 restores weights in another way",
    "TestSaveWeights.test_pickle": "it replaces builtins.open, and nolearn has builtins of its own (compat/loading.py)",
    "TestCNNVisualizeFunctions.test_draw_to_": "it asks for the packages pydotplus and IPython",
    "test_metrics.test_multiclass_logloss": "it compares all 17 digits",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("foreign")


def fetched(folder, package, where):
    """A package's tests, in a folder of their own: what is installed is what they import."""
    done = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d",
                           str(folder), package.replace("-", "==")], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip("%s's source package cannot be had: %s" % (package, done.stderr.strip().splitlines()[-1]))
    with tarfile.open(folder / (package + ".tar.gz")) as archive:
        archive.extractall(folder)
    return (folder / package / where).rename(folder / (package + "-tests"))


def failures(folder, onednn, *tests):
    """Names of the tests that fail, and how many pass."""
    report = folder / "report.xml"
    subprocess.run([sys.executable, Path(__file__).with_name("foreign.py"), "--rootdir", folder, "--junitxml", report,
                    *tests], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env=dict(os.environ, FKP_ONEDNN=onednn, OMP_NUM_THREADS="1"))
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = {"%s.%s" % (case.get("classname").rpartition(".")[2], case.get("name")) for case in cases
              if case.find("failure") is not None or case.find("error") is not None}
    return failed, sum(len(list(case)) == 0 for case in cases)


def unknown(failed):
    return {name for name in failed if not name.startswith(tuple(KNOWN))}


@pytest.mark.parametrize(("package", "least"), [(LASAGNE, 471), (NOLEARN, 90)], ids=["Lasagne", "nolearn"])
def test_a_packages_own_tests_pass_both_ways(folder, package, least):
    tests = fetched(folder, *package)
    (ours, passed), (theirs, theirs_passed) = [failures(folder, onednn, tests) for onednn in "10"]
    assert ours == theirs and passed == theirs_passed >= least
    assert not unknown(ours)


def test_nolearns_tests_that_know_no_net_pass(folder):
    failed, passed = failures(folder, "auto", "--pyargs", "nolearn.tests")
    assert not unknown(failed) and passed >= 7
