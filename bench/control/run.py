"""Runs what score.py makes the table of: small real trainings under several policies.

    make build
    .venv/bin/python bench/control/run.py --results FILE [--half development|kept|all]
        [--policies nothing,epochwatch,…] [--tasks …] [--settings …] [--seeds 3]
    .venv/bin/python bench/control/score.py FILE

Each task, setting and seed is trained under each policy from the same weights on the same
batches, and leaves one line of JSON: the test loss before and at the end, the curves, the rates,
the commands. What is in the file already is skipped, so a run can be broken off and gone on
with. The epochwatch policies train against a daemon that is started for it on a temporary
folder, with its defaults (embedded NATS, SQLite). `run.py --sweep` prints the mean test loss of
each task over the grid of rates, which is where the right rates come from.

Epochs here last 10 to 100 milliseconds, less than a command may need on a busy machine. So that
the table does not depend on how busy it is, an epoch begins, waits until the daemon has
committed the one before it and whatever it decided has arrived, and then trains: a command is
applied at the end of the epoch after the one that caused it, as in any training whose epochs
last longer than a command is on its way. bench/loop measures that way in time.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import jax
import keras
import numpy as np
from epochwatch import EpochWatch
from fits import Bench
from tasks import SETTINGS, TASKS, Setting, Task

jax.config.update("jax_compilation_cache_dir", str(ROOT / ".cache" / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

BARE = {
    "nothing": list,
    "plateau": lambda: [keras.callbacks.ReduceLROnPlateau()],
    "plateau_quick": lambda: [keras.callbacks.ReduceLROnPlateau(patience=3, factor=0.5)],
    "stopping": lambda: [keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)],
}
WATCHED = {
    "epochwatch": list,
    "epochwatch_plateau": lambda: [keras.callbacks.ReduceLROnPlateau()],
}
SHORTEST = 0.05
"""Seconds that a watched epoch lasts at least: shorter ones are hardly worth a daemon, and the
copies of the weights, of which EpochWatch makes no more than cost 1 % of the time, are few."""
WAIT = 10.0
"""Seconds that an epoch waits for the daemon at most; a run that hit it says so."""
COMMANDS = """
SELECT c.kind, c.state, c.decided_epoch, c.applied_epoch, c.before, c.after, c.effect, c.answer,
       f.kind, f.severity
FROM command c LEFT JOIN finding f ON f.id = c.finding_id WHERE c.run_pk = ? ORDER BY c.pk
"""
FINDINGS = """
SELECT kind, metric, severity, reason, onset_epoch, fired_epoch, resolved_epoch
FROM finding WHERE run_pk = ? ORDER BY pk
"""


class Daemon:
    """A daemon on a temporary folder, and its store to read from."""

    def __init__(self, program: Path, data: Path) -> None:
        self._process = subprocess.Popen(
            [str(program), "up", "--data", str(data)],
            stdout=subprocess.DEVNULL,
            stderr=(data / "log").open("wb"),
        )
        end = time.monotonic() + 30
        while not (data / "endpoint.json").exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the daemon did not start: {(data / 'log').read_text()}")
            time.sleep(0.02)
        self.store = sqlite3.connect(f"file:{data}/store.db?mode=ro", uri=True, timeout=30)

    def stop(self) -> None:
        """End it."""
        self.store.close()
        self._process.terminate()
        self._process.wait(30)

    def ask(self, query: str, *args: object) -> list[tuple]:
        """Return the rows of a query."""
        return self.store.execute(query, args).fetchall()


class Wait(keras.callbacks.Callback):
    """Lets an epoch train once what the one before it caused has arrived.

    It stands behind EpochWatch, which looks at the beginning of an epoch for what has arrived:
    a command that arrives now is thus applied at the end of the epoch, not at its beginning.
    """

    def __init__(self, daemon: Daemon, watch: EpochWatch) -> None:
        super().__init__()
        self._daemon, self._watch = daemon, watch
        self.pk: int | None = None
        self.late = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        time.sleep(SHORTEST)
        end = time.monotonic() + WAIT
        while epoch and not self._arrived(epoch):
            if time.monotonic() > end:
                self.late += 1
                return
            time.sleep(0.002)

    def _arrived(self, epochs: int) -> bool:
        if self.pk is None:
            found = self._daemon.ask("SELECT pk FROM run WHERE id = ?", self._watch.run)
            if not found:
                return False
            self.pk = found[0][0]
        done = self._daemon.ask("SELECT count(*) FROM epoch WHERE run_pk = ?", self.pk)[0][0]
        if done < epochs:
            return False
        sent = self._daemon.ask(
            "SELECT id FROM command WHERE run_pk = ? AND state = 'sent'", self.pk
        )
        here = {command.id for command in self._watch._session.commands}
        return all(each in here for (each,) in sent)

    def ended(self) -> None:
        """Wait until the end of the run is known, and the effects are judged."""
        end = time.monotonic() + WAIT
        while self._daemon.ask("SELECT state FROM run WHERE pk = ?", self.pk)[0][0] == "running":
            if time.monotonic() > end:
                self.late += 1
                return
            time.sleep(0.005)


@contextmanager
def daemon(args: argparse.Namespace) -> Iterator[Daemon]:
    """Run a daemon, and lead the callbacks to it."""
    with tempfile.TemporaryDirectory() as folder:
        running = Daemon(args.epochwatch, Path(folder))
        os.environ["EPOCHWATCH_DATA"] = folder
        try:
            yield running
        finally:
            running.stop()


def watched(
    bench: Bench, setting: Setting, rate: float, policy: str, running: Daemon
) -> dict[str, object]:
    """Train with EpochWatch, and add what the daemon found and did."""
    watch = EpochWatch(project="control", name=f"{bench.task.name}/{setting.name}", auto_lr=True)
    wait = Wait(running, watch)
    line = bench.fit(setting, rate, [watch, wait, *WATCHED[policy]()])
    wait.ended()
    names = (
        "kind",
        "state",
        "decided",
        "applied",
        "before",
        "after",
        "effect",
        "answer",
        "finding",
        "severity",
    )
    line["commands"] = [
        dict(zip(names, row, strict=True)) for row in running.ask(COMMANDS, wait.pk)
    ]
    line["findings"] = [list(row) for row in running.ask(FINDINGS, wait.pk)]
    if wait.late:
        line["late"] = wait.late
    return line


def plain(value: object) -> object:
    """Return a value that every JSON reader takes: what is not finite as text."""
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


def run(args: argparse.Namespace, tasks: list[Task]) -> None:
    """Train what is not in the file yet."""
    done: set[tuple] = set()
    if args.results.exists():
        for text in args.results.read_text().splitlines():
            line = json.loads(text)
            done.add((line["task"], line["setting"], line["seed"], line["policy"]))
    began = time.monotonic()
    with daemon(args) as running, args.results.open("a") as out:
        for task in tasks:
            bench = Bench(task)
            for seed in range(1, args.seeds + 1):
                bench.seed(seed)
                for setting in SETTINGS:
                    for policy in args.policies:
                        key = (task.name, setting.name, seed, policy)
                        if key in done or args.settings and setting.name not in args.settings:
                            continue
                        rate = task.rate * setting.factor
                        if policy in BARE:
                            line = bench.fit(setting, rate, BARE[policy]())
                        else:
                            line = watched(bench, setting, rate, policy, running)
                        head = dict(zip(("task", "setting", "seed", "policy"), key, strict=True))
                        print(json.dumps(plain({**head, **line})), file=out, flush=True)
            print(f"{time.monotonic() - began:6.0f} s  {task.name}", file=sys.stderr, flush=True)


def sweep(args: argparse.Namespace, tasks: list[Task]) -> None:
    """Print the test losses at the end over the grid of rates, left alone."""
    for task in tasks:
        bench, found = Bench(task), []
        grid = [m * 10.0**e for e in range(-4, 1) for m in (1, 3)]
        for seed in range(1, args.seeds + 1):
            bench.seed(1000 + seed)  # not the seeds of the table
            found.append([bench.fit(SETTINGS[0], rate, [])["test"] for rate in grid])
        means = np.exp(np.log(np.array(found)).mean(0))
        row = " ".join(f"{rate:g}:{mean:.4f}" for rate, mean in zip(grid, means, strict=True))
        right = min(r for r, mean in zip(grid, means, strict=True) if mean <= 1.02 * min(means))
        print(f"{task.name:20} has {task.rate:g}, right is {right:g}  {row}", flush=True)


def main() -> int:
    """Parse, and run."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*BARE, *WATCHED]
    listed = lambda text: text.split(",")
    p.add_argument("--results", type=Path, default=ROOT / "bench" / "control" / "results.jsonl")
    p.add_argument("--half", choices=("development", "kept", "all"), default="development")
    p.add_argument("--policies", type=listed, default=names, help=", ".join(names))
    p.add_argument("--tasks", type=listed, help="some of them only")
    p.add_argument("--settings", type=listed, help="some of them only")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--epochwatch", type=Path, default=ROOT / "bin" / "epochwatch")
    p.add_argument("--sweep", action="store_true", help="find the right rates instead")
    args = p.parse_args()
    half = {"development": [False], "kept": [True], "all": [False, True]}[args.half]
    tasks = [t for t in TASKS if t.kept in half and (not args.tasks or t.name in args.tasks)]
    (sweep if args.sweep else run)(args, tasks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
