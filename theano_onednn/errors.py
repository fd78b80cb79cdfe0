"""What a user can mend, in one line.  Runs on any Python."""


class Problem(Exception):
    """A setting, a script or a machine that does not fit; the text says what was asked, what was found, what to do."""

    def __str__(self):
        """What a hostile file smuggled in cannot steer the terminal."""
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())


class NotReady(Problem, ImportError):
    """Why Theano cannot run here: `import theano_onednn` raises it."""
