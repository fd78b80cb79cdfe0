"""What a run shows: a line per epoch, a bar inside long ones, and the time left."""
import contextlib
import errno
import math
import sys
import time

from nolearn.lasagne import PrintLog
from nolearn.lasagne.handlers import PrintLayerInfo, ansi

from fkp.keypoints import pixels
from fkp.training.best import best_epoch

BAR_SECONDS = 3           # epochs that last longer get a bar
BRIEF_SECONDS = 30        # between two lines about a net that trains beside others


class Progress(PrintLog):
    """nolearn's table, one line per epoch, with the validation error in pixels and the time left.

    `half` pixels are 1.0 of the net's coordinates; `last` is the number of the last epoch.
    """

    def __init__(self, half, last):
        super().__init__()
        self.half, self.last = half, last
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
        if net.verbose and whole > BAR_SECONDS:
            done = 20 * self.batches // total
            on_terminal(f"\r[{'#' * done:.<20}] epoch ends in {duration(whole - spent)} ")

    def __call__(self, net, history):
        on_terminal(f"\r{'':60}\r")
        try:
            if net.verbose:
                super().__call__(net, history)
        except OSError as error:
            if error.errno != errno.EIO:  # that of a closed window: SIGHUP follows, and this epoch is to be saved
                raise
        self.began, self.batches = time.time(), 0

    def table(self, net, history):
        headed = self.first_iteration
        lines = super().table(net, history).split("\n")
        lines[-1] += f"  {pixels(history[-1]['valid_loss'], self.half):6.2f}  {self.time_left(history)}"
        if headed:
            lines[0] += "  pixels  left"
            lines[1] += "  ------  ----------"
        text = "\n".join(lines)
        return text if sys.stdout.isatty() else colourless(text)

    def time_left(self, history):
        """As `duration` says it, at the pace of the last ten epochs."""
        recent = [row["dur"] for row in history[-10:]]
        return duration(sum(recent) / len(recent) * (self.last - len(history)))


def on_terminal(text):
    """Show `text` on stderr, if that is a terminal and still there."""
    if sys.stderr and sys.stderr.isatty():
        with contextlib.suppress(OSError):
            sys.stderr.write(text)


class Brief(Progress):
    """A line now and then that says which net it is about, for nets that train side by side."""

    def __init__(self, half, last, name):
        super().__init__(half, last)
        self.name = name
        self.next_line = time.time() + BRIEF_SECONDS

    def introduction(self, net):
        return [handler for handler in net.on_training_started if not isinstance(handler, PrintLayerInfo)]

    def batch(self, net, history):
        pass

    def __call__(self, net, history):
        if time.time() >= self.next_line:
            self.next_line = time.time() + BRIEF_SECONDS
            loss = history[-1]["valid_loss"]
            print(f"{self.name}: epoch {len(history)} of {self.last}, valid loss {loss:.5f} = "
                  f"{pixels(loss, self.half):.2f} pixels, {self.time_left(history)} left", flush=True)


def summary(history, path, half):
    """The last line: best epoch, loss, pixels, time, and where the model is."""
    best = best_epoch(history)
    return (f"Best epoch {best['epoch']} of {len(history)}: valid loss {best['valid_loss']:.5f} = "
            f"{pixels(best['valid_loss'], half):.2f} pixels; {duration(sum(row['dur'] for row in history))}; {path}")


def duration(seconds):
    """'2 h 03 min', '4 min 10 s' or '7 s'."""
    seconds = int(round(seconds))
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


def colourless(text):
    """`text` without nolearn's colours: they are for terminals."""
    for code in (ansi.CYAN, ansi.GREEN, ansi.ENDC):
        text = text.replace(code, "")
    return text
