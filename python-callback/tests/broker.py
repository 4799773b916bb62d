"""A broker that speaks just enough of NATS and JetStream, and misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("silent", "mute", "rubbish", "closing", "denying", "streamless", "strange", "dying")


class Broker:
    """Modes: good; silent (accepts and says nothing); mute (connects, never acknowledges);
    rubbish; closing (at once); denying (wrong token); streamless (no responders); strange (an
    answer that is no acknowledgement); dying (good for three events, then gone)."""

    def __init__(self, mode: str = "good", *, port: int = 0, token: str | None = None) -> None:
        self.mode = mode
        self.port = port
        self.token = token
        self.messages: list[tuple[str, str, bytes]] = []
        self.connections = 0
        self.changed = threading.Condition()
        self._stored: set[str] = set()
        self._subscribers: dict[str, list[tuple[str, asyncio.StreamWriter]]] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._call(self._drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was stored: each message id once, in order of arrival."""
        seen: dict[str, dict[str, Any]] = {}
        for _, message_id, raw in list(self.messages):
            seen.setdefault(message_id, json.loads(raw))
        return list(seen.values())

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def wait(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, seconds), self.types()

    def push(self, subject: str, raw: bytes) -> None:
        """Publish to whoever subscribed."""
        self._call(self._push(subject, raw))

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._call(self._stop())

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _drain(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _push(self, subject: str, raw: bytes) -> None:
        for sid, writer in self._subscribers.get(subject, []):
            writer.write(f"MSG {subject} {sid} {len(raw)}\r\n".encode() + raw + b"\r\n")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            with self.changed:
                self.changed.notify_all()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "closing":
            return
        if self.mode == "silent":
            await reader.read()
            return
        if self.mode == "rubbish":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)) * 16)
            await reader.read()
            return
        info = {"server_id": "x", "version": "2.12.0", "headers": True, "max_payload": 1 << 20}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        sids: dict[str, str] = {}
        while line := (await reader.readline()).decode():
            word, *rest = line.split()
            if word == "CONNECT":
                options = json.loads(line.removeprefix("CONNECT"))
                given = options.get("auth_token")
                if self.mode == "denying" or (self.token and given != self.token):
                    writer.write(b"-ERR 'Authorization Violation'\r\n")
                    return
            elif word == "PING":
                writer.write(b"PONG\r\n")
            elif word == "SUB":
                sids[rest[0]] = rest[-1]
                self._subscribers.setdefault(rest[0], []).append((rest[-1], writer))
                with self.changed:
                    self.changed.notify_all()
            elif word == "HPUB":
                await self._publish(reader, writer, rest, sids)

    def subscribed(self, subject: str) -> bool:
        return bool(self._subscribers.get(subject))

    async def _publish(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rest: list[str],
        sids: dict[str, str],
    ) -> None:
        subject, reply, headers_size, size = rest[0], rest[1], int(rest[2]), int(rest[3])
        data = await reader.readexactly(size + 2)
        headers = data[:headers_size].decode()
        message_id = next(
            line.partition(":")[2].strip()
            for line in headers.split("\r\n")
            if line.lower().startswith("nats-msg-id")
        )
        if self.mode == "mute":
            return
        sid = next(sid for inbox, sid in sids.items() if inbox.removesuffix("*") in reply)
        if self.mode == "streamless":
            status = b"NATS/1.0 503\r\n\r\n"
            writer.write(f"HMSG {reply} {sid} {len(status)} {len(status)}\r\n".encode())
            writer.write(status + b"\r\n")
            return
        answer: dict[str, Any] = {"hello": "world"}
        if self.mode != "strange":
            if self.mode == "dying" and len(self.messages) == 3:
                await self._stop()
                return
            answer = {"stream": "EPOCHWATCH", "seq": len(self.messages) + 1}
            self.messages.append((subject, message_id, data[headers_size:size]))
        raw = json.dumps(answer).encode()
        writer.write(f"MSG {reply} {sid} {len(raw)}\r\n".encode() + raw + b"\r\n")
        with self.changed:
            self.changed.notify_all()
