"""The benchmarks run, on a few rows."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from theano_onednn import start

ROOT = Path(__file__).resolve().parent.parent


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, check=True, stdout=subprocess.PIPE,
                          text=True, env=dict(os.environ, FKP_ONEDNN="auto")).stdout


def test_load_speed_compares_three_ways(tmp_path):
    row = "1.5,2," + " ".join(["7"] * 9216)
    (tmp_path / "training.csv").write_text(f"eye_x,eye_y,Image\n{row}\n{row}\n")
    printed = run("bench/load_speed.py", tmp_path, "--rounds", 1)
    assert printed.startswith("2 rows, median of 1 rounds")
    assert all(f"| {way} |" in printed for way in ("the tutorial's way", "ours, first load", "ours, from the cache"))
    assert [path.name for path in tmp_path.iterdir()] == ["training.csv"]


@pytest.mark.slow
def test_train_speed_measures_both_ends(tmp_path):
    kept = tmp_path / "times.json"
    printed = run("bench/train_speed.py", "--rows", 60, "--rounds", 1, "--seconds", 0, "--nets", "1", "--modes",
                  "stock",
                  "--parts", "train,ops", "--quiet", "--json", kept)
    assert "| net1 |" in printed
    assert "outside Theano's Ops" in printed
    results = {item["what"]: item["values"] for item in json.loads(kept.read_text())["results"]}
    assert len(results["epoch"]) == 1
    assert np.isclose(sum(results["ops"].values()), 1)


def test_what_an_interrupted_benchmark_has_measured_is_kept(tmp_path):
    script = tmp_path / "interrupt_after_one"  # stands before each measurement: ends the benchmark at its third
    count = tmp_path / "count"
    script.write_text(f"echo >> {count}; [ $(wc -l < {count}) -lt 3 ] || {{ kill -TERM $PPID; exit 1; }}; exec \"$@\"")
    kept = tmp_path / "times.json"
    printed = run("bench/train_speed.py", "--rows", 60, "--rounds", 9, "--seconds", 0, "--nets", "1", "--modes",
                  "stock",
                  "--parts", "train", "--quiet", "--json", kept, "--prefix", f"sh {script}")
    assert printed.startswith("Interrupted")
    assert {item["what"]: len(item["values"]) for item in json.loads(kept.read_text())["results"]}["epoch"] >= 1


@pytest.mark.slow
def test_any_speed_measures_every_way():
    printed = run("bench/any_speed.py", "--nets", "mnist-mlp", "--rounds", 1, "--seconds", 0)
    (row,) = [line for line in printed.splitlines() if line.startswith("| mnist-mlp |")]
    numbers = [cell for cell in row.split("|") if cell.strip().replace(".", "").isdecimal()]
    assert len(numbers) == (3 if start.reason is None else 1)  # ours, stock, their ratio


@pytest.mark.slow
def test_nets_of_other_layers_are_built_and_trained():
    sys.path.insert(0, str(ROOT / "bench"))
    import mixed_nets
    for shape, make in mixed_nets.NETS.values():
        assert np.isfinite(mixed_nets.step_of((2, *shape[1:]), make)())


def test_both_sides_of_any_speed_know_every_layer():
    sys.path.insert(0, str(ROOT / "bench"))
    import any_nets
    shapes = {"mnist-mlp": (10,), "mnist-cnn": (10,), "tutorial": (10,), "autoencoder": (1, 28, 28),
              "heatmaps": (15, 48, 48)}
    assert {name: any_nets.lasagne_layers(net).output_shape[1:] for name, net in any_nets.NETS.items()} == shapes
