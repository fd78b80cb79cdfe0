"""Training that can be watched, interrupted and resumed: nolearn's `fit`, and what a long run needs around it."""
import contextlib
import math
import signal
import sys
import time

from fkp import Problem, backend, cli, files, models  # backend comes before Theano
from fkp.faces import read_faces, split_for
from fkp.keypoints import pixels

import lasagne
import numpy as np
from nolearn.lasagne import PrintLog
from nolearn.lasagne.handlers import RememberBestWeights, ansi

CHECKPOINT_SECONDS = 30   # between two checkpoints, or longer where writing one takes long:
CHECKPOINT_SHARE = 0.02   # they cost at most this share of the time
BAR_SECONDS = 3           # epochs that last longer get a bar
BRIEF_SECONDS = 30        # between two lines about a net that trains beside others


def set_seed(seed):
    """Seed what Lasagne draws from: initial weights and dropout."""
    lasagne.random.set_rng(np.random.RandomState(seed))


def header(script, settings, data, seed):
    """What a model file says about its origin."""
    return {"script": script, "settings": settings, "data": data, "seed": seed, "versions": models.versions()}


def fit(net, X, y, path, header, resume=False, half=48.0, stop=None):
    """Train `net` for its `max_epochs`, print its progress, and write the best epoch's weights to `path`.

    `half` is what 1.0 stands for in pixels.  With `resume`, an interrupted run
    goes on where its checkpoint stands, and a finished one is opened.  Ctrl-C
    and SIGTERM end the running epoch, save a checkpoint and then raise.
    In a worker process `stop` (a `workers.StopFile`) stands in for these
    signals, and a line now and then for the table.  Returns the trained net.
    """
    header = dict(header, net=described(net))
    checkpoint = Checkpoint(path, header)
    if resume and not checkpoint.path.exists() and path.exists():
        params, found = models.read(path)
        if difference(found, header) is None:
            print("%s: trained already (%d epochs)." % (path, len(found["history"])), flush=True)
            return models.open_net(path)
    table = Progress(half) if stop is None else Brief(half, path.stem)
    prepare(net, table, checkpoint)
    net.initialize()
    if resume and checkpoint.path.exists():
        checkpoint.restore(net)
        print("%s: going on after epoch %d." % (path, len(net.train_history_)))
    epochs_left = net.max_epochs - len(net.train_history_)
    with Signals() if stop is None else contextlib.nullcontext(stop) as checkpoint.signals:
        if epochs_left > 0:
            net.fit(X, y, epochs=epochs_left)
        if checkpoint.ended_run:
            checkpoint.signals.raise_if_any()
        put_best_weights(net)
        models.save(path, net, header)
        checkpoint.path.unlink(missing_ok=True)
        checkpoint.signals.raise_if_any()
    print(summary(net, path, half), flush=True)
    return net


def described(net):
    """The net's layers and settings as JSON holds them: a script may be edited between two runs."""
    aside = {"verbose", "on_batch_finished", "on_training_started", "on_training_finished"}  # these show, or keep time
    return {name: plain(value) for name, value in net.get_params(deep=False).items() if name not in aside}


def plain(value):
    """Numbers and text as they are; an object as its name, with the numbers and texts among its attributes."""
    if value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "get_value"):
        return np.asarray(value.get_value()).tolist()
    if hasattr(value, "__name__"):  # a function or a class
        return value.__name__
    own = {name: each for name, each in getattr(value, "__dict__", {}).items() if isinstance(each, (int, float, str))}
    return [type(value).__name__, own]


def prepare(net, table, checkpoint):
    """Give the net the handlers of a long run; its own stay, in their order."""
    own = [h for h in net.on_epoch_finished if not isinstance(h, PrintLog)]
    if not any(isinstance(h, RememberBestWeights) for h in own):
        own.append(RememberBestWeights(verbose=0))
    net.on_epoch_finished = [stop_if_lost, table, *own, checkpoint]  # last: it saves what the others changed
    net.on_batch_finished = [*net.on_batch_finished, table.batch]
    net.on_training_started = [*table.introduction(net), table.start]


def put_best_weights(net):
    """The weights of the epoch with the lowest validation loss come back, however training ended."""
    best = remembered(net).best_weights
    if best is not None:
        for name, values in best.items():
            for variable, value in zip(net.layers_[name].get_params(), values):
                variable.set_value(value)


def remembered(net):
    """The net's RememberBestWeights handler (net4's EarlyStopping is one)."""
    return next(h for h in net.on_epoch_finished if isinstance(h, RememberBestWeights))


def stop_if_lost(net, history):
    """A loss that is no number, or has exploded, will not come back."""
    last, first = history[-1], history[0]
    for kind, name in (("training", "train_loss"), ("validation", "valid_loss")):
        if not math.isfinite(last[name]) or last[name] > 1e4 * max(first[name], 1e-6):
            raise Problem("epoch %d: the %s loss is %.3g; lower the learning rate (update_learning_rate). The last "
                          "good checkpoint, if one was written, is kept" % (last["epoch"], kind, last[name]))


def best_epoch(history):
    """The history's row with the lowest validation loss."""
    return min(history, key=lambda row: row["valid_loss"] if row["valid_loss"] == row["valid_loss"] else math.inf)


def summary(net, path, half):
    """The last line: best epoch, loss, pixels, time, and where the model is."""
    history = net.train_history_
    best = best_epoch(history)
    return ("Best epoch %d of %d: valid loss %.5f = %.2f pixels; %s; %s"
            % (best["epoch"], len(history), best["valid_loss"], pixels(best["valid_loss"], half),
               duration(sum(row["dur"] for row in history)), path))


def duration(seconds):
    """'2 h 03 min', '4 min 10 s' or '7 s'."""
    seconds = int(round(seconds))
    if seconds >= 3600:
        return "%d h %02d min" % (seconds // 3600, seconds % 3600 // 60)
    return "%d min %02d s" % divmod(seconds, 60) if seconds >= 60 else "%d s" % seconds


class Progress(PrintLog):
    """nolearn's table, one line per epoch, with the validation error in pixels and the time left."""

    def __init__(self, half):
        super().__init__()
        self.half = half
        self.began = None

    def introduction(self, net):
        """What the net itself shows when training starts: its layers."""
        return net.on_training_started

    def start(self, net, history):
        self.began, self.batches = time.time(), 0

    def batch(self, net, history):
        """A bar inside epochs that last longer than a few seconds, on a terminal only."""
        self.batches += 1
        total = math.ceil(net.batch_iterator_train.n_samples / net.batch_iterator_train.batch_size)
        spent = time.time() - self.began
        whole = spent / self.batches * total
        if sys.stderr.isatty() and whole > BAR_SECONDS:
            done = 20 * self.batches // total
            sys.stderr.write("\r[%s] epoch ends in %s " % ("#" * done + "." * (20 - done), duration(whole - spent)))

    def __call__(self, net, history):
        if sys.stderr.isatty():
            sys.stderr.write("\r%s\r" % (" " * 60))
        super().__call__(net, history)
        self.began, self.batches = time.time(), 0

    def table(self, net, history):
        headed = self.first_iteration
        lines = super().table(net, history).split("\n")
        lines[-1] += "  %6.2f  %s" % (pixels(history[-1]["valid_loss"], self.half), time_left(net, history))
        if headed:
            lines[0] += "  pixels  left"
            lines[1] += "  ------  ----------"
        text = "\n".join(lines)
        return text if sys.stdout.isatty() else _plain(text)


class Brief(Progress):
    """A line now and then that says which net it is about, for nets that train side by side."""

    def __init__(self, half, name):
        super().__init__(half)
        self.name = name
        self.next_line = time.time() + BRIEF_SECONDS

    def introduction(self, net):
        return []

    def batch(self, net, history):
        pass

    def __call__(self, net, history):
        if time.time() >= self.next_line:
            self.next_line = time.time() + BRIEF_SECONDS
            loss = history[-1]["valid_loss"]
            print("%s: epoch %d of %d, valid loss %.5f = %.2f pixels, %s left"
                  % (self.name, len(history), net.max_epochs, loss, pixels(loss, self.half),
                     time_left(net, history)), flush=True)


def time_left(net, history):
    """As `duration` says it, at the pace of the last ten epochs."""
    recent = [row["dur"] for row in history[-10:]]
    return duration(sum(recent) / len(recent) * (net.max_epochs - len(history)))


def _plain(text):
    for code in (ansi.CYAN, ansi.GREEN, ansi.ENDC):
        text = text.replace(code, "")
    return text


class Signals:
    """Within this block Ctrl-C and SIGTERM are noted, not raised; a second one raises at once.

    `demand` is called with the first, to tell others.
    """

    def __init__(self, demand=None):
        self.demand = demand

    def __enter__(self):
        self.caught = None
        self.before = {n: signal.signal(n, self.note) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number, frame):
        if self.caught is not None:
            raise self.exception(number)
        self.caught = number
        if self.demand is not None:
            self.demand()
        print("\nFinishing this epoch to save it; once more ends at once.", file=sys.stderr, flush=True)

    def exception(self, number):
        return KeyboardInterrupt() if number == signal.SIGINT else cli.Terminated()

    def raise_if_any(self):
        if self.caught is not None:
            raise self.exception(self.caught)


class Checkpoint:
    """An epoch handler that saves all that a run needs to go on exactly: `NAME.checkpoint.npz`.

    That is every shared variable of the compiled training function (weights,
    momentum, learning rate, dropout's random state), the batch iterator's
    random state, the best weights so far, and the history.
    """

    def __init__(self, path, header):
        self.path = checkpoint_path(path)
        self.header = header
        self.signals, self.ended_run = None, False
        self.next_save = time.time() + CHECKPOINT_SECONDS

    def __call__(self, net, history):
        interrupted = self.signals is not None and self.signals.caught is not None
        if interrupted:
            self.ended_run = True
            self.save(net)
            print("%s: saved after epoch %d; go on with --resume." % (self.path, len(history)), file=sys.stderr)
            raise StopIteration
        if time.time() >= self.next_save:
            began = time.time()
            self.try_to_save(net)
            cost = time.time() - began
            self.next_save = time.time() + max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE)

    def try_to_save(self, net):
        """A disk that is full now may have room later: the training goes on."""
        try:
            self.save(net)
        except Problem as problem:
            print("Training goes on without a new checkpoint: %s" % problem, file=sys.stderr)

    def save(self, net):
        best = remembered(net)
        arrays = {"shared_%d" % i: np.asarray(v.get_value()) for i, v in enumerate(shared_variables(net))}
        arrays.update(("best_%d" % i, value) for i, value in enumerate(_flat(best.best_weights)))
        _, key, *rest = net.batch_iterator_train.random.get_state()
        state = {"epoch": best.best_weights_epoch, "loss": float(best.best_weights_loss), "random": rest}
        header = dict(self.header, state=state, history=models.history(net))
        files.write_npz(self.path, dict(arrays, random=key, header=files.text(header)))

    def restore(self, net):
        """Bring `net`, initialised, to where the checkpoint was.  Raises Problem naming what differs."""
        arrays = files.read_npz(self.path)
        header = models.read_header(arrays, self.path)
        found = difference(header, self.header)
        if found is not None:
            raise Problem("%s: belongs to another run (%s: %s there, %s here); go on with the same options, "
                          "or leave out --resume to start anew" % ((self.path,) + found))
        variables = shared_variables(net)
        best = remembered(net)
        best_weights = net.get_all_params_values()
        wanted = [v.get_value() for v in variables] + _flat(best_weights)
        values = [arrays.get("shared_%d" % i) for i in range(len(variables))]
        values += [arrays.get("best_%d" % i) for i in range(len(_flat(best_weights)))]
        state, key = header.get("state"), arrays.get("random")
        if (any(value is None or value.shape != w.shape or value.dtype != w.dtype for value, w in zip(values, wanted))
                or not is_state(state) or key is None or key.shape != (624,) or key.dtype != np.uint32):
            raise Problem("%s: does not fit this net; leave out --resume to start anew" % self.path)
        for variable, value in zip(variables, values):
            variable.set_value(value)
        rest = iter(values[len(variables):])
        best.best_weights = type(best_weights)((name, [next(rest) for _ in ws]) for name, ws in best_weights.items())
        best.best_weights_loss, best.best_weights_epoch = state["loss"], state["epoch"]
        net.batch_iterator_train.random.set_state(("MT19937", key, *state["random"]))
        net.train_history_ = header["history"]


def is_state(state):
    """Is this what `Checkpoint.save` keeps beside arrays?  NumPy does not check its generator's position."""
    if not isinstance(state, dict) or not all(models.is_number(state.get(key)) for key in ("epoch", "loss")):
        return False
    rest = state.get("random")
    return (isinstance(rest, list) and len(rest) == 3 and all(map(models.is_number, rest))
            and type(rest[0]) is int and 0 <= rest[0] <= 624)


def checkpoint_path(path):
    return path.with_name(path.stem + ".checkpoint.npz")


def forget(paths):
    """Delete the checkpoints of these models: a run of several nets starts anew."""
    for path in paths:
        checkpoint_path(path).unlink(missing_ok=True)


def shared_variables(net):
    """Every shared variable of the compiled training function, in its order, which is the same in every run."""
    return net.train_iter_.get_shared()


def _flat(weights):
    return [value for values in weights.values() for value in values]


def difference(found, wanted):
    """The first entry in which two headers differ, as (name, found, wanted), or None."""
    for part in ("script", "seed", "settings", "data", "net", "versions"):
        a, b = found.get(part, {}), wanted.get(part)
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted(set(a) | set(b)):
                if a.get(key) != b.get(key):
                    return "%s %s" % (part, key), a.get(key), b.get(key)
        elif a != b:
            return part, a, b
    return None


def main(args, script, build, loader, start=None, preprocess="equalise", **build_settings):
    """What nets 2 to 4 do on the command line: load, build, train, save as `script`.npz.

    `start(net, y)` is called with the untrained net and the training labels.
    """
    precision = getattr(args, "precision", "float32")
    backend.set_precision(precision)
    all_rows = build_settings.get("all_rows", False)
    found = read_faces(data=args.data, rows=args.rows, groups=args.groups)
    cli.greet(args, found.origin)
    X, y = loader(preprocess=preprocess, data=args.data, rows=args.rows, groups=args.groups, all_rows=all_rows)
    built = dict(build_settings, epochs=args.epochs, seed=args.seed)
    settings = {"build": built, "preprocess": preprocess, "rows": args.rows, "precision": precision}
    set_seed(args.seed)
    net = build(**built)
    net.train_split = split_for(found, all_rows) or net.train_split
    if start is not None:
        start(net, net.train_split(X, y, net)[2])
    with files.locked(args.models):
        return fit(net, X, y, args.models / (script + ".npz"), header(script, settings, found.origin, args.seed),
                   args.resume)
