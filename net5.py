"""Net 5: a cascade.  Specialists for left eye, right eye, nose and mouth look again, closer.

    python net4.py && python net5.py   # 8 times up to 1,000 epochs: 4 hours
    python net5.py --augment --tuned   # better and sooner: see net4.py
    python net4.py --heatmaps && python net5.py --heatmaps   # best: an hour

Level 1 is net 4 on the whole face.  Level 2 cuts a 38 x 38 crop around where
level 1 sees each group of keypoints and corrects them; level 3 does so again
with 32 x 32.  With `--heatmaps` level 2 is the last: it answers with a map per
keypoint and sees 48 x 48 pixels, so that much is still in sight where level 1
is far off.  Then the submission is written.  After Sun, Wang and Tang, "Deep
Convolutional Network Cascade for Facial Point Detection" (CVPR 2013).  New
here: CropBatchIterator, which shifts each training crop by an error that the
level before really made.  (A crop centred on the truth teaches a specialist to
answer "nothing to correct".)
"""
import argparse
import dataclasses
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # where `python -P` and `-I` leave it out
import load  # first: prepares Theano
import net4
from fkp import Problem, cli, files, greeting, maps, validation, workers
from fkp.looking import cascade
from fkp.looking.cascade import LEVELS, WITH_MAPS
from fkp.looking.parts import fingerprints
from fkp.pictures import augment as augmentation
from fkp.results import figures, report, submission
from fkp.run import Run
from fkp.training import keep, lessons
from fkp.training.session import Session
from net4 import EarlyStopping, Published, RestoreBestWeights, masked_squared_error, schedule

import numpy as np
from lasagne import init, layers
from nolearn.lasagne import NeuralNet

EPOCHS = 1000
PUBLISHED = dict(epochs=EPOCHS, augment=False, precision="float32")


class Tuned(net4.Tuned):
    """What `--tuned` changes: as in net 4, but these small nets want larger steps and no dropout."""
    learning_rate = 0.5
    dropout = 0.0


class CropBatchIterator(load.PixelBatchIterator):
    """Cuts a specialist's crops out of whole faces, batch by batch.

    X is (n, 96, 96); y is that of a Lesson, see `load.lesson`.

    With `errors` (m, 2), in pixels, half of each batch is mirrored, so that
    right eyes teach the left one too, and every crop is off the true centre by
    one of these errors.  Without, the crop is where the level before saw the
    group: that is how the specialist is validated and used.  With `augment`,
    faces are tilted, scaled, shifted and relit before they are cut.
    """

    def __init__(self, batch_size, win, errors=None, seed=cli.SEED, augment=False, grey=0.0):
        super().__init__(batch_size, seed=seed, grey=grey)
        self.win, self.errors, self.augment = win, errors, augment

    def transform(self, Xb, yb):
        if yb is None:  # crops already: see load.crop_group
            return super().transform(Xb, yb)
        yb = yb.reshape(-1)  # nolearn makes a column of it
        if self.errors is None:
            labels = yb["labels"][:, 0]
            crops, centres = load.crop(Xb, yb["seen"][:, 0], self.win)
        else:
            crops, centres, labels = self.by_chance(Xb, yb)
        return super().transform(crops[:, None], load.to_crop(labels, centres, self.win))

    def taught(self, y):
        own, partner = ~np.isnan(y["labels"]).all(0)
        return own if self.errors is None else own | partner

    def by_chance(self, images, y):
        """Training crops (n, win, win), their centres (n, 2) and labels (n, 2k), as the mirror shows them or not."""
        n = len(images)
        closer = augmentation.CLOSER
        faces = augmentation.Augmentation(n, self.random, strength=closer, sizes=closer) if self.augment else None
        y = lessons.moved(y, faces.points) if faces else y
        flip = self.random.permutation(n) < n // 2
        error = self.errors[self.random.randint(len(self.errors), size=n)]
        error = np.where(flip[:, None], error * [-1, 1], error)  # in a mirror it misses to the other side
        at = load.corner(lessons.mirrored(y["centre"], flip) + error, self.win)
        centres = load.middle(at, self.win)
        at[flip, 0] = load.SIZE - self.win - at[flip, 0]  # the same window in the picture as it is
        crops = faces.windows(images, at, self.win) if faces else load.windows(images, at, self.win)
        crops[flip] = crops[flip, :, ::-1]
        return crops, centres, lessons.mirrored(y["labels"], flip)

    def __iter__(self):
        return augmentation.ahead(super().__iter__())


def build(group="LE", win=38, epochs=EPOCHS, seed=cli.SEED, augment=False, tuned=False, heatmaps=False, errors=None):
    """The untrained specialist for `group` on win x win crops.

    `errors` and `augment` are as CropBatchIterator takes them, `tuned` and `heatmaps` as in net4.
    """
    sides = (WITH_MAPS if heatmaps else LEVELS).values()
    if group not in load.GROUPS or win not in sides:
        raise Problem(f"there is no specialist {group}-{win}; groups are {', '.join(load.GROUPS)}, "
                      f"crops {', '.join(map(str, sides))}")
    if heatmaps:
        return maps.crop_net(
            len(load.GROUPS[group]), win, epochs, [EarlyStopping()], on_training_finished=[RestoreBestWeights()],
            objective_loss_function=masked_squared_error,
            batch_iterator_train=CropBatchIterator(maps.BATCH, win, errors, seed, augment, maps.GREY),
            batch_iterator_test=CropBatchIterator(128, win, grey=maps.GREY))
    settings = Tuned if tuned else Published
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),      # (n, 1, 38, 38)
            ("conv1", layers.Conv2DLayer),     # (n, 32, 36, 36)
            ("pool1", layers.MaxPool2DLayer),  # (n, 32, 18, 18)
            ("dropout1", layers.DropoutLayer),
            ("conv2", layers.Conv2DLayer),     # (n, 64, 17, 17)
            ("pool2", layers.MaxPool2DLayer),  # (n, 64, 8, 8)
            ("dropout2", layers.DropoutLayer),
            ("hidden3", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        input_shape=(None, 1, win, win),
        conv1_num_filters=32, conv1_filter_size=(3, 3), pool1_pool_size=(2, 2),
        conv2_num_filters=64, conv2_filter_size=(2, 2), pool2_pool_size=(2, 2),
        hidden3_num_units=200,
        output_num_units=2 * len(load.GROUPS[group]), output_nonlinearity=None,
        dropout1_p=0.1 * settings.dropout,
        dropout2_p=0.2 * settings.dropout,
        conv1_W=settings.weights, conv2_W=settings.weights, hidden3_W=settings.weights,
        output_W=init.GlorotUniform(settings.output),

        objective_loss_function=masked_squared_error,
        batch_iterator_train=CropBatchIterator(128, win, errors, seed, augment, settings.grey),
        batch_iterator_test=CropBatchIterator(128, win, grey=settings.grey),
        **schedule(settings, epochs),
    )


def levels_of(args):
    """{level: side of its crops, in pixels} that the command line asks for."""
    return WITH_MAPS if args.heatmaps else LEVELS


def run_of(group, level, faces, args):
    """The Run of one specialist, as far as it is known before the level before has answered."""
    run = Run.asked("net5", args, faces.origin, validation.record(faces), group=group, win=levels_of(args)[level],
                    augment=args.augment, tuned=args.tuned, heatmaps=args.heatmaps)
    return run.prepared_by(args.preprocess)


def task(group, level, seen, behind, faces, images, args):
    """What `train` needs to make one specialist from what the level before saw, `seen` (n, all) in pixels.

    behind: {name: fingerprint} of the nets that saw it.
    """
    lesson = load.lesson(group, seen, faces)
    missed = np.sqrt((lesson.errors ** 2).sum(1).mean())
    print(f"--- level {level}, {group}: {len(lesson.rows)} faces; "
          f"level {level - 1} misses the centre by {missed:.2f} pixels")
    run = dataclasses.replace(run_of(group, level, faces, args),
                              level_before=files.fingerprint(lesson.y, lesson.errors), behind=behind)
    return {"path": cascade.path(args.models, group, run.build["win"]), "X": images[lesson.rows], "y": lesson.y,
            "n_valid": lesson.n_valid, "errors": lesson.errors, "run": run}


def train(path, X, y, n_valid, errors, run, resume, force=False, stop=None):
    """Train one specialist; `stop` as Session takes it."""
    net = build(errors=errors, **run.build)
    if run.build["group"] != next(iter(load.GROUPS)) or run.build["win"] not in (LEVELS[2], WITH_MAPS[2]):
        net.on_training_started = []  # one table of layers says it for all
    net.train_split = load.FirstRows(n_valid)
    return Session(path, run, resume, force, stop).train(net, X, y)


def train_level(level, seen, behind, faces, images, args):
    """All groups' specialists, one after the other or side by side: {group: net}."""
    tasks = (task(group, level, seen, behind, faces, images, args) for group in load.GROUPS)
    if args.jobs == 1 and args.scheduler is None:
        return {group: train(resume=args.resume, force=args.force, **each) for group, each in zip(load.GROUPS, tasks)}
    tasks = list(tasks)
    workers.train("net5", tasks, args)
    return {group: load.open_net(each["path"]) for group, each in zip(load.GROUPS, tasks)}


def asked(arguments):
    """What the command line asks for: besides every net's options those that change these."""
    p = cli.training(__doc__, None, "precision", "out", "shift", "show")
    p.add_argument("--augment", action=argparse.BooleanOptionalAction,
                   help="tilt, scale, shift and relight the faces at random")
    p.add_argument("--tuned", action="store_true", help="settings that learn faster: see net4.py")
    p.add_argument("--heatmaps", action="store_true",
                   help="a map per keypoint instead of dense layers: one level, which "
                   f"sees {WITH_MAPS[2]} x {WITH_MAPS[2]} pixels, and unless told otherwise {maps.EPOCHS} epochs, "
                   "augmented faces, bfloat16 where the processor has it")
    p.add_argument("--jobs", metavar="N", type=cli.count, default=1,
                   help="train N specialists side by side (default: 1)")
    p.add_argument("--scheduler", metavar="ADDRESS", help="train them on the workers of this Dask scheduler")
    p.set_defaults(precision=None)
    args = p.parse_args(arguments)
    if args.heatmaps and args.tuned:
        p.error("argument --heatmaps: has no dense layers, so --tuned does not go with it")
    return cli.filled(args, maps.recipe() if args.heatmaps else PUBLISHED)


def open_level1(args, faces):
    """The cascade as far as it is trained: net 4, on the same faces.  Raises Problem where it cannot be added to."""
    levels = cascade.open_level1(args.models, faces.origin)
    levels.sides = levels_of(args)
    if cascade.sides(args.models) not in (levels.sides, LEVELS):
        raise Problem(f"{args.models}: holds specialists with maps, which the other scripts would show instead of "
                      "those without; add --heatmaps, or choose another folder with --models")
    report.read_rules(args.models)  # another's file in the place of ours is better named now than later
    return levels


def main(arguments=()):
    args = asked(arguments)
    figures.use_display(args.show)
    faces = greeting.faces_asked_for(args)
    if args.heatmaps:
        print(maps.recipe_in_words(args))

    # Level 1 looks at the whole faces: points (n, 34), in pixels.
    levels = open_level1(args, faces)
    questions = submission.questions(args.data)  # a bad file is better named now than after the training
    args.preprocess = levels.preprocess
    images = load.preprocessed(faces.images, args.preprocess)
    points = levels.predict(images)

    # Each further level has a net per group of keypoints, and learns from where the level before looked.
    runs = {cascade.path(args.models, group, win): run_of(group, level, faces, args)
            for level, win in levels.sides.items() for group in load.GROUPS}
    with keep.folder(args.models, runs, args.resume, args.force):
        for level, win in levels.sides.items():
            behind = fingerprints(levels.parts())
            nets = levels.specialists[level] = train_level(level, points[level - 1], behind, faces, images, args)
            points[level] = cascade.closer_points(nets, images, points[level - 1], win)

    # Which levels, averaged, err least on faces that no net was trained on?  They answer Kaggle's test faces.
    parts = levels.parts()
    rows = load.validation_rows(faces)
    report.write_rules(args.models, report.print_errors(points, faces, rows), fingerprints(parts))
    rule = report.best_rule(args.models, parts)
    figures.save(report.picture(points, rule, faces, rows), args.out / "net5.png", args.show)
    submission.answer(questions, levels, rule, args.out / "submission-net5.csv", faces, args.shift)


if __name__ == "__main__":
    cli.run(main)
