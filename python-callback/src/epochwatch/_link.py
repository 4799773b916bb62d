"""One connection to the broker: nats-py with bounds on everything it may wait for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING, Any, Final

from ._loop import in_thread
from ._notice import silence_nats

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._endpoint import Address

CONNECT_SECONDS: Final = 2.0
ACK_SECONDS: Final = 5.0
_PING_SECONDS: Final = 5
_random = random.Random()  # noqa: S311 # its own: the user's seeded one must not advance


class AbsentError(Exception):
    """Nobody listens there."""


class UnwillingError(Exception):
    """Somebody listens, but does not do what a broker of ours does."""


class Link:
    """A connection that is up. ``lost`` is set when it no longer is."""

    def __init__(self, client: Any) -> None:
        self.lost = asyncio.Event()
        self._client = client
        self._error: BaseException | None = None

    @classmethod
    async def open(cls, address: Address) -> Link:
        """Connect within CONNECT_SECONDS; AbsentError or UnwillingError otherwise."""
        client_type = await in_thread(_import_client)
        urls = list(address.urls)
        _random.shuffle(urls)
        found: list[Exception] = []
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for url in urls:
                    link = cls(client_type())
                    try:
                        await link._connect(url, address)
                    except (AbsentError, UnwillingError) as error:
                        found.append(error)
                    else:
                        return link
        except TimeoutError:
            raise UnwillingError("it accepts the connection and does not answer") from None
        raise next((error for error in found if isinstance(error, UnwillingError)), found[-1])

    async def _connect(self, url: str, address: Address) -> None:
        given = {
            "token": address.token,
            "user_credentials": address.creds,
        }
        try:
            await self._client.connect(
                servers=[url],
                name="epochwatch",
                # The session connects again, and asks for the address anew. With these nats-py
                # tries twice without a pause and then gives up.
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECONDS,
                ping_interval=_PING_SECONDS,
                max_outstanding_pings=1,
                # nats-py would shuffle with the global generator, which the user seeded.
                dont_randomize=True,
                error_cb=self._on_error,
                closed_cb=self._on_closed,
                disconnected_cb=self._on_closed,
                **{name: value for name, value in given.items() if value is not None},
            )
        except Exception as error:  # noqa: BLE001 # nats-py raises errors of many kinds
            await self.close()
            cause = self._error or error
            if _nobody(cause):
                raise AbsentError(_words(cause)) from None
            raise UnwillingError(_words(cause)) from None
        except BaseException:  # cancelled: out of time
            await self.close()
            raise

    @property
    def complaint(self) -> str:
        """What the broker said last that was not asked for, or nothing."""
        return _words(self._error) if self._error is not None else ""

    async def _on_error(self, error: Exception) -> None:
        self._error = error

    async def _on_closed(self) -> None:
        self.lost.set()

    async def subscribe(self, subject: str, hear: Callable[[bytes], None]) -> None:
        """Hear a subject."""

        async def on_message(message: Any) -> None:
            hear(message.data)

        await asyncio.wait_for(self._client.subscribe(subject, cb=on_message), CONNECT_SECONDS)

    async def publish(self, subject: str, message_id: str, raw: bytes) -> None:
        """Publish and wait for JetStream's acknowledgement; UnwillingError without one."""
        try:
            reply = await self._client.request(
                subject, raw, timeout=ACK_SECONDS, headers={"Nats-Msg-Id": message_id}
            )
        except Exception as error:  # noqa: BLE001 # nats-py raises errors of many kinds
            raise UnwillingError(self.complaint or _words(error)) from None
        _check_ack(reply.data)

    async def close(self) -> None:
        """Close without waiting for anything slow."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._client.close(), 0.5)
        self.lost.set()


def _import_client() -> Any:
    from nats.aio.client import Client  # noqa: PLC0415 # 0.1 s that fit need not wait for

    silence_nats()
    return Client


def _check_ack(data: bytes) -> None:
    try:
        top = json.loads(data)
        error = top.get("error")
        stored = isinstance(top.get("stream"), str) and top["stream"] and top["seq"] > 0
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnwillingError("its answer is not JetStream's acknowledgement") from None
    if error:
        said = error.get("description") if isinstance(error, dict) else error
        raise UnwillingError(f"it did not store an event: {said!s:.120}")
    if not stored:
        raise UnwillingError("its answer is not JetStream's acknowledgement")


def _nobody(error: BaseException) -> bool:
    """Whether the error says that there is nobody, rather than somebody who breaks off."""
    broken = (TimeoutError, ConnectionResetError, BrokenPipeError)
    return isinstance(error, OSError) and not isinstance(error, broken)


def _words(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if "no responders" in text.lower() or "NoResponders" in type(error).__name__:
        return "it has no stream for the events"
    return text.removeprefix("nats: ").strip("'\" ")[:200]
