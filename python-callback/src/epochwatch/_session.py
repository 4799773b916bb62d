"""The background half of one attempt: spool, publish, hear commands.

The training thread only appends to a queue and looks at a slot. Everything that may wait
happens in a daemon thread with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from ._codec import decode_command, encode_event, name_of_command
from ._contract import (
    TYPES,
    Body,
    CommandResult,
    Event,
    Heartbeat,
    RunEnded,
    command_subject,
)
from ._delivery import Delivery, sweep
from ._link import AbsentError, Link, UnwillingError
from ._loop import Loop
from ._notice import LOG, THREAD_PREFIX, warn_once
from ._readers import RefusedError
from ._spool import Header, Spool
from ._volatile import Volatile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ._contract import Command
    from ._endpoint import Target

HEARTBEAT_SECONDS: Final = 10.0
QUEUE_LENGTH: Final = 10_000
_SLOT_LENGTH: Final = 1_000
_DELAY_SECONDS: Final = (0.25, 1.0)
_SWEEP_SECONDS: Final = 5.0
_END_SECONDS: Final = 1.95
"""The longest that the end of fit waits for a broker that is or was there."""
_SPOOL_SECONDS: Final = 0.1
"""The longest that it waits for the spool when there is no broker."""
_STOP_SECONDS: Final = 0.2
"""The longest that the end of the process waits for a thread to let go of its files."""

_RING: Final = "ring"
_SILENCE: Final = "silence"


class Session:
    """One attempt's way to the daemon. The methods are for the training thread."""

    def __init__(self, target: Target, folder: Path, head: Header) -> None:
        self.head = head
        self.commands: deque[Command] = deque()
        """Heard, each id once, and not yet answered."""
        self.epoch: int | None = None
        """The epoch in progress, for heartbeats."""
        self.watch: Callable[[], None] | None = None
        """Called with each heartbeat, in the background thread."""
        self._target = target
        self._folder = folder
        self._queue: deque[tuple[float, Body | Callable[[], Body]]] = deque()
        self._heard: set[str] = set()
        self._pid = os.getpid()
        self._bell: SimpleQueue[str] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._woken = False
        self._state = threading.Condition()
        # All below change under _state.
        self._link_state = "trying"  # trying, up, absent, unwilling
        self._ending = False
        self._stopping = False
        self._lingered = False
        self._spooled = False
        self._delivered = False

    @property
    def mine(self) -> bool:
        """Whether this process started the session; a forked one publishes nothing."""
        return self._pid == os.getpid()

    def start(self) -> None:
        """Start the thread, and take over from those whose fit is over and who wait in vain.

        They would else add up where many fits follow each other without a daemon; what they
        let go of, this one delivers as it does a dead process's.
        """
        for other in live_sessions():
            other.give_way(self.head.url, self._folder)
        self._thread = threading.Thread(
            target=self._run, name=THREAD_PREFIX + "session", daemon=True
        )
        self._thread.start()

    def give_way(self, url: str | None, folder: Path) -> None:
        """Stop waiting for a broker that is not there, when the fit is over."""
        same = (url, folder) == (self.head.url, self._folder)
        if same and self._ending and self._link_state != "up":
            self.stop(0)

    def put(self, body: Body | Callable[[], Body]) -> None:
        """Hand over one event, in microseconds; a function makes its body in the thread."""
        # An answer is never left out, and there are no more of them than commands.
        if len(self._queue) >= QUEUE_LENGTH and not isinstance(body, CommandResult):
            warn_once("queue", "", "the disk is too slow for the events; some are left out")
            return
        self._queue.append((time.time(), body))
        if not self._woken:
            self._woken = True
            self._wake()

    def _wake(self) -> None:
        # Not call_soon_threadsafe: it writes to a socket and lets go of the interpreter lock
        # for that, and the training thread would wait to get it back (77 µs against 3).
        self._bell.put(_RING)

    def _carry(self, loop: Loop) -> None:
        """Pass the bell on to the loop, in a thread of its own."""
        while self._bell.get() == _RING:
            try:
                loop.call_soon_threadsafe(self._on_wake)
            except RuntimeError:  # the loop is closed
                return

    def end(self, body: RunEnded, *, wait: bool = True) -> None:
        """Hand over the last event and, with wait, linger; the thread goes on delivering."""
        self.put(body)
        with self._state:
            self._ending = True
        self._wake()
        if wait:
            self.linger()

    def linger(self) -> None:
        """Stay, once, until the end is safe, but only as long as the end of fit may last.

        Safe is acknowledged where a broker is there, on disk where none is.
        """
        if self._lingered or not self._ending:
            return
        self._lingered = True
        began = time.monotonic()
        with self._state:
            while not self._delivered:
                absent = self._link_state == "absent"
                if absent and self._spooled:
                    return
                limit = _SPOOL_SECONDS if absent else _END_SECONDS
                left = began + limit - time.monotonic()
                if left <= 0:
                    return
                self._state.wait(left)

    def stop(self, seconds: float) -> None:
        """Stop the thread, waiting for it a moment; what is left stays in the spool."""
        with self._state:
            self._stopping = True
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    # From here on everything runs in the background thread.

    def _run(self) -> None:
        _sessions.add(self)
        loop = Loop()
        loop.set_exception_handler(lambda _loop, context: LOG.debug("asyncio: %s", context))
        try:
            loop.run_until_complete(self._main(loop))
        except BaseException as error:  # noqa: BLE001 # a thread has nobody to tell but the log
            warn_once("internal", "", f"stopped watching: {type(error).__name__}: {error}")
            LOG.debug("session ended", exc_info=True)
        finally:
            self._bell.put(_SILENCE)
            _sessions.discard(self)
            self._set(delivered=True)
            with contextlib.suppress(Exception):
                loop.close()

    async def _main(self, loop: Loop) -> None:
        self._changed = asyncio.Event()
        self._spool = self._open_spool()
        self._delivery = Delivery(self._spool, self.head)
        threading.Thread(
            target=self._carry, args=(loop,), name=THREAD_PREFIX + "bell", daemon=True
        ).start()
        self._on_wake()  # what was put before the loop was there
        tasks = [loop.create_task(self._connect_for_ever()), loop.create_task(self._beat())]
        try:
            while not (self._stopping or self._done):
                await self._changed.wait()
                self._changed.clear()
        finally:
            self._on_wake()  # what was put last must be on disk
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
            if self._done:
                self._spool.remove()
            else:
                self._spool.close()

    @property
    def _done(self) -> bool:
        return self._ending and not self._queue and self._spool.acked == self._spool.last

    def _open_spool(self) -> Spool | Volatile:
        try:
            return Spool.create(self._folder, self.head)
        except OSError as error:
            warn_once(
                "spool",
                str(self._folder),
                f"cannot write to {self._folder} ({error.strerror}); "
                "what the daemon does not get at once is lost with this process",
            )
            return Volatile()

    def _on_wake(self) -> None:
        self._woken = False
        while self._queue:
            when, body = self._queue.popleft()
            try:
                self._append(when, body() if callable(body) else body)
            except Exception as error:  # noqa: BLE001 # one event is lost, not the run
                warn_once("event", type(error).__name__, f"an event was left out: {error}")
        self._set(spooled=self._ending)
        self._delivery.more.set()
        self._changed.set()

    def _append(self, when: float, body: Body) -> None:
        head = self.head
        event = Event(
            type=TYPES[type(body)],
            project=head.project,
            run=head.run,
            attempt=head.attempt,
            seq=self._spool.last + 1,
            time=datetime.fromtimestamp(when, UTC),
            body=body,
        )
        error = self._spool.append(encode_event(event))
        if error is not None:
            about = f"{self._folder}: {error.strerror or error}"
            warn_once("disk", about, f"the spool takes nothing ({about}); kept in memory")

    def _set(
        self, *, link: str | None = None, spooled: bool = False, delivered: bool = False
    ) -> None:
        with self._state:
            self._link_state = link or self._link_state
            self._spooled = self._spooled or spooled
            self._delivered = self._delivered or delivered
            self._state.notify_all()

    async def _beat(self) -> None:
        while not self._ending:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self.watch is not None:
                with contextlib.suppress(Exception):
                    self.watch()
            # Without a connection nobody would hear it, and later it says nothing.
            if self._link_state == "up" and not self._ending:
                waiting = self._spool.last - self._spool.acked
                self._queue.append((time.time(), Heartbeat(epoch=self.epoch, spooled=waiting)))
                self._on_wake()

    async def _connect_for_ever(self) -> None:
        delay = _DELAY_SECONDS[0]
        while True:
            try:
                address = self._target.address()
                if address is None:
                    raise AbsentError("there is no endpoint.json")  # noqa: TRY301
                link = await Link.open(address)
            except AbsentError as error:
                self._set(link="absent")
                self._say_absent(str(error))
            except (UnwillingError, ValueError, OSError) as error:
                self._set(link="unwilling")
                self._say_unwilling(str(error))
            else:
                delay = _DELAY_SECONDS[0]
                try:
                    await self._serve(link)
                except UnwillingError as error:
                    self._say_unwilling(str(error))
                finally:
                    self._set(link="trying")
                    await link.close()
            await asyncio.sleep(delay)
            delay = min(2 * delay, _DELAY_SECONDS[1])

    async def _serve(self, link: Link) -> None:
        """Deliver and listen until the connection is lost or all is done."""
        head = self.head
        await link.subscribe(command_subject(head.project, head.run), self._hear)
        self._set(link="up")
        sweeping = asyncio.ensure_future(self._sweep_for_ever(link))
        try:
            await self._delivery.run(link, self._progress)
        finally:
            sweeping.cancel()

    async def _sweep_for_ever(self, link: Link) -> None:
        while True:
            await sweep(link, self._folder, self._target.url)
            await asyncio.sleep(_SWEEP_SECONDS)

    def _progress(self) -> None:
        if self._done:
            self._set(delivered=True)
        self._changed.set()

    def _hear(self, raw: bytes) -> None:
        """Take a command to the slot, once; answer here what the training need not see."""
        try:
            command = decode_command(raw)
            key, kind, reason = command.id, command.kind, "too many commands wait already"
        except RefusedError as error:
            named = name_of_command(raw)
            if named is None:  # without an id there is nothing to answer
                LOG.debug("a command was not understood: %s", error)
                return
            command, (key, kind) = None, named
            reason = f"not understood: {error}"
        if key in self._heard:
            return
        self._heard.add(key)
        if command is not None and len(self.commands) < _SLOT_LENGTH:
            self.commands.append(command)
            return
        answer = CommandResult(id=key, kind=kind, outcome="refused", reason=reason)
        self._queue.append((time.time(), answer))
        self._on_wake()

    def _say_absent(self, detail: str) -> None:
        target = self._target
        what = f"no daemon at {target.shown} ({detail})"
        warn_once("absent", target.shown, f"{what}; events wait in {self._folder}")

    def _say_unwilling(self, detail: str) -> None:
        target = self._target
        what = f"the broker at {target.shown} cannot be used ({detail})"
        warn_once("unwilling", target.shown, f"{what}; events wait in {self._folder}")


_sessions: set[Session] = set()


def _stop_all() -> None:
    for session in live_sessions():
        session.stop(_STOP_SECONDS)


atexit.register(_stop_all)


def live_sessions() -> list[Session]:
    """Return the sessions of this process whose threads run."""
    return [session for session in list(_sessions) if session.mine]
