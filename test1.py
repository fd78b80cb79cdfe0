"""The cascade on 8 random test faces, and a submission for Kaggle.

    python test1.py    # a minute; needs net4.py trained, better net5.py too

Uses levels 1 and 2, averaged where net5.py found that better than level 2
alone, or level 1 where there are no specialists; net5.py writes the submission
of the whole cascade.  Saves test1.png and submission.csv.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
from fkp.looking import cascade
from fkp.looking.parts import Mismatch
from fkp import cli, greeting
from fkp.results import figures, submission
from fkp.results import report

import numpy as np

LEVELS = [2]
N_FACES = 8


def add_specialists(levels):
    """Level 2, unless it was trained behind another level 1."""
    try:
        levels.add_specialists(LEVELS)
    except Mismatch as problem:
        levels.specialists = {}
        print(f"Level 1 answers alone: {problem}")


def main(arguments=()):
    p = cli.parser(__doc__, "data", "models", "seed", "out", "shift", "show")
    args = p.parse_args(arguments)
    figures.use_display(args.show)
    args.models = greeting.nets_to_show(args.models)
    asked = faces, _ = submission.questions(args.data)
    greeting.greet(args, faces)
    levels = cascade.Cascade(args.models)
    specialists = [cascade.path(args.models, group, levels.sides[level]) for level in LEVELS for group in load.GROUPS]
    if any(path.exists() for path in specialists):
        add_specialists(levels)
    greeting.warn_if_foreign(levels.face_net.run_, faces.origin)
    rule = report.best_rule(args.models, levels.parts())
    points = submission.answer(asked, levels, rule, args.out / "submission.csv",
                               submission.training_faces(args.data), args.shift)
    chosen = np.random.RandomState(args.seed).choice(len(faces.images), min(N_FACES, len(faces.images)), replace=False)
    title = "Test faces, cascade levels 1 and 2" if levels.specialists else "Test faces, level 1"
    figure = figures.gallery(title, faces.images[chosen], points[chosen][:, :len(load.COLUMNS)],
                             captions=[f"ImageId {faces.ids[i]}" for i in chosen])
    figures.save(figure, args.out / "test1.png", args.show)


if __name__ == "__main__":
    cli.run(main)
