"""What a user can mend, in one line.  Runs on any Python."""
import sys


class Problem(Exception):
    """A setting, a script or a machine that does not fit; the text says what was asked, what was found, what to do."""

    def __str__(self):
        """What a hostile file smuggled in cannot steer the terminal."""
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())


class NotReady(Problem, ImportError):
    """Why Theano cannot run here: `import theano_onednn` raises it."""


def say(line):
    """One line on stderr; on a terminal over the ^C that stands there."""
    if sys.stderr:
        print("\r" + line if sys.stderr.isatty() else line, file=sys.stderr)


def end(error):
    """End `python -m theano_onednn` with one line and an exit code: 130 for KeyboardInterrupt, 2 for a Problem."""
    interrupted = isinstance(error, KeyboardInterrupt)
    say("Interrupted." if interrupted else "theano_onednn: %s" % error)
    sys.exit(130 if interrupted else 2)
