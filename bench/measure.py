"""What the benchmarks share; needs NumPy alone, so that it runs beside PyTorch too."""
import datetime
import os
import platform
import resource
import time
from pathlib import Path

import numpy as np

BATCH = 128


def machine():
    """The processor, its cores that this process may use, and the date."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.processor()}, {cores} cores, {datetime.date.today()}"


def since_start():
    """Seconds since this process was started, to 10 ms."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def peak():
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work, times, seconds, clock=time.perf_counter):
    """Durations of `work()`, at least `times` of them and until `seconds` have passed by this clock."""
    found = []
    while len(found) < times or sum(found) < seconds:
        began = clock()
        work()
        found.append(clock() - began)
    return found


def read(path, net, rows=None):
    """(X uint8 (n, 96, 96), y, errors, test) for a net from the file that ours.write_data wrote.

    With `rows`, X and y are repeated to that length.
    """
    with np.load(path, allow_pickle=False) as file:
        kind = "special_" if net == "5" else ""
        X, y, errors, test = (file[name] for name in (kind + "X", kind + "y", "errors", "test"))
    if rows is not None:
        X, y = np.resize(X, (rows, *X.shape[1:])), np.resize(y, (rows, *y.shape[1:]))
    return X, y, errors, test


def warm_rows(rows):
    """How few of the rows, a fifth of which validates, meet every size of batch that all of them do."""
    return min(rows, rows % (5 * BATCH) + 5 * BATCH)
