"""Contract version 1 as JSON: strict in what is read, exact in what is written."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from ._contract import (
    BODIES,
    MAX_MESSAGE_BYTES,
    MAX_METRIC_NAME,
    TYPES,
    VERSION,
    Command,
    EpochEnded,
    Event,
    RunStarted,
    check_head,
    valid_name,
)
from ._readers import RefusedError, integer, read_object, refuse, text, timestamp

MAX_DEPTH: Final = 32
_ROOM: Final = MAX_MESSAGE_BYTES - 4096
"""What a body may take, so that the head fits beside it."""
_KIND: Final = 40
_LONGEST: Final = 200
"""Entries of a list of layers or tags, and characters of one of them, after trimming."""


def decode_event(raw: bytes) -> Event:
    """Read one event; RefusedError when it is not one."""
    top = _parse(raw)
    bodies = {
        name: read_object(kind, top[name])
        for name, kind in BODIES.items()
        if top.get(name) is not None
    }
    head = {
        name: text(top[name]) if top.get(name) is not None else ""
        for name in ("type", "project", "run", "attempt")
    }
    seq = integer(top["seq"]) if top.get("seq") is not None else None
    if top.get("time") is None:
        raise refuse("invalid", "time is missing")
    time = timestamp(top["time"])
    if not head["type"]:
        raise refuse("invalid", "type is missing")
    check_head(head["project"], head["run"], head["attempt"], seq)
    body = bodies.get(head["type"])
    if body is None and head["type"] in BODIES:
        raise refuse("invalid", f"the body {head['type']!r} is missing")
    if body is not None:
        body.check()
    return Event(**head, seq=seq or 0, time=time, body=body)


def decode_command(raw: bytes) -> Command:
    """Read one command; RefusedError when it is not one."""
    top = _parse(raw)
    kind = text(top["type"]) if top.get("type") is not None else ""
    command: Command = read_object(Command, top)
    if kind != "command":
        raise refuse("invalid", f'type {kind!r:.40} is not "command"')
    command.check()
    return command


def name_of_command(raw: bytes) -> tuple[str, str] | None:
    """Return id and kind of what is no command of this contract; None where it has no id.

    Whoever sent it waits for an answer: it may be of a version to come.
    """
    try:
        top = json.loads(raw[:MAX_MESSAGE_BYTES])
        key, kind = top["id"], top.get("kind")
        known = isinstance(key, str) and valid_name(key) and top.get("type") == "command"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return (key, _short(kind, _KIND) if isinstance(kind, str) else "") if known else None


def encode_event(event: Event) -> bytes:
    """Write one event, trimmed where it is too long; RefusedError when it is not valid."""
    check_head(event.project, event.run, event.attempt, event.seq)
    if event.body is not None:
        event.body.check()
    raw = _write(_event(event))
    if len(raw) > MAX_MESSAGE_BYTES:
        raw = _write(_event(replace(event, body=_trim(event.body))))
    if len(raw) > MAX_MESSAGE_BYTES:
        raise refuse("too_large", f"{len(raw)} bytes, at most {MAX_MESSAGE_BYTES}")
    return raw


def encode_command(command: Command) -> bytes:
    """Write one command; RefusedError when it is not valid or too large."""
    command.check()
    raw = _write({"version": VERSION, "type": "command", **_plain(command)})
    if len(raw) > MAX_MESSAGE_BYTES:
        raise refuse("too_large", f"{len(raw)} bytes, at most {MAX_MESSAGE_BYTES}")
    return raw


def _event(event: Event) -> dict[str, Any]:
    top = {
        "version": VERSION,
        "type": event.type,
        "project": event.project,
        "run": event.run,
        "attempt": event.attempt,
        "seq": event.seq,
        "time": _plain(event.time),
    }
    if event.body is not None:
        top[TYPES[type(event.body)]] = _plain(event.body)
    return top


def _plain(value: Any) -> Any:  # noqa: PLR0911 # one for each type
    """Turn values of the contract into what json can write."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value  # json writes repr(): the shortest form that reads back equal
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return value.replace("\0", "�") if "\0" in value else value
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if is_dataclass(value):
        named = ((entry.name, getattr(value, entry.name)) for entry in fields(value))
        return {name: _plain(item) for name, item in named if item is not None}
    return value


def _write(top: dict[str, Any]) -> bytes:
    written = json.dumps(top, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return written.encode("utf-8", "replace")  # a lone surrogate becomes a question mark


def _trim(body: Any) -> Any:
    """Return the body with its long parts shortened, never with one made up."""
    if isinstance(body, RunStarted):
        return _trim_started(body)
    if isinstance(body, EpochEnded):
        kept, room = {}, _ROOM
        for name, value in body.metrics.items():
            room -= len(name.encode("utf-8", "replace")) + 32
            if room < 0:
                break
            kept[name] = value
        return replace(body, metrics=kept, optimizers=None, controllers=None, notes=None)
    if isinstance(getattr(body, "reason", None), str):
        return replace(body, reason=_short(body.reason, 4096))
    return body


def _trim_started(body: RunStarted) -> RunStarted:
    changes: dict[str, Any] = {}
    for entry in fields(body):
        value = getattr(body, entry.name)
        if isinstance(value, str):
            changes[entry.name] = _short(value, 4 * _LONGEST)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            changes[entry.name] = [_short(item, _LONGEST) for item in value[:_LONGEST]]
        elif entry.name == "outputs" and value:
            changes[entry.name] = [
                replace(
                    output,
                    **{
                        name: _short(part, _LONGEST)
                        for name in ("name", "activation", "loss")
                        if isinstance(part := getattr(output, name), str)
                    },
                )
                for output in value[: _LONGEST // 4]
            ]
    return replace(body, **changes)


def _short(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"


def short_name(name: str) -> str:
    """Return a metric's name as the contract allows it: at most 512 bytes, not empty."""
    if len(name) * 4 <= MAX_METRIC_NAME and name:
        return name
    cut = name.encode("utf-8", "replace")[:MAX_METRIC_NAME].decode("utf-8", "ignore")
    return cut or "(no name)"


def _parse(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object as two careful readers would agree on it."""
    if len(raw) > MAX_MESSAGE_BYTES:
        raise refuse("too_large", f"{len(raw)} bytes, at most {MAX_MESSAGE_BYTES}")
    try:
        top = json.loads(
            raw.decode("utf-8"),
            parse_constant=_no_constant,
            parse_int=_parse_int,
            object_pairs_hook=_unique,
        )
    except RefusedError:
        raise
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise refuse("malformed", str(error) or "nested too deep") from error
    if not isinstance(top, dict):
        raise refuse("malformed", "not a JSON object")
    _check_tree(top)
    version = top.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version != VERSION:
        raise refuse("version", f"version {version!r:.20}, this reader speaks {VERSION}")
    return top


def _no_constant(name: str) -> Any:
    raise refuse("malformed", f"{name} is not JSON")


def _parse_int(digits: str) -> int | float:
    if digits == "-0":
        return -0.0
    return int(digits) if len(digits) < 400 else math.inf  # noqa: PLR2004 # beyond any float64


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise refuse("malformed", "a key stands twice in one object")
    return result


def _check_tree(top: dict[str, Any]) -> None:
    """Refuse deep nesting and U+0000, which Postgres cannot store."""
    level: list[Any] = [top]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and "\0" in item:
                raise refuse("invalid", "a string holds U+0000")
        if not below:
            return
        level = below
    for item in level:
        if isinstance(item, dict | list):
            raise refuse("malformed", f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(item, str) and "\0" in item:
            raise refuse("invalid", "a string holds U+0000")
