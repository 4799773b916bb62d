"""Commands obeyed: decided on, applied to the model, written down, and answered once."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ._contract import CommandResult
from ._decide import Decision, Situation, decide
from ._ledger import Change, Done
from ._rate import CannotChangeError, read_rate
from ._scaled import is_schedule
from ._weights import CannotRestoreError

if TYPE_CHECKING:
    from ._contract import Command
    from ._control import Control
    from ._ledger import Ledger
    from ._rate import Rates
    from ._spool import Header
    from ._weights import Best


class Orders:
    """What one attempt does about its commands, on the training thread."""

    def __init__(self, head: Header, control: Control, ledger: Ledger, rates: Rates) -> None:
        self.best: Best | None = None
        """The weights to go back to, where that is allowed."""
        self.stopped = ""
        """The command that ended the run, in words."""
        self._head = head
        self._control = control
        self._ledger = ledger
        self._rates = rates

    def obey(self, command: Command, model: Any, epoch: int, epochs: int | None) -> CommandResult:
        """Answer a command that was not answered before, applied or not.

        epoch is the first one that would be trained with a change, epochs how many are planned.
        """
        if command.id in self._ledger.earlier:
            return self._remembered(command)
        answer = CommandResult(id=command.id, kind=command.kind)
        try:
            now = self._situation(model, epoch, epochs)
            answer.before = now.rates.get(command.optimizer or now.main)
            decision = decide(command, self._control, now)
        except Exception as error:  # noqa: BLE001 # any optimizer; people read why
            decision = Decision("refused", f"the rate cannot be read: {error!r}")
        answer.outcome, answer.reason = decision.outcome, decision.reason or None
        if decision.outcome != "applied":
            return answer
        try:
            if command.kind == "stop":
                answer.reason = self._stop(command, model) or None
            else:
                self._change(command, decision, answer, now, model)
        except Exception as error:  # noqa: BLE001 # any optimizer; people read why
            plain = isinstance(error, CannotChangeError | CannotRestoreError)
            answer.outcome, answer.reason = "refused", str(error) if plain else repr(error)
            return answer
        answer.epoch = epoch
        return answer

    def late(self, command: Command) -> CommandResult:
        """Answer what nobody can obey any more."""
        reason = "the run has ended"
        return CommandResult(id=command.id, kind=command.kind, outcome="expired", reason=reason)

    def _situation(self, model: Any, epoch: int, epochs: int | None) -> Situation:
        rates, ledger, head = self._rates, self._ledger, self._head
        training = rates.look(model)
        main = rates.main.name if rates.main is not None else ""
        found = {held.name: _read(held.inner) for held in training}
        for name, rate in found.items():
            if rate is not None:
                ledger.tell(name, rate)
        record = ledger.record
        return Situation(
            project=head.project,
            run=head.run,
            attempt=head.attempt,
            now=datetime.now(UTC),
            epoch=epoch,
            epochs=epochs,
            rates=found,
            main=main,
            barrier=rates.barrier(model),
            # A plain rate that is another than the command expects was set by somebody since.
            reported={
                held.name: tuple(ledger.told.get(held.name, ()))
                for held in training
                if is_schedule(getattr(held.inner, "_learning_rate", None))
            },
            levels={held.name: rates.level(held) for held in training if held.name in record.force},
            origins=record.origins,
            done=record.done,
            cuts=record.cuts,
            last_change=record.last_change,
        )

    def _change(
        self,
        command: Command,
        decision: Decision,
        answer: CommandResult,
        now: Situation,
        model: Any,
    ) -> None:
        """Set the rates, all or none, and with a rollback put the weights back.

        It is written down first: whatever ends the process in between, no later attempt
        applies the command again.
        """
        rates = self._rates
        best = self._way_back(model) if command.kind == "rollback" else None
        changes = {
            name: self._planned(name, _known(now.rates[name]), wanted)
            for name, wanted in decision.rates.items()
        }
        done = Done(command.kind, self._head.attempt, now.epoch, changes)
        undo = self._ledger.apply(command.id, done, command.reverts if _reverts(command) else None)
        made: list[str] = []
        try:
            for name, change in changes.items():
                made.append(name)
                change.after = rates.set(model, rates.held(name), change.after)
            if best is not None:
                best.restore(model, rates.look(model), rates.added)
        except Exception:
            for name in made[:-1]:
                with contextlib.suppress(Exception):
                    rates.set(model, rates.held(name), changes[name].before)
            undo()
            raise
        shown = command.optimizer or (now.main if now.main in changes else next(iter(changes)))
        answer.before, answer.after = changes[shown].before, changes[shown].after
        for name, change in changes.items():
            self._ledger.tell(name, change.after)
        answer.reason = "; ".join(self._words(command, changes, best)) or None

    def _planned(self, name: str, rate: float, wanted: float) -> Change:
        held = self._rates.held(name)
        scheduled = is_schedule(held.inner._learning_rate)  # noqa: SLF001
        if not scheduled:
            return Change(rate, wanted, rate, wanted)
        if name not in self._ledger.record.schedules:
            self._ledger.record.schedules[name] = self._rates.probes(held)
        level = self._rates.level(held)
        return Change(rate, wanted, level, level * (wanted / rate), scheduled=True)

    def _words(self, command: Command, changes: dict[str, Change], best: Best | None) -> list[str]:
        words = []
        if len(changes) > 1:
            parts = [f"{name} {one.before:g} to {one.after:g}" for name, one in changes.items()]
            words.append(", ".join(parts))
        if best is not None:
            words.append(f"back to {best.shown}")
        if _reverts(command) and self._ledger.record.done[command.reverts or ""].kind == "rollback":
            words.append("the weights stay as they are: those it went back from were not kept")
        return words

    def _way_back(self, model: Any) -> Best:
        if self.best is None:
            raise CannotRestoreError("no weights were kept")
        self.best.check(model)
        return self.best

    def _stop(self, command: Command, model: Any) -> str:
        """Stop the run, with the best weights put back where the owner allows that."""
        model.stop_training = True
        words = ""
        if not command.keep_weights and "rollback" in self._control.allow:
            words = self._stop_at_the_best(model)
        self.stopped = f"stop {command.id}: {command.reason or 'no reason given'}"
        if words:
            self.stopped += f"; {words}"
        return words

    def _stop_at_the_best(self, model: Any) -> str:
        try:
            best = self._way_back(model)
        except CannotRestoreError as error:
            return f"the weights stay as they are: {error}"
        if best.beaten:
            return "the weights stay as they are: no earlier ones are better"
        try:
            best.restore(model, self._rates.look(model), self._rates.added)
        except Exception as error:  # noqa: BLE001 # any model: the run ends all the same
            return f"the best weights could not be put back: {error!r}"
        return f"back to {best.shown}"

    def _remembered(self, command: Command) -> CommandResult:
        """Answer a command that an earlier attempt applied and did not live to answer."""
        answer = CommandResult(id=command.id, kind=command.kind)
        done = self._ledger.record.done[command.id]
        what = f"applied by attempt {done.attempt}, which ended before it was answered"
        if not self._ledger.in_force(command.id):
            answer.outcome, answer.reason = "refused", f"{what}; it is in force no more"
            return answer
        shown = command.optimizer if command.optimizer in done.changes else None
        change = done.changes[shown or next(iter(done.changes))]
        answer.outcome, answer.reason, answer.epoch = "applied", what, done.epoch
        answer.before, answer.after = change.before, change.after
        return answer


def _reverts(command: Command) -> bool:
    return command.kind == "revert"


def _read(optimizer: Any) -> float | None:
    try:
        return read_rate(optimizer)
    except Exception:  # noqa: BLE001 # any optimizer: it is refused by name
        return None


def _known(rate: float | None) -> float:
    if rate is None:
        raise CannotChangeError("the rate cannot be read")
    return rate
