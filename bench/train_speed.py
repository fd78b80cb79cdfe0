"""Times training: ours, stock Theano and PyTorch, on the same data in turn (bench/README.md).

    python bench/train_speed.py --torch PYTHON           # all, an hour
    python bench/train_speed.py --nets 4 --parts train   # one net, no PyTorch
    python bench/train_speed.py --data data --json times.json
"""
import argparse
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import machine
from tables import choices
from train_modes import MODES, NETS, PREDICTED
from train_report import report

HERE = Path(__file__).resolve().parent
KAGGLE_ROWS = 2140  # complete rows of Kaggle's training.csv
PARTS = {
    "train": "seconds an epoch, peak memory, prediction of 1,783 faces with net 4 and its sister with maps",
    "start": "seconds from the start of Python to the first batch, compile cache cold and warm",
    "growth": "seconds an epoch of ours, net 4, with up to ten times the rows",
    "script": "peak memory of `python net4.py` itself",
    "ops": "share of the epoch per Op, by Theano's profiler",
}


class Bench:
    """Runs measurements and keeps what they gave: {(what, net, mode): [numbers]}."""

    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.results, self.versions, self.failed = {}, {}, set()
        self.data = str(self.folder / "faces.npz")

    def child(self, mode, part, net="4", rows=None, cache=None, flags="", **more):
        """One measurement's answer as a dict, None where the mode does not run here."""
        python = self.options.torch if mode.torch else sys.executable
        script = HERE / ("torch_twins.py" if mode.torch else "ours.py")
        asked = {"part": part, "net": net, "rows": rows, "data": self.data, "bfloat16": mode.bfloat16,
                 "channels_last": mode.channels_last, "times": self.options.times, "seconds": self.options.seconds,
                 "predict": False, **more}
        environment = dict(os.environ, FKP_ONEDNN=mode.onednn)
        if cache:
            environment["XDG_CACHE_HOME"] = str(cache)
        if flags:
            environment["THEANO_FLAGS"] = ",".join(filter(None, [os.environ.get("THEANO_FLAGS"), flags]))
        answer = self.run([python, str(script), json.dumps(asked)], environment, f"{part} net{net} {mode.label}")
        return json.loads(answer.splitlines()[-1]) if answer else None

    def run(self, command, environment, name):
        """What a command prints, None if it fails (noted, with its last line)."""
        if name in self.failed:
            return None
        if not self.options.quiet:
            print(name, file=sys.stderr, flush=True)
        done = subprocess.run(shlex.split(self.options.prefix) + command, env=environment, text=True, check=False,
                              capture_output=True)
        if done.returncode:
            self.failed.add(name)
            print(f"{name}: failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}", file=sys.stderr)
            return None
        return done.stdout

    def note(self, mode, net, answer):
        """Keeps the numbers of an answer."""
        if answer:
            self.versions[mode] = answer.pop("version")
            for what, numbers in answer.items():
                self.results.setdefault((what, net, mode), []).extend(numbers)

    def median(self, what, net, mode):
        numbers = self.results.get((what, net, mode))
        return statistics.median(numbers) if numbers else None

    # --- the parts ---

    def prepare(self):
        """The data file, the same for all."""
        asked = {"part": "data", "data": self.data, "source": self.options.data, "rows": self.options.rows}
        if not self.run([sys.executable, str(HERE / "ours.py"), json.dumps(asked)], dict(os.environ), "data"):
            sys.exit("the data could not be prepared")

    def train(self):
        for _ in range(self.options.rounds):
            for net in self.options.nets:
                for name in self.options.modes:
                    self.note(name, net, self.child(MODES[name], "train", net, predict=net in PREDICTED))

    def start(self):
        for _ in range(self.options.rounds):
            for name in self.options.modes:
                with tempfile.TemporaryDirectory(dir=self.folder) as cache:
                    for kind in ("cold", "warm"):
                        answer = self.child(MODES[name], "start", cache=cache)
                        self.note(name, "4",
                                  answer and {"start " + kind: answer["start"], "version": answer["version"]})

    def growth(self):
        for _ in range(self.options.rounds):
            for times in self.options.growth:
                for name in self.own_modes():
                    rows = times * self.options.rows
                    answer = self.child(MODES[name], "train", rows=rows, times=1, seconds=0)
                    self.note(name, str(rows), answer and {"growth": answer["epoch"], "growth memory": answer["memory"],
                                                           "version": answer["version"]})

    def script(self):
        """net4.py as a user runs it, two epochs, from the CSVs if there are any."""
        for name in self.own_modes():
            with tempfile.TemporaryDirectory(dir=self.folder) as models:
                command = [sys.executable, str(HERE.parent / "net4.py"), "--epochs", "2", "--models", models]
                command += ["--data", self.options.data] if self.options.data else ["--rows", str(self.options.rows)]
                command += ["--precision", "bfloat16"] if MODES[name].bfloat16 else []
                for _ in range(2):  # the first may compile, and the compiler's memory is not what is asked
                    peak = self.run([sys.executable, "-c", PEAK, *command], dict(os.environ, FKP_ONEDNN="1"),
                                    f"script net4.py {name}")
                if peak:
                    self.results["script", "4", name] = [float(peak)]

    def own_modes(self):
        return [name for name in self.options.modes if name in ("ours", "ours-bf16")]

    def ops(self):
        for net in self.options.nets:
            for name in [name for name in self.options.modes if not MODES[name].torch]:
                answer = self.child(MODES[name], "ops", net, flags="profile=True")
                if answer:
                    self.results["ops", net, name] = answer["ops"]
                    self.versions[name] = answer["version"]


# Runs a command and prints the peak resident memory of it and its children in MB.
PEAK = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog="parts:\n" + "\n".join(f"  {k:8} {v}" for k, v in PARTS.items()))
    p.add_argument("--data", metavar="DIR", help="Kaggle's CSVs; default: random pixels, which take the same time")
    p.add_argument("--rows", type=int, default=KAGGLE_ROWS, metavar="N", help="rows (default: %(default)s)")
    p.add_argument("--nets", type=choices(NETS), default=list(NETS),
                   help="such as 1,4; 5: a specialist; maps: net 4 with --heatmaps")
    p.add_argument("--parts", type=choices(PARTS), default=list(PARTS), help="such as train,start; see below")
    p.add_argument("--modes", type=choices(MODES), default=list(MODES), help=f"some of {','.join(MODES)}")
    p.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: %(default)s)")
    p.add_argument("--times", type=int, default=1, metavar="N", help="epochs in each process (default: %(default)s)")
    p.add_argument("--seconds", type=float, default=3, metavar="S",
                   help="more epochs in each process until so many seconds have passed (default: %(default)s)")
    p.add_argument("--growth", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2, 5, 10],
                   help="times as many rows (default: 1,2,5,10)")
    p.add_argument("--torch", metavar="PYTHON", help="a Python with torch; default: no PyTorch")
    p.add_argument("--prefix", default="", metavar="CMD", help="put before each measurement, such as 'taskset -c 0,1'")
    p.add_argument("--json", metavar="FILE", help="write every single number there")
    p.add_argument("--quiet", action="store_true", help="no line per measurement")
    options = p.parse_args()
    if not options.torch:
        options.modes = [mode for mode in options.modes if not MODES[mode].torch]
    return options


def stop(*_):
    raise KeyboardInterrupt


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, stop)  # an hour's figures must not be lost
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        bench.prepare()
        try:
            for part in options.parts:
                getattr(bench, part)()
        except KeyboardInterrupt:
            print("Interrupted: what follows is from fewer rounds.\n")
        report(bench)
    if options.json:
        results = [{"what": what, "net or rows": net, "mode": mode, "values": values}
                   for (what, net, mode), values in bench.results.items()]
        Path(options.json).write_text(json.dumps({"machine": machine(), "options": vars(options),
                                                  "versions": bench.versions, "results": results}, indent=1))


if __name__ == "__main__":
    main()
