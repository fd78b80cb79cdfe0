"""Look at a trained net: its predictions on faces, and its error per keypoint.

    python test2.py                # the best net there is
    python test2.py net1           # that one; net5 is the whole cascade
    python test2.py net5 --image PHOTO.jpg

Saves test2-NET-test.png (test faces), test2-NET-valid.png (validation faces,
prediction in red, truth in green) and test2-NET-errors.png.  With --image it
predicts on your own photo instead: the whole photo is taken as one face,
unless --box says where it is or OpenCV is installed and finds faces; the
result is PHOTO-NET.png, with the keypoints beside it in PHOTO-NET.csv.
"""
import argparse
from pathlib import Path

import load  # first: prepares Theano
from fkp import Problem, cascade, cli, figures, photo

import numpy as np

N_TEST, N_VALID = 16, 8


def predictor(name, models):
    """(predict, header, preprocess): `predict` takes prepared images (n, 96, 96), gives points (n, 34)."""
    if name == "net5":
        whole = cascade.Cascade(models).add_specialists()
        rule = cascade.best_rule(models, [1, *cascade.LEVELS])
        return lambda images: cascade.combine(whole.predict(images), rule), whole.whole.header_, whole.preprocess
    net = load.open_net(models / (name + ".npz"))
    if net.header_["script"] == "net5":
        raise Problem("%s is a specialist and sees crops only; `python test2.py net5` shows the cascade" % name)
    return lambda images: cascade.net_points(net, images), net.header_, net.header_["settings"]["preprocess"]


def best_there_is(models):
    """The name of the most advanced trained net.  Raises Problem if there is none."""
    if cascade.is_complete(models):
        return "net5"
    for name in ("net4", "net3", "net2", "net1"):
        if (models / (name + ".npz")).exists():
            return name
    raise Problem("%s: holds no trained net; train one first: python net1.py" % models)


def main():
    p = cli.parser(__doc__, "data", "models", "rows", "groups", "seed", "out", "show")
    p.add_argument("net", nargs="?", metavar="NET", help="net1 ... net5, or another model's name such as net1-plain")
    p.add_argument("--image", metavar="PHOTO", type=Path, help="predict on this picture instead")
    p.add_argument("--box", metavar="X,Y,W,H", type=box, help="where the face is on it, in pixels")
    args = p.parse_args()
    if args.box and not args.image:
        p.error("argument --box: goes with --image")
    figures.use_display(args.show)
    name = args.net or best_there_is(args.models)
    if args.image:
        return show_photo(name, args)
    found = load.faces(data=args.data, rows=args.rows, groups=args.groups)
    cli.greet(args, found.origin)
    predict, header, preprocess = predictor(name, args.models)
    cli.warn_if_foreign(header, found.origin)
    random = np.random.RandomState(args.seed)
    show_test_faces(name, predict, preprocess, random, args)
    show_validation(name, predict, preprocess, found, random, args)


def box(text):
    """'10,20,200,200' -> (10, 20, 200, 200)."""
    try:
        x, y, w, h = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("%r is not of the form x,y,w,h in whole pixels" % text) from None
    return x, y, w, h


def show_photo(name, args):
    predict, header, preprocess = predictor(name, args.models)
    picture, squares, points = photo.predict(args.image, args.box, predict, preprocess)
    target = args.out / ("%s-%s" % (args.image.stem, name))
    print("%d face%s on %s; %s was trained on %s." % (len(squares), "s" * (len(squares) > 1), args.image, name,
                                                     cascade.describe(header["data"])))
    photo.write_csv(target.with_suffix(".csv"), points)
    figures.save(figures.photo(picture, squares, points), target.with_suffix(".png"), args.show)


def show_test_faces(name, predict, preprocess, random, args):
    test = load.faces(test=True, data=args.data)
    chosen = np.sort(random.choice(len(test.images), min(N_TEST, len(test.images)), replace=False))
    points = predict(load.preprocessed(test.images[chosen], preprocess))
    figure = figures.gallery("%s on test faces" % name, test.images[chosen], points[:, :len(load.COLUMNS)],
                             captions=["ImageId %d" % test.ids[i] for i in chosen])
    figures.save(figure, args.out / ("test2-%s-test.png" % name), args.show)


def show_validation(name, predict, preprocess, found, random, args):
    order, cut = load.validation_first(found)
    rows = order[:cut]
    points = predict(load.preprocessed(found.images[rows], preprocess))
    truth = found.keypoints[rows]
    error = points - truth
    complete = np.flatnonzero(~np.isnan(truth[:, :len(load.COLUMNS)]).any(1))
    chosen = random.choice(complete, min(N_VALID, len(complete)), replace=False)
    full = slice(0, len(load.COLUMNS))
    figure = figures.gallery("%s on validation faces: prediction +, truth o" % name, found.images[rows[chosen]],
                             points[chosen, full], truth[chosen, full],
                             ["%.2f pixels" % cascade.rms(error[i, full]) for i in chosen])
    figures.save(figure, args.out / ("test2-%s-valid.png" % name), args.show)
    each = {c[:-2]: cascade.rms(error[:, [i, i + 1]]) for i, c in enumerate(load.ALL_COLUMNS) if c.endswith("_x")}
    print("\n%-26s  %s" % ("keypoint", "error in pixels (%d validation faces)" % len(rows)))
    for keypoint, value in each.items():
        if np.isfinite(value):
            print("%-26s  %.2f" % (keypoint, value))
    print("%-26s  %.2f" % ("complete faces, all", cascade.rms(error[complete, full])))
    figure = figures.errors_per_keypoint("%s: error per keypoint on validation faces" % name, each)
    figures.save(figure, args.out / ("test2-%s-errors.png" % name), args.show)


if __name__ == "__main__":
    cli.run(main)
