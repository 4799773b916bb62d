"""The decision on each command. Pure: whatever arrives, the rate stays within the bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._contract import Command
    from ._control import Control
    from ._ledger import Done

MAIN: Final = "optimizer"
"""The name of ``model.optimizer``, the only one of most models."""
TOLERANCE: Final = 1e-5
"""How far two rates may be apart and still be the same: optimizers hold float32."""
_BY_POLICY: Final = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision depends on besides the command and the bounds."""

    project: str
    run: str
    attempt: str
    now: datetime
    epoch: int
    """The first epoch that would be trained with a change."""
    epochs: int | None = None
    """How many epochs are planned, counted as ``epoch`` is."""
    rates: Mapping[str, float | None] = field(default_factory=dict)
    """The rate in force of each optimizer that trains; None when it cannot be read."""
    main: str = MAIN
    """The one that a command means which names none."""
    barrier: str = ""
    """Why no rate of this model can be changed, where that is so."""
    reported: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The rates told since the last change, of those under a schedule, which moves by design."""
    levels: Mapping[str, float] = field(default_factory=dict)
    """What is in force of what commands set: a rate, or the factor of a schedule."""
    origins: Mapping[str, float] = field(default_factory=dict)
    """The level before the first command, of those that were changed."""
    done: Mapping[str, Done] = field(default_factory=dict)
    """The commands that changed a rate, by id."""
    cuts: int = 0
    last_change: int | None = None
    """The first epoch trained with the last cut, or with the last one taken back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a command: rates are those to set, for the kinds that set some."""

    outcome: str
    reason: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)


class _RefusedError(Exception):
    """Ends a decision; the message is the reason."""


def same_rate(one: float, other: float) -> bool:
    """Whether two rates are the same as far as an optimizer's float32 can tell."""
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=0.0)


def decide(command: Command, control: Control, now: Situation) -> Decision:
    """Decide on a command that was not answered before."""
    stale = _stale(command, now) if _addressed(command, now) else ""
    if stale:
        return Decision("expired", stale)
    try:
        _check_leave(command, control, now)
        return Decision("applied", rates=_rates(command, control, now))
    except _RefusedError as refused:
        return Decision("refused", str(refused))


def _addressed(command: Command, now: Situation) -> bool:
    return (command.project, command.run, command.attempt) == (now.project, now.run, now.attempt)


def _stale(command: Command, now: Situation) -> str:
    if now.now.astimezone(UTC) >= command.expires_at:
        return f"it was valid until {command.expires_at.isoformat()}"
    if now.epoch > command.expires_epoch:
        return f"it was for epoch {command.expires_epoch} at the latest, the next is {now.epoch}"
    if now.epochs is not None and now.epoch >= now.epochs and command.kind != "stop":
        return "no epoch is left that it could change"
    return ""


def _check_leave(command: Command, control: Control, now: Situation) -> None:
    if not _addressed(command, now):
        raise _RefusedError(
            f"it is for attempt {command.attempt} of {command.project}/{command.run}"
        )
    if control.mode not in ("ask", "auto"):
        raise _RefusedError(f"the owner's mode is {control.mode}")
    person = bool(command.issued_by) and command.issued_by != _BY_POLICY
    if control.mode == "ask" and not person:
        raise _RefusedError("the owner's mode is ask, and no person issued it")
    if command.kind != "revert" and command.kind not in control.allow:
        raise _RefusedError(f"the owner does not allow {command.kind}")


def _rates(command: Command, control: Control, now: Situation) -> dict[str, float]:
    """Return the rates to set; none for a stop."""
    if command.kind == "stop":
        return {}
    if now.barrier:
        raise _RefusedError(now.barrier)
    if command.kind == "revert":
        return _taken_back(command, now)
    return _lowered(command, control, now)


def _lowered(command: Command, control: Control, now: Situation) -> dict[str, float]:
    """Return the rates that a cut sets.

    One that names no optimizer, where several train, is about the rate of the main one, and
    changes all by the same factor. To cut one alone would shift the balance between them,
    which in a GAN is the owner's choice and often all that keeps it from collapsing; and to
    refuse would leave a run that diverges alone although each of them may be cut. Each stays
    within the bounds by itself, or none is changed.
    """
    reference = _named(command, now)
    rate, wanted = _rate_of(reference, now), command.wanted
    if wanted is None:
        raise _RefusedError("it does not say which rate")
    expected = command.expected
    if expected is not None and not same_rate(expected, rate):
        _check_expected(expected, reference, now)
        wanted = rate * (wanted / expected)  # what was meant is the step, not the number
    targets = [reference] if command.optimizer else list(now.rates)
    rates = {}
    for name in targets:
        own = _rate_of(name, now)
        rates[name] = wanted if name == reference else own * (wanted / rate)
        _check_bounds(rates[name], own, command, control, f"{name}: " if len(targets) > 1 else "")
    if now.cuts >= control.max_cuts:
        raise _RefusedError(f"the run has had its {control.max_cuts} cuts")
    if now.last_change is not None and now.epoch - now.last_change < control.cooldown_epochs:
        raise _RefusedError(
            f"fewer than {control.cooldown_epochs} epochs have ended since the last change"
        )
    return rates


def _named(command: Command, now: Situation) -> str:
    """Return the optimizer that a command is about."""
    name = command.optimizer or now.main
    if name not in now.rates:
        known = ", ".join(now.rates) or "none"
        raise _RefusedError(f"no optimizer {name} trains; there are: {known}")
    return name


def _rate_of(name: str, now: Situation) -> float:
    rate = now.rates.get(name)
    if rate is None or not 0 < rate < math.inf:
        raise _RefusedError(f"the rate in force ({rate}) cannot be read or is not a rate")
    return rate


def _check_expected(expected: float, name: str, now: Situation) -> None:
    """Refuse what was decided for another rate; a schedule may have moved on since."""
    if not any(same_rate(expected, told) for told in now.reported.get(name, ())):
        raise _RefusedError(f"it expects {expected:g}, in force is {_rate_of(name, now):g}")


def _check_bounds(
    wanted: float, rate: float, command: Command, control: Control, whose: str
) -> None:
    gentlest = 1.0 if command.kind == "set_lr" else control.factor
    for wrong, reason in (
        (not 0 < wanted < math.inf, "is not a rate"),
        (wanted < control.min_lr * (1 - TOLERANCE), f"is below {control.min_lr:g}"),
        (wanted > rate, f"is above the rate in force, {rate:g}"),
        (wanted > rate * gentlest * (1 + TOLERANCE), f"is gentler than {gentlest:g} of {rate:g}"),
        (
            wanted < rate * control.hardest_factor * (1 - TOLERANCE),
            f"is harder than {control.hardest_factor:g} of {rate:g}",
        ),
    ):
        if wrong:
            raise _RefusedError(f"{whose}{wanted:g} {reason}")


def _taken_back(command: Command, now: Situation) -> dict[str, float]:
    """Return the rates that were in force before the command that is taken back.

    Neither cuts nor cooldown hold it up: what hurts must end at once. The cut it takes back
    stays counted, so that cutting and taking back comes to an end.
    """
    done = now.done.get(command.reverts or "")
    if done is None:
        raise _RefusedError(f"{command.reverts} is no command that changed a rate of this run")
    if done.reverted:
        raise _RefusedError(f"{command.reverts} was taken back before")
    if command.optimizer and set(done.changes) != {command.optimizer}:
        raise _RefusedError(f"{command.reverts} changed {', '.join(done.changes)}")
    rates = {}
    for name, change in done.changes.items():
        if name not in now.rates:
            raise _RefusedError(f"the optimizer {name} does not train any more")
        rate = _rate_of(name, now)
        level = now.levels.get(name)
        if level is None or not same_rate(level, change.level_after):
            raise _RefusedError(f"the rate in force, {rate:g}, is not what {command.reverts} left")
        if change.level_before > now.origins.get(name, change.level_before) * (1 + TOLERANCE):
            raise _RefusedError(
                f"{change.before:g} is above what was in force before the first command"
            )
        share = change.level_before / change.level_after
        rates[name] = rate * share if change.scheduled else change.level_before
    reference = next(iter(rates)) if now.main not in rates else now.main
    if command.expected is not None and not same_rate(command.expected, _rate_of(reference, now)):
        _check_expected(command.expected, reference, now)
    return rates
