"""Halve model files: parameters as float16, as those that come with this collection are kept.

    python -m fkp.compact models    # every net in this folder, in place

Predictions change by some hundredths of a pixel; training goes on from
checkpoints, which stay as they are.
"""
from pathlib import Path

import numpy as np

from fkp import Problem, cli, files


def halved(path):
    """What the model file at `path` is to hold, {name: array}, and its net's fingerprints before and after.

    Raises Problem if it is none, or a parameter is too large for float16.
    """
    arrays = files.read_npz(path)
    before = fingerprint(arrays)
    for name, values in arrays.items():
        if name.startswith("param_"):
            if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                raise Problem(f"{path}: {name} is too large for float16; leave this model as it is")
            arrays[name] = values.astype(np.float16)
    return arrays, (before, fingerprint(arrays))


def fingerprint(arrays):
    """As `models.fingerprint`, of what a model file holds."""
    count = sum(name.startswith("param_") for name in arrays)
    return files.weights_fingerprint(arrays[f"param_{i}"] for i in range(count))


def renamed(text, names):
    """A text with each fingerprint of `names`, {before: after}, replaced."""
    for before, after in names.items():
        text = text.replace(before, after)
    return text


def main(arguments=()):
    p = cli.parser(__doc__)
    p.add_argument("folder", metavar="DIR", type=Path, help="folder of trained nets")
    folder = p.parse_args(arguments).folder
    paths = [path for path in sorted(folder.glob("net*.npz")) if not path.stem.endswith(".checkpoint")]
    if not paths:
        raise Problem(f"{folder}: holds no trained net")
    with files.locked(folder):
        nets = {path: halved(path) for path in paths}
        names = dict(names for _, names in nets.values())  # by which specialists know the nets that they stand behind
        for path, (arrays, _) in nets.items():
            before = path.stat().st_size
            files.write_npz(path, {**arrays, "header": np.array(renamed(str(arrays["header"]), names))})
            print(f"{path}: {before / 1e6:.1f} -> {path.stat().st_size / 1e6:.1f} MB")
        rules = folder / "net5.json"
        if rules.exists():
            files.write_text(rules, renamed(rules.read_text(), names))


if __name__ == "__main__":
    cli.run(main)
