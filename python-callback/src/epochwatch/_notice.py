"""What the user's console hears: one line a problem, never a traceback."""

from __future__ import annotations

import logging
import threading

LOG = logging.getLogger("epochwatch")
THREAD_PREFIX = "epochwatch-"

_said: set[tuple[str, str]] = set()
_lock = threading.RLock()  # a signal handler may warn too


def warn_once(problem: str, about: str, message: str) -> None:
    """Log a warning unless this problem of this thing was told in this process.

    The logger "epochwatch" is a plain one: with logging not configured Python prints the
    line to stderr, and a warning filter set to "error" cannot turn it into an exception.
    """
    with _lock:
        if (problem, about) in _said:
            return
        _said.add((problem, about))
    LOG.warning("epochwatch: %s", message)


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.threadName or "").startswith(THREAD_PREFIX)


def silence_nats() -> None:
    """Keep nats-py's tracebacks from our threads off the console; the user's own stay."""
    for name in ("nats", "nats.aio.client", "nats.aio.subscription", "asyncio"):
        logger = logging.getLogger(name)
        if not any(isinstance(have, _NotOurs) for have in logger.filters):
            logger.addFilter(_NotOurs())
