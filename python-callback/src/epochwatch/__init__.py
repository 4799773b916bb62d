"""Watches Keras training: publishes each epoch and applies bounded commands.

from epochwatch import EpochWatch

model.fit(x, y, callbacks=[EpochWatch(auto_lr=True)])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._control import Control
from ._version import __version__

if TYPE_CHECKING:
    from ._callback import EpochWatch

__all__ = ["Control", "EpochWatch", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the callback, and with it Keras, when it is first asked for."""
    if name == "EpochWatch":
        from ._callback import EpochWatch  # noqa: PLC0415

        globals()[name] = EpochWatch
        return EpochWatch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
