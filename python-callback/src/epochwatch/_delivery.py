"""Publishing what a spool holds, a window at a time, and forgetting what is acknowledged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ._contract import event_subject, message_id
from ._link import UnwillingError
from ._notice import LOG
from ._spool import orphans

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ._link import Link
    from ._spool import Header, Spool
    from ._volatile import Volatile

WINDOW: Final = 64
"""Events published before their acknowledgements are waited for."""


class Delivery:
    """The events of one spool, in order, over whichever connection is up."""

    def __init__(self, spool: Spool | Volatile, head: Header) -> None:
        self.more = asyncio.Event()
        """Set when the spool has grown."""
        self._spool = spool
        self._head = head

    async def run(self, link: Link, progress: Callable[[], None]) -> None:
        """Deliver until the connection is lost; UnwillingError when it is of no use."""
        lost = asyncio.ensure_future(link.lost.wait())
        try:
            while not link.lost.is_set():
                if self._spool.acked == self._spool.last:
                    self.more.clear()
                    more = asyncio.ensure_future(self.more.wait())
                    try:
                        await asyncio.wait((more, lost), return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        more.cancel()
                    continue
                await self._window(link, lost)
                progress()
        finally:
            lost.cancel()

    async def _window(self, link: Link, lost: asyncio.Future[Any]) -> None:
        first = self._spool.acked + 1
        stop = min(first + WINDOW, self._spool.last + 1)
        batch = {}
        for seq in range(first, stop):
            raw = self._spool.read(seq)
            if raw is not None:  # None: a full disk cost it; the daemon reports the gap
                batch[seq] = raw
        publishing = asyncio.ensure_future(_publish(link, self._head, batch))
        try:
            await asyncio.wait((publishing, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not publishing.done():  # what was acknowledged is sent again, which is harmless
                publishing.cancel()
        if not publishing.done():
            return
        failures = publishing.result()
        reached = min(failures, default=stop) - 1
        if reached >= first:
            self._spool.acknowledge(reached)
        if failures:
            raise failures[min(failures)]


async def _publish(link: Link, head: Header, batch: dict[int, bytes]) -> dict[int, UnwillingError]:
    """Publish numbered events at once; what was not acknowledged, and why."""
    subject = event_subject(head.project, head.run)
    results = await asyncio.gather(
        *(
            link.publish(subject, message_id(head.run, head.attempt, seq), raw)
            for seq, raw in batch.items()
        ),
        return_exceptions=True,
    )
    failures = {}
    for seq, result in zip(batch, results, strict=True):
        if isinstance(result, UnwillingError):
            failures[seq] = result
        elif isinstance(result, BaseException):
            raise result
    return failures


async def sweep(link: Link, folder: Path, url: str | None) -> None:
    """Deliver what dead processes left for the same target, as far as the link carries."""
    try:
        for orphan in orphans(folder, url):
            batch: dict[int, bytes] = {}
            for seq, raw in orphan.events():
                batch[seq] = raw
                if len(batch) == WINDOW:
                    if await _publish(link, orphan.head, batch):
                        return
                    batch = {}
            if await _publish(link, orphan.head, batch):
                return
            orphan.remove()
    except OSError as error:
        LOG.debug("sweeping %s: %s", folder, error)
