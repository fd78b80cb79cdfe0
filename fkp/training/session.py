"""Train one net and write it, whatever comes between."""
import contextlib
import dataclasses
import math

import lasagne
import numpy as np
from nolearn.lasagne import PrintLog

from fkp import Problem, files, models, validation
from fkp.maps import SoftArgmaxLayer
from fkp.run import Run, described
from fkp.signals import Signals
from fkp.training import keep
from fkp.training.best import put_best_weights, remembered
from fkp.training.checkpoint import Checkpoint, checkpoint_path, shared_variables
from fkp.training.progress import Brief, Progress, summary

HEADER_BYTES = 100000   # at most, of a file's text:
EPOCH_BYTES = 1000      # a row of the history
LOST = 1e4              # times the first epoch's loss: it will not come back from there


def train(net, X, y, script, args, faces, **build):
    """Train the one net of `script`, as the command line `args` says, into SCRIPT.npz in its models folder.

    The training prints a line per epoch.  `build` are the arguments that the
    script's `build` got besides epochs and seed: with what else decides the
    outcome they stand in the file, from which `load.open_net` builds the net
    again.  Returns the net with its best epoch's weights.
    """
    run = Run.asked(script, args, faces.origin, validation.record(faces), **build)
    path = args.models / f"{script}.npz"
    with keep.folder(args.models, {path: run}, args.resume, args.force):
        return Session(path, run, args.resume, args.force).train(net, X, y)


class Session:
    """What a script does between building a net and having it in a file:

        with Session(path, run, resume, force) as session:
            net = session.fit(net, X, y)
            session.save(net)

    `train` is all of it.  With `resume`, an interrupted run goes on where its
    checkpoint stands, and a finished one is opened; what else stands at `path`
    is kept unless `force` is given (see `keep.starting_point`).  Once training
    has begun, Ctrl-C and SIGTERM end the running epoch, save a checkpoint and
    then raise; in a worker process `stop` (a `workers.StopFile`) stands in for
    these signals, and a line now and then for the table.
    """

    def __init__(self, path, run, resume=False, force=False, stop=None):
        self.path, self.run, self.stop = path, run, stop
        self.resume, self.force = resume, force
        self.signals = self.starting_point = None

    def __enter__(self):
        self.block, self.disk_space = contextlib.ExitStack(), contextlib.ExitStack()
        self.block.push(self.disk_space)
        return self

    def __exit__(self, kind, *error):
        self.block.__exit__(kind, *error)
        if kind is None and self.signals is not None:
            self.signals.raise_if_any()

    def train(self, net, X, y):
        """`fit` and `save`, within this session."""
        with self:
            net = self.fit(net, X, y)
            self.save(net)
        return net

    def fit(self, net, X, y):
        """Train `net` for its `max_epochs` and print its progress.

        Returns it with the best epoch's weights.  A net may be trained again:
        its history goes on.  Raises Problem, before the first epoch, where
        there is no space on the disk for checkpoints and model.
        """
        self.run = dataclasses.replace(self.run, net=described(net))
        self.starting_point = keep.starting_point(self.path, self.run, self.resume, self.force)
        if self.starting_point == "model":
            return self.open_finished()
        self.note_outputs(net, y)
        self.initialise(net)
        last = len(net.train_history_) + net.max_epochs
        checkpoint = self.listen_and_restore(net)
        self.reserve(net, last)
        self.run_epochs(net, X, y, last, checkpoint)
        put_best_weights(net)
        models.mask_untaught(net, self.run.taught)
        net.run_ = self.run
        return net

    def open_finished(self):
        """The net as an earlier run left it."""
        net = models.open_net(self.path)
        print(f"{self.path}: trained already ({len(net.train_history_)} epochs).", flush=True)
        return net

    def note_outputs(self, net, y):
        """Which outputs have labels stands in the run; those that none teaches are NaN in every answer."""
        y_train, y_valid, *_ = net.train_split(y, y, net)  # labels alone: no copy of the pictures
        taught, validated = taught_by(net.batch_iterator_train, y_train), taught_by(net.batch_iterator_test, y_valid)
        self.run = dataclasses.replace(self.run, taught=taught.tolist(), validated=validated.tolist())
        if not taught.all():
            print(f"{self.path.stem}: no label here teaches {self.run.keypoints(~taught)}, "
                  "so the net will not answer them.", flush=True)
        elif not validated.all():
            print(f"{self.path.stem}: no validation face has {self.run.keypoints(~validated)}, "
                  "so their error stays unknown.", flush=True)

    def initialise(self, net):
        """Draw the first weights from the run's seed, compile, and note in the run of what kind the net is."""
        set_seed(self.run.seed)
        with models.compiling_announced() if self.stop is None else contextlib.nullcontext():
            net.initialize()
        output = list(net.layers_.values())[-1]
        self.run = dataclasses.replace(self.run, maps=isinstance(output, SoftArgmaxLayer),
                                       augmented=bool(getattr(net.batch_iterator_train, "augment", False)))

    def listen_and_restore(self, net):
        """From here on signals wait for the end of an epoch; `net` is where its checkpoint was, if there is one."""
        self.signals = self.block.enter_context(Signals() if self.stop is None else contextlib.nullcontext(self.stop))
        checkpoint = Checkpoint(self.path, self.run, self.signals)
        if self.starting_point == "checkpoint":
            checkpoint.restore(net)
            print(f"{self.path}: going on after epoch {len(net.train_history_)}.")
        return checkpoint

    def reserve(self, net, last):
        """Raise Problem unless model and checkpoint fit on the disk, an old and a new one at once.

        What the model needs stays reserved.
        """
        model, checkpoint = sizes(net, last)
        self.disk_space.enter_context(files.reserve(self.path, model))
        with contextlib.ExitStack() as stack:
            for _ in range(1 if self.starting_point == "checkpoint" else 2):
                stack.enter_context(files.reserve(self.path, checkpoint))

    def run_epochs(self, net, X, y, last, checkpoint):
        """Train up to epoch `last`.  Raises what a signal asked for once the epoch is saved."""
        table = (Progress(self.run.half, last) if self.stop is None
                 else Brief(self.run.half, last, self.path.stem))
        if len(net.train_history_) < last:
            with handlers(net, table, checkpoint):
                net.fit(X, y, epochs=last - len(net.train_history_))
        if checkpoint.ended_run:
            self.signals.raise_if_any()

    def save(self, net):
        """Write what `fit` returned; the checkpoint goes."""
        if self.starting_point == "model":
            return
        self.disk_space.close()
        models.save(self.path, net, self.run)
        checkpoint_path(self.path).unlink(missing_ok=True)
        print(summary(net.train_history_, self.path, self.run.half), flush=True)


def set_seed(seed):
    """Seed what Lasagne draws from: initial weights and dropout."""
    lasagne.random.set_rng(np.random.RandomState(seed))


def sizes(net, last):
    """How many bytes the files of a model and of a checkpoint take after epoch `last`."""
    text = HEADER_BYTES + EPOCH_BYTES * last
    weights = sum(values.get_value(borrow=True).nbytes for values in net.get_all_params())
    shared = sum(np.asarray(values.get_value(borrow=True)).nbytes for values in shared_variables(net))
    return weights + text, shared + weights + text


def taught_by(batches, y):
    """`PixelBatchIterator.taught`, or for an iterator that does not say, the labels as they are."""
    return batches.taught(y) if hasattr(batches, "taught") else ~np.isnan(y).all(0)


@contextlib.contextmanager
def handlers(net, table, checkpoint):
    """Within this block the net has the handlers of a long run; its own stay, in their order."""
    remembered(net)
    before = net.on_epoch_finished, net.on_batch_finished, net.on_training_started
    own = [handler for handler in net.on_epoch_finished if not isinstance(handler, PrintLog)]
    net.on_epoch_finished = [stop_if_lost, table, *own, checkpoint]  # last: it saves what the others changed
    net.on_batch_finished = [*net.on_batch_finished, table.batch]
    net.on_training_started = [*table.introduction(net), table.start]
    try:
        yield
    finally:
        net.on_epoch_finished, net.on_batch_finished, net.on_training_started = before


def stop_if_lost(net, history):
    """A loss that is no number, or has exploded, will not come back."""
    last, first = history[-1], history[0]
    for kind, name in (("training", "train_loss"), ("validation", "valid_loss")):
        if not math.isfinite(last[name]) or last[name] > LOST * max(first[name], 1e-6):
            raise Problem(f"epoch {last['epoch']}: the {kind} loss is {last[name]:.3g}; lower the learning rate "
                          "(update_learning_rate). The last good checkpoint, if one was written, is kept")
