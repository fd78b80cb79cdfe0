"""Halve model files: parameters as float16, as those that come with this collection are kept.

    python -m fkp.compact models    # every net in this folder, in place

Predictions change by some hundredths of a pixel; training goes on from
checkpoints, which stay as they are.
"""
from pathlib import Path

import numpy as np

from fkp import Problem, cli, files


def compact(path):
    """Rewrite the model file at `path`.  Raises Problem if it is none, or a parameter is too large for float16."""
    arrays = files.read_npz(path)
    for name, values in arrays.items():
        if name.startswith("param_"):
            if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                raise Problem(f"{path}: {name} is too large for float16; leave this model as it is")
            arrays[name] = values.astype(np.float16)
    files.write_npz(path, arrays)


def main(arguments=()):
    p = cli.parser(__doc__)
    p.add_argument("folder", metavar="DIR", type=Path, help="folder of trained nets")
    folder = p.parse_args(arguments).folder
    paths = [path for path in sorted(folder.glob("net*.npz")) if not path.stem.endswith(".checkpoint")]
    if not paths:
        raise Problem(f"{folder}: holds no trained net")
    with files.locked(folder):
        for path in paths:
            before = path.stat().st_size
            compact(path)
            print(f"{path}: {before / 1e6:.1f} -> {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    cli.run(main)
