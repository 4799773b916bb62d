"""What may be done to a run: the owner's bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ._contract import COMMAND_KINDS, MODES, Bounds

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the owner of a run allows a daemon, and people behind it, to do to it.

    Args:
        mode: ``"off"`` (nothing), ``"shadow"`` (only say what would be done), ``"ask"`` (a
            person approves each change), ``"auto"`` (within the bounds, without asking).
        min_lr: the floor of the learning rate.
        factor: the gentlest cut: the new rate is at most this much of the old one.
        hardest_factor: the hardest cut at once: the new rate is at least this much of it.
        max_cuts: how many cuts a run may get, all attempts under one ``run=`` together. One
            that was taken back stays counted.
        cooldown_epochs: how many epochs must end between two changes; a cut is taken back
            without waiting.
        allow: the kinds of command allowed: ``reduce_lr``, ``set_lr`` (to any lower rate),
            ``rollback``, ``stop``. With both of the latter a stop puts the best weights back.
            Taking back (``revert``) what was done needs no leave.

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
