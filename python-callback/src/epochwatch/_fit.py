"""The fit that a callback is in: what its frame knows, and noticing that it was left.

Keras calls ``on_train_end`` only when all went well. An exception is noticed where it passes
the epoch iterator, else when the frame of ``fit`` goes away, else by a look at the stack with
each heartbeat, else when the process ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

_DEEPEST: Final = 30
_LONGEST: Final = 500
_WANTED: Final = ("x", "y", "batch_size", "initial_epoch", "validation_data", "epoch_iterator")


def reason_of(error: BaseException) -> tuple[str, str]:
    """Return the end state and the words for an exception that ended a fit."""
    state = "failed" if isinstance(error, Exception) else "interrupted"
    try:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:  # noqa: BLE001 # an exception's own __str__
        text = type(error).__name__
    return state, text[:_LONGEST]


class Fit:
    """One running ``fit``. ``left`` is called once, when it ended without on_train_end."""

    def __init__(self, left: Callable[[str, str], None]) -> None:
        self.siblings: list[Any] = []
        """The callbacks that run beside this one; dropped with the fit."""
        self._left: Callable[[str, str], None] | None = left
        self._thread = threading.get_ident()
        self._frame_id: int | None = None
        self._list: weakref.ref[Any] | None = None
        self._iterator: weakref.ref[Any] | None = None

    def begin(self) -> dict[str, Any]:
        """Look up the stack from on_train_begin; return what fit's frame knows."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 # no other way to see it
        for _ in range(_DEEPEST):
            if frame is None:
                break
            name = frame.f_code.co_name
            if name == "on_train_begin" and self._list is None:
                owner = frame.f_locals.get("self")
                beside = getattr(owner, "callbacks", None)
                if isinstance(beside, list):
                    self._list = weakref.ref(owner, self._on_list_gone)
                    self.siblings = list(beside)
            elif name == "fit" and "epoch_iterator" in frame.f_code.co_varnames:
                self._frame_id = id(frame)
                known = {key: frame.f_locals.get(key) for key in _WANTED}
                self._watch_iterator(known["epoch_iterator"])
                return known
            frame = frame.f_back
        return {}

    def end(self) -> None:
        """Stop noticing: the fit ended as it should."""
        self._left = None
        self._list = None
        self.siblings = []
        iterator = self._iterator() if self._iterator is not None else None
        if iterator is not None:  # a cycle would keep the user's data alive
            vars(iterator).pop("catch_stop_iteration", None)

    def leave(self, state: str, reason: str) -> None:
        """Tell, once, that the fit was left."""
        left = self._left
        self.end()
        if left is not None:
            left(state, reason)

    def _watch_iterator(self, iterator: Any) -> None:
        """See exceptions of training steps and of the data pass, on their way out."""
        inner = iterator.catch_stop_iteration

        @contextlib.contextmanager
        def catch_stop_iteration() -> Iterator[None]:
            try:
                with inner():
                    yield
            except BaseException as error:
                self.leave(*reason_of(error))
                raise

        self._iterator = weakref.ref(iterator)
        iterator.catch_stop_iteration = catch_stop_iteration

    def _on_list_gone(self, _: object) -> None:
        with contextlib.suppress(Exception):
            self.leave(*self._reason(sys.exc_info()[1]))

    def look(self) -> None:
        """Look, from another thread, whether the training thread is still in the fit."""
        if self._frame_id is None or self._left is None:
            return
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001
        while frame is not None:
            if id(frame) == self._frame_id:
                return
            frame = frame.f_back
        self.leave(*self._reason(None))

    def _reason(self, handled: BaseException | None) -> tuple[str, str]:
        if handled is not None:
            return reason_of(handled)
        last = getattr(sys, "last_value", None)
        if isinstance(last, BaseException) and self._passed(last.__traceback__):
            return reason_of(last)
        return "failed", "fit was left by an exception that was not seen"

    def _passed(self, traceback: TracebackType | None) -> bool:
        """Whether a traceback came through the fit."""
        while traceback is not None:
            frame: FrameType | None = traceback.tb_frame
            while frame is not None:
                if id(frame) == self._frame_id:
                    return True
                frame = frame.f_back
            traceback = traceback.tb_next
        return False

    def at_exit(self) -> None:
        """Tell that the process ends in mid-fit."""
        last = getattr(sys, "last_value", None)
        if isinstance(last, BaseException):
            self.leave(*reason_of(last))
        else:
            self.leave("interrupted", "the process ended in mid-fit")


class Terminations:
    """SIGTERM while a fit runs, where the program itself does nothing about it."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._pid = os.getpid()
        self._installed = False

    def begin(self) -> None:
        """Listen, if this is the main thread and the signal would just end the process."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_signal)
            self._installed = True

    def end(self) -> None:
        """Put back what was there."""
        if self._installed and threading.current_thread() is threading.main_thread():
            self._installed = False
            if signal.getsignal(signal.SIGTERM) == self._on_signal:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if os.getpid() == self._pid:
            with contextlib.suppress(Exception):
                self._tell()
        # Now what would have happened: the process ends, and its status says by what.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
