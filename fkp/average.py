"""Average submissions, such as those of cascades trained from several seeds.

    python net4.py --seed 1 --models models/1
    python net5.py --seed 1 --models models/1 --out models/1   # and so on
    python -m fkp.average models/*/submission-net5.csv --out submission.csv

Each value is the mean of that row in all of them.
"""
from pathlib import Path

import numpy as np

from fkp import Problem, cli
from fkp.results import submission


def read(path):
    """(row ids (n,), locations (n,)) of a submission.  Raises Problem naming file and line."""
    try:
        header, *lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise Problem("%s: cannot be read (%s); name a submission" % (path, error)) from None
    if header != submission.HEADER:
        raise Problem("%s, line 1: %.40r is not %s; name a submission" % (path, header, submission.HEADER))
    values = np.empty((len(lines), 2))
    for number, line in enumerate(lines, 2):
        try:
            row_id, location = line.split(",")
            values[number - 2] = int(row_id), float(location)
            if not np.isfinite(values[number - 2]).all():
                raise ValueError
        except ValueError:
            raise Problem("%s, line %d: %.40r is no RowId and Location; write the submission again"
                          % (path, number, line)) from None
    return values[:, 0].astype(int), values[:, 1]


def main(arguments=()):
    p = cli.parser(__doc__)
    p.add_argument("submissions", metavar="CSV", nargs="+", type=cli.path, help="submissions to average")
    p.add_argument("--out", metavar="CSV", type=cli.path, default=Path("submission.csv"),
                   help="where the mean goes (default: submission.csv)")
    args = p.parse_args(arguments)
    found = [read(path) for path in args.submissions]
    row_ids = found[0][0]
    for path, (others, _) in zip(args.submissions, found):
        if not np.array_equal(others, row_ids):
            raise Problem("%s: has other RowIds than %s; average submissions for one IdLookupTable.csv"
                          % (path, args.submissions[0]))
    path = submission.write_rows(args.out, row_ids, np.mean([locations for _, locations in found], axis=0))
    print("Submission: %s, the mean of %d" % (path, len(found)))


if __name__ == "__main__":
    cli.run(main)
