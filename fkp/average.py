"""Average submissions, such as those of cascades trained from several seeds.

    python net4.py --seed 1 --models models/1
    python net5.py --seed 1 --models models/1 --out models/1   # and so on
    python -m fkp.average models/*/submission-net5.csv --out submission.csv

Each value is the mean of that row in all of them.
"""
from pathlib import Path

import numpy as np

from fkp import Problem, cli, tables
from fkp.csvs import reader


def main(arguments=()):
    p = cli.parser(__doc__)
    p.add_argument("submissions", metavar="CSV", nargs="+", type=cli.path, help="submissions to average")
    p.add_argument("--out", metavar="CSV", type=cli.path, default=Path("submission.csv"),
                   help="where the mean goes (default: submission.csv)")
    args = p.parse_args(arguments)
    found = [reader.read_submission(path) for path in args.submissions]
    row_ids = found[0]["RowId"]
    for path, rows in zip(args.submissions, found):
        if not rows["RowId"].equals(row_ids):
            raise Problem(f"{path}: has other RowIds than {args.submissions[0]}; average submissions for one "
                          "IdLookupTable.csv")
    path = tables.write_submission(args.out, row_ids, np.mean([rows["Location"] for rows in found], axis=0))
    print(f"Submission: {path}, the mean of {len(found)}")


if __name__ == "__main__":
    cli.run(main)
