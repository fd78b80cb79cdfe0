"""Look at a trained net: its predictions on faces, and its error per keypoint.

    python test2.py                # the best net there is
    python test2.py net1           # that one; net5 is the whole cascade
    python test2.py net1 net4 net5 # the same faces under each, side by side
    python test2.py net5 --image PHOTO.jpg

Saves test2-NET-test.png (test faces), test2-NET-valid.png (validation faces,
prediction in red, truth in green) and test2-NET-errors.png, with the errors in
test2-NET-errors.csv; for several nets test2-nets-valid.png, test2-nets-errors.png
and test2-nets-errors.csv.  With --image it predicts on your own photo instead:
on the face in --box, on those that OpenCV finds, where it is installed, or on
those that the net itself is sure of; a photo on which none is found is taken as
one face.  The result is PHOTO.jpg-NET.png beside the photo (or in --out), small
faces enlarged and numbered, with the keypoints in PHOTO.jpg-NET.csv.
"""
import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
from fkp import Problem, cli, files, greeting, tables, validation
from fkp.looking import cascade, photo
from fkp.looking.answers import net_points
from fkp.looking.parts import runs as runs_of
from fkp.results import figures, photo_figure, report
from fkp.faces import describe
from fkp.keypoints import rms, turned
from fkp.models import named, scripts

import numpy as np
import pandas

N_TEST, N_VALID = 16, 8
COMPLETE = "all, on complete faces"


def predictor(name, models):
    """(predict, runs): `predict` takes prepared images (n, 96, 96), gives points (n, all).

    runs: {name: Run} of the nets in it, that on whole faces first.
    """
    if name == "net5":
        levels = cascade.Cascade(models).add_specialists()
        parts = levels.parts()
        rule = report.best_rule(models, parts)
        return lambda images: cascade.combine(levels.predict(images), rule), runs_of(parts)
    net = load.open_net(named(models, name)[1])
    if net.run_.script == "net5":
        raise Problem(f"{name} is a specialist and sees crops only; `python test2.py net5` shows the cascade")
    return lambda images: net_points(net, images), {name: net.run_}


def best_there_is(models):
    """The name of the most advanced trained net.  Raises Problem if there is none."""
    for name in scripts():
        if (models / (name + ".npz")).exists() or name == "net5" and cascade.is_complete(models):
            return name
    raise Problem(f"{models}: holds no trained net; train one first: python net1.py")


def main(arguments=()):
    p = cli.parser(__doc__, "data", "models", "rows", "groups", "seed", "out", "show")
    p.add_argument("nets", nargs="*", metavar="NET", help="net1, net2, ... or another model's name such as net1-plain")
    p.add_argument("--image", metavar="PHOTO", type=cli.path, help="predict on this picture instead")
    p.add_argument("--box", metavar="X,Y,W,H", type=box, help="where the face is on it, in pixels")
    p.set_defaults(out=None)
    args = p.parse_args(arguments)
    args.nets = [named(args.models, name)[0] for name in args.nets]
    if args.box and not args.image:
        p.error("argument --box: goes with --image")
    if args.image and len(args.nets) > 1:
        p.error("argument --image: takes one net")
    figures.use_display(args.show)
    args.models = greeting.nets_to_show(args.models)
    args.out = args.out or beside(args.image)
    name, *others = args.nets or [best_there_is(args.models)]
    if args.image:
        return show_photo(name, args)
    faces = load.faces(data=args.data, rows=args.rows, groups=args.groups)
    greeting.greet(args, faces)
    random = np.random.RandomState(args.seed)
    if others:
        return compare(args.nets, faces, random, args)
    predict, runs = predictor(name, args.models)
    run = first(runs)
    greeting.warn_if_foreign(run, faces.origin)
    show_test_faces(name, predict, run.preprocess, random, args)
    rows = rows_to_judge_on(runs, faces)
    if rows is not None:
        show_validation(name, predict, run.preprocess, faces, rows, random, args)


def first(runs):
    """The Run of a predictor's net on whole faces."""
    return next(iter(runs.values()))


def rows_to_judge_on(runs, faces):
    """Rows (m,) of the faces that none of these nets was trained on; None, and a line that says why, where unknown."""
    unseen = validation.unseen_by(runs, faces)
    if unseen.rows is None:
        print(f"No error is shown. {unseen.why}.")
    else:
        for line in filter(None, (validation.other_split(name, run, faces.origin) for name, run in runs.items())):
            print(line)
    return unseen.rows


def box(text):
    """'10,20,200,200' -> (10, 20, 200, 200)."""
    try:
        x, y, w, h = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form x,y,w,h in whole pixels") from None
    return x, y, w, h


def beside(photo):
    """The folder for what is not told where to go: the photo's, or this one.  Problem if nothing can go there."""
    folder = photo.parent if photo else Path(".")
    if not os.access(folder, os.W_OK) and folder.is_dir():
        raise Problem(f"{folder}: cannot be written, so the result cannot go there; name another folder with --out")
    return folder


def show_photo(name, args):
    predict, runs = predictor(name, args.models)
    run = first(runs)
    finder = predictor("net4", args.models)[0] if name == "net5" else predict  # a cascade looks too often for a search
    picture, squares, points, where = photo.predict(args.image, args.box, predict, run.preprocess, finder)
    print(f"{where}; {name} was trained on {describe(run.data)}.")
    title = f"{args.image.name} ({files.fingerprint(args.image.read_bytes())}) under {name}"
    path = files.unclaimed(args.out / f"{args.image.name}-{in_a_name(name)}.png",
                           lambda there: figures.is_ours(there, title))
    photo.write_csv(path.with_suffix(".csv"), points)
    figures.save(photo_figure.draw(picture, squares, points), path, args.show, title=title)


def in_a_name(net):
    """A net's name as part of a file's: it may name a folder."""
    return net.replace(os.sep, "-")


def show_test_faces(name, predict, preprocess, random, args):
    test = load.faces(test=True, data=args.data)
    chosen = np.sort(random.choice(len(test.images), min(N_TEST, len(test.images)), replace=False))
    points = predict(load.preprocessed(test.images[chosen], preprocess))
    figure = figures.gallery(f"{name} on test faces", test.images[chosen], points[:, :len(load.COLUMNS)],
                             captions=[f"ImageId {test.ids[i]}" for i in chosen])
    figures.save(figure, args.out / f"test2-{in_a_name(name)}-test.png", args.show)


def show_validation(name, predict, preprocess, faces, rows, random, args):
    images, truth = faces.images[rows], faces.keypoints[rows]
    points = predict(load.preprocessed(images, preprocess))
    chosen = choose(truth, random)
    full = slice(0, len(load.COLUMNS))
    figure = figures.gallery(f"{name} on validation faces: prediction +, truth o", images[chosen],
                             points[chosen, full], truth[chosen, full],
                             [f"{rms((points - truth)[i, full]):.2f} pixels" for i in chosen])
    figures.save(figure, args.out / f"test2-{in_a_name(name)}-valid.png", args.show)
    errors = error_table({name: points}, truth)
    print_errors(errors)
    figure = figures.errors_per_keypoint(f"{name}: error per keypoint on validation faces", errors[name], COMPLETE)
    save_errors(figure, errors, args.out / f"test2-{in_a_name(name)}-errors.png", args.show)


def compare(names, faces, random, args):
    """Several nets on the faces that none of them was trained on."""
    nets = {name: predictor(name, args.models) for name in names}
    for _, runs in nets.values():
        greeting.warn_if_foreign(first(runs), faces.origin)
    rows = rows_to_judge_on({name: run for _, runs in nets.values() for name, run in runs.items()}, faces)
    if rows is None:
        return
    images, truth = faces.images[rows], faces.keypoints[rows]
    answers = {name: predict(load.preprocessed(images, first(runs).preprocess))
               for name, (predict, runs) in nets.items()}
    chosen = choose(truth, random)
    full = slice(0, len(load.COLUMNS))
    errors = {name: rms((points - truth)[chosen][:, full], 1) for name, points in answers.items()}
    figure = figures.comparison("Validation faces, error in pixels: prediction +, truth o", images[chosen],
                                {name: points[chosen][:, full] for name, points in answers.items()},
                                truth[chosen][:, full], errors)
    under = "under " + ", ".join(names)
    figures.save(figure, args.out / "test2-nets-valid.png", args.show, title=f"faces {under}")
    errors = error_table(answers, truth)
    print_errors(errors)
    save_errors(figures.compared_errors("Error per keypoint on validation faces", errors, COMPLETE), errors,
                args.out / "test2-nets-errors.png", args.show, title=f"errors {under}")


def choose(truth, random):
    """A few complete faces, or, where there are none, others."""
    among = report.worth_showing(truth)
    return random.choice(among, min(N_VALID, len(among)), replace=False)


def error_table(answers, truth):
    """Errors in pixels of {net: points (n, all)}: a row per keypoint and kind of face, a column per net.

    NaN is what a net or the labels, `truth` (n, all), do not know; what nobody knows has no row.
    """
    table = pandas.DataFrame({net: errors_of(points - truth, truth) for net, points in answers.items()})
    return table[table.notna().any(axis=1) | (table.index == COMPLETE)].rename_axis("keypoint")


def errors_of(error, truth):
    """A column of `error_table`: per keypoint, of straight and of turned heads, and over complete faces."""
    heads = turned(truth)
    each = {name: rms(error[:, [2 * i, 2 * i + 1]]) for i, name in enumerate(load.ALL_POINTS)}
    return pandas.Series({**each, "all, heads held straight": rms(error[~heads]),
                          "all, heads turned aside": rms(error[heads]),
                          COMPLETE: rms(error[report.complete(truth)][:, :len(load.COLUMNS)])})


def print_errors(errors):
    print(f"\n{tables.show(errors.rename_axis(index=None, columns='error in pixels'))}")


def save_errors(figure, errors, path, show, title=None):
    """The picture, and beside it the table as CSV."""
    path = figures.save(figure, path, show, title=title)
    print(f"Table: {tables.write(path.with_suffix('.csv'), errors.reset_index(), 4)}")


if __name__ == "__main__":
    cli.run(main)
