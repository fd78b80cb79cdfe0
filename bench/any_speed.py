"""Times an update of nets that other people publish: ours, stock Theano and PyTorch, in turn.

    python bench/any_speed.py --torch PYTHON
    python bench/any_speed.py --nets mnist-cnn,heatmaps --rounds 1

Each measurement is a process of its own and prints the median of its updates;
the tables give the median of the rounds.  Nets that our Ops take only in part,
and tiny ones (mixed_nets.py), have a table of their own: on one thread, in the
processor's time, or on OMP_NUM_THREADS.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import mixed_nets
from any_nets import NETS
from measure import machine
from tables import choices, shown, table

BENCH = Path(__file__).resolve().parent
WAYS = {  # what any_nets.py calls it, FKP_ONEDNN
    "ours": ("lasagne", "1"), "stock Theano": ("lasagne", "0"),
    "PyTorch": ("torch", ""), "PyTorch channels-last": ("torch-channels-last", ""),
}


def measure(options, net, way):
    """Milliseconds per update, None where that fails (said on stderr)."""
    script, onednn = WAYS[way]
    python = options.torch if script.startswith("torch") else sys.executable
    what = ["mixed_nets.py", net] if net in mixed_nets.NETS else ["any_nets.py", net, script]
    command = [*shlex.split(options.prefix), python, str(BENCH / what[0]), *what[1:], str(options.seconds)]
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
    every = [*NETS, *mixed_nets.NETS]
    p.add_argument("--nets", type=choices(every), default=every, help=f"some of {','.join(every)}")
    p.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: %(default)s)")
    p.add_argument("--seconds", type=float, default=3, metavar="S", help="for each process (default: %(default)s)")
    p.add_argument("--torch", metavar="PYTHON", help="a Python with torch; default: no PyTorch")
    p.add_argument("--prefix", default="", metavar="CMD", help="put before each measurement, such as 'taskset -c 0'")
    return p.parse_args()


def compare(options, nets, ways, unit):
    """A table of these nets and ways."""
    times = {(net, way): [] for net in nets for way in ways}
    for _ in range(options.rounds):
        for key, kept in times.items():
            found = measure(options, *key)
            kept.extend([found] if found else [])
    rows, digits = [], 2 if nets[0] in NETS else 4
    for net in nets:
        found = {way: statistics.median(times[net, way]) if times[net, way] else None for way in ways}
        rows.append([net, *(shown(found[way], digits) for way in ways), ratio(found, list(WAYS)[2:]),
                     ratio(found, ["stock Theano"])])
    print(f"\n{unit} per update, medians of {options.rounds} rounds; {machine()}")
    table(["net", *ways, "ours / PyTorch", "ours / stock"], rows)


def main():
    options = arguments()
    ways = [way for way in WAYS if options.torch or not WAYS[way][0].startswith("torch")]
    pure, mixed = ([net for net in options.nets if net in known] for known in (NETS, mixed_nets.NETS))
    if pure:
        compare(options, pure, ways, "milliseconds")
    if mixed:
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        unit = f"milliseconds on {threads} threads" if threads != "1" else (
            "milliseconds of the processor's time on one thread")
        compare(options, mixed, list(WAYS)[:2], unit)


if __name__ == "__main__":
    main()
