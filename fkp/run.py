"""What decides a training run's outcome, as it stands in model files and checkpoints."""
import dataclasses
import platform
from importlib.metadata import version
from typing import Any, Dict, List, Optional

import theano_onednn
from fkp.keypoints import ALL_COLUMNS, GROUPS, SIZE, columns

import numpy as np

PACKAGES = ("Theano", "Lasagne", "nolearn", "numpy")
TASK = ("script", "seed", "settings", "data", "net")   # what a run is to learn
CIRCUMSTANCES = ("versions", "computed")               # what its last digits depend on besides
UNSAID = {"settings preprocess", "settings level before"}  # None: not known yet
# Of a net's settings, those that only show or keep time, and what handlers note while it trains:
WITHOUT_EFFECT = {"verbose", "on_batch_finished", "on_training_started", "on_training_finished"}
NOTED = {"best_weights_loss", "best_weights_epoch", "stopped_epoch", "first_iteration"}


def versions():
    """Versions of Python and of the packages that compute."""
    # What stands behind a + says who built it, not what it is.
    return {**{name: version(name).partition("+")[0] for name in PACKAGES}, "Python": platform.python_version()}


@dataclasses.dataclass(frozen=True)
class Run:
    """Two runs that are equal end in the same weights, to the bit."""

    script: str                       # "net4"
    build: Dict[str, Any]             # the arguments of its `build`, JSON values
    data: Dict[str, Any]              # `Faces.origin`
    seed: int
    preprocess: str = "equalise"
    rows: Optional[int] = None        # --rows
    precision: str = "float32"
    level_before: Optional[str] = None   # fingerprint of what a specialist learns from it
    net: Dict[str, Any] = dataclasses.field(default_factory=dict)        # as `described` says, once there is one
    taught: Optional[List[bool]] = None      # which outputs had labels in training, one by one; None: all
    validated: Optional[List[bool]] = None   # and in validation
    validation: Optional[Dict[str, Any]] = None   # the rows that validate it: `validation.record`; None: an old file
    behind: Optional[Dict[str, str]] = None  # of the nets whose answers a specialist corrects: {name: fingerprint}
    maps: Optional[bool] = None              # the net answers with a map per keypoint; None: not known yet
    augmented: Optional[bool] = None         # it has learned from augmented faces: of many sizes and places
    versions: Dict[str, str] = dataclasses.field(default_factory=versions)
    computed: Dict[str, Any] = dataclasses.field(default_factory=theano_onednn.facts)

    @classmethod
    def asked(cls, script, args, data, validation, **build):
        """The run of `script` that the command line asks for; `build` are arguments besides epochs and seed."""
        return cls(script, dict(build, epochs=args.epochs, seed=args.seed), data, args.seed, rows=args.rows,
                   precision=getattr(args, "precision", "float32"), validation=validation)

    def prepared_by(self, method):
        """The same run on faces prepared by this method of PREPROCESS; None: it is not known yet by which."""
        return dataclasses.replace(self, preprocess=method)

    @property
    def half(self):
        """The pixels that 1.0 stands for in this net's coordinates."""
        return self.build.get("win", SIZE) / 2

    def keypoints(self, chosen):
        """Names of the keypoints of these outputs, (k,) bool, in words."""
        names = columns(GROUPS[self.build["group"]]) if "group" in self.build else ALL_COLUMNS
        *others, last = dict.fromkeys(name[:-2] for name, one in zip(names, chosen) if one)
        return f"{', '.join(others)} and {last}" if others else last

    def to_json(self):
        """The header of a model file, without its history."""
        header = dataclasses.asdict(self)
        names = {"build": "build", "preprocess": "preprocess", "rows": "rows", "precision": "precision",
                 "level_before": "level before"}
        header["settings"] = {name: header.pop(field) for field, name in names.items()}
        return header

    @classmethod
    def from_json(cls, header):
        """The run of a header that `models.read_header` has checked, old ones included."""
        settings = header["settings"]
        build = settings.get("build", {})
        known = {name: text for name, text in header["versions"].items() if name != "ops"}  # a printed line, once
        return cls(header["script"], build, header["data"], header.get("seed"),
                   settings.get("preprocess", "equalise"), settings.get("rows"),
                   settings.get("precision", "float32"), settings.get("level before"),
                   without_notes(header.get("net", {})), header.get("taught"), header.get("validated"),
                   header.get("validation"), header.get("behind"), header.get("maps", bool(build.get("heatmaps"))),
                   header.get("augmented", bool(build.get("augment"))), known, header.get("computed", {}))

    def difference(self, other, parts=TASK + CIRCUMSTANCES):
        """The first entry in which `other` differs, as (name, its value, our value), or None.

        What one of both does not say (the net before it is built, UNSAID, the
        circumstances of an old file) is no difference, nor is an argument that
        `build` had not got yet and that is off.
        """
        ours, theirs = self.to_json(), other.to_json()
        for part in parts:
            if ours[part] == {} or theirs[part] == {}:
                continue
            a, b = flat(theirs[part], part), flat(ours[part], part)
            for name in sorted(set(a) | set(b)):
                there, here = a.get(name), b.get(name)
                unsaid = name in UNSAID or name.startswith("settings build") and False in (there, here)
                if there != here and not (unsaid and None in (there, here)):
                    return name, there, here
        return None


def flat(value, name):
    """{"settings build epochs": 3, ...}: a tree of dicts as one."""
    if not isinstance(value, dict):
        return {name: value}
    return {path: leaf for key, each in value.items() for path, leaf in flat(each, f"{name} {key}").items()}


def described(net):
    """The net's layers and settings as JSON holds them: a script may be edited between two runs."""
    return {name: in_json(value) for name, value in net.get_params(deep=False).items() if name not in WITHOUT_EFFECT}


def in_json(value):
    """Numbers and text as they are; an object as its name, with the numbers and texts among its attributes."""
    if value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [in_json(each) for each in value]
    if hasattr(value, "get_value"):
        return np.asarray(value.get_value()).tolist()
    if hasattr(value, "__name__"):  # a function or a class
        return value.__name__
    own = {name: each for name, each in getattr(value, "__dict__", {}).items() if isinstance(each, (int, float, str))}
    return without_notes([type(value).__name__, own])


def without_notes(tree):
    """A description without what handlers had noted when it was written."""
    if isinstance(tree, dict):
        return {name: without_notes(each) for name, each in tree.items() if name not in NOTED}
    return [without_notes(each) for each in tree] if isinstance(tree, list) else tree
