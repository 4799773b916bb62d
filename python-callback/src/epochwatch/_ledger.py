"""The memory behind the decisions: ids answered, cuts made, rates told."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ._control import same_rate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TOLD = 64


class Ledger:
    """What one attempt remembers. Cuts are kept on disk when the run may be continued."""

    def __init__(self, path: Path | None = None) -> None:
        self.cuts = 0
        self.last_cut: int | None = None
        self.told: list[float] = []
        """Rates reported since the last change."""
        self._answered: set[str] = set()
        self._path = path
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                self.cuts = max(int(path.read_text("ascii")), 0)

    def first_time(self, command_id: str) -> bool:
        """Whether the id has not been seen; from now on it has."""
        if command_id in self._answered:
            return False
        self._answered.add(command_id)
        return True

    def tell(self, rate: float) -> None:
        """Remember a rate that was reported, once."""
        if not self.told or not same_rate(self.told[-1], rate):
            self.told.append(rate)
            del self.told[:-_TOLD]

    def cut(self, epoch: int) -> Callable[[], None]:
        """Count a cut before it is made: a crash between the two costs one, never gives one.

        What is returned takes it back, for a cut that could not be made.
        """
        before = (self.cuts, self.last_cut, list(self.told))

        def undo() -> None:
            self.cuts, self.last_cut, self.told = before
            self._keep()

        self.cuts += 1
        self.last_cut = epoch
        self.told.clear()
        self._keep()
        return undo

    def _keep(self) -> None:
        if self._path is None:
            return
        fresh = self._path.with_suffix(".fresh")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(str(self.cuts))
            fresh.replace(self._path)
