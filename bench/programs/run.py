"""Small faulty and sound programs: what `epochwatch diagnose --context` says of each.

    KERAS_BACKEND=jax python bench/programs/run.py [--half first|second] [--anew] [--verbose]

Each program is trained for a few epochs; its facts, as the callback gathers them, and its
curve are kept in bench/programs/.made, so that later calls only diagnose. "task told" judges
the same with the task that the person has in mind, where gathering sees only the loss.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MADE = HERE / ".made"
FACTS = [
    "task",
    "classes",
    "loss",
    "from_logits",
    "output_units",
    "output_activation",
    "optimizer",
    "learning_rate",
    "metrics",
    "batch_size",
    "samples",
    "validation_samples",
    "steps_per_epoch",
    "planned_epochs",
    "params",
    "layers",
    "x",
    "y",
]


def make(entry: Any) -> None:
    """Train a program and keep its facts and its curve."""
    import keras  # only where something is trained
    from epochwatch._codec import _plain
    from epochwatch._facts import gather

    keras.utils.set_random_seed(1)
    built = entry.build()
    fit = {"epochs": 6, "batch_size": 32, "verbose": 0} | built.fit
    body = gather(
        built.model, {"epochs": fit["epochs"]}, {"x": built.x} | fit, (built.x, built.y)
    )
    facts = _plain(body)
    (MADE / f"{entry.name}.json").write_text(
        json.dumps({k: facts.get(k) for k in FACTS})
    )
    try:
        done = built.model.fit(built.x, built.y, **fit).history
    except Exception as error:  # noqa: BLE001 # a program that cannot run has no curve
        print(f"{entry.name}: {str(error).splitlines()[0][:100]}", file=sys.stderr)
        done = {}
    with (MADE / f"{entry.name}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", *done])
        for i, row in enumerate(zip(*done.values(), strict=True)):
            table.writerow(
                [i, *(f"{v:.6g}" if math.isfinite(v) else str(v) for v in row)]
            )


def diagnose(
    binary: str, entry: Any, *, told: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the verdict and the findings on a program."""
    facts = json.loads((MADE / f"{entry.name}.json").read_text())
    if told:
        facts["task"] = entry.task
    with tempfile.NamedTemporaryFile("w", suffix=".json") as context:
        context.write(json.dumps(facts))
        context.flush()
        done = subprocess.run(
            [
                binary,
                "diagnose",
                "--json",
                "--context",
                context.name,
                MADE / f"{entry.name}.csv",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    out = json.loads(done.stdout)
    if "error" in out:  # no epoch: what the facts alone say is asked with a made-up one
        (MADE / "one.csv").write_text("epoch,loss\n0,1\n")
        return diagnose_one(binary, facts)
    return out["verdict"], [f for f in out["findings"] if f["severity"] != "info"]


def diagnose_one(
    binary: str, facts: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Judge facts without a curve of their own."""
    context = MADE / "one.json"
    context.write_text(json.dumps(facts))
    done = subprocess.run(
        [binary, "diagnose", "--json", "--context", context, MADE / "one.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    out = json.loads(done.stdout)
    return out["verdict"], [f for f in out["findings"] if f["severity"] != "info"]


def judge(binary: str, entries: list[Any], *, told: bool, verbose: bool) -> None:
    """Print what is said, by fault, and what is said of sound programs."""
    flagged, right, all_ = Counter(), Counter(), Counter()
    mine = ("head_loss_mismatch", "metric_mismatch", "initial_loss")
    wrongly = by_facts = sound = 0
    for entry in entries:
        verdict, findings = diagnose(binary, entry, told=told)
        kinds = [f["kind"] for f in findings]
        words = ", ".join(f"{f['kind']}/{f['reason']}" for f in findings) or "-"
        if not entry.fault:
            sound += 1
            wrongly += bool(findings)
            by_facts += any(kind in mine for kind in kinds)
            if findings or verbose:
                print(f"  sound   {entry.name}: {words} (verdict {verdict['kind']})")
            continue
        all_[entry.fault] += 1
        flagged[entry.fault] += bool(findings)
        right[entry.fault] += verdict["kind"] in entry.kinds
        if not findings or verdict["kind"] not in entry.kinds or verbose:
            print(f"  faulty  {entry.name}: {words} (verdict {verdict['kind']})")
    print(f"\n{'fault':<34}{'all':>5}{'flagged':>9}{'right':>7}")
    for fault, n in all_.items():
        print(f"{fault:<34}{n:>5}{flagged[fault]:>9}{right[fault]:>7}")
    print(f"{'together':<34}{all_.total():>5}{flagged.total():>9}{right.total():>7}")
    print(f"sound {sound}: {wrongly} flagged, {by_facts} of them by what this judges\n")


def main() -> None:
    """Make what is missing, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=["first", "second"])
    parser.add_argument("--anew", action="store_true", help="train again")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    sys.path[:0] = [str(HERE), str(ROOT / "python-callback" / "src")]
    os.environ.setdefault("KERAS_BACKEND", "jax")
    MADE.mkdir(exist_ok=True)
    import first  # noqa: F401 # which enter their programs
    from programs import ENTRIES

    if (HERE / "second.py").exists():
        import second  # noqa: F401
    entries = [e for e in ENTRIES if options.half in (None, e.half)]
    for entry in entries:
        if options.anew or not (MADE / f"{entry.name}.csv").exists():
            make(entry)
    binary = str(MADE / "epochwatch")
    subprocess.run(
        ["go", "build", "-o", binary, "./daemon/epochwatch"], cwd=ROOT, check=True
    )
    for told in (False, True):
        print("task told" if told else "facts as gathered")
        judge(binary, entries, told=told, verbose=options.verbose)


if __name__ == "__main__":
    main()
