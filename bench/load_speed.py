"""Times loading Kaggle's training.csv: the tutorial's way, ours, and ours from
the cache.

    python bench/load_speed.py [DIR] [--rounds N]

DIR holds training.csv (default: data).  Each load runs in a process of its
own, the three in turn, several rounds; the medians and the peak resident
memory of the process are printed.  The cache goes to a temporary folder:
nothing in DIR is touched.
"""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine, peak

ROOT = Path(__file__).resolve().parent.parent
WAYS = {"tutorial": "the tutorial's way", "first": "ours, first load", "cached": "ours, from the cache"}


def tutorial(path):
    """pandas reads the text, np.fromstring each row's pixels, as Daniel Nouri's kfkd.py does."""
    import numpy as np
    from pandas import read_csv
    start = time.perf_counter()
    frame = read_csv(path)
    frame["Image"] = frame["Image"].apply(lambda text: np.fromstring(text, sep=" "))
    return time.perf_counter() - start, len(frame)


def ours(path):
    sys.path.insert(0, str(ROOT))
    from fkp.csvs import reader
    with open(path, encoding="utf-8-sig") as file:
        columns = [name for name in file.readline().strip().split(",") if name != "Image"]
    start = time.perf_counter()
    faces = reader.read_training(path, columns)
    return time.perf_counter() - start, len(faces.images)


def child(way, path):
    """Loads once; prints seconds, rows and the peak of resident memory in MB."""
    seconds, rows = (tutorial if way == "tutorial" else ours)(path)
    print(seconds, rows, peak())


def measure(way, path):
    command = [sys.executable, __file__, path, "--child", way]
    seconds, rows, memory = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(seconds), int(rows), float(memory)


def rounds(folder, number):
    """{way: [(seconds, rows, peak MB), ...]}, the ways in turn."""
    results = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        path = shutil.copy(folder / "training.csv", scratch)  # a copy in the page cache, for all alike
        old = time.time() - 3600  # a file that changed just now would not be trusted to its cache
        os.utime(path, (old, old))
        time.sleep(3)
        for _ in range(number):
            for way in WAYS:
                if way == "first":
                    Path(path + ".cache").unlink(missing_ok=True)
                results[way].append(measure(way, path))
    return results


def report(results):
    base = statistics.median(seconds for seconds, _, _ in results["tutorial"])
    print(f"{results['first'][0][1]} rows, median of {len(results['first'])} rounds; "
          f"Python {platform.python_version()}; {machine()}\n")
    print("| way | seconds | ratio | peak resident MB |\n|---|---|---|---|")
    for way, label in WAYS.items():
        seconds = statistics.median(second for second, _, _ in results[way])
        memory = max(most for _, _, most in results[way])
        print(f"| {label} | {seconds:.2f} | {seconds / base:.3f} | {memory:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=str(ROOT / "data"), metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds (default: %(default)s)")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.folder)
    if not (Path(options.folder) / "training.csv").is_file():
        sys.exit(f"{options.folder} holds no training.csv; name the folder with Kaggle's files")
    report(rounds(Path(options.folder), options.rounds))


if __name__ == "__main__":
    main()
