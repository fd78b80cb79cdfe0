"""Unfinished runs on disk: `NAME.checkpoint.npz`."""
import time

import numpy as np

from fkp import Problem, endings, files, models
from fkp.training.best import remembered

SECONDS = 30   # between two checkpoints, or longer where writing one takes long:
SHARE = 0.02   # they cost at most this share of the time


def checkpoint_path(path):
    """Where the unfinished run of the model `path` is kept."""
    return path.with_name(path.stem + ".checkpoint.npz")


class Checkpoint:
    """An epoch handler that saves all that a run needs to go on exactly.

    That is every shared variable of the compiled training function (weights,
    momentum, learning rate, dropout's random state), the batch iterator's
    random state, the best weights so far, and the history.
    """

    def __init__(self, path, run, signals=None):
        self.path = checkpoint_path(path)
        self.run, self.signals = run, signals
        self.ended_run = False
        self.next_save = time.time() + SECONDS

    def __call__(self, net, history):
        if self.signals is not None and self.signals.caught is not None:
            self.ended_run = True
            self.save(net)
            endings.say(f"{self.path}: saved after epoch {len(history)}; go on with --resume.")
            raise StopIteration
        if time.time() >= self.next_save:
            began = time.time()
            self.try_to_save(net)
            cost = time.time() - began
            self.next_save = time.time() + max(SECONDS, cost / SHARE)

    def try_to_save(self, net):
        """A disk that is full now may have room later: the training goes on."""
        try:
            self.save(net)
        except Problem as problem:
            endings.say(f"Training goes on without a new checkpoint: {problem}")

    def save(self, net):
        best = remembered(net)
        arrays = {f"shared_{i}": np.asarray(v.get_value()) for i, v in enumerate(shared_variables(net))}
        arrays.update((f"best_{i}", value) for i, value in enumerate(flat(best.best_weights)))
        _, key, *rest = net.batch_iterator_train.random.get_state()
        state = {"epoch": best.best_weights_epoch, "loss": float(best.best_weights_loss), "random": rest}
        header = dict(self.run.to_json(), state=state, history=models.history(net))
        files.write_npz(self.path, dict(arrays, random=key, header=files.text(header)))

    def restore(self, net):
        """Bring `net`, initialised, to where the checkpoint was.  Raises Problem where that does not fit."""
        arrays = files.read_npz(self.path)
        header = models.read_header(arrays, self.path)
        variables, layout = shared_variables(net), net.get_all_params_values()
        shared = self.fitting(arrays, "shared", [v.get_value() for v in variables])
        best = iter(self.fitting(arrays, "best", flat(layout)))
        state, key = header.get("state"), arrays.get("random")
        if not is_state(state) or key is None or key.shape != (624,) or key.dtype != np.uint32:
            raise self.misfit()
        for variable, value in zip(variables, shared):
            variable.set_value(value)
        handler = remembered(net)
        handler.best_weights = type(layout)((name, [next(best) for _ in values]) for name, values in layout.items())
        handler.best_weights_loss, handler.best_weights_epoch = state["loss"], state["epoch"]
        net.batch_iterator_train.random.set_state(("MT19937", key, *state["random"]))
        net.train_history_ = header["history"]

    def fitting(self, arrays, name, wanted):
        """The arrays name_0, name_1, ... of a checkpoint, if each has the shape and type of its `wanted` one."""
        found = [arrays.get(f"{name}_{i}") for i in range(len(wanted))]
        if any(value is None or value.shape != like.shape or value.dtype != like.dtype
               for value, like in zip(found, wanted)):
            raise self.misfit()
        return found

    def misfit(self):
        return Problem(f"{self.path}: does not fit this net; leave out --resume to start anew")


def is_state(state):
    """Is this what `Checkpoint.save` keeps beside arrays?  NumPy does not check its generator's position."""
    if not isinstance(state, dict) or not all(models.is_number(state.get(key)) for key in ("epoch", "loss")):
        return False
    rest = state.get("random")
    return (isinstance(rest, list) and len(rest) == 3 and all(map(models.is_number, rest))
            and type(rest[0]) is int and 0 <= rest[0] <= 624)


def shared_variables(net):
    """Every shared variable of the compiled training function, in its order, which is the same in every run."""
    return net.train_iter_.get_shared()


def flat(weights):
    """The arrays of {layer: [array, ...]}, one after the other."""
    return [value for values in weights.values() for value in values]
