"""The table of bench/control, from what run.py left.

    .venv/bin/python bench/control/score.py FILE [--half development|kept] [--detail]

What counts: the test loss at the end. A win is a loss more than 2 % below the other's, a loss
one more than 2 % above. A loss that is not finite counts as infinite. Settings at a wrong rate:
too_high, far_too_high, schedule_too_high. A run has *diverged* when, left alone, it ends not
finite or above the untrained model; it is *rescued* when it ends below 0.9 of the untrained model.
*Gap closed* is of the logarithm of the loss: 0 as left alone, 1 as with the right rate from the
start, losses above the untrained model counting as that; the sum of what was closed over the
sum of the gaps, of the wrong-rate runs whose gap is more than 2 %. *Hurt* counts the runs at
sound rates that end more than 2 % above the same run left alone. A cut is *wasted* where the
rate was at the right one or below it already; under a schedule, as a multiple of it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parent))

from tasks import KEPT, SETTINGS

MARGIN = 1.02
RESCUED = 0.9
WRONG = [s.name for s in SETTINGS if s.wrong]
HEALTHY = [s.name for s in SETTINGS if s.healthy]
FACTOR = {s.name: s.factor for s in SETTINGS}
NAMES = {
    "plateau": "ReduceLROnPlateau()",
    "plateau_quick": "ReduceLROnPlateau(patience=3, factor=0.5)",
    "stopping": "EarlyStopping(patience=5, restore_best_weights=True)",
    "epochwatch": "EpochWatch(auto_lr=True)",
    "epochwatch_plateau": "EpochWatch(auto_lr=True) and ReduceLROnPlateau()",
    "ceiling": "the right rate from the start",
}
Key = tuple[str, str, int]


def number(value: object) -> float:
    """Return a loss; infinity for what is not finite."""
    found = float(value)  # type: ignore[arg-type]
    return found if math.isfinite(found) else math.inf


class Table:
    """The lines of a file, by policy and by task, setting and seed."""

    def __init__(self, lines: list[dict]) -> None:
        self.lines: dict[str, dict[Key, dict]] = defaultdict(dict)
        for line in lines:
            self.lines[line["policy"]][line["task"], line["setting"], line["seed"]] = line
        alone = self.lines["nothing"]
        for (task, setting, seed), line in alone.items():
            sound = "schedule_right" if setting.startswith("schedule") else "right"
            right = alone.get((task, sound, seed))
            if right is not None and setting in WRONG:
                # Its own untrained loss: the same weights and the same test samples.
                self.lines["ceiling"][task, setting, seed] = {
                    **right,
                    "setting": setting,
                    "untrained": line["untrained"],
                }

    def pairs(
        self, policy: str, other: str, settings: list[str], kept: bool
    ) -> list[tuple[dict, dict]]:
        """Return the lines of two policies for the same task, setting and seed."""
        mine, theirs = self.lines[policy], self.lines[other]
        return [
            (mine[key], theirs[key])
            for key in sorted(mine)
            if key in theirs and key[1] in settings and (key[0] in KEPT) == kept
        ]

    def contest(self, policy: str, other: str, settings: list[str], kept: bool) -> str:
        """Return wins and losses in per cent."""
        pairs = self.pairs(policy, other, settings, kept)
        if not pairs:
            return ""
        wins = sum(number(a["test"]) * MARGIN < number(b["test"]) for a, b in pairs)
        losses = sum(number(a["test"]) > MARGIN * number(b["test"]) for a, b in pairs)
        return f"{100 * wins / len(pairs):.0f} / {100 * losses / len(pairs):.0f} %"

    def rescued(self, policy: str, kept: bool) -> str:
        """Return how many of the diverged runs end well below the untrained model."""
        pairs = [
            (a, b)
            for a, b in self.pairs(policy, "nothing", WRONG, kept)
            if number(b["test"]) > b["untrained"]
        ]
        good = sum(number(a["test"]) < RESCUED * a["untrained"] for a, _ in pairs)
        return f"{good} of {len(pairs)}"

    def gap(self, policy: str, kept: bool) -> float:
        """Return the share of the logarithmic gap to the right rate that is closed."""
        closed = gaps = 0.0
        for a, b in self.pairs(policy, "nothing", WRONG, kept):
            best = self.lines["ceiling"][a["task"], a["setting"], a["seed"]]
            cap = a["untrained"]
            mine, alone, right = (min(number(x["test"]), cap) for x in (a, b, best))
            if alone > MARGIN * right:
                gaps += math.log(alone / right)
                closed += math.log(alone / mine)
        return closed / gaps if gaps else math.nan

    def hurt(self, policy: str, settings: list[str], kept: bool) -> str:
        """Return how many runs ended worse than left alone, and the worst."""
        pairs = self.pairs(policy, "nothing", settings, kept)
        times = [number(a["test"]) / number(b["test"]) for a, b in pairs]
        if not times:
            return ""
        return f"{sum(t > MARGIN for t in times)} of {len(times)} ({max(times):.2f})"

    def wasted(self, policy: str, kept: bool) -> str:
        """Return the cuts made at or below the right rate, a run, and the most of one."""
        counts = []
        for (task, setting, _), line in self.lines[policy].items():
            if (task in KEPT) != kept or "commands" not in line:
                continue
            factor, wasted = FACTOR[setting], 0
            for c in line["commands"]:
                if c["state"] not in ("applied", "reverted") or not c["before"]:
                    continue
                wasted += factor <= 1.01
                factor *= c["after"] / c["before"]
            counts.append(wasted)
        return f"{sum(counts) / len(counts):.2f} ({max(counts)})" if counts else ""


def show(table: Table, kept: bool) -> None:
    """Print one half."""
    title = "kept away" if kept else "development"
    runs = sum((key[0] in KEPT) == kept for key in table.lines["nothing"])
    print(
        f"\n{title}: {len({k[0] for k in table.lines['nothing'] if (k[0] in KEPT) == kept})} tasks, {runs} runs left alone\n"
    )
    head = (
        "",
        "against nothing, wrong rate",
        "against ReduceLROnPlateau()",
        "rescued",
        "gap closed",
        "sound runs hurt (worst)",
        "too low hurt",
        "cuts wasted a run (most)",
    )
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for policy, name in NAMES.items():
        if not any((key[0] in KEPT) == kept for key in table.lines[policy]):
            continue
        cells = (
            name,
            table.contest(policy, "nothing", WRONG, kept),
            table.contest(policy, "plateau", WRONG, kept) if policy != "plateau" else "",
            table.rescued(policy, kept),
            f"{table.gap(policy, kept):.2f}",
            table.hurt(policy, HEALTHY, kept) if policy != "ceiling" else "",
            table.hurt(policy, ["too_low"], kept) if policy != "ceiling" else "",
            table.wasted(policy, kept),
        )
        print("| " + " | ".join(cells) + " |")


def detail(table: Table, kept: bool, policy: str) -> None:
    """Print each run of a policy: the losses as shares of the untrained one, and the commands."""
    for key, line in sorted(table.lines[policy].items()):
        if (key[0] in KEPT) != kept:
            continue
        alone, plateau = table.lines["nothing"].get(key), table.lines["plateau"].get(key)
        right = table.lines["ceiling"].get(key)
        shares = [
            f"{number(x['test']) / line['untrained']:.4f}" if x else "–"
            for x in (line, alone, plateau, right)
        ]
        did = " ".join(
            f"{c['decided']}>{c['applied']} {c['kind'][:4]} {c['finding'] or ''} {c['before'] or 0:.3g}→{c['after'] or 0:.3g} {c['effect'] or c['state']};"
            for c in line.get("commands", [])
        )
        print(f"{key[0]:18} {key[1]:18} {key[2]}  {' '.join(shares)}  {did}")


def main() -> int:
    """Parse, and print."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("results", type=Path, nargs="+")
    p.add_argument("--half", choices=("development", "kept"))
    p.add_argument("--detail", nargs="?", const="epochwatch", help="each run of a policy")
    args = p.parse_args()
    table = Table(
        [json.loads(text) for each in args.results for text in each.read_text().splitlines()]
    )
    for kept in (False, True):
        if args.half != ("development" if kept else "kept") and any(
            (key[0] in KEPT) == kept for key in table.lines["nothing"]
        ):
            show(table, kept)
            if args.detail:
                detail(table, kept, args.detail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
