"""Running a script as a user does."""
import os
import subprocess
import sys

import numpy as np
from conftest import ROOT
from PIL import Image

NETS = ["net1", "net2", "net3", "net4", "net5"]


def run(script, *options, env=None):
    return subprocess.run([sys.executable, str(ROOT / (script + ".py")), *map(str, options)], text=True,
                          capture_output=True, env={**os.environ, "MPLBACKEND": "", **(env or {})}, timeout=600)


def stop_at_epoch(epoch, script, options, number, env=None):
    """Start a script and signal it when it has shown this epoch's row: its exit code and stderr."""
    process = subprocess.Popen([sys.executable, "-u", str(ROOT / (script + ".py")), *map(str, options)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
    for line in process.stdout:
        if line.split()[:1] == [str(epoch)] and "s" in line:  # a row of layers has no "s"
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def assert_picture(path):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert min(pixels.shape) > 300 and pixels.std() > 10
