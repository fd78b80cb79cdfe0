"""What stands in a file beside the net: what its numbers mean, and what it takes."""
import json

from fkp.faces import describe
from fkp.keypoints import ALL_COLUMNS, COLUMNS, GROUPS, columns

PIXELS = {
    "plain": "grey levels as photographed",
    "equalise": "grey levels after histogram equalisation of the whole 96 x 96 face (Pillow's ImageOps.equalize)",
    "standardise": "grey levels of the face with mean 0 and standard deviation 1",
    "local": "grey levels after local contrast normalisation (fkp/pictures/preprocess.py: local)",
}
LOOK = "one look: averaging with the mirror image and looking again, as test1.py and test2.py do, is the caller's part"


def labels(run, count):
    """Names of a net's `count` outputs, in order; none where they are not a whole face's or a specialist's."""
    names = columns(GROUPS[run.build["group"]]) if "group" in run.build else ALL_COLUMNS[:count]
    whole = "group" in run.build or count in (len(COLUMNS), len(ALL_COLUMNS))
    return names if whole and len(names) == count else []


def of_model(run, count, raw):
    """The metadata, {name: text}, of a model of this collection with `count` outputs; `raw` as `export` takes it."""
    untaught = [name for name, taught in zip(labels(run, count), run.taught or []) if not taught]
    return {
        "script": run.script,
        "labels": json.dumps(labels(run, count)),
        "half": f"{run.half:g}",
        "scale": f"pixels from the left and upper edge of the {2 * run.half:g} x {2 * run.half:g} picture "
                 f"that the net sees = (answer + 1) * {run.half:g}",
        "pixels": pixels(run, raw),
        "preprocess": "none: the file does it" if raw else run.preprocess,
        "trained on": describe(run.data),
        "not taught": json.dumps(untaught),
        "looks": LOOK,
    }


def pixels(run, raw):
    """What the input has to be, in words."""
    if raw:
        return "uint8, 0 to 255, grey levels as photographed"
    where = ("" if "group" not in run.build else
             f", cut to the {run.build['win']} x {run.build['win']} pixels around the level before's answer")
    values = "float32" if run.preprocess in ("standardise", "local") else "float32, 0 to 1 (divided by 255)"
    return f"{values}, {PIXELS[run.preprocess]}{where}"
