"""What may be done to a run: the owner's bounds, and the decision on each command.

``decide`` is pure. Whatever arrives, the rate stays within the bounds and each id is
answered once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ._contract import COMMAND_KINDS, MODES, Bounds, Command

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

TOLERANCE: Final = 1e-5
"""How far two rates may be apart and still be the same: optimizers hold float32."""
_BY_POLICY: Final = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the owner of a run allows a daemon, and people behind it, to do to it.

    Args:
        mode: ``"off"`` (nothing), ``"shadow"`` (only say what would be done), ``"ask"`` (a
            person approves each change), ``"auto"`` (within the bounds, without asking).
        min_lr: the floor of the learning rate.
        factor: the gentlest cut: the new rate is at most this much of the old one.
        hardest_factor: the hardest cut at once: the new rate is at least this much of it.
        max_cuts: how many cuts a run may get, all attempts under one ``run=`` together.
        cooldown_epochs: how many epochs must end between two cuts.
        allow: the kinds of command allowed: ``reduce_lr``, ``set_lr`` (to any lower rate),
            ``rollback``, ``stop``.

    The defaults let a rate that is a thousand times too high come down: six cuts of up to a
    tenth each.
    """

    mode: str = "auto"
    min_lr: float = 1e-7
    factor: float = 0.5
    hardest_factor: float = 0.1
    max_cuts: int = 6
    cooldown_epochs: int = 2
    allow: AbstractSet[str] = field(default_factory=lambda: frozenset({"reduce_lr", "rollback"}))

    def __post_init__(self) -> None:
        """Refuse bounds that are none."""
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode!r} is none of {', '.join(MODES)}")
        if not 0 < self.min_lr < math.inf:
            raise ValueError(f"min_lr {self.min_lr!r} is not a positive rate")
        if not 0 < self.hardest_factor <= self.factor < 1:
            raise ValueError(
                f"factor {self.factor!r} and hardest_factor {self.hardest_factor!r} must be "
                "0 < hardest_factor <= factor < 1"
            )
        for name in ("max_cuts", "cooldown_epochs"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} {value!r} is not a whole number of 0 or more")
        if isinstance(self.allow, str):
            raise ValueError(f"allow {self.allow!r} is not a set of kinds")  # noqa: TRY004
        unknown = frozenset(self.allow) - frozenset(COMMAND_KINDS)
        if unknown:
            raise ValueError(f"allow names {sorted(unknown)}, known are {COMMAND_KINDS}")
        object.__setattr__(self, "allow", frozenset(self.allow))

    def bounds(self) -> Bounds:
        """Return the bounds as a run tells them."""
        return Bounds(
            mode=self.mode,
            min_lr=self.min_lr,
            factor=self.factor,
            hardest_factor=self.hardest_factor,
            max_cuts=self.max_cuts,
            cooldown_epochs=self.cooldown_epochs,
            allow=sorted(self.allow),
        )


OFF: Final = Control(mode="off", allow=frozenset())
"""Without auto_lr and control nobody changes the run."""


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
    rate: float | None = None
    """The rate in force; None when it cannot be read."""
    reported: tuple[float, ...] = ()
    """The rates told since the last change; under a schedule there are several."""
    cuts: int = 0
    last_cut: int | None = None
    """The first epoch trained with the last cut."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a command: wanted is the rate to set, for the kinds that set one."""

    outcome: str
    reason: str = ""
    wanted: float | None = None


def _refused(reason: str) -> Decision:
    return Decision("refused", reason)


def same_rate(one: float, other: float) -> bool:
    """Whether two rates are the same as far as an optimizer's float32 can tell."""
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=0.0)


def decide(  # noqa: PLR0911 # one for each answer
    command: Command, control: Control, now: Situation
) -> Decision:
    """Decide on a command that was not answered before."""
    addressed = (command.project, command.run, command.attempt)
    if addressed != (now.project, now.run, now.attempt):
        return _refused(f"it is for attempt {command.attempt} of {command.project}/{command.run}")
    stale = _stale(command, now)
    if stale:
        return Decision("expired", stale)
    barred = _barred(command, control)
    if barred:
        return _refused(barred)
    if command.kind == "stop":
        return Decision("applied")
    if command.kind not in ("reduce_lr", "set_lr", "rollback"):
        return _refused("not supported by this version")
    if command.optimizer:
        return _refused(f"one optimizer of several ({command.optimizer}) cannot be addressed")
    return _rate(command, control, now)


def _stale(command: Command, now: Situation) -> str:
    if now.now.astimezone(UTC) >= command.expires_at:
        return f"it was valid until {command.expires_at.isoformat()}"
    if now.epoch > command.expires_epoch:
        return f"it was for epoch {command.expires_epoch} at the latest, the next is {now.epoch}"
    if now.epochs is not None and now.epoch >= now.epochs and command.kind != "stop":
        return "no epoch is left that it could change"
    return ""


def _barred(command: Command, control: Control) -> str:
    if control.mode not in ("ask", "auto"):
        return f"the owner's mode is {control.mode}"
    person = bool(command.issued_by) and command.issued_by != _BY_POLICY
    if control.mode == "ask" and not person:
        return "the owner's mode is ask, and no person issued it"
    if command.kind == "revert":
        return ""
    if command.kind not in control.allow:
        return f"the owner does not allow {command.kind}"
    return ""


def _rate(command: Command, control: Control, now: Situation) -> Decision:
    rate = now.rate
    if rate is None or not 0 < rate < math.inf:
        return _refused(f"the rate in force ({rate}) cannot be read or is not a rate")
    if command.wanted is None:
        return _refused("it does not say which rate")
    wanted = command.wanted
    if command.expected is not None and not same_rate(command.expected, rate):
        # A schedule has moved on since; what was meant is the step, not the number.
        if not any(same_rate(command.expected, told) for told in now.reported):
            return _refused(f"it expects {command.expected:g}, in force is {rate:g}")
        wanted = rate * (command.wanted / command.expected)
    gentlest = 1.0 if command.kind == "set_lr" else control.factor
    for wrong, reason in (
        (not 0 < wanted < math.inf, f"{wanted:g} is not a rate"),
        (wanted < control.min_lr * (1 - TOLERANCE), f"{wanted:g} is below {control.min_lr:g}"),
        (wanted > rate, f"{wanted:g} is above the rate in force, {rate:g}"),
        (
            wanted > rate * gentlest * (1 + TOLERANCE),
            f"{wanted:g} is gentler than {gentlest:g} of {rate:g}",
        ),
        (
            wanted < rate * control.hardest_factor * (1 - TOLERANCE),
            f"{wanted:g} is harder than {control.hardest_factor:g} of {rate:g}",
        ),
        (now.cuts >= control.max_cuts, f"the run has had its {control.max_cuts} cuts"),
        (
            now.last_cut is not None and now.epoch - now.last_cut < control.cooldown_epochs,
            f"fewer than {control.cooldown_epochs} epochs have ended since the last cut",
        ),
    ):
        if wrong:
            return _refused(reason)
    return Decision("applied", wanted=wanted)
