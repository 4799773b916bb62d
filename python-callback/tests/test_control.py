from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from epochwatch import Control
from epochwatch._contract import Command
from epochwatch._control import OFF
from epochwatch._decide import Situation, decide
from epochwatch._ledger import Change, Done, Ledger

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ONE = "optimizer"
HERE = Situation(project="p", run="r", attempt="a", now=NOW, epoch=5, epochs=20, rates={ONE: 0.5})
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
    assert decide(CUT, AUTO, HERE).rates == {ONE: 0.25}
    assert decide(replace(CUT, wanted=0.05), AUTO, HERE).rates == {ONE: 0.05}  # the hardest
    assert outcome(replace(CUT, expected=None)) == "applied"
    assert outcome(replace(CUT, optimizer=ONE)) == "applied"
    float32 = replace(HERE, rates={ONE: 0.5000001})
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
        ({"kind": "revert", "reverts": "x"}, "x is no command that changed a rate"),
        ({"kind": "revert", "reverts": None}, "is no command that changed a rate"),
        ({"optimizer": "second"}, "no optimizer second trains; there are: optimizer"),
    ],
)
def test_anything_else_is_refused_with_the_reason(change: dict[str, Any], says: str) -> None:
    decision = decide(replace(CUT, **change), AUTO, HERE)
    assert decision.outcome == "refused"
    assert says in decision.reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rates": {ONE: None}}, "cannot be read"),
        ({"rates": {ONE: math.nan}}, "is not a rate"),
        ({"rates": {ONE: 0.0}}, "is not a rate"),
        ({"rates": {}}, "there are: none"),
        ({"barrier": "the model has no optimizer"}, "the model has no optimizer"),
        ({"cuts": 6}, "had its 6 cuts"),
        ({"last_change": 4}, "fewer than 2 epochs"),
    ],
)
def test_the_situation_can_forbid_it(change: dict[str, Any], says: str) -> None:
    decision = decide(CUT, AUTO, replace(HERE, **change))
    assert decision.outcome == "refused"
    assert says in decision.reason


def test_the_cooldown_counts_ended_epochs() -> None:
    assert outcome(now=replace(HERE, last_change=3)) == "applied"


def test_what_is_late_expires() -> None:
    assert outcome(now=replace(HERE, now=NOW + timedelta(minutes=1))) == "expired"
    assert outcome(now=replace(HERE, epoch=8)) == "expired"
    assert outcome(now=replace(HERE, epoch=7)) == "applied"
    assert outcome(replace(CUT, expires_epoch=20), now=replace(HERE, epoch=20)) == "expired"


def test_the_floor() -> None:
    low = replace(HERE, rates={ONE: 3e-7})
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
    now = replace(HERE, rates={ONE: 0.4}, reported={ONE: (0.5, 0.45, 0.4)})
    assert decide(CUT, AUTO, now).rates == pytest.approx({ONE: 0.2})
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
        now = replace(HERE, rates={ONE: rate}, epoch=epoch, epochs=30, cuts=cuts, last_change=last)
        cut = replace(CUT, expected=rate, wanted=rate * control.hardest_factor, expires_epoch=epoch)
        decision = decide(cut, control, now)
        assert decision.outcome == "applied" or rate * control.hardest_factor < control.min_lr
        rate, last, epoch = decision.rates.get(ONE, rate), epoch, epoch + control.cooldown_epochs
    assert rate <= 1e-3


TWO = replace(HERE, rates={"d": 0.4, "g": 0.1}, main="d")
STEP = replace(CUT, expected=0.4, wanted=0.1)


def test_a_command_that_names_none_of_several_changes_all_by_the_same_factor() -> None:
    assert decide(STEP, AUTO, TWO).rates == pytest.approx({"d": 0.1, "g": 0.025})
    assert "expects 0.1" in decide(replace(STEP, expected=0.1, wanted=0.02), AUTO, TWO).reason


def test_one_of_several_is_addressed_by_its_name() -> None:
    one = replace(STEP, optimizer="g", expected=0.1, wanted=0.03)
    assert decide(one, AUTO, TWO).rates == {"g": 0.03}
    told = replace(TWO, reported={"d": (0.1,), "g": (0.2,)})
    assert "expects 0.3" in decide(replace(one, expected=0.3), AUTO, told).reason
    assert decide(replace(one, expected=0.2), AUTO, told).rates == pytest.approx({"g": 0.015})
    assert "there are: d, g" in decide(replace(one, optimizer="e"), AUTO, TWO).reason


def test_of_several_all_stay_within_the_bounds_or_none_is_changed() -> None:
    floor = decide(STEP, Control(min_lr=0.05), TWO)
    assert (floor.outcome, floor.reason) == ("refused", "g: 0.025 is below 0.05")
    unread = replace(TWO, rates={"d": 0.4, "g": None})
    assert "cannot be read" in decide(STEP, AUTO, unread).reason


def test_where_none_of_several_stands_for_the_run_one_must_be_named() -> None:
    nameless = replace(TWO, main="")
    assert "there are: d, g" in decide(STEP, AUTO, nameless).reason
    assert outcome(replace(STEP, optimizer="d"), now=nameless) == "applied"


def cut_before(**changes: Any) -> Done:
    return Done("reduce_lr", "a", 3, {ONE: Change(1.0, 0.5, 1.0, 0.5)} | changes)


BACK = replace(CUT, kind="revert", reverts="x", expected=None, wanted=None)
CUT_ONCE = replace(
    HERE, levels={ONE: 0.5}, origins={ONE: 1.0}, done={"x": cut_before()}, cuts=6, last_change=5
)


def test_a_cut_is_taken_back_whatever_cuts_and_cooldown_say() -> None:
    decision = decide(BACK, AUTO, CUT_ONCE)
    assert (decision.outcome, decision.rates) == ("applied", {ONE: 1.0})
    assert outcome(BACK, Control(allow=frozenset()), CUT_ONCE) == "applied"


def test_under_a_schedule_the_factor_is_divided_out() -> None:
    change = Change(0.8, 0.4, 1.0, 0.5, scheduled=True)
    now = replace(
        CUT_ONCE,
        rates={ONE: 0.3},
        levels={ONE: 0.5},
        origins={ONE: 1.0},
        done={"x": replace(cut_before(), changes={ONE: change})},
    )
    assert decide(BACK, AUTO, now).rates == pytest.approx({ONE: 0.6})


@pytest.mark.parametrize(
    ("command", "situation", "says"),
    [
        ({"reverts": "y"}, {}, "y is no command that changed a rate of this run"),
        ({}, {"done": {"x": replace(cut_before(), reverted=True)}}, "taken back before"),
        ({}, {"levels": {ONE: 0.4}, "rates": {ONE: 0.4}}, "0.4, is not what x left"),
        ({}, {"levels": {}}, "is not what x left"),
        ({}, {"origins": {ONE: 0.9}}, "above what was in force before the first command"),
        ({}, {"rates": {"other": 0.5}}, "does not train any more"),
        ({"expected": 0.7}, {}, "expects 0.7"),
        ({"optimizer": "other"}, {}, "x changed optimizer"),
        ({}, {"barrier": "no"}, "no"),
        ({}, {"rates": {ONE: math.nan}}, "not a rate"),
    ],
)
def test_nothing_else_is_taken_back(
    command: dict[str, Any], situation: dict[str, Any], says: str
) -> None:
    decision = decide(replace(BACK, **command), AUTO, replace(CUT_ONCE, **situation))
    assert decision.outcome == "refused"
    assert says in decision.reason


def test_what_was_expected_may_be_of_an_epoch_before_under_a_schedule() -> None:
    now = replace(CUT_ONCE, reported={ONE: (0.52, 0.5)})
    assert outcome(replace(BACK, expected=0.52), now=now) == "applied"


def test_taking_back_obeys_the_mode() -> None:
    assert outcome(BACK, OFF, CUT_ONCE) == "refused"
    assert outcome(BACK, Control(mode="ask"), CUT_ONCE) == "refused"
    assert outcome(replace(BACK, issued_by="ada"), Control(mode="ask"), CUT_ONCE) == "applied"


def test_cutting_and_taking_back_comes_to_an_end() -> None:
    ledger, epoch, rate, cuts = Ledger(), 0, 1.0, 0
    for number in range(40):
        now = replace(
            HERE,
            epoch=epoch,
            epochs=None,
            rates={ONE: rate},
            levels=ledger.record.force,
            origins=ledger.record.origins,
            done=ledger.record.done,
            cuts=ledger.record.cuts,
            last_change=ledger.record.last_change,
        )
        key = f"c{number}"
        command = replace(CUT, id=key, expected=rate, wanted=rate / 2, expires_epoch=epoch)
        decision = decide(command, AUTO, now)
        reverts = None
        if decision.outcome != "applied":
            reverts = next((k for k, d in ledger.record.done.items() if not d.reverted), None)
            if reverts is None:
                assert decision.reason == "the run has had its 6 cuts"
                break
            decision = decide(replace(command, kind="revert", reverts=reverts), AUTO, now)
        after = decision.rates[ONE]
        done = Done("reduce_lr", "a", epoch, {ONE: Change(rate, after, rate, after)})
        ledger.apply(key, done, reverts)
        cuts, rate, epoch = cuts + (reverts is None), after, epoch + (reverts is not None) * 2
    assert cuts == ledger.record.cuts == 6
    assert rate == 1.0


def test_what_was_done_is_kept_across_attempts(tmp_path: Path) -> None:
    path = tmp_path / "p.r.cuts"
    ledger = Ledger(path)
    ledger.apply("a", cut_before())
    undo = ledger.apply("b", replace(cut_before(), epoch=6))
    ledger.apply("c", replace(cut_before(), epoch=7), reverts="a")
    assert Ledger(path).record == ledger.record
    assert (ledger.record.cuts, ledger.record.last_change) == (2, 7)
    assert [done.reverted for done in ledger.record.done.values()] == [True, False]
    assert Ledger(path).earlier == {"a", "b"}
    undo()
    assert (ledger.record.cuts, ledger.record.last_change) == (1, 3)
    assert Ledger(path).record == ledger.record


def test_the_cooldown_of_a_run_that_goes_back_starts_there() -> None:
    ledger = Ledger()
    ledger.apply("a", replace(cut_before(), epoch=9))
    ledger.begin(4)
    assert ledger.record.last_change == 4
    ledger.begin(6)
    assert ledger.record.last_change == 4


@pytest.mark.parametrize("rubbish", ["", "rubbish", "[]", "3", '{"cuts": 1}', "[" * 10_000])
def test_where_the_record_cannot_be_read_no_cut_is_given(
    rubbish: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "p.r.cuts"
    path.write_text(rubbish)
    ledger = Ledger(path)
    assert "cannot be read" in caplog.text
    assert str(path) in caplog.text
    full = replace(HERE, cuts=ledger.record.cuts)
    assert "had its 6 cuts" in decide(CUT, AUTO, full).reason


def test_a_record_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    ledger = Ledger(tmp_path / "file" / "p.r.cuts")
    ledger.apply("a", cut_before())
    assert ledger.record.cuts == 1
    assert "are not remembered" in caplog.text
