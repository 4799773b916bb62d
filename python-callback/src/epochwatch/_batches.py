"""Consecutive batches summed up, for those who ask for it."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, Final

from ._contract import Batches, BatchSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_LAG: Final = 4
"""Windows that a batch may be late by: Keras' pool of threads is not larger by much."""


class BatchWindows:
    """Collects k batches at a time. Keras may call from a pool of threads, out of order."""

    def __init__(self, size: int, numbers: Callable[[Mapping[str, Any]], dict[str, float]]) -> None:
        self._size = size
        self._numbers = numbers
        self._lock = threading.Lock()
        self._open: dict[int, dict[int, dict[str, float]]] = {}

    def add(self, epoch: int, batch: int, logs: Mapping[str, Any]) -> list[Batches]:
        """Add one batch; return the summaries of windows that are complete."""
        numbers = self._numbers(logs)
        with self._lock:
            window = batch // self._size
            batches = self._open.setdefault(window, {})
            batches[batch] = numbers
            # With several steps an execution a window has fewer calls than batches.
            done = [old for old in self._open if old < window - _LAG]
            if len(batches) == self._size:
                done.append(window)
            return [_summary(epoch, self._open.pop(old)) for old in sorted(done)]

    def flush(self, epoch: int) -> list[Batches]:
        """Return the summaries of what is left at the end of an epoch."""
        with self._lock:
            rest = [_summary(epoch, batches) for _, batches in sorted(self._open.items())]
            self._open.clear()
            return rest


def _summary(epoch: int, batches: dict[int, dict[str, float]]) -> Batches:
    names = dict.fromkeys(name for numbers in batches.values() for name in numbers)
    return Batches(
        epoch=epoch,
        batch=max(batches),
        count=len(batches),
        metrics={
            name: _metric(
                [numbers[name] for _, numbers in sorted(batches.items()) if name in numbers]
            )
            for name in names
        },
    )


def _metric(values: list[float]) -> BatchSummary:
    poisoned = any(math.isnan(value) for value in values)
    return BatchSummary(
        mean=sum(values) / len(values),
        min=math.nan if poisoned else min(values),
        max=math.nan if poisoned else max(values),
        last=values[-1],
    )
