"""Ids of runs and attempts."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Final

_lock = threading.Lock()
_last = 0
_ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"


def uuid7() -> str:
    """Return a UUIDv7; within a process each is greater than the one before."""
    global _last  # noqa: PLW0603 # the order must hold for the whole process
    with _lock:
        # 48 bits of milliseconds and 12 of a fraction, as RFC 9562 allows, in one number.
        now = time.time_ns() * 4096 // 1_000_000
        _last = max(now, _last + 1)
        stamp = _last
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62
    value |= int.from_bytes(os.urandom(8), "big") >> 2
    return str(uuid.UUID(int=value))


def run_id() -> str:
    """Return an id of a run that a person can read out: when it began, and chance."""
    chance = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(6))
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{chance}"
