"""A run taken up again: what its commands left in force is looked for, and put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._decide import TOLERANCE, same_rate
from ._rate import read_rate
from ._scaled import share_of

if TYPE_CHECKING:
    from ._control import Control
    from ._ledger import Ledger
    from ._optimizers import Held
    from ._rate import Rates


def resume(rates: Rates, ledger: Ledger, control: Control, model: Any, epoch: int) -> list[str]:
    """Compare the rates found with those that earlier attempts left; return what to tell.

    Called before the first step, when every callback had its chance to restore a checkpoint.
    An older rate, of a checkpoint from before a cut or from the script's own compile, is put
    back down to what was in force: the run would else make the same mistake again and use up
    its cuts on it. Not so where training begins anew, where the owner allows no changes now,
    or where the rate is another than the run ever had: then the owner has chosen it.
    """
    barred = ""
    if epoch == 0 and not any(held.steps > 0 for held in rates.all):
        barred = "training begins anew"
    if control.mode not in ("ask", "auto"):
        barred = f"the owner's mode is {control.mode}"
    taken = _Taken(rates, ledger, model, control.min_lr, barred)
    notes = []
    for name, level in list(ledger.record.force.items()):
        note = taken.up(name, level)
        if note:
            whose = "the learning rate of " + name if rates.several else "the learning rate"
            notes.append(f"{whose} {note}")
    return notes


@dataclass(frozen=True, slots=True)
class _Taken:
    """A run that is taken up again."""

    rates: Rates
    ledger: Ledger
    model: Any
    lowest: float
    barred: str
    """Why nothing may be put back."""

    def up(self, name: str, level: float) -> str:
        """Put one optimizer's level back where it is older; return what to tell."""
        held = next((each for each in self.rates.all if each.name == name), None)
        found = self._found(held) if held is not None else None
        if found is not None and same_rate(found, level):
            return ""
        if held is None or found is None or not self._once_was(name, found):
            self.ledger.moved(name)
            return "is not one that the commands before left: it is taken as it is"
        rate = read_rate(held.inner)
        wanted = rate * (level / found)
        told = f"found, {rate:g}, is an older one than {wanted:g}, which commands had left"
        barred = self._put_back(held, wanted)
        if barred:
            self.ledger.moved(name)
            return f"{told}; it stays: {barred}"
        return f"{told}; that is in force again"

    def _once_was(self, name: str, level: float) -> bool:
        return any(same_rate(level, known) for known in self.ledger.known(name))

    def _put_back(self, held: Held, wanted: float) -> str:
        """Set the rate; return why it was not."""
        if self.barred:
            return self.barred
        if wanted < self.lowest * (1 - TOLERANCE):
            return f"the owner's lowest is {self.lowest:g}"
        try:
            self.rates.set(self.model, held, wanted)
        except Exception as error:  # noqa: BLE001 # any optimizer; people read why
            return str(error)
        return ""

    def _found(self, held: Held) -> float | None:
        """Return the level found; None where the schedule is another than it was."""
        before = self.ledger.record.schedules.get(held.name)
        if self.rates.schedule(held) is None:
            return self.rates.level(held) if before is None else None
        share = share_of(self.rates.probes(held), before or [])
        if share is not None:
            self.rates.based(held, share)
        return share
