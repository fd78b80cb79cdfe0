"""What a run may replace: a finished net of the same settings and faces; anything else only if told to."""
import contextlib

from fkp import Problem, files, models
from fkp.training.checkpoint import checkpoint_path
from fkp.run import CIRCUMSTANCES, TASK

ANEW = "or start anew: with --force here, which replaces it, or in another folder with --models"


@contextlib.contextmanager
def folder(path, runs, resume=False, force=False):
    """Lock the models folder `path` for the nets of `runs`, {model's path: Run}.

    Raises Problem, before anything is trained, where one of them would replace
    what it must not.  With `force` an unfinished run that stands in the way is
    deleted; a model stays until the new one is there.
    """
    with files.locked(path):
        found = {model: starting_point(model, run, resume, force) for model, run in runs.items()}
        if resume and not any(found.values()):  # a job that was killed before its first checkpoint is queued again
            print(f"{next(iter(runs))}: there is nothing to resume yet, so this begins.", flush=True)
        for model, point in found.items():
            if point is None:
                checkpoint_path(model).unlink(missing_ok=True)
        yield


def starting_point(path, run, resume=False, force=False):
    """What `run` goes on from at `path`: "checkpoint", "model" (it is finished), or None to begin.

    With `resume` and `force`, a checkpoint need not fit to the bit.  Raises
    Problem for what the run must not replace.
    """
    unfinished = checkpoint_path(path)
    kind, there = ("checkpoint", unfinished) if unfinished.exists() else ("model", path)
    if not there.exists() or force and not resume:
        return None
    try:
        found, history = models.open_run(there)
    except Problem:
        if force:
            return None
        raise
    exact = kind == "checkpoint" and resume and not force
    difference = run.difference(found, TASK + CIRCUMSTANCES if exact else TASK)
    if difference is not None and not force:
        name, old, new = difference
        raise Problem(f"{there}: is of another run ({name}: {shown(old)} there, {shown(new)} here); "
                      f"{cure(name, old, kind)}, {ANEW}")
    if difference is not None:
        return None
    if kind == "checkpoint" and not resume:
        raise Problem(f"{there}: holds an unfinished run of these settings, as far as epoch {len(history)}; "
                      f"go on with --resume, {ANEW}")
    return kind if resume else None


def shown(value):
    """A setting in a message: `none` where a run has none."""
    return "none" if value is None else f"{str(value):.40}"


def cure(name, old, kind):
    """How to go on with what differs in this entry of `Run.difference`."""
    if name == "computed threads":
        return f"set OMP_NUM_THREADS={old} or go on no longer to the bit with --resume --force"
    if name.startswith(CIRCUMSTANCES):
        return "go on where it began, or no longer to the bit with --resume --force"
    return "go on with the same options and --resume" if kind == "checkpoint" else "give the same options"
