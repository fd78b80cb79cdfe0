"""Ctrl-C and SIGTERM: an exception at once, or, while a net trains, as soon as the epoch is saved."""
import signal
import sys

from fkp.endings import Terminated


class Signals:
    """Within this block Ctrl-C and SIGTERM are noted, not raised; a second one raises at once.

    `demand` is called with the first, to tell others.
    """

    def __init__(self, demand=None):
        self.demand = demand
        self.caught = None

    def __enter__(self):
        self.before = {n: signal.signal(n, self.note) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if kind is Terminated:
            self.raise_if_any()

    def note(self, number, frame):
        if self.caught is not None:
            raise Terminated  # also for Ctrl-C: nolearn takes a KeyboardInterrupt for the end of the training
        self.caught = number
        if self.demand is not None:
            self.demand()
        print("\nFinishing this epoch to save it; once more ends at once.", file=sys.stderr, flush=True)

    def raise_if_any(self):
        if self.caught is not None:
            raise KeyboardInterrupt if self.caught == signal.SIGINT else Terminated
