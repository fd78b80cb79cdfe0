"""Nets that train side by side: in processes on this machine (`--jobs`), or on a Dask cluster (`--scheduler`).

A worker trains as the script itself would: same seed, same losses.  It writes
its checkpoint and its model into the models folder where it can see that, and
sends the model home in any case.
"""
import contextlib
import os
import signal
import tempfile
import threading
from pathlib import Path

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fkp import Problem, files, models, signals
import theano_onednn
from fkp.signals import Signals
from fkp.training.checkpoint import checkpoint_path

CONNECT_SECONDS = 10            # for the Dask scheduler to answer
one_at_a_time = threading.Lock()  # a Dask worker may have several threads; Lasagne has one random generator


def train(script, tasks, args):
    """Call `train(**task)` of `script` for each of `tasks` (dicts), and write the models.

    Uses `args.jobs` processes, or the workers of the Dask scheduler at
    `args.scheduler`.  Ctrl-C and SIGTERM end every worker's running epoch, and
    each saves its checkpoint.  Raises Problem where a worker died for good.
    """
    stop, death = StopFile(args.models, None if args.scheduler else os.getpid()), ()
    stop.clear()
    try:
        with engine(args.jobs, args.scheduler) as death, Signals(stop.demand) as noted:
            where = f"on {args.scheduler}" if args.scheduler else f"{args.jobs} at a time"
            print(f"Training {len(tasks)} nets, {where} ...", flush=True)
            run = joblib.delayed(train_one)
            contents = joblib.Parallel()(run(script, task, args, stop) for task in tasks)
            noted.raise_if_any()
    except death as error:
        raise Problem(f"a worker process died ({in_one_line(error):.200}); was there enough memory? "
                      "Go on with --resume") from None
    finally:
        stop.clear()
    for task, content in zip(tasks, contents):
        path = task["path"]
        if not path.exists() or path.read_bytes() != content:  # a worker that does not see this folder
            files.write_bytes(path, content)


@contextlib.contextmanager
def engine(jobs, scheduler):
    """The processes that joblib.Parallel uses in this block; gives the exception that one's death raises."""
    os.environ.pop("THEANO_GPU_IS_ALREADY_ACTIVE", None)  # Theano's note to itself; workers open the GPU themselves
    if scheduler is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=theano_onednn.threads()):
            yield TerminatedWorkerError
        return
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise Problem("--scheduler needs Dask: pip install distributed") from None
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=True)
    except (OSError, ValueError) as error:
        raise Problem(f"--scheduler {scheduler}: no Dask scheduler answers there ({in_one_line(error):.100})") from None
    with client, joblib.parallel_config("dask"):
        if not client.scheduler_info()["workers"]:
            raise Problem(f"--scheduler {scheduler}: has no workers; start some (docs/running.md says how)")
        yield KilledWorker


def train_one(script, task, args, stop):
    """In a worker: train one net.  Returns its model file's content, or None if it was told to stop."""
    with one_at_a_time, contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in signals.ENDING:  # terminals and batch systems send them to everyone; our parent answers
                signal.signal(number, signal.SIG_IGN)
        module = models.module(script)
        theano_onednn.set_precision(args.precision)
        path = task["path"]
        if stop.orphaned:
            return None
        if not path.parent.is_dir():
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
        resume = args.resume or checkpoint_path(path).exists()
        try:
            module.train(**dict(task, path=path, resume=resume, force=args.force, stop=stop))
        except KeyboardInterrupt:
            return None
        return path.read_bytes()


def in_one_line(error):
    return " ".join(str(error).split())


class StopFile:
    """Tells workers to stop: a `Session` looks for this file in the models folder after each epoch.

    Children of the process `parent` also stop when it was killed: nobody holds
    the lock on the folder for them any more.
    """

    def __init__(self, folder, parent=None):
        self.path, self.parent = Path(folder) / ".stop", parent

    def demand(self):
        self.path.touch()

    def clear(self):
        self.path.unlink(missing_ok=True)

    @property
    def caught(self):
        """As that of `Signals`."""
        return signal.SIGINT if self.orphaned or self.path.exists() else None

    @property
    def orphaned(self):
        return self.parent is not None and self.parent not in (os.getpid(), os.getppid())

    def raise_if_any(self):
        if self.caught is not None:
            raise KeyboardInterrupt
