"""Times an update of nets that other people publish: ours, stock Theano and PyTorch, in turn.

    python bench/any_speed.py --torch PYTHON
    python bench/any_speed.py --nets mnist-cnn,heatmaps --rounds 1

Each measurement is a process of its own and prints the median of its updates;
the tables give the median of the rounds.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from any_nets import NETS
from measure import machine
from train_speed import choices, shown, table

SCRIPT = Path(__file__).resolve().parent / "any_nets.py"
WAYS = {  # what any_nets.py calls it, FKP_ONEDNN
    "ours": ("lasagne", "1"), "stock Theano": ("lasagne", "0"),
    "PyTorch": ("torch", ""), "PyTorch channels-last": ("torch-channels-last", ""),
}


def measure(options, net, way):
    """Milliseconds per update, None where that fails (said on stderr)."""
    script, onednn = WAYS[way]
    python = options.torch if script.startswith("torch") else sys.executable
    command = [*shlex.split(options.prefix), python, str(SCRIPT), net, script, str(options.seconds)]
    done = subprocess.run(command, env=dict(os.environ, FKP_ONEDNN=onednn or "auto"), text=True, check=False,
                          capture_output=True)
    if done.returncode:
        print(f"{net}, {way}: failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def ratio(found, others):
    others = [found[way] for way in others if found.get(way)]
    return shown(found["ours"] / min(others) if found["ours"] and others else None, 2)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--nets", type=choices(NETS), default=list(NETS), help=f"some of {','.join(NETS)}")
    p.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: %(default)s)")
    p.add_argument("--seconds", type=float, default=3, metavar="S", help="for each process (default: %(default)s)")
    p.add_argument("--torch", metavar="PYTHON", help="a Python with torch; default: no PyTorch")
    p.add_argument("--prefix", default="", metavar="CMD", help="put before each measurement, such as 'taskset -c 0'")
    return p.parse_args()


def main():
    options = arguments()
    ways = [way for way in WAYS if options.torch or not WAYS[way][0].startswith("torch")]
    times = {(net, way): [] for net in options.nets for way in ways}
    for _ in range(options.rounds):
        for key, kept in times.items():
            found = measure(options, *key)
            kept.extend([found] if found else [])
    rows = []
    for net in options.nets:
        found = {way: statistics.median(times[net, way]) if times[net, way] else None for way in ways}
        rows.append([net, *(shown(found[way], 1) for way in ways), ratio(found, list(WAYS)[2:]),
                     ratio(found, ["stock Theano"])])
    print(f"milliseconds per update, medians of {options.rounds} rounds; {machine()}")
    table(["net", *ways, "ours / PyTorch", "ours / stock"], rows)


if __name__ == "__main__":
    main()
