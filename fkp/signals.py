"""Signals that end a script: an exception at once, or, while a net trains, as soon as the epoch is saved."""
import contextlib
import os
import signal
import stat

from fkp import endings
from fkp.endings import Terminated

# Ctrl-C and a polite kill; a closed window; what batch systems send before they kill.  Windows has the first two.
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
          if hasattr(signal, name)]


@contextlib.contextmanager
def handled(handler, numbers=ENDING):
    """Within this block `handler(number, frame)` gets these signals; one that `nohup` had ignored stays ignored."""
    before = {number: signal.getsignal(number) for number in numbers}
    own = [number for number in numbers if number == signal.SIGINT or before[number] != signal.SIG_IGN]
    for number in own:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL if before[number] is None else before[number])


def raised():
    """Within this block a signal that would end the process raises Terminated instead; Ctrl-C raises as ever."""
    return handled(terminate, ENDING[1:])


def terminate(number, frame):
    raise Terminated(number)


class Signals:
    """Within this block these signals are noted, not raised; a second one raises at once.

    `demand` is called with the first, to tell others.
    """

    def __init__(self, demand=None):
        self.demand = demand
        self.caught = None
        self.handled = handled(self.note)

    def __enter__(self):
        self.handled.__enter__()
        return self

    def __exit__(self, kind, *error):
        self.handled.__exit__(None, None, None)
        if kind is Terminated:
            self.raise_if_any()

    def note(self, number, frame):
        if self.caught is not None:
            raise Terminated(number)  # also for Ctrl-C: nolearn takes a KeyboardInterrupt for the end of the training
        self.caught = number
        if number == getattr(signal, "SIGHUP", None):
            leave_terminal()
        if self.demand is not None:
            self.demand()
        endings.say("\nFinishing this epoch to save it; once more ends at once.")

    def raise_if_any(self):
        if self.caught is not None:
            raise KeyboardInterrupt if self.caught == signal.SIGINT else Terminated(self.caught)


def leave_terminal():
    """The window is closed: what would be printed there goes nowhere, instead of ending the training by an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        if stat.S_ISCHR(os.fstat(output).st_mode):
            os.dup2(nowhere, output)
    os.close(nowhere)
