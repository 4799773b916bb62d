"""What Keras hands to a hook, and who else sits beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import keras

from ._codec import short_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXACT: Final = 2**53
"""Up to here a float64 holds every whole number."""
_SHORT: Final = 128


def numbers_of(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return the very keys and values of Keras' logs, as numbers that JSON can hold exactly."""
    numbers: dict[str, float] = {}
    for key, value in logs.items():
        kind = type(value)
        if kind is not float and (kind is not int or abs(value) > _EXACT):
            if isinstance(value, str | bytes) or getattr(value, "shape", None):
                continue  # not a number: the contract has no place for it
            try:
                value = float(value)  # noqa: PLW2901
            except (TypeError, ValueError, OverflowError):
                continue
        numbers[key if type(key) is str and len(key) < _SHORT else short_name(str(key))] = value
    return numbers


def suspects(siblings: list[Any]) -> list[str]:
    """Return the names of the callbacks beside ours that may have changed the rate."""
    known = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
    names = [type(each).__name__ for each in siblings if isinstance(each, known)]
    if not names:
        names = [
            type(each).__name__
            for each in siblings
            if not type(each).__module__.startswith(("keras.", "epochwatch."))
        ]
    return sorted(set(names)) or ["unknown"]
