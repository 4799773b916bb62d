"""Plays the daemon to small real fits, and measures what its commands did."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras.optimizers import schedules
from training import build, fit

from epochwatch import Control, EpochWatch
from epochwatch._codec import decode_event
from epochwatch._contract import Command
from epochwatch._optimizers import find
from epochwatch._rate import Rates, read_rate

if TYPE_CHECKING:
    from epochwatch._session import Session

SCHEDULES = {
    "ExponentialDecay": lambda: schedules.ExponentialDecay(0.5, 10, 0.9),
    "InverseTimeDecay": lambda: schedules.InverseTimeDecay(0.5, 10, 0.9),
    "PolynomialDecay": lambda: schedules.PolynomialDecay(0.5, 50, 0.1),
    "PiecewiseConstantDecay": lambda: schedules.PiecewiseConstantDecay([8, 16], [0.5, 0.4, 0.3]),
    "CosineDecay": lambda: schedules.CosineDecay(
        0.1, 40, alpha=0.1, warmup_target=0.5, warmup_steps=4
    ),
    "CosineDecayRestarts": lambda: schedules.CosineDecayRestarts(0.5, 10),
}


def scheduled(name: str, momentum: float = 0.0) -> keras.Model:
    # Momentum carries a step on for epochs behind a cut; with it, slots are saved and loaded.
    return build(keras.optimizers.SGD(SCHEDULES[name](), momentum=momentum))


class Steps(keras.callbacks.Callback):  # type: ignore[misc]
    """How far the weights move in each epoch, and the rate it began with."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[float] = []
        self.rates: list[float] = []
        self.each: list[dict[str, float | None]] = []
        self.reader = Rates()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self.before = self.model.get_weights()
        self.each.append({held.name: read_rate(held.inner) for held in find(self.model)})
        self.rates.append(next(iter(self.reader.read(self.model).values()), None) or 0.0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        pairs = zip(self.before, self.model.get_weights(), strict=True)
        self.moved.append(max(float(np.abs(new - old).max()) for old, new in pairs))


class Order(keras.callbacks.Callback):  # type: ignore[misc]
    """Plays the daemon: puts a command into the slot while an epoch runs."""

    def __init__(self, watch: EpochWatch, orders: dict[int, Any]) -> None:
        super().__init__()
        self.watch = watch
        self.orders = orders

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        del logs
        session = self.watch._session
        assert session is not None
        epoch = session.epoch or 0
        if batch != 0 or epoch not in self.orders:
            return
        wanted = self.orders[epoch]
        for order in wanted if isinstance(wanted, list) else [wanted]:
            session.commands.append(command(session, epoch, **order))


def command(session: Session, epoch: int, **changes: Any) -> Command:
    """A command that the session's run would obey, as far as the changes let it."""
    head = session.head
    sound: dict[str, Any] = {
        "id": f"c{epoch}",
        "kind": "reduce_lr",
        "project": head.project,
        "run": head.run,
        "attempt": head.attempt,
        "issued_by": "policy",
        "expires_at": datetime.now(UTC) + timedelta(minutes=1),
        "expires_epoch": epoch + 3,
    }
    return Command(**(sound | changes))


def spooled(data: Path, kind: str) -> list[dict[str, Any]]:
    """The bodies of one type that all attempts told, in order."""
    found = []
    paths = (data / "spool").glob("*.jsonl")
    for path in sorted(paths, key=lambda path: path.stem.rpartition(".")[2]):  # by attempt
        for line in path.read_bytes().splitlines()[1:]:
            decode_event(line)
            event = json.loads(line)
            if event["type"] == kind:
                found.append(event[kind])
    return found


def answers(data: Path) -> list[dict[str, Any]]:
    return spooled(data, "command_result")


def outcomes(data: Path) -> list[str]:
    return [answer["outcome"] for answer in answers(data)]


def notes(data: Path) -> list[str]:
    return [note for body in spooled(data, "epoch_ended") for note in body.get("notes", [])]


def run(
    model: keras.Model,
    orders: dict[int, Any],
    *others: Any,
    epochs: int = 5,
    control: Control | None = None,
    **options: Any,
) -> Steps:
    watch = EpochWatch(
        control=control or Control(hardest_factor=1e-3, cooldown_epochs=0), **options
    )
    steps = Steps()
    fit(model, watch, Order(watch, orders), steps, *others, epochs=epochs)
    return steps
