"""The nets of a cascade belong together: each specialist was trained behind the very nets that it stands behind."""
from pathlib import Path
from typing import NamedTuple

from fkp import Problem, files, models
from fkp.faces import describe
from fkp.run import Run

ANEW = "train the specialists again: net5.py --force"


class Mismatch(Problem):
    """Nets of a cascade were not trained for one another."""


class Part(NamedTuple):
    """A net of the cascade."""

    path: Path
    run: Run
    fingerprint: str   # of its weights


def part_of(path):
    """The Part of a model file, without its net."""
    params, header = models.read(path)
    return Part(path, Run.from_json(header), files.weights_fingerprint(params))


def fingerprints(parts, before=None):
    """{name: fingerprint} of the nets in {level: [Part, ...]}, or of those of the levels `before` one."""
    return {part.path.stem: part.fingerprint for level, each in parts.items() if before is None or level < before
            for part in each}


def runs(parts):
    """{name: Run} of the nets in {level: [Part, ...]}, level 1's first."""
    return {part.path.stem: part.run for each in parts.values() for part in each}


def check(parts):
    """Raise Mismatch unless the nets in {level: [Part, ...]} were trained for one another."""
    (first,) = parts[1]
    for level in sorted(parts)[1:]:
        for part in parts[level]:
            check_faces(part, first)
            check_behind(part, fingerprints(parts, level))
            if common(part.run) != common(parts[level][0].run):
                raise Mismatch(f"{part.path}: is of another run than {parts[level][0].path.name}; {ANEW}")


def check_faces(part, first):
    """Raise Mismatch unless both nets learned from the same faces."""
    if part.run.data != first.run.data:
        raise Mismatch(f"{part.path}: was trained on {describe(part.run.data)}, and {first.path.name} on "
                      f"{describe(first.run.data)}; {ANEW}")


def check_behind(part, nets):
    """Raise Mismatch unless a specialist was trained behind these `nets`, {name: fingerprint}."""
    if part.run.behind is None:
        raise Mismatch(f"{part.path}: does not say behind which nets it was trained, as files of today do; {ANEW}")
    for name, fingerprint in nets.items():
        if part.run.behind.get(name) != fingerprint:
            raise Mismatch(f"{part.path}: was trained behind another {name}, and corrects the errors of that one; "
                           f"{ANEW}")


def common(run):
    """What the specialists of a level have in common."""
    build = {name: value for name, value in run.build.items() if name not in ("group", "win")}
    return build, run.seed, run.rows, run.precision, run.preprocess
