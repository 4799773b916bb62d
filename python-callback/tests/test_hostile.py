"""Hostile sequences of commands: the rate stays within the owner's bounds, each is answered once.

Bytes as they come from a broker go through the session's ear, the slot and the orders; only the
optimizer is none of Keras', so that a hundred thousand sequences take seconds.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from epochwatch import Control
from epochwatch._contract import CommandResult
from epochwatch._endpoint import Target
from epochwatch._ledger import Ledger
from epochwatch._optimizers import Held
from epochwatch._orders import Orders
from epochwatch._session import Session
from epochwatch._spool import Header

SEQUENCES = 100_000
HEAD = Header("p", "r", "0197a000-0000-7000-8000-000000000001", None)
FUTURE, PAST = "2126-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
NUMBERS: list[Any] = [
    *(10.0**e for e in range(-12, 4)),
    *(0.0, -0.0, -1.0, 1e308, 5e-324, "NaN", "Infinity", "-Infinity", None, "0.1", True, [0.1], {}),
]
KINDS = ["reduce_lr", "set_lr", "rollback", "stop", "revert", "raise_lr", "", None, 7]
CONTROLS = [
    Control(),
    Control(max_cuts=1, cooldown_epochs=0),
    Control(min_lr=1e-3, factor=0.9, hardest_factor=0.5, cooldown_epochs=1, max_cuts=3),
    Control(mode="ask", allow={"reduce_lr", "set_lr", "stop"}, cooldown_epochs=0),
    Control(hardest_factor=1e-6, max_cuts=20, cooldown_epochs=0, allow={"reduce_lr", "set_lr"}),
    Control(mode="shadow"),
    Control(mode="off", allow=frozenset()),
]


class Rates:
    """The rates of one or two optimizers that take whatever is set."""

    def __init__(self, rates: dict[str, float]) -> None:
        self.all = [Held(name, SimpleNamespace(learning_rate=rate)) for name, rate in rates.items()]
        self.main = self.all[0]
        self.added = ()
        for held in self.all:
            held.inner._learning_rate = held.inner.learning_rate

    def look(self, _: Any) -> list[Held]:
        return self.all

    def barrier(self, _: Any) -> str:
        return ""

    def held(self, name: str) -> Held:
        return next(held for held in self.all if held.name == name)

    def level(self, held: Held) -> float:
        return float(held.inner.learning_rate)

    def set(self, _: Any, held: Held, wanted: float) -> float:
        held.inner.learning_rate = held.inner._learning_rate = wanted
        return wanted

    @property
    def now(self) -> dict[str, float]:
        return {held.name: float(held.inner.learning_rate) for held in self.all}


def message(draw: random.Random, sent: list[bytes], rate: float) -> bytes:
    """One message: now and then one sent before, one that is right, one that is no command."""
    if sent and draw.random() < 0.15:
        return draw.choice(sent)
    wanted: Any = rate * draw.choice([0.5, 0.3, 0.1, 0.05, 1.0, 2.0])
    top: dict[str, Any] = {
        "version": 1,
        "type": "command",
        "id": f"c{draw.randrange(12)}",
        "kind": draw.choice(KINDS[:5]),
        "project": HEAD.project,
        "run": HEAD.run,
        "attempt": HEAD.attempt,
        "caused_by": 1,
        "expected": draw.choice([rate, None]),
        "wanted": wanted,
        "reverts": f"c{draw.randrange(12)}",
        "reason": "because",
        "issued_by": draw.choice(["policy", "ann"]),
        "issued_at": PAST,
        "expires_at": FUTURE,
        "expires_epoch": 99,
    }
    for _ in range(draw.choice([0, 0, 1, 1, 2, 3])):
        key = draw.choice(list(top))
        top[key] = {
            "id": draw.choice(["", "c1", "x" * 65, None, 3, "c\x00"]),
            "kind": draw.choice(KINDS),
            "version": draw.choice([0, 2, "1", None]),
            "type": draw.choice(["event", "command", None]),
            "attempt": draw.choice(["0196a000-0000-7000-8000-000000000001", "", None]),
            "run": draw.choice(["other", "", "*", None]),
            "project": draw.choice(["other", ">", None]),
            "expires_at": draw.choice([PAST, "yesterday", None, 5]),
            "expires_epoch": draw.choice([-1, 0, 10**30, None, 1.5]),
            "issued_by": draw.choice(["", None, "policy", "eve", 3]),
        }.get(key, draw.choice(NUMBERS))
    if draw.random() < 0.2:
        top["optimizer"] = draw.choice(["optimizer", "second", "none", "", 4])
    top = {key: value for key, value in top.items() if draw.random() > 0.01}
    raw = json.dumps(top).encode()
    if draw.random() < 0.05:
        raw = raw[: draw.randrange(len(raw))] + draw.randbytes(draw.randrange(4))
    return raw


def answerable(raw: bytes) -> str | None:
    """Return the id that an answer is owed to."""
    try:
        top = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(top, dict) or top.get("type") != "command":
        return None
    key = top.get("id")
    if not isinstance(key, str) or not 0 < len(key) <= 64 or not key.isascii():
        return None
    return key if key.replace("-", "").replace("_", "").isalnum() else None


def play(draw: random.Random, session: Session, control: Control) -> list[CommandResult]:
    """Send one sequence and hold it against the bounds; return the answers."""
    started = {"optimizer": draw.choice([0.5, 1e-2, 1e-7, 1e3])}
    if draw.random() < 0.3:
        started["second"] = draw.choice([0.1, 1e-6])
    rates, ledger = Rates(started), Ledger()
    orders = Orders(HEAD, control, ledger, rates)  # type: ignore[arg-type]
    session._heard.clear()
    session.commands.clear()
    session._queue.clear()
    answers: list[CommandResult] = []
    sent: list[bytes] = []
    owed: set[str] = set()
    epoch, cuts = 0, 0
    for _ in range(draw.randrange(1, 9)):
        raw = message(draw, sent, rates.now["optimizer"])
        sent.append(raw)
        session._hear(raw)
        key = answerable(raw)
        if key is not None:
            owed.add(key)
        if draw.random() < 0.6:  # the epoch ends
            epoch += draw.randrange(1, 4)
            while session.commands:
                command, before = session.commands.popleft(), rates.now
                assert ledger.first_time(command.id)
                answer = orders.obey(command, SimpleNamespace(stop_training=False), epoch, 100)
                answers.append(answer)
                hold(control, command.kind, answer, before, rates.now, started)
                cuts += answer.outcome == "applied" and command.kind not in ("stop", "revert")
    assert cuts <= control.max_cuts
    while session.commands:
        answers.append(orders.late(session.commands.popleft()))
    answers += [body for _, body in session._queue if isinstance(body, CommandResult)]
    assert Counter(answer.id for answer in answers) == Counter(owed)
    return answers


def hold(  # noqa: PLR0913, PLR0917
    control: Control,
    kind: str,
    answer: CommandResult,
    before: dict[str, float],
    after: dict[str, float],
    started: dict[str, float],
) -> None:
    """What one command may have done."""
    assert answer.outcome in ("applied", "refused", "expired")
    if answer.outcome != "applied" or kind == "stop":
        assert after == before
        assert answer.outcome == "applied" or answer.reason
        return
    assert control.mode in ("ask", "auto")
    for name, rate in after.items():
        assert math.isfinite(rate)
        assert 0 < rate <= started[name]
        if rate == before[name]:
            continue
        if kind == "revert":
            assert rate > before[name]
            continue
        assert kind in control.allow
        assert rate >= control.min_lr * 0.9999
        assert rate >= before[name] * control.hardest_factor * 0.9999
        assert rate <= before[name] * (1 if kind == "set_lr" else control.factor) * 1.0001


@pytest.mark.parametrize("control", CONTROLS, ids=lambda one: f"{one.mode}-{one.max_cuts}")
def test_the_rate_stays_within_the_bounds_and_each_command_is_answered_once(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(Target(None, tmp_path), tmp_path, HEAD)
    monkeypatch.setattr(session, "_on_wake", lambda: None)  # it has no thread
    draw = random.Random(f"{control.mode}{control.max_cuts}")  # noqa: S311 # the same each time
    outcomes: Counter[str] = Counter()
    for _ in range(SEQUENCES // len(CONTROLS) + 1):
        outcomes.update(answer.outcome or "" for answer in play(draw, session, control))
    assert outcomes["refused"] > SEQUENCES / 20
    assert outcomes["expired"] > SEQUENCES / 200
    assert (outcomes["applied"] > 0) == (control.mode in ("ask", "auto"))
