"""What the numbered scripts share: command line, faces, training, results."""
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent   # of the scripts, data/ and models/


class Problem(Exception):
    """Something the user can mend: a wrong option, a bad file.

    Its text is one line that says what was asked, what was found and what to
    do.  The scripts print it on stderr and end with exit code 2.
    """

    def __str__(self):
        """What a hostile file smuggled in cannot steer the terminal."""
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())
