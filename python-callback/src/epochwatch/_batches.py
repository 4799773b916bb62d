"""Consecutive batches summed up, for those who ask for it."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

from ._contract import Batches, BatchSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class BatchWindow:
    """Collects k batches at a time. Keras may call from a pool of threads, out of order."""

    def __init__(self, size: int, numbers: Callable[[Mapping[str, Any]], dict[str, float]]) -> None:
        self.first_loss: float | None = None
        """The loss of the first batch of all, which no update preceded."""
        self._size = size
        self._numbers = numbers
        self._lock = threading.Lock()
        self._values: dict[str, list[tuple[int, float]]] = {}
        self._count = 0
        self._batch = 0
        self._first = True

    def add(self, epoch: int, batch: int, logs: Mapping[str, Any]) -> Batches | None:
        """Add one batch; return the summary when the window is full."""
        numbers = self._numbers(logs)
        with self._lock:
            if batch == 0 and self._first:
                self._first = False
                self.first_loss = numbers.get("loss")
            self._count += 1
            self._batch = max(self._batch, batch)
            for name, value in numbers.items():
                self._values.setdefault(name, []).append((batch, value))
            return self._take(epoch) if self._count >= self._size else None

    def flush(self, epoch: int) -> Batches | None:
        """Return the summary of what is left at the end of an epoch."""
        with self._lock:
            return self._take(epoch) if self._count else None

    def _take(self, epoch: int) -> Batches:
        summary = Batches(
            epoch=epoch,
            batch=self._batch,
            count=self._count,
            metrics={name: _summary(values) for name, values in self._values.items()},
        )
        self._values, self._count, self._batch = {}, 0, 0
        return summary


def _summary(values: list[tuple[int, float]]) -> BatchSummary:
    numbers = [value for _, value in values]
    poisoned = any(math.isnan(value) for value in numbers)
    return BatchSummary(
        mean=sum(numbers) / len(numbers),
        min=math.nan if poisoned else min(numbers),
        max=math.nan if poisoned else max(numbers),
        last=max(values, key=lambda pair: pair[0])[1],
    )
