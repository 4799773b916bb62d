"""From a parsed JSON value to a field of the contract, or a refusal that says why."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

Reader = Callable[[Any], Any]

_WORDS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_INT64: Final = 2**63


class RefusedError(Exception):
    """A message is not of this contract; the same bytes are refused for ever.

    ``reason`` is one of malformed, version, wrong_type, invalid and too_large.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def refuse(reason: str, detail: str) -> RefusedError:
    """Return the refusal to raise."""
    return RefusedError(reason, detail)


def _wrong(value: Any, want: str) -> RefusedError:
    return RefusedError("wrong_type", f"{value!r:.40} is not {want}")


def text(value: Any) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise _wrong(value, "a string")
    return value


def integer(value: Any) -> int:
    """Read an integer of 64 bits; 3.0 is not one."""
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        raise _wrong(value, "an integer")
    return value


def number(value: Any) -> float:
    """Read a number, or one of the three strings for what JSON cannot write."""
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(value, 'a number, "NaN", "Infinity" or "-Infinity"')
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if math.isinf(result):  # only an overflow: the parser takes no bare Infinity
        raise _wrong(value, "within the range of a float64")
    return result


def flag(value: Any) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise _wrong(value, "true or false")
    return value


def timestamp(value: Any) -> datetime:
    """Read a point in time as RFC 3339 writes it; finer than a microsecond is cut off."""
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse("invalid", f"{value!r:.40} is not a time (RFC 3339)")
    seconds, fraction, zone = match.groups()
    try:
        whole = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
        return whole.replace(microsecond=int((fraction or "")[:6].ljust(6, "0"))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refuse("invalid", f"{value!r:.40} is not a time: {error}") from error


def _list_of(read: Reader) -> Reader:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(value, "a list")
        return [read(item) for item in value]

    return read_list


def _map_of(read: Reader) -> Reader:
    def read_map(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "an object")
        return {key: read(item) for key, item in value.items()}

    return read_map


def object_of(kind: type) -> Reader:
    """Return a reader of objects of a dataclass of the contract."""
    return lambda value: read_object(kind, value)


def read_object(kind: type, value: Any) -> Any:
    """Read a dataclass of the contract; unknown keys are ignored, null is absent."""
    if not isinstance(value, dict):
        raise _wrong(value, "an object")
    known: dict[str, Any] = {}
    for entry in fields(kind):
        item = value.get(entry.name)
        if item is not None:
            known[entry.name] = entry.metadata["read"](item)
        elif entry.metadata["required"]:
            raise refuse("invalid", f"{entry.name} is missing or null")
    return kind(**known)


def object_list(kind: type) -> Reader:
    """Return a reader of lists of a dataclass."""
    return _list_of(object_of(kind))


def object_map(kind: type) -> Reader:
    """Return a reader of objects that hold a dataclass under each key."""
    return _map_of(object_of(kind))


name_list: Final = _list_of(text)
integers: Final = _list_of(integer)
number_map: Final = _map_of(number)
