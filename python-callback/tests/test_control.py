from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epochwatch import Control
from epochwatch._contract import Command
from epochwatch._control import OFF, Situation, decide
from epochwatch._ledger import Ledger

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HERE = Situation(project="p", run="r", attempt="a", now=NOW, epoch=5, epochs=20, rate=0.5)
CUT = Command(
    id="c",
    kind="reduce_lr",
    project="p",
    run="r",
    attempt="a",
    expected=0.5,
    wanted=0.25,
    issued_by="policy",
    expires_at=NOW + timedelta(minutes=1),
    expires_epoch=7,
)
AUTO = Control()


def outcome(command: Command = CUT, control: Control = AUTO, now: Situation = HERE) -> str:
    decision = decide(command, control, now)
    assert (decision.reason == "") == (decision.outcome == "applied")
    return decision.outcome


def test_a_cut_within_the_bounds_is_applied() -> None:
    assert decide(CUT, AUTO, HERE).wanted == 0.25
    assert decide(replace(CUT, wanted=0.05), AUTO, HERE).wanted == 0.05  # the hardest
    assert outcome(replace(CUT, expected=None)) == "applied"
    float32 = replace(HERE, rate=0.5000001)
    assert outcome(now=float32) == "applied"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"wanted": 0.26}, "gentler"),
        ({"wanted": 0.049}, "harder"),
        ({"wanted": 0.6}, "above the rate in force"),
        ({"wanted": math.inf}, "not a rate"),
        ({"wanted": math.nan}, "not a rate"),
        ({"wanted": None}, "which rate"),
        ({"expected": 0.4}, "expects 0.4, in force is 0.5"),
        ({"attempt": "older"}, "for attempt older"),
        ({"run": "other"}, "p/other"),
        ({"project": "other"}, "other/r"),
        ({"kind": "set_lr"}, "does not allow set_lr"),
        ({"kind": "stop"}, "does not allow stop"),
        ({"kind": "revert"}, "not supported by this version"),
        ({"optimizer": "second"}, "cannot be addressed"),
    ],
)
def test_anything_else_is_refused_with_the_reason(change: dict[str, Any], says: str) -> None:
    decision = decide(replace(CUT, **change), AUTO, HERE)
    assert decision.outcome == "refused"
    assert says in decision.reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rate": None}, "cannot be read"),
        ({"rate": math.nan}, "is not a rate"),
        ({"rate": 0.0}, "is not a rate"),
        ({"cuts": 6}, "had its 6 cuts"),
        ({"last_cut": 4}, "fewer than 2 epochs"),
    ],
)
def test_the_situation_can_forbid_it(change: dict[str, Any], says: str) -> None:
    decision = decide(CUT, AUTO, replace(HERE, **change))
    assert decision.outcome == "refused"
    assert says in decision.reason


def test_the_cooldown_counts_ended_epochs() -> None:
    assert outcome(now=replace(HERE, last_cut=3)) == "applied"


def test_what_is_late_expires() -> None:
    assert outcome(now=replace(HERE, now=NOW + timedelta(minutes=1))) == "expired"
    assert outcome(now=replace(HERE, epoch=8)) == "expired"
    assert outcome(now=replace(HERE, epoch=7)) == "applied"
    assert outcome(replace(CUT, expires_epoch=20), now=replace(HERE, epoch=20)) == "expired"


def test_the_floor() -> None:
    low = replace(HERE, rate=3e-7)
    assert "below 1e-07" in decide(replace(CUT, expected=3e-7, wanted=5e-8), AUTO, low).reason
    assert outcome(replace(CUT, expected=3e-7, wanted=1e-7), now=low) == "applied"


def test_the_modes() -> None:
    person = replace(CUT, issued_by="ada")
    for control in (OFF, Control(mode="shadow")):
        assert outcome(CUT, control) == "refused"
        assert outcome(person, control) == "refused"
    ask = Control(mode="ask")
    assert outcome(CUT, ask) == "refused"
    assert outcome(replace(CUT, issued_by=None), ask) == "refused"
    assert outcome(person, ask) == "applied"


def test_set_lr_and_stop_where_allowed() -> None:
    control = Control(allow=frozenset({"set_lr", "stop"}))
    assert outcome(replace(CUT, kind="set_lr", wanted=0.4), control) == "applied"
    assert "above the rate" in decide(replace(CUT, kind="set_lr", wanted=0.6), control, HERE).reason
    assert outcome(replace(CUT, kind="stop", wanted=None), control) == "applied"
    assert outcome(CUT, control) == "refused"


def test_under_a_schedule_the_step_counts() -> None:
    now = replace(HERE, rate=0.4, reported=(0.5, 0.45, 0.4))
    assert decide(CUT, AUTO, now).wanted == pytest.approx(0.2)
    assert outcome(replace(CUT, expected=0.7), now=now) == "refused"
    assert outcome(replace(CUT, wanted=0.45), now=now) == "refused"


@pytest.mark.parametrize(
    "bad",
    [
        {"mode": "on"},
        {"min_lr": 0},
        {"min_lr": -1.0},
        {"min_lr": math.nan},
        {"min_lr": math.inf},
        {"factor": 1.0},
        {"factor": 0.05},
        {"hardest_factor": 0.6},
        {"hardest_factor": 0},
        {"max_cuts": -1},
        {"max_cuts": 1.5},
        {"cooldown_epochs": True},
        {"allow": {"explode"}},
        {"allow": "stop"},
    ],
)
def test_bounds_that_are_none_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Control(**bad)


def test_the_defaults_let_a_rate_a_thousand_times_too_high_come_down() -> None:
    rate, epoch, last, control = 1.0, 0, None, Control()
    for cuts in range(control.max_cuts):
        now = replace(HERE, rate=rate, epoch=epoch, epochs=30, cuts=cuts, last_cut=last)
        cut = replace(CUT, expected=rate, wanted=rate * control.hardest_factor, expires_epoch=epoch)
        decision = decide(cut, control, now)
        assert decision.outcome == "applied" or rate * control.hardest_factor < control.min_lr
        rate, last, epoch = decision.wanted or rate, epoch, epoch + control.cooldown_epochs
    assert rate <= 1e-3


kinds = st.sampled_from(["reduce_lr", "set_lr", "rollback", "stop", "revert"])
rates = st.floats(allow_nan=True, allow_infinity=True) | st.floats(1e-9, 10)
commands = st.builds(
    Command,
    id=st.sampled_from([f"id{n}" for n in range(12)]),
    kind=kinds | st.just("reduce_lr"),
    project=st.sampled_from(["p"] * 9 + ["q"]),
    run=st.sampled_from(["r"] * 9 + ["s"]),
    attempt=st.sampled_from(["a"] * 9 + ["b"]),
    expected=st.none() | rates,
    wanted=rates,
    issued_by=st.sampled_from([None, "policy", "ada"]),
    expires_at=st.sampled_from([NOW + timedelta(seconds=s) for s in (-1, 5, 50)]),
    expires_epoch=st.integers(0, 40),
)
# Half of them are shaped so that they would often be obeyed: a share of the rate in force.
steps = st.lists(
    st.tuples(commands, st.none() | st.floats(0.01, 1.2), st.integers(0, 2)), max_size=25
)
controls = st.builds(
    lambda low, span, **rest: Control(hardest_factor=low, factor=low + (0.99 - low) * span, **rest),
    low=st.floats(0.01, 0.9),
    span=st.floats(0, 1),
    mode=st.sampled_from(["off", "shadow", "ask", "auto", "auto"]),
    min_lr=st.floats(1e-6, 0.5),
    max_cuts=st.integers(0, 8),
    cooldown_epochs=st.integers(0, 3),
    allow=st.frozensets(kinds),
)


@settings(max_examples=2000, deadline=None)
@given(controls, st.floats(1e-5, 2), steps)
def test_whatever_arrives_the_rate_stays_within_the_bounds(
    control: Control, rate: float, sequence: list[tuple[Command, float | None, int]]
) -> None:
    start, ledger, epoch, answers, changed = rate, Ledger(), 0, [], []
    for command, share, ends in sequence:
        epoch += ends
        if not ledger.first_time(command.id):
            continue
        ledger.tell(rate)
        if share is not None:
            command = replace(command, expected=rate, wanted=rate * share)  # noqa: PLW2901
        now = replace(
            HERE,
            epoch=epoch,
            epochs=60,
            rate=rate,
            cuts=ledger.cuts,
            last_cut=ledger.last_cut,
            reported=tuple(ledger.told),
        )
        decision = decide(command, control, now)
        answers.append(command.id)
        assert decision.outcome in ("applied", "refused", "expired")
        if decision.wanted is not None:
            assert decision.outcome == "applied"
            assert command.kind in control.allow
            assert control.mode in ("ask", "auto")
            assert control.hardest_factor * (1 - 2e-5) <= decision.wanted / rate <= 1
            if command.kind == "reduce_lr":
                assert decision.wanted / rate <= control.factor * (1 + 2e-5)
            ledger.cut(epoch)
            changed.append(epoch)
            rate = decision.wanted
        assert min(start, control.min_lr * (1 - 2e-5)) <= rate <= start
    assert len(answers) == len(set(answers))
    assert len(changed) <= control.max_cuts
    gaps = [after - before for before, after in itertools.pairwise(changed)]
    assert all(gap >= control.cooldown_epochs for gap in gaps)


def test_cuts_are_kept_across_attempts(tmp_path: Path) -> None:
    path = tmp_path / "p.r.cuts"
    ledger = Ledger(path)
    ledger.cut(3)
    undo = ledger.cut(6)
    assert Ledger(path).cuts == 2
    undo()
    assert (ledger.cuts, ledger.last_cut, Ledger(path).cuts) == (1, 3, 1)
    path.write_text("rubbish")
    assert Ledger(path).cuts == 0
