"""The memory behind the decisions: ids answered, commands applied, rates told.

What a run under ``run=`` must remember when its process ends is on disk before it is done: the
cuts used, the commands that changed a rate, and what they left in force.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ._decide import same_rate
from ._notice import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TOLD: Final = 64
_VERSION: Final = 1
_ALL: Final = 2**31
"""More cuts than any owner allows."""


@dataclass(slots=True)
class Change:
    """What a command did to one optimizer.

    A level is what a command sets: the rate, or the factor on a schedule.
    """

    before: float
    after: float
    level_before: float
    level_after: float
    scheduled: bool = False


@dataclass(slots=True)
class Done:
    """A command that changed rates."""

    kind: str
    attempt: str
    epoch: int
    changes: dict[str, Change]
    reverted: bool = False


@dataclass(slots=True)
class Record:
    """What is on disk."""

    cuts: int = 0
    last_change: int | None = None
    done: dict[str, Done] = field(default_factory=dict)
    origins: dict[str, float] = field(default_factory=dict)
    force: dict[str, float] = field(default_factory=dict)
    """The levels that the commands left; without those that somebody else has moved since."""
    schedules: dict[str, list[float]] = field(default_factory=dict)
    """What the schedules gave before they were scaled, by which they are known again."""


class Ledger:
    """What one attempt remembers, and of the attempts before it where the run has a name."""

    def __init__(self, path: Path | None = None) -> None:
        self.told: dict[str, list[float]] = {}
        """Rates reported since the last change, by optimizer."""
        self.record = Record()
        self._answered: set[str] = set()
        self._path = path
        if path is not None:
            self.record = _read(path)
        self.earlier = frozenset(self.record.done)
        """Ids that attempts before this one applied."""

    def first_time(self, command_id: str) -> bool:
        """Whether the id has not been seen; from now on it has."""
        if command_id in self._answered:
            return False
        self._answered.add(command_id)
        return True

    def tell(self, name: str, rate: float) -> None:
        """Remember a rate that was reported, once."""
        told = self.told.setdefault(name, [])
        if not told or not same_rate(told[-1], rate):
            told.append(rate)
            del told[:-_TOLD]

    def begin(self, epoch: int) -> None:
        """Say at which epoch the attempt begins; going back starts the cooldown there."""
        record = self.record
        if record.last_change is not None and record.last_change > epoch:
            record.last_change = epoch

    def apply(self, command_id: str, done: Done, reverts: str | None = None) -> Callable[[], None]:
        """Write down a change before it is made: a crash in between costs a cut, never gives one.

        With reverts it takes that command back, and counts as no cut. What is returned undoes
        it, for a change that could not be made.
        """
        before, told = self._copy(), dict(self.told)

        def undo() -> None:
            self.record, self.told = before, told
            self._keep()

        record = self.record
        if reverts is None:
            record.cuts += 1
            record.done[command_id] = done
        else:
            record.done[reverts].reverted = True
        record.last_change = done.epoch
        for name, change in done.changes.items():
            record.origins.setdefault(name, change.level_before)
            record.force[name] = change.level_after
        self.told = {}
        self._keep()
        return undo

    def moved(self, name: str) -> None:
        """Somebody else has set another rate: what commands left is not put back.

        Nor is a command obeyed that was decided on a rate told before.
        """
        self.told[name] = self.told.get(name, [])[-1:]
        if self.record.force.pop(name, None) is not None:
            self._keep()

    def known(self, name: str) -> list[float]:
        """Return the levels that were once in force of an optimizer, the last ones first."""
        levels = [
            level
            for done in reversed(self.record.done.values())
            if (change := done.changes.get(name)) is not None
            for level in (change.level_after, change.level_before)
        ]
        origin = self.record.origins.get(name)
        return [*levels, origin] if origin is not None else levels

    def in_force(self, command_id: str) -> bool:
        """Whether what a command did is part of what is in force."""
        done = self.record.done[command_id]
        return not done.reverted and all(name in self.record.force for name in done.changes)

    def _copy(self) -> Record:
        return _parse(json.loads(self._text()))

    def _text(self) -> str:
        return json.dumps({"version": _VERSION, **asdict(self.record)})

    def _keep(self) -> None:
        if self._path is None:
            return
        fresh = self._path.with_suffix(".fresh")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(self._text())
            fresh.replace(self._path)
        except OSError as error:
            about = f"{self._path}: {error.strerror or error}"
            warn_once("ledger", about, f"cuts are not remembered for the next attempt ({about})")


def _read(path: Path) -> Record:
    try:
        return _parse(json.loads(path.read_text("ascii")))
    except (FileNotFoundError, NotADirectoryError):
        return Record()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = (
            f"{path} cannot be read ({error}), so the run gets no more cuts; delete it for new ones"
        )
        warn_once("ledger", str(path), what)
        return Record(cuts=_ALL)


def _parse(top: Any) -> Record:
    """Read a record; an error of any of the usual kinds where it is none."""
    done = {
        str(key): Done(
            kind=str(one["kind"]),
            attempt=str(one["attempt"]),
            epoch=int(one["epoch"]),
            changes={
                str(name): Change(
                    **{key: _positive(change[key]) for key in _LEVELS},
                    scheduled=bool(change["scheduled"]),
                )
                for name, change in one["changes"].items()
            },
            reverted=bool(one["reverted"]),
        )
        for key, one in top["done"].items()
    }
    last = top["last_change"]
    return Record(
        cuts=max(int(top["cuts"]), 0),
        last_change=None if last is None else int(last),
        done=done,
        origins={str(name): _positive(level) for name, level in top["origins"].items()},
        force={str(name): _positive(level) for name, level in top["force"].items()},
        schedules={
            str(name): [float(rate) for rate in rates] for name, rates in top["schedules"].items()
        },
    )


_LEVELS: Final = ("before", "after", "level_before", "level_after")


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{value} is not a rate")
    return number
