"""Standard streams that are closed, full or gone: a script trains, saves and ends as ever."""
import os
import pty
import signal
import subprocess
import sys

import load
import pytest
from conftest import ROOT
from running import run

from fkp import models
from fkp.training.checkpoint import checkpoint_path

pytestmark = pytest.mark.slow


def in_a_shell(script, *options, streams):
    """Run a script as a job manager might: with its streams closed or sent somewhere by the shell.  Its exit code."""
    command = " ".join(f"'{word}'" for word in [sys.executable, ROOT / f"{script}.py", *options])
    return subprocess.run(["sh", "-c", f"{command} {streams}"], capture_output=True, check=False).returncode


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&-", "2>/dev/full"])
def test_a_net_is_trained_and_saved_without_streams(streams, folder, tmp_path):
    options = ["--epochs", 2, "--data", folder, "--models", tmp_path]
    assert in_a_shell("net2", *options, streams=streams) == 0
    assert len(load.open_net(tmp_path / "net2.npz").train_history_) == 2


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", "2>/dev/full"])
def test_a_wrong_option_has_its_exit_code_without_a_stream_to_say_so(streams):
    assert in_a_shell("net2", "--epochs", 0, streams=streams) == 2


def start_in_a_window(script, *options):
    """Start a script in a terminal window of its own: (process id, what the window reads)."""
    child, window = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, str(ROOT / f"{script}.py"), *map(str, options)])
    return child, window


def test_a_closed_window_saves_what_was_trained(folder, tmp_path):
    options = ["--epochs", 100000, "--data", folder, "--models", tmp_path]
    child, window = start_in_a_window("net2", *options)
    seen = b""
    while b"\r      3 " not in seen:
        seen += os.read(window, 1000)
    os.close(window)  # the kernel sends SIGHUP, and writing fails from now on
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 128 + signal.SIGHUP
    _, history = models.open_run(checkpoint_path(tmp_path / "net2.npz"))
    assert len(history) >= 3


def test_a_run_under_nohup_does_not_hear_the_window_close(folder, tmp_path):
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    hung_up = f"""{ignoring}
import load, net2, os
from fkp import cli
def build(*args):
    net = original(*args)
    net.on_epoch_finished = [lambda net, history: os.kill(os.getpid(), signal.SIGHUP)]
    return net
original, net2.build = net2.build, build
cli.run(net2.main)
"""
    done = subprocess.run([sys.executable, "-c", hung_up, "--epochs", "3", "--data", str(folder), "--models",
                           str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(load.open_net(tmp_path / "net2.npz").train_history_) == 3


def test_resuming_where_nothing_is_begins_and_says_so(folder, tmp_path):
    done = run("net2", "--epochs", 2, "--resume", "--data", folder, "--models", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "net2.npz: there is nothing to resume yet, so this begins.\n" in done.stdout
    assert len(load.open_net(tmp_path / "net2.npz").train_history_) == 2
