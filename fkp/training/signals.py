"""Ctrl-C and SIGTERM during training: noted, answered when the epoch is saved."""
import signal
import sys

from fkp import cli


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
