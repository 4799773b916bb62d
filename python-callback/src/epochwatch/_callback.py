"""The Keras callback."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

try:
    import keras
except ImportError as _error:
    raise ImportError(
        "EpochWatch is a Keras callback and Keras is not installed: pip install 'epochwatch[keras]'"
    ) from _error

from ._batches import BatchWindows
from ._contract import EpochEnded, Optimizer, RunEnded, RunStarted, valid_name
from ._control import OFF, Control
from ._endpoint import Target, find, parse
from ._facts import gather
from ._fit import Fit, Terminations
from ._ids import run_id, uuid7
from ._ledger import Ledger
from ._logs import numbers_of, suspects
from ._notice import LOG, warn_once
from ._orders import Orders
from ._origin import add_origin, is_chief
from ._rate import Rates
from ._resume import resume
from ._session import Session, live_sessions
from ._spool import Header
from ._version import __version__
from ._weights import Best

if TYPE_CHECKING:
    from ._contract import Command

Hook = TypeVar("Hook", bound=Callable[..., None])


def _guarded(hook: Hook) -> Hook:
    """Keep whatever goes wrong in a hook out of fit."""

    @functools.wraps(hook)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 # training is never hurt
            about = f"{hook.__name__}: {type(error).__name__}: {error}"
            warn_once("hook", hook.__name__, f"an error of its own, training goes on: {about}")
            LOG.debug("in %s", hook.__name__, exc_info=True)

    return guarded  # type: ignore[return-value]


class EpochWatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Publishes each epoch of a ``fit`` and applies the commands its owner allows.

    Training is never hurt: with no daemon, or one that dies or talks rubbish, ``fit`` ends
    with the same weights in the same time, one line is logged, and the events wait on disk.

    Args:
        url: address of the broker, ``nats://[token@]host:port[,…]``. Default: the variables
            ``EPOCHWATCH_URL`` (with ``EPOCHWATCH_TOKEN`` or ``EPOCHWATCH_CREDS``) or
            ``EPOCHWATCH_DATA``, else the daemon of the user's state folder.
        project: letters, digits, ``_`` and ``-``, at most 64, like ``run``.
        name: free text for people.
        run: the run to continue: each ``fit`` is then an attempt of it. Default: each ``fit``
            is a run of its own.
        tags: free text, several.
        auto_lr: short for ``control=Control(mode="auto")``.
        control: what may be done to the run. Default: nothing.
        data: ``(x, y)``, for statistics of a sample of them in the first message.
        batches: sum up every so many batches as well. Keras then calls a hook for each
            batch, as it does with ``auto_lr`` for the loss of the first one; it is safe for
            asynchronous dispatch, which stays on.
        spool: the folder of the spool files. Default: ``spool`` in the data folder.
    """

    def __init__(  # noqa: PLR0913 # the form is fixed by the design
        self,
        url: str | None = None,
        *,
        project: str = "default",
        name: str | None = None,
        run: str | None = None,
        tags: Iterable[str] | None = None,
        auto_lr: bool = False,
        control: Control | None = None,
        data: Any = None,
        batches: int | None = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        """Check the arguments; ValueError says which is wrong. Nothing is started yet."""
        super().__init__()
        for what, value in (("project", project), ("run", run)):
            if value is not None and not (isinstance(value, str) and valid_name(value)):
                raise ValueError(f"{what} {value!r} does not match [A-Za-z0-9_-]{{1,64}}")
        if auto_lr and control is not None:
            raise ValueError("auto_lr is short for a control; give one of the two")
        if control is not None and not isinstance(control, Control):
            raise ValueError(f"control {control!r} is not an epochwatch.Control")
        if batches is not None and (
            isinstance(batches, bool) or not isinstance(batches, int) or batches < 1
        ):
            raise ValueError(f"batches {batches!r} is not a whole number of 1 or more")
        if name is not None and not isinstance(name, str):
            raise ValueError(f"name {name!r} is not text")
        if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags or ()):
            raise ValueError(f"tags {tags!r} is not a list of texts")
        if url is not None:
            parse(url)
        self._url = url
        self._project = project
        self._name = name
        self._run = run
        self._tags = list(tags or ())
        self._control = control or (Control(mode="auto") if auto_lr else OFF)
        self._data = data
        self._spool = Path(spool).expanduser().absolute() if spool is not None else None
        self._batch_size = batches
        self._session: Session | None = None
        self._fit: Fit | None = None
        self._rates = Rates()
        self._first_loss: float | None = None
        if batches is not None or self._control.mode in ("ask", "auto"):
            # On the instance: a class that merely defines the hook turns asynchronous dispatch
            # off for every user. Ours touches no model, so it is safe: Keras calls it behind
            # the training, in the threads that its own progress bar is called in.
            self.async_safe = True
            self.on_train_batch_end = self._on_train_batch_end

    @property
    def run(self) -> str | None:
        """The id of the run of the last or current ``fit``; None before the first."""
        return self._session.head.run if self._session is not None else self._run

    @_guarded
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Start an attempt and tell what is trained."""
        del logs
        session = self._session
        if session is not None and self._fit is not None and not session.mine:
            return  # a fit within a forked worker of a run that another process tells
        self._rates.restore(self._model)  # of a fit that was left by an exception
        if self._fit is not None:
            self._fit.leave("failed", "another fit began")
        self._session = None
        if not is_chief(keras.backend.backend()):
            return
        target = self._find()
        folder = self._spool or target.folder / "spool"
        head = Header(self._project, self._run or run_id(), uuid7(), target.url)
        session = Session(target, folder, head)
        fit = Fit(self._on_left)
        self._ledger = Ledger(folder / f"{head.project}.{head.run}.cuts" if self._run else None)
        self._orders = Orders(head, self._control, self._ledger, self._rates)
        self._best: Best | None = None
        self._notes: list[str] = []
        self._epochs = 0
        self._resumed = False
        self._began = time.perf_counter()
        self._windows = BatchWindows(self._batch_size, numbers_of) if self._batch_size else None
        self._first_loss = None
        session.watch = fit.look
        self._thread = threading.get_ident()
        self._terminations = Terminations(lambda: fit.leave("interrupted", "SIGTERM"))
        self._session, self._fit = session, fit
        _active.add(self)
        body = RunStarted()
        try:
            self._rates.begin(self.model)
            body = gather(self.model, self.params, fit.begin(), self._data)
        finally:
            body.name = self._name
            body.tags = self._tags or None
            body.control = self._control.bounds()
            session.put(lambda: add_origin(body, __version__))
            session.start()
        self._begin_control()
        self._terminations.begin()

    def _begin_control(self) -> None:
        if self._control.mode not in ("ask", "auto"):
            return
        barrier = self._rates.barrier(self.model) if not self._rates.several else ""
        if barrier:
            warn_once("control", barrier, f"{barrier}; the run is only watched")
            self._notes.append(f"the run is only watched: {barrier}")
        elif "rollback" in self._control.allow:
            self._best = Best()
            with contextlib.suppress(Exception):  # a model not built yet has no weights
                self._best.begin(self.model, self._rates.all)
        self._orders.best = self._best

    def _find(self) -> Target:
        try:
            return find(self._url)
        except ValueError as error:  # of the environment; the argument was checked
            warn_once("address", "", f"{error}; events wait in the spool")
            rest = {name: value for name, value in os.environ.items() if name != "EPOCHWATCH_URL"}
            return find(None, rest)

    @_guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Apply what arrived since the last epoch ended."""
        del logs
        session = self._session
        if session is None or self._fit is None or not session.mine:
            return
        session.epoch = epoch
        if not self._resumed:
            self._resume(epoch)
        if session.commands:
            self._apply(session, epoch, ended=False)
        self._began = time.perf_counter()

    @_guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Hand the epoch over, and apply what arrived meanwhile."""
        seconds = time.perf_counter() - self._began if self._session is not None else 0.0
        session = self._session
        if session is None or self._fit is None or not session.mine:
            return
        if self._windows is not None:
            for summary in self._windows.flush(epoch):
                session.put(summary)
        self._epochs += 1
        model = self.model
        rates = self._read(model)
        first = self._first_loss if self._epochs == 1 else None
        if first is not None and self._best is not None:
            self._best.untrained(first)
        notes, self._notes = self._notes, []
        session.put(
            functools.partial(  # made in the thread: here every microsecond counts
                EpochEnded,
                epoch=epoch,
                metrics=numbers_of(logs or {}),
                learning_rate=next(iter(rates.values()), None),
                optimizers=[
                    Optimizer(name=name, learning_rate=rate) for name, rate in rates.items()
                ]
                if len(rates) > 1
                else None,
                seconds=seconds,
                step=self._step(),
                first_batch_loss=first,
                controllers=self._controllers(rates),
                notes=notes or None,
            )
        )
        self._keep_best(model, epoch, logs or {}, seconds)
        if session.commands:
            self._apply(session, epoch + 1, ended=True)

    def _resume(self, epoch: int) -> None:
        """Begin where the attempts before left off, now that every checkpoint is restored."""
        self._resumed = True
        self._ledger.begin(epoch)
        if self._ledger.record.force:
            model = self.model
            self._rates.look(model)
            for note in resume(self._rates, self._ledger, self._control, model, epoch):
                self._notes.append(note)
                LOG.info("epochwatch: %s", note)
        self._rates.mark()

    def _keep_best(self, model: Any, epoch: int, logs: Mapping[str, Any], seconds: float) -> None:
        if self._best is None:
            return
        try:
            note = self._best.offer(model, epoch, logs.get("loss"), seconds, self._rates.all)
        except Exception as error:  # noqa: BLE001 # any model
            self._best = self._orders.best = None
            note = f"weights cannot be kept, none are gone back to: {error}"
            warn_once("weights", "", note)
        if note:
            self._notes.append(note)

    def _on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        session, windows = self._session, self._windows
        if session is None or self._fit is None or not session.mine:
            return
        if batch == 0 and self._epochs == 0 and self._first_loss is None:
            # Of all batches this one alone no update preceded; its loss is that of the batch.
            self._first_loss = numbers_of(logs or {}).get("loss")
        if windows is None:
            return
        try:
            for summary in windows.add(session.epoch or 0, batch, logs or {}):
                session.put(summary)
        except Exception as error:  # noqa: BLE001 # training is never hurt
            warn_once("hook", "batch", f"batches are not summed up: {error}")

    @_guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Tell how it ended, and stay a moment until that is safe."""
        del logs
        session, fit = self._session, self._fit
        if session is None or fit is None or not session.mine:
            return
        fit.end()
        stopped = self._orders.stopped
        self._finish(session, "stopped" if stopped else "completed", stopped)

    def _on_left(self, state: str, reason: str) -> None:
        """Tell that fit ended without on_train_end, whoever noticed."""
        session = self._session
        if session is not None and session.mine:
            # An exception is on its way out: it must not be held up.
            self._finish(session, state, reason, wait=reason == "SIGTERM")

    def _finish(self, session: Session, state: str, reason: str, *, wait: bool = True) -> None:
        self._fit = None
        _active.discard(self)
        self._terminations.end()
        while session.commands:
            command = session.commands.popleft()
            if self._ledger.first_time(command.id):
                session.put(self._orders.late(command))
        if threading.get_ident() == self._thread:  # else the next fit does it
            with contextlib.suppress(Exception):
                self._rates.restore()
        ended = RunEnded(state=state, reason=reason or None, epochs=self._epochs)
        session.end(ended, wait=wait)

    def _read(self, model: Any) -> dict[str, float | None]:
        """Return the rates of the optimizers that train, that of the main one first."""
        try:
            rates = self._rates.read(model)
        except Exception as error:  # noqa: BLE001 # any optimizer
            warn_once("rate", "", f"the learning rate cannot be read: {error}")
            return {}
        for name, rate in rates.items():
            if rate is not None:
                self._ledger.tell(name, rate)
        return rates

    def _step(self) -> int | None:
        try:
            return self._rates.step()
        except Exception:  # noqa: BLE001 # any optimizer: a fact may be missing
            return None

    def _controllers(self, rates: dict[str, float | None]) -> list[str] | None:
        """Return who else seems to change the rate, when it moved by itself."""
        moved = self._rates.moved(rates)
        if not moved:
            return None
        for name in moved:
            self._ledger.moved(name)
        return suspects(self._fit.siblings if self._fit is not None else [])

    def _apply(self, session: Session, epoch: int, *, ended: bool) -> None:
        """Answer each command that waits, at an epoch boundary on the training thread."""
        kept: list[Command] = []
        epochs = (self.params or {}).get("epochs")
        while session.commands:
            command = session.commands.popleft()
            if command.kind == "stop" and not ended:
                kept.append(command)  # set now it would cost the epoch all but its first batch
            elif self._ledger.first_time(command.id):
                session.put(self._orders.obey(command, self.model, epoch, epochs))
        session.commands.extend(kept)

    # tf_keras asks its callbacks these before the first epoch, those of Keras 3 cannot answer.

    def _implements_train_batch_hooks(self) -> bool:
        return "on_train_batch_end" in self.__dict__

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False


_active: weakref.WeakSet[EpochWatch] = weakref.WeakSet()


def _at_exit() -> None:
    for callback in list(_active):
        session, fit = callback._session, callback._fit  # noqa: SLF001
        if session is not None and fit is not None and session.mine:
            fit.at_exit()
    for session in live_sessions():
        session.linger()


atexit.register(_at_exit)
