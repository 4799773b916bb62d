"""The learning rates of a live model, read and set on the training thread.

Only through ``callback.model``: on JAX that property brings the training state back, and what
is set on anything else is lost. A schedule is scaled, not replaced, and left alone until the
first cut. The private names of Keras used here are pinned by tests.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

import keras
import numpy as np

from ._decide import same_rate
from ._optimizers import Held, find, main_of
from ._scaled import Scaled, is_schedule, probe


class CannotChangeError(Exception):
    """The rate of this model cannot be changed; the message says why."""


def _raw_read() -> Any:
    """Return TensorFlow's operation that reads a variable; None on another backend."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf  # noqa: PLC0415 # only there

    return tf.raw_ops.ReadVariableOp


_JAX: Final = keras.backend.backend() == "jax"
_READ: Final = _raw_read()


def read_rate(optimizer: Any) -> float:
    """Return the rate in force of an optimizer that nothing wraps."""
    rate = getattr(optimizer, "_learning_rate", None)  # the property costs twice as much
    if isinstance(rate, keras.Variable):
        return float(_number(rate))
    return float(np.asarray(optimizer.learning_rate))


class Rates:
    """Reads and sets the rates of one model during one fit."""

    def __init__(self) -> None:
        self.main: Held | None = None
        """The optimizer whose rate is told as the run's."""
        self.several = False
        """Whether the model holds several; only then is it asked which of them train."""
        self._compiled: Any = None
        self.all: list[Held] = []
        """All that could be found, whether they train or not."""
        self._scaled: dict[str, Scaled] = {}
        self._bases: dict[str, float] = {}
        self._last: dict[str, tuple[Any, float | None]] = {}

    def begin(self, model: Any) -> None:
        """Look for the optimizers of a fit that begins."""
        self.main, self.all, self._bases, self._last = None, [], {}, {}
        self.look(model)
        for held in self.all:
            held.began = held.steps

    def look(self, model: Any) -> list[Held]:
        """Look again for the optimizers, some of which are made late; return those that train.

        With one alone there is nothing to ask; where there are several, unused ones among them,
        it is those that made a step in this fit.
        """
        known = {id(held.inner): held for held in self.all}
        self._compiled = getattr(model, "optimizer", None)
        self.all = [known.get(id(held.inner), held) for held in find(model)]
        self.several = len(self.all) > 1
        training = [held for held in self.all if not self.several or held.trains]
        if self.main not in training:  # else it stays: what is told must not jump
            self.main = main_of(training)
        return training

    def mark(self) -> None:
        """Take the rates as they are now for what changes by others are seen against."""
        for held in self.all:
            with contextlib.suppress(Exception):  # any optimizer
                rate = getattr(held.inner, "_learning_rate", None)
                self._last[held.name] = (rate, read_rate(held.inner))

    def read(self, model: Any) -> dict[str, float | None]:
        """Return the rate of each that trains, the main one first; empty where none does."""
        if self.several or getattr(model, "optimizer", None) is not self._compiled:
            training = self.look(model)
            training.sort(key=lambda held: held is not self.main)
            return {held.name: read_rate(held.inner) for held in training}
        return {} if self.main is None else {self.main.name: read_rate(self.main.inner)}

    def held(self, name: str) -> Held:
        """Return an optimizer by its name; StopIteration where there is none of it."""
        return next(held for held in self.all if held.name == name)

    def step(self) -> int | None:
        """Return how many steps the main one has made; None where to ask costs too much."""
        iterations = getattr(self.main.inner, "iterations", None) if _JAX and self.main else None
        if iterations is None:
            return None
        # Where gradients are accumulated it is a quotient, not a variable.
        return int(_number(iterations) if hasattr(iterations, "value") else np.asarray(iterations))

    def barrier(self, model: Any) -> str:
        """Return why no rate of this model can be changed; nothing where one can."""
        if not isinstance(model, keras.Model) and type(model).__module__.startswith("tf_keras"):
            return "the model is one of tf_keras, and only rates of Keras 3 are changed"
        if not self.all:
            return "the model has no optimizer"
        if self.main is None:
            return "none of the model's optimizers was seen to make a step"
        return ""

    def level(self, held: Held) -> float:
        """Return what is in force of what commands set: the rate, or the factor of a schedule."""
        if not is_schedule(held.inner._learning_rate):  # noqa: SLF001
            return read_rate(held.inner)
        scaled = self._standing(held)
        return self._bases.get(held.name, 1.0) * (scaled.factor if scaled is not None else 1.0)

    def schedule(self, held: Held) -> Any:
        """Return the user's schedule, scaled or not; None where there is none."""
        scaled = self._standing(held)
        rate = held.inner._learning_rate if scaled is None else scaled.inner  # noqa: SLF001
        return rate if is_schedule(rate) else None

    def based(self, held: Held, share: float) -> None:
        """Say that the schedule comes scaled already, out of a checkpoint of a cut run."""
        self._bases[held.name] = share

    def set(self, model: Any, held: Held, wanted: float) -> float:
        """Set a rate and return it read back; CannotChangeError when it stayed another."""
        rate, before = held.inner._learning_rate, read_rate(held.inner)  # noqa: SLF001
        if is_schedule(rate):
            self._scale(model, held, wanted, before)
        elif hasattr(rate, "assign"):
            held.inner.learning_rate = wanted
        else:
            raise CannotChangeError("the optimizer's learning rate is a function")
        if _JAX and not _traced(model, held):
            # Its variables are no part of the state of the compiled step, which may have
            # taken in the old rate as a constant.
            model.make_train_function(force=True)
        back = read_rate(held.inner)
        if not same_rate(back, wanted):
            with contextlib.suppress(Exception):
                if held.name in self._scaled:
                    self._scaled[held.name].scale(before / wanted)
                else:
                    rate.assign(before)
            raise CannotChangeError(f"the optimizer was set to {wanted:g} and holds {back:g}")
        self._last[held.name] = (held.inner._learning_rate, back)  # noqa: SLF001
        return back

    def _scale(self, model: Any, held: Held, wanted: float, current: float) -> None:
        if not current:
            raise CannotChangeError(f"the schedule gives {current}")
        scaled = self._standing(held)
        if scaled is None:
            self._drop(held)
            scaled = self._scaled[held.name] = Scaled.install(model, held)
        scaled.scale(wanted / current)

    def _standing(self, held: Held) -> Scaled | None:
        scaled = self._scaled.get(held.name)
        return scaled if scaled is not None and scaled.stands else None

    def _drop(self, held: Held) -> None:
        """Forget the factor on a schedule that the user has replaced since."""
        gone = self._scaled.pop(held.name, None)
        if gone is not None:
            self._bases.pop(held.name, None)
            gone.remove(fitting=True)
            for other in self._scaled.values():
                other.override()

    def moved(self, rates: dict[str, float | None]) -> list[str]:
        """Return the names of those whose rate another has set since this was asked last.

        rates are those read just now. A schedule moves by design: of it only another object
        counts.
        """
        found = []
        for name, rate in rates.items():
            now = getattr(self.held(name).inner, "_learning_rate", None)
            before, last = self._last.get(name, (now, None))
            self._last[name] = (now, rate)
            known = rate is not None and last is not None and not is_schedule(now)
            if now is not before or (known and not same_rate(rate or 0.0, last or 0.0)):
                found.append(name)
        return found

    def probes(self, held: Held) -> list[float]:
        """Return what the user's schedule gives at a few steps; empty where it cannot be asked."""
        schedule = self.schedule(held)
        with contextlib.suppress(Exception):
            return probe(schedule) if schedule is not None else []
        return []

    @property
    def added(self) -> tuple[Any, ...]:
        """What was added to the optimizers' variables, and is no slot."""
        return tuple(scaled.variable for scaled in self._scaled.values())

    def restore(self, fitted: Any = None) -> None:
        """Put the user's own schedules back; fitted is the model of a fit that begins."""
        gone, self._scaled = self._scaled, {}
        for scaled in gone.values():
            scaled.remove(fitting=scaled.model is fitted)


def _number(variable: Any) -> Any:
    """Return what holds a variable's number, the way that costs least.

    Measured behind an epoch: on JAX 6 µs as an array against 83 as a number, on TensorFlow 38
    through the raw operation against 60 as a number and 105 by ``numpy()``.
    """
    if _JAX:
        return np.asarray(variable.value)
    if _READ is not None:
        value = variable.value
        handle = getattr(value, "handle", None)  # a distributed variable need not have one
        if handle is not None:
            return _READ(resource=handle, dtype=value.dtype).numpy()
    return variable


def _traced(model: Any, held: Held) -> bool:
    """Whether the compiled step gets the optimizer's variables as part of its state."""
    known = getattr(getattr(model, "optimizer", None), "variables", [])
    iterations = held.inner._iterations  # noqa: SLF001
    return any(each is iterations for each in known)
