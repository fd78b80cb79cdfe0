"""Train one net and write it, whatever comes between."""
import contextlib
import dataclasses
import math

import lasagne
import numpy as np
from nolearn.lasagne import PrintLog

from fkp import Problem, files, models
from fkp.training import compiling, keep
from fkp.training.best import put_best_weights, remembered
from fkp.training.checkpoint import Checkpoint, checkpoint_path, shared_variables
from fkp.training.progress import Brief, Progress, summary
from fkp.run import described
from fkp.training.signals import Signals

HEADER_BYTES = 100000   # at most, of a file's text:
EPOCH_BYTES = 1000      # a row of the history


class Session:
    """What a script does between building a net and having it in a file:

        with Session(path, run, resume, force) as session:
            net = session.fit(net, X, y)
            session.save(net)

    With `resume`, an interrupted run goes on where its checkpoint stands, and
    a finished one is opened; what else stands at `path` is kept unless `force`
    is given (see `keep.standing`).  Once training has begun, Ctrl-C and SIGTERM end
    the running epoch, save a checkpoint and then raise; in a worker process
    `stop` (a `workers.StopFile`) stands in for these signals, and a line now
    and then for the table.
    """

    def __init__(self, path, run, resume=False, force=False, stop=None):
        self.path, self.run, self.stop = path, run, stop
        self.resume, self.force = resume, force
        self.signals = self.standing = None

    def __enter__(self):
        self.block, self.room = contextlib.ExitStack(), contextlib.ExitStack()
        self.block.push(self.room)
        return self

    def __exit__(self, kind, *error):
        self.block.__exit__(kind, *error)
        if kind is None and self.signals is not None:
            self.signals.raise_if_any()

    def fit(self, net, X, y):
        """Train `net` for its `max_epochs` and print its progress.

        Returns it with the best epoch's weights.  A net may be trained again:
        its history goes on.  Raises Problem, before the first epoch, where
        there is no room for checkpoints and model.
        """
        self.run = dataclasses.replace(self.run, net=described(net))
        self.standing = keep.standing(self.path, self.run, self.resume, self.force)
        if self.standing == "model":
            net = models.open_net(self.path)
            print("%s: trained already (%d epochs)." % (self.path, len(net.train_history_)), flush=True)
            return net
        self.note_outputs(net, y)
        set_seed(self.run.seed)
        with compiling.announced() if self.stop is None else contextlib.nullcontext():
            net.initialize()
        last = len(net.train_history_) + net.max_epochs
        self.signals = self.block.enter_context(
            Signals() if self.stop is None else contextlib.nullcontext(self.stop))
        checkpoint = Checkpoint(self.path, self.run, self.signals)
        if self.standing == "checkpoint":
            checkpoint.restore(net)
            print("%s: going on after epoch %d." % (self.path, len(net.train_history_)))
        self.reserve(net, last)
        table = (Progress(self.run.half, last) if self.stop is None
                 else Brief(self.run.half, last, self.path.stem))
        if len(net.train_history_) < last:
            with handlers(net, table, checkpoint):
                net.fit(X, y, epochs=last - len(net.train_history_))
        if checkpoint.ended_run:
            self.signals.raise_if_any()
        put_best_weights(net)
        models.leave_out(net, self.run.taught)
        return net

    def note_outputs(self, net, y):
        """Which outputs have labels stands in the run; those that none teaches are NaN in every answer."""
        y_train, y_valid, *_ = net.train_split(y, y, net)  # labels alone: no copy of the pictures
        taught, validated = taught_by(net.batch_iterator_train, y_train), taught_by(net.batch_iterator_test, y_valid)
        self.run = dataclasses.replace(self.run, taught=taught.tolist(), validated=validated.tolist())
        if not taught.all():
            print("%s: no label here teaches %s, so the net will not answer them."
                  % (self.path.stem, self.run.keypoints(~taught)), flush=True)
        elif not validated.all():
            print("%s: no validation face has %s, so their error stays unknown."
                  % (self.path.stem, self.run.keypoints(~validated)), flush=True)

    def reserve(self, net, last):
        """Raise Problem unless model and checkpoint fit, an old and a new one at once; the model's room stays taken."""
        model, checkpoint = sizes(net, last)
        self.room.enter_context(files.room(self.path, model))
        with contextlib.ExitStack() as stack:
            for _ in range(1 if self.standing == "checkpoint" else 2):
                stack.enter_context(files.room(self.path, checkpoint))

    def save(self, net):
        """Write what `fit` returned; the checkpoint goes."""
        if self.standing == "model":
            return
        self.room.close()
        models.save(self.path, net, self.run)
        checkpoint_path(self.path).unlink(missing_ok=True)
        print(summary(net.train_history_, self.path, self.run.half), flush=True)


@contextlib.contextmanager
def one_net(run, args):
    """A Session for a script that trains one net, into SCRIPT.npz in the models folder of the command line."""
    path = args.models / (run.script + ".npz")
    with keep.folder(args.models, {path: run}, args.resume, args.force):
        with Session(path, run, args.resume, args.force) as session:
            yield session


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
        if not math.isfinite(last[name]) or last[name] > 1e4 * max(first[name], 1e-6):
            raise Problem("epoch %d: the %s loss is %.3g; lower the learning rate (update_learning_rate). The last "
                          "good checkpoint, if one was written, is kept" % (last["epoch"], kind, last[name]))
