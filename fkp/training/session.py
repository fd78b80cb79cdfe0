"""Train one net and write it, whatever comes between."""
import contextlib
import dataclasses
import math

import lasagne
import numpy as np
from nolearn.lasagne import PrintLog

from fkp import Problem, models
from fkp.training.best import put_best_weights, remembered
from fkp.training.checkpoint import Checkpoint, checkpoint_path
from fkp.training.progress import Brief, Progress, summary
from fkp.training.run import CIRCUMSTANCES, TASK, described
from fkp.training.signals import Signals


class Session:
    """What a script does between building a net and having it in a file:

        with Session(path, run, resume) as session:
            net = session.fit(net, X, y)
            session.save(net)

    With `resume`, an interrupted run goes on where its checkpoint stands, and
    a finished one is opened.  Once training has begun, Ctrl-C and SIGTERM end
    the running epoch, save a checkpoint and then raise; in a worker process
    `stop` (a `workers.StopFile`) stands in for these signals, and a line now
    and then for the table.
    """

    def __init__(self, path, run, resume=False, stop=None):
        self.path, self.run, self.resume, self.stop = path, run, resume, stop
        self.signals = None
        self.is_finished = False

    def __enter__(self):
        self.block = contextlib.ExitStack()
        return self

    def __exit__(self, kind, *error):
        self.block.close()
        if kind is None and self.signals is not None:
            self.signals.raise_if_any()

    def fit(self, net, X, y):
        """Train `net` for its `max_epochs` and print its progress.

        Returns it with the best epoch's weights.  A net may be trained again:
        its history goes on.
        """
        self.run = dataclasses.replace(self.run, net=described(net))
        self.is_finished = self.resume and self.find_finished()
        if self.is_finished:
            return models.open_net(self.path)
        set_seed(self.run.seed)
        net.initialize()
        last = len(net.train_history_) + net.max_epochs
        self.signals = self.block.enter_context(
            Signals() if self.stop is None else contextlib.nullcontext(self.stop))
        checkpoint = Checkpoint(self.path, self.run, self.signals)
        if self.resume and checkpoint.path.exists():
            self.go_on(net, checkpoint)
        table = (Progress(self.run.half, last) if self.stop is None
                 else Brief(self.run.half, last, self.path.stem))
        if len(net.train_history_) < last:
            with handlers(net, table, checkpoint):
                net.fit(X, y, epochs=last - len(net.train_history_))
        if checkpoint.ended_run:
            self.signals.raise_if_any()
        put_best_weights(net)
        return net

    def find_finished(self):
        """Is the model of this very run there, and nothing unfinished?"""
        if checkpoint_path(self.path).exists() or not self.path.exists():
            return False
        run, history = models.open_run(self.path)
        if self.run.difference(run, TASK) is not None:
            return False
        print("%s: trained already (%d epochs)." % (self.path, len(history)), flush=True)
        return True

    def go_on(self, net, checkpoint):
        """Bring `net` to where the checkpoint stands.  Raises Problem naming what differs."""
        found = self.run.difference(models.open_run(checkpoint.path)[0], TASK + CIRCUMSTANCES)
        if found is not None:
            raise Problem("%s: belongs to another run (%s: %s there, %s here); go on with the same options, "
                          "or leave out --resume to start anew" % ((checkpoint.path,) + found))
        checkpoint.restore(net)
        print("%s: going on after epoch %d." % (self.path, len(net.train_history_)))

    def save(self, net):
        """Write what `fit` returned; the checkpoint goes."""
        if self.is_finished:
            return
        models.save(self.path, net, self.run)
        checkpoint_path(self.path).unlink(missing_ok=True)
        print(summary(net.train_history_, self.path, self.run.half), flush=True)


def set_seed(seed):
    """Seed what Lasagne draws from: initial weights and dropout."""
    lasagne.random.set_rng(np.random.RandomState(seed))


def forget(paths):
    """Delete the checkpoints of these models: a run of several nets starts anew."""
    for path in paths:
        checkpoint_path(path).unlink(missing_ok=True)


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
