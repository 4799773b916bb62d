"""How long it takes from an epoch's end to the cut it caused, through the live daemon.

    python bench/loop/applied.py --data DIR [--fits 40]

Trains the small network of examples/digits.py, its rate far too high, in many short fits with
auto_lr, against the running daemon of DIR (SQLite), and then reads from its store, for each
command that was applied: the time from the end of the epoch that caused it to the decision
(the daemon's clock, the same machine's), and to the answer with the rate read back. The
difference includes the wait for the next end of an epoch, whose length is printed beside.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
from datetime import datetime
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from digits import train

from epochwatch import Control, EpochWatch

QUERY = """
SELECT e.ended_at, c.issued_at, c.answered_at, e.seconds
FROM command c JOIN run r ON r.pk = c.run_pk
JOIN epoch e ON e.run_pk = c.run_pk AND e.attempt = c.attempt AND e.seq = c.caused_by
WHERE r.project = ? AND c.state = 'applied'
"""


def row(name: str, values: list[float]) -> str:
    """Return a line of the table, of milliseconds."""
    cuts = statistics.quantiles(values, n=100)
    return f"{name:24} {statistics.median(values):8.1f} {cuts[98]:8.1f} {max(values):8.1f}"


def main() -> int:
    """Train, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--fits", type=int, default=40)
    args = parser.parse_args()
    os.environ["EPOCHWATCH_DATA"] = args.data
    project = f"applied-{os.getpid()}"
    for seed in range(args.fits):
        control = Control(max_cuts=20, cooldown_epochs=0)
        train(seed, 1.0, [EpochWatch(project=project, control=control)])
    with sqlite3.connect(f"file:{args.data}/store.db?mode=ro", uri=True) as store:
        found = store.execute(QUERY, (project,)).fetchall()
    if len(found) < 2:
        print(f"{len(found)} commands were applied: too few to say anything", file=sys.stderr)
        return 1
    times = [[datetime.fromisoformat(text).timestamp() for text in each[:3]] for each in found]
    print(f"{len(found)} commands applied in {args.fits} fits")
    print(f"{'milliseconds':24} {'median':>8} {'p99':>8} {'max':>8}")
    print(row("an epoch", [each[3] * 1e3 for each in found]))
    print(row("epoch's end to decided", [(made - end) * 1e3 for end, made, _ in times]))
    print(row("epoch's end to applied", [(done - end) * 1e3 for end, _, done in times]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
