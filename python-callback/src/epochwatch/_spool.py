"""Events on disk until they are acknowledged: what survives a SIGKILL of the trainer.

``<project>.<run>.<attempt>.jsonl`` holds a header line and one event a line, exactly the
bytes that are published. Beside it ``.acked`` holds the highest number up to which every
event is acknowledged. The owner holds an exclusive lock on the ``.jsonl``; who gets the lock
of a dead owner's file may deliver the rest and then removes both. One that holds lines which
are no events is kept as ``.unread``, out of the way.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ._contract import valid_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock, and so no sweeping of what may be alive
    fcntl = None  # type: ignore[assignment]

HEADER_VERSION = 1
_open: set[int] = set()
"""Descriptors that hold a lock. A forked child shares them, and while it lives the dead
owner's lock would live on, so a child closes them first of all."""


def _close_in_child() -> None:
    for fd in _open:
        with contextlib.suppress(OSError):
            os.close(fd)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)

_STRAY_SECONDS = 60
"""A spool bears the name .new for a few microseconds; after this long nobody is at it."""
_HELD_IN_MEMORY = 10_000
"""Events kept while the disk takes none; the oldest go first."""


class Spool:
    """The spool of one attempt, written by its owner. Not safe for several threads."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.acked = 0
        self._fd = fd
        _open.add(fd)
        self._acked_fd = -1
        self._offsets = array("q", [os.fstat(fd).st_size])
        self._first = 1
        self._memory: dict[int, bytes] = {}

    @classmethod
    def create(cls, folder: Path, head: Header) -> Spool:
        """Start the spool of an attempt; OSError when the folder takes no files."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{head.project}.{head.run}.{head.attempt}.jsonl"
        # Under another name until it is locked and has its header: a sweep that looks now
        # must not take it for the file of a dead owner.
        fresh = path.with_suffix(".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(fd, head.line())
            fresh.rename(path)
        except BaseException:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise
        return cls(path, fd)

    @property
    def last(self) -> int:
        """The number of the last event appended."""
        return self._first + len(self._offsets) - 2

    def append(self, raw: bytes) -> OSError | None:
        """Append the next event; the error when it is kept in memory instead.

        One write an event: a process killed behind it leaves the event, one killed within
        it a torn last line, which readers ignore.
        """
        line = raw + b"\n"
        error: OSError | None = None
        if self._memory:  # keep the order of the file
            error = self._flush()
        start = self._offsets[-1]
        if error is None:
            error = self._write(line, start)
        if error is None:
            self._offsets.append(start + len(line))
            return None
        self._memory[self.last + 1] = raw
        self._offsets.append(start)
        if len(self._memory) > _HELD_IN_MEMORY:
            del self._memory[next(iter(self._memory))]
        return error

    def _write(self, line: bytes, start: int) -> OSError | None:
        try:
            if os.write(self._fd, line) == len(line):
                return None
            os.ftruncate(self._fd, start)  # a torn line must not be continued
            return OSError("short write")
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, start)
            return error

    def _flush(self) -> OSError | None:
        """Write what had to be kept in memory."""
        for seq in sorted(self._memory):
            line = self._memory[seq] + b"\n"
            start = self._offsets[-1]
            error = self._write(line, start)
            if error is not None:
                return error
            del self._memory[seq]
            index = seq - self._first
            # Everything behind it is in memory still, so it starts where this one ends.
            for later in range(index + 1, len(self._offsets)):
                self._offsets[later] = start + len(line)
        return None

    def read(self, seq: int) -> bytes | None:
        """Return the bytes of one event; None when a full disk cost it."""
        if seq in self._memory:
            return self._memory[seq]
        index = seq - self._first
        start, end = self._offsets[index], self._offsets[index + 1]
        return os.pread(self._fd, end - start - 1, start) if end > start else None

    def acknowledge(self, seq: int) -> None:
        """Record that every event up to seq is acknowledged."""
        self.acked = seq
        with contextlib.suppress(OSError):  # a marker that lags costs a repeat, nothing else
            if self._acked_fd < 0:
                marker = self.path.with_suffix(".acked")
                self._acked_fd = os.open(marker, os.O_WRONLY | os.O_CREAT, 0o600)
            # The number only gains digits, so a write over the old one is never torn.
            os.pwrite(self._acked_fd, str(seq).encode(), 0)

    def remove(self) -> None:
        """Delete both files, all being delivered, and let go of the lock."""
        for path in (self.path.with_suffix(".acked"), self.path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the files and the lock; what is in them is for the next to deliver."""
        for fd in (self._acked_fd, self._fd):
            if fd >= 0:
                _open.discard(fd)
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._acked_fd = self._fd = -1


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a spool: whose it is and for whom. url None: this data folder."""

    project: str
    run: str
    attempt: str
    url: str | None

    def line(self) -> bytes:
        """Return the line as it stands in the file."""
        created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        head = {
            "spool": HEADER_VERSION,
            "project": self.project,
            "run": self.run,
            "attempt": self.attempt,
            "url": self.url,
            "created": created,
            "pid": os.getpid(),
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Header | None:
        """Read a header; None when it is not one."""
        try:
            top = json.loads(line)
            head = cls(top["project"], top["run"], top["attempt"], top.get("url"))
            names = all(valid_name(name) for name in (head.project, head.run, head.attempt))
            sound = top["spool"] == HEADER_VERSION and names
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return head if sound and isinstance(head.url, str | None) else None


class Orphan:
    """The spool of a dead owner, taken over under its lock."""

    def __init__(self, path: Path, fd: int, head: Header) -> None:
        self.head = head
        self._path = path
        self._fd = fd
        _open.add(fd)
        self.complete = True
        """False when a line in the middle is not an event."""

    def events(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of what is not acknowledged."""
        acked = self._acked()
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            file.readline()
            for line in file:
                if not line.endswith(b"\n"):
                    return  # torn: it was never accepted
                seq = _seq(line)
                if seq is None:
                    self.complete = False
                elif seq > acked:
                    yield seq, line[:-1]

    def _acked(self) -> int:
        try:
            digits = self._path.with_suffix(".acked").read_bytes()
            return int(digits) if digits.isdigit() else 0
        except OSError:
            return 0

    def remove(self) -> None:
        """Be done with it, all being delivered: what could not be read in it is kept aside."""
        with contextlib.suppress(OSError):
            self._path.with_suffix(".acked").unlink(missing_ok=True)
            if self.complete:
                self._path.unlink(missing_ok=True)
            else:
                self._path.rename(self._path.with_suffix(".unread"))

    def close(self) -> None:
        """Let go of the lock."""
        _open.discard(self._fd)
        os.close(self._fd)


def _seq(line: bytes) -> int | None:
    try:
        top: Any = json.loads(line)
        seq = top["seq"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq > 0 else None


def orphans(folder: Path, url: str | None) -> Iterator[Orphan]:
    """Take over, one after the other, the spools of dead owners meant for the same target."""
    if fcntl is None:
        return
    try:
        paths = sorted(folder.glob("*.jsonl"))
        _clear(folder)
    except OSError:
        return
    for path in paths:
        orphan = _take(path, url)
        if orphan is not None:
            try:
                yield orphan
            finally:
                orphan.close()


def _clear(folder: Path) -> None:
    """Delete what a process left that was killed before its spool had a name: no event."""
    for path in folder.glob("*.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STRAY_SECONDS:
                path.unlink()


def _take(path: Path, url: str | None) -> Orphan | None:
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now = path.stat()
        mine = os.fstat(fd)
        if (now.st_dev, now.st_ino) == (mine.st_dev, mine.st_ino):
            head = Header.read(os.pread(fd, 4096, 0).partition(b"\n")[0])
            if head is not None and head.url == url:
                return Orphan(path, fd, head)
    except OSError:  # its owner lives, or it has just been delivered
        pass
    os.close(fd)
    return None
