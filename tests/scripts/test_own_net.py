"""A net of one's own: a netN.py beside the others is trained, resumed and shown without an edit elsewhere."""
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from fkp.drawn import draw

NET6 = '''"""Net 6: net 3 that learns as net 4 does, from augmented faces."""
import load
import net3
import net4
from fkp import cli, greeting
from fkp.training.session import train


def build(epochs=20, seed=cli.SEED, rate=0.02, units=(20, 10)):
    class Own(net4.Published):
        learning_rate = rate
    net = net3.build(epochs, seed)
    return net.set_params(hidden4_num_units=units[0], hidden5_num_units=units[1],
                          batch_iterator_train=net4.AugmentBatchIterator(batch_size=16, seed=seed),
                          **net4.schedule(Own, epochs))


def main(arguments=()):
    args = cli.training(__doc__, 20).parse_args(arguments)
    faces = greeting.faces_asked_for(args)
    X, y = load.arrays2d(faces)
    net = build(args.epochs, args.seed, rate=0.015, units=[12, 8])
    net.train_split = load.split_for(faces)
    train(net, X, y, "net6", args, faces, rate=0.015, units=[12, 8])


if __name__ == "__main__":
    cli.run(main)
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the collection with a net 6, and faces to train it on."""
    tree = tmp_path_factory.mktemp("tree")
    for script in ROOT.glob("*.py"):
        shutil.copy(script, tree)
    for package in ("fkp", "theano_onednn"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "net6.py").write_text(NET6)
    draw.write_csvs(tree / "csvs", rows=60)
    return tree


def python(tree, *arguments):
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=tree, text=True, capture_output=True, timeout=600,
                          env={**os.environ, "MPLBACKEND": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_net_of_ones_own_is_trained_resumed_and_shown(tree):
    options = ["--data", "csvs", "--models", "own"]
    training = subprocess.Popen([sys.executable, "-u", "net6.py", "--epochs", "5", *options], cwd=tree, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in training.stdout:
        if line.split()[:1] == ["1"] and "s" in line:  # the first epoch; a row of layers has no "s"
            break
    training.send_signal(signal.SIGINT)
    assert "go on with --resume" in training.communicate(timeout=120)[1] and training.returncode == 130
    assert "going on after epoch" in python(tree, "net6.py", "--epochs", 5, "--resume", *options)
    assert "trained already (5 epochs)" in python(tree, "net6.py", "--epochs", 5, "--resume", *options)
    out = python(tree, "test2.py", *options, "--out", "own")  # the best there is: the newest
    assert "test2-net6-valid.png" in out and "nose_tip" in out
    assert re.search(r"^net6 +5 ", python(tree, "test3.py", "--models", "own", "--out", "own"), re.M)


def test_nets_are_found_newest_first_and_only_those_with_build(tree):
    (tree / "net11.py").write_text("def build(epochs=1):\n    pass\n")
    (tree / "net12.py").write_text("nothing = 0\n")
    (tree / "network.py").write_text("def build(epochs=1):\n    pass\n")
    assert python(tree, "-c", "from fkp import models; print(models.scripts())") == (
        "['net11', 'net6', 'net5', 'net4', 'net3', 'net2', 'net1']\n")
