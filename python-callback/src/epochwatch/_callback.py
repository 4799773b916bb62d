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
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

try:
    import keras
except ImportError as _error:
    raise ImportError(
        "EpochWatch is a Keras callback and Keras is not installed: pip install 'epochwatch[keras]'"
    ) from _error

from ._batches import BatchWindows
from ._contract import CommandResult, EpochEnded, RunEnded, RunStarted, valid_name
from ._control import OFF, Control, Situation, decide, same_rate
from ._endpoint import Target, find, parse
from ._facts import gather
from ._fit import Fit, Terminations
from ._ids import run_id, uuid7
from ._ledger import Ledger
from ._logs import numbers_of, suspects
from ._notice import LOG, warn_once
from ._origin import add_origin, is_chief
from ._rate import CannotChangeError, Rate
from ._scaled import is_schedule
from ._session import Session, live_sessions
from ._spool import Header
from ._version import __version__
from ._weights import Best, CannotRestoreError

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
        self._rate = Rate()
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
        self._rate.restore(self._model)  # of a fit that was left by an exception
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
        self._last_rate: float | None = None
        self._epochs = 0
        self._stopped = ""
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
            body = gather(self.model, self.params, fit.begin(), self._data)
        finally:
            self._describe(body)
            session.put(lambda: add_origin(body, __version__))
            session.start()
        self._best = self._begin_best() if "rollback" in self._control.allow else None
        self._terminations.begin()

    def _begin_best(self) -> Best | None:
        if self._control.mode not in ("ask", "auto"):
            return None
        best = Best()
        with contextlib.suppress(Exception):  # a model that is not built yet has no weights
            best.begin(self.model)
        return best

    def _find(self) -> Target:
        try:
            return find(self._url)
        except ValueError as error:  # of the environment; the argument was checked
            warn_once("address", "", f"{error}; events wait in the spool")
            rest = {name: value for name, value in os.environ.items() if name != "EPOCHWATCH_URL"}
            return find(None, rest)

    def _describe(self, body: RunStarted) -> None:
        body.name = self._name
        body.tags = self._tags or None
        body.control = self._control.bounds()
        self._last_rate = None if body.schedule else body.learning_rate
        if body.learning_rate is not None:
            self._ledger.tell(body.learning_rate)

    @_guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Apply what arrived since the last epoch ended."""
        del logs
        session = self._session
        if session is None or self._fit is None or not session.mine:
            return
        session.epoch = epoch
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
        rate = self._read(model)
        first = self._first_loss if self._epochs == 1 else None
        if first is not None and self._best is not None:
            self._best.untrained(first)
        session.put(
            functools.partial(  # made in the thread: here every microsecond counts
                EpochEnded,
                epoch=epoch,
                metrics=numbers_of(logs or {}),
                learning_rate=rate,
                seconds=seconds,
                step=self._step(model),
                first_batch_loss=first,
                controllers=self._controllers(model, rate),
            )
        )
        self._keep_best(model, epoch, logs or {}, seconds)
        if session.commands:
            self._apply(session, epoch + 1, ended=True)

    def _keep_best(self, model: Any, epoch: int, logs: Mapping[str, Any], seconds: float) -> None:
        if self._best is None:
            return
        try:
            self._best.offer(model, epoch, logs.get("loss"), seconds)
        except Exception as error:  # noqa: BLE001 # any model
            self._best = None
            warn_once("weights", "", f"weights cannot be kept, none are gone back to: {error}")

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
        self._finish(session, "stopped" if self._stopped else "completed", self._stopped)

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
                late = CommandResult(id=command.id, kind=command.kind, outcome="expired")
                late.reason = "the run has ended"
                session.put(late)
        if threading.get_ident() == self._thread:  # else the next fit does it
            with contextlib.suppress(Exception):
                self._rate.restore()
        ended = RunEnded(state=state, reason=reason or None, epochs=self._epochs)
        session.end(ended, wait=wait)

    def _read(self, model: Any) -> float | None:
        try:
            rate = self._rate.read(model)
        except Exception as error:  # noqa: BLE001 # any optimizer
            warn_once("rate", "", f"the learning rate cannot be read: {error}")
            return None
        if rate is not None:
            self._ledger.tell(rate)
        return rate

    def _step(self, model: Any) -> int | None:
        try:
            return self._rate.step(model)
        except Exception:  # noqa: BLE001 # any optimizer: a fact may be missing
            return None

    def _controllers(self, model: Any, rate: float | None) -> list[str] | None:
        """Return who else seems to change the rate, when it moved by itself."""
        last, self._last_rate = self._last_rate, rate
        if rate is None or last is None or same_rate(rate, last):
            return None
        if is_schedule(getattr(model.optimizer, "_learning_rate", None)) or self._rate.scaled:
            return None
        return suspects(self._fit.siblings if self._fit is not None else [])

    def _apply(self, session: Session, epoch: int, *, ended: bool) -> None:
        """Answer each command that waits, at an epoch boundary on the training thread."""
        kept: list[Command] = []
        while session.commands:
            command = session.commands.popleft()
            if command.kind == "stop" and not ended:
                kept.append(command)  # set now it would cost the epoch all but its first batch
            elif self._ledger.first_time(command.id):
                session.put(self._obey(command, session, epoch))
        session.commands.extend(kept)

    def _obey(self, command: Command, session: Session, epoch: int) -> CommandResult:
        head, ledger = session.head, self._ledger
        answer = CommandResult(id=command.id, kind=command.kind)
        model = self.model
        rate = self._read(model)
        answer.before = rate
        decision = decide(
            command,
            self._control,
            Situation(
                project=head.project,
                run=head.run,
                attempt=head.attempt,
                now=datetime.now(UTC),
                epoch=epoch,
                epochs=(self.params or {}).get("epochs"),
                rate=rate,
                reported=tuple(ledger.told),
                cuts=ledger.cuts,
                last_cut=ledger.last_cut,
            ),
        )
        answer.outcome, answer.reason = decision.outcome, decision.reason or None
        if decision.outcome != "applied":
            return answer
        if command.kind == "stop":
            model.stop_training = True
            self._stopped = f"stop {command.id}: {command.reason or 'no reason given'}"
        elif decision.wanted is not None:
            undo = ledger.cut(epoch)
            try:
                best = self._way_back(model) if command.kind == "rollback" else None
                answer.after = self._last_rate = self._rate.set(model, decision.wanted)
                ledger.tell(answer.after)
                if best is not None:
                    best.restore(model, self._rate.variables)
                    answer.reason = f"back to {best.shown}"
            except Exception as error:  # noqa: BLE001 # any optimizer; people read why
                undo()
                plain = isinstance(error, CannotChangeError | CannotRestoreError)
                answer.outcome, answer.reason = "refused", str(error) if plain else repr(error)
                return answer
        answer.epoch = epoch
        return answer

    def _way_back(self, model: Any) -> Best:
        if self._best is None:
            raise CannotRestoreError("no weights were kept")
        self._best.check(model)
        return self._best


_active: weakref.WeakSet[EpochWatch] = weakref.WeakSet()


def _at_exit() -> None:
    for callback in list(_active):
        session, fit = callback._session, callback._fit  # noqa: SLF001
        if session is not None and fit is not None and session.mine:
            fit.at_exit()
    for session in live_sessions():
        session.linger()


atexit.register(_at_exit)
