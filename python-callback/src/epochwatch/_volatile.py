"""What stands in for the spool where no file can be written."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 10_000


class Volatile:
    """Unacknowledged events in memory; the oldest go first when there are too many."""

    def __init__(self) -> None:
        self.acked = 0
        self.last = 0
        self._events: dict[int, bytes] = {}

    def append(self, raw: bytes) -> OSError | None:
        """Keep the next event."""
        self.last += 1
        self._events[self.last] = raw
        if len(self._events) > _LONGEST:
            del self._events[next(iter(self._events))]
        return None

    def read(self, seq: int) -> bytes | None:
        """Return one event; None when it had to go."""
        return self._events.get(seq)

    def acknowledge(self, seq: int) -> None:
        """Forget every event up to seq."""
        for old in range(self.acked + 1, seq + 1):
            self._events.pop(old, None)
        self.acked = seq

    def remove(self) -> None:
        """Forget everything."""
        self._events.clear()

    def close(self) -> None:
        """Nothing is open."""
