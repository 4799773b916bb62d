"""The wire contract, version 1: what a run says and what it may be told.

The same types as ``ingest/contract`` in Go; both languages' tests read the golden messages
there. A field that is ``None`` is not written. ``_codec`` reads and writes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from . import _readers as read
from ._readers import refuse

if TYPE_CHECKING:
    from datetime import datetime

    from ._readers import Reader

VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 256 << 10
"""The largest message a reader accepts."""
MAX_METRIC_NAME: Final = 512
"""The longest metric name, in bytes of UTF-8."""
MAX_EPOCH: Final = 2**31 - 1

COMMAND_KINDS: Final = ("reduce_lr", "set_lr", "rollback", "stop", "revert")
MODES: Final = ("off", "shadow", "ask", "auto")
OUTCOMES: Final = ("applied", "refused", "expired")
END_STATES: Final = ("completed", "stopped", "failed", "interrupted")

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def valid_name(value: str) -> bool:
    """Whether value may be the id of a run or the name of a project."""
    return _NAME.fullmatch(value) is not None


def event_subject(project: str, run: str) -> str:
    """Return where a run publishes its events."""
    return f"epochwatch.v1.{project}.{run}.event"


def command_subject(project: str, run: str) -> str:
    """Return where a run hears its commands."""
    return f"epochwatch.v1.{project}.{run}.command"


def message_id(run: str, attempt: str, seq: int) -> str:
    """Return the Nats-Msg-Id of an event: JetStream drops a second one."""
    return f"{run}.{attempt}.{seq}"


def _field(reader: Reader, *, required: bool = False) -> Any:
    return field(default=None, metadata={"read": reader, "required": required})


@dataclass(slots=True, kw_only=True)
class Sample:
    """Cheap statistics of inputs or targets over a strided sample."""

    shape: list[int] | None = _field(read.integers)
    min: float | None = _field(read.number)
    max: float | None = _field(read.number)
    mean: float | None = _field(read.number)
    std: float | None = _field(read.number)
    non_finite: int | None = _field(read.integer)
    integer: bool | None = _field(read.flag)
    distinct: int | None = _field(read.integer)
    width: int | None = _field(read.integer)
    rows_sum_to_1: bool | None = _field(read.flag)
    commonest_share: float | None = _field(read.number)


@dataclass(slots=True, kw_only=True)
class Output:
    """One output layer of the model."""

    name: str | None = _field(read.text)
    units: int | None = _field(read.integer)
    activation: str | None = _field(read.text)
    loss: str | None = _field(read.text)


@dataclass(slots=True, kw_only=True)
class Optimizer:
    """One of several optimizers of a run; commands address it by its name."""

    name: str | None = _field(read.text)
    optimizer: str | None = _field(read.text)
    learning_rate: float | None = _field(read.number)
    schedule: str | None = _field(read.text)


@dataclass(slots=True, kw_only=True)
class Bounds:
    """What the run's owner allows, as it is written; ``Control`` is what users make."""

    mode: str | None = _field(read.text)
    min_lr: float | None = _field(read.number)
    factor: float | None = _field(read.number)
    hardest_factor: float | None = _field(read.number)
    max_cuts: int | None = _field(read.integer)
    cooldown_epochs: int | None = _field(read.integer)
    allow: list[str] | None = _field(read.name_list)


@dataclass(slots=True, kw_only=True)
class RunStarted:
    """What is trained, on what, and what may be done to it."""

    task: str | None = _field(read.text)
    classes: int | None = _field(read.integer)
    loss: str | None = _field(read.text)
    from_logits: bool | None = _field(read.flag)
    output_units: int | None = _field(read.integer)
    output_activation: str | None = _field(read.text)
    optimizer: str | None = _field(read.text)
    learning_rate: float | None = _field(read.number)
    metrics: list[str] | None = _field(read.name_list)
    batch_size: int | None = _field(read.integer)
    samples: int | None = _field(read.integer)
    validation_samples: int | None = _field(read.integer)
    steps_per_epoch: int | None = _field(read.integer)
    planned_epochs: int | None = _field(read.integer)
    params: int | None = _field(read.integer)
    layers: list[str] | None = _field(read.name_list)
    x: Sample | None = _field(read.object_of(Sample))
    y: Sample | None = _field(read.object_of(Sample))
    name: str | None = _field(read.text)
    tags: list[str] | None = _field(read.name_list)
    host: str | None = _field(read.text)
    pid: int | None = _field(read.integer)
    git_commit: str | None = _field(read.text)
    callback: str | None = _field(read.text)
    keras: str | None = _field(read.text)
    backend: str | None = _field(read.text)
    python: str | None = _field(read.text)
    model: str | None = _field(read.text)
    outputs: list[Output] | None = _field(read.object_list(Output))
    schedule: str | None = _field(read.text)
    optimizers: list[Optimizer] | None = _field(read.object_list(Optimizer))
    validation: bool | None = _field(read.flag)
    initial_epoch: int | None = _field(read.integer)
    control: Bounds | None = _field(read.object_of(Bounds))

    def check(self) -> None:
        """Refuse what the contract does."""
        _check_epoch("initial_epoch", self.initial_epoch)


@dataclass(slots=True, kw_only=True)
class EpochEnded:
    """One epoch: the very keys and values of Keras' logs."""

    epoch: int = _field(read.integer, required=True)
    metrics: dict[str, float] = _field(read.number_map, required=True)
    learning_rate: float | None = _field(read.number)
    optimizers: list[Optimizer] | None = _field(read.object_list(Optimizer))
    seconds: float | None = _field(read.number)
    step: int | None = _field(read.integer)
    first_batch_loss: float | None = _field(read.number)
    controllers: list[str] | None = _field(read.name_list)
    notes: list[str] | None = _field(read.name_list)

    def check(self) -> None:
        """Refuse what the contract does."""
        _check_epoch("epoch", self.epoch)
        _check_names(self.metrics)


@dataclass(slots=True, kw_only=True)
class BatchSummary:
    """One metric over consecutive batches."""

    mean: float = _field(read.number, required=True)
    min: float = _field(read.number, required=True)
    max: float = _field(read.number, required=True)
    last: float = _field(read.number, required=True)


@dataclass(slots=True, kw_only=True)
class Batches:
    """Consecutive batches summed up, when the owner asked for it."""

    epoch: int = _field(read.integer, required=True)
    batch: int = _field(read.integer, required=True)
    count: int = _field(read.integer, required=True)
    metrics: dict[str, BatchSummary] = _field(read.object_map(BatchSummary), required=True)

    def check(self) -> None:
        """Refuse what the contract does."""
        _check_epoch("epoch", self.epoch)
        if self.batch < 0 or self.count < 1:
            raise refuse("invalid", f"batch {self.batch} is below 0 or count {self.count} below 1")
        _check_names(self.metrics)


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """The training process lives."""

    epoch: int | None = _field(read.integer)
    spooled: int | None = _field(read.integer)

    def check(self) -> None:
        """Refuse what the contract does."""
        _check_epoch("epoch", self.epoch)


@dataclass(slots=True, kw_only=True)
class CommandResult:
    """The answer to one command; every command gets exactly one."""

    id: str | None = _field(read.text)
    kind: str | None = _field(read.text)
    outcome: str | None = _field(read.text)
    reason: str | None = _field(read.text)
    before: float | None = _field(read.number)
    after: float | None = _field(read.number)
    epoch: int | None = _field(read.integer)

    def check(self) -> None:
        """Refuse what the contract does."""
        if self.outcome not in OUTCOMES:
            raise refuse("invalid", f"outcome {self.outcome!r:.40} is none of {OUTCOMES}")
        _check_name("id", self.id)
        _check_epoch("epoch", self.epoch)


@dataclass(slots=True, kw_only=True)
class RunEnded:
    """The last event of an attempt."""

    state: str | None = _field(read.text)
    reason: str | None = _field(read.text)
    epochs: int | None = _field(read.integer)

    def check(self) -> None:
        """Refuse what the contract does."""
        if self.state not in END_STATES:
            raise refuse("invalid", f"state {self.state!r:.40} is none of {END_STATES}")


Body = RunStarted | EpochEnded | Batches | Heartbeat | CommandResult | RunEnded

BODIES: Final[dict[str, type[Body]]] = {
    "run_started": RunStarted,
    "epoch_ended": EpochEnded,
    "batches": Batches,
    "heartbeat": Heartbeat,
    "command_result": CommandResult,
    "run_ended": RunEnded,
}
TYPES: Final[dict[type[Body], str]] = {body: name for name, body in BODIES.items()}


@dataclass(slots=True, kw_only=True)
class Event:
    """One message of a run. The body is None when its type is not one of this version."""

    type: str
    project: str
    run: str
    attempt: str
    seq: int
    time: datetime
    body: Body | None = None


@dataclass(slots=True, kw_only=True)
class Command:
    """One message to a run, applied at most once, at an epoch boundary."""

    id: str = _field(read.text)
    kind: str = _field(read.text)
    project: str = _field(read.text)
    run: str = _field(read.text)
    attempt: str = _field(read.text)
    caused_by: int | None = _field(read.integer)
    optimizer: str | None = _field(read.text)
    expected: float | None = _field(read.number)
    wanted: float | None = _field(read.number)
    reverts: str | None = _field(read.text)
    keep_weights: bool | None = _field(read.flag)
    bounds: Bounds | None = _field(read.object_of(Bounds))
    reason: str | None = _field(read.text)
    issued_by: str | None = _field(read.text)
    issued_at: datetime | None = _field(read.timestamp)
    expires_at: datetime = _field(read.timestamp, required=True)
    expires_epoch: int = _field(read.integer, required=True)

    def check(self) -> None:
        """Refuse what the contract does."""
        for what in ("id", "project", "run", "attempt"):
            _check_name(what, getattr(self, what))
        if (self.caused_by or 0) < 0:
            raise refuse("invalid", f"caused_by {self.caused_by} is below 0")
        _check_epoch("expires_epoch", self.expires_epoch)
        if self.kind not in COMMAND_KINDS:
            raise refuse("invalid", f"kind {self.kind!r:.40} is unknown")
        if self.kind in ("reduce_lr", "set_lr", "rollback") and not (
            self.wanted is not None and 0 < self.wanted < float("inf")
        ):
            raise refuse("invalid", f"{self.kind} wants a positive learning rate")
        if self.kind == "revert" and not self.reverts:
            raise refuse("invalid", "revert does not say which command")


def check_head(project: str | None, run: str | None, attempt: str | None, seq: int | None) -> None:
    """Refuse an event's head that the contract does."""
    _check_name("project", project)
    _check_name("run", run)
    _check_name("attempt", attempt)
    if seq is None or seq < 1:
        raise refuse("invalid", f"seq {seq} is below 1")


def _check_name(what: str, value: str | None) -> None:
    if value is None or not valid_name(value):
        raise refuse("invalid", f"{what} {value!r:.80} does not match {_NAME.pattern}")


def _check_epoch(what: str, value: int | None) -> None:
    if value is not None and not 0 <= value <= MAX_EPOCH:
        raise refuse("invalid", f"{what} {value} is not within 0 to {MAX_EPOCH}")


def _check_names(metrics: dict[str, Any]) -> None:
    for name in metrics:
        if not 1 <= len(name.encode("utf-8", "replace")) <= MAX_METRIC_NAME:
            raise refuse(
                "invalid", f"metric name {name!r:.80} has not 1 to {MAX_METRIC_NAME} bytes"
            )
