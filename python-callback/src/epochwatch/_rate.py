"""The learning rate of a live model, read and set on the training thread.

Only through ``callback.model``: on JAX that property brings the training state back, and what
is set on anything else is lost. A schedule is scaled, not replaced, and left alone until the
first cut. The private names of Keras used here are pinned by tests.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np

from ._scaled import Scaled, is_schedule


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
_SEVERAL: Final = "the model trains with several optimizers"


class Rate:
    """Reads and sets the rate of one model during one fit."""

    def __init__(self) -> None:
        self._scaled: Scaled | None = None

    @property
    def scaled(self) -> bool:
        """Whether a schedule is scaled now."""
        return self._scaled is not None

    @property
    def variables(self) -> tuple[Any, ...]:
        """What was added to the optimizer's variables, and is no slot."""
        return (self._scaled.variable,) if self._scaled is not None else ()

    @staticmethod
    def read(model: Any) -> float | None:
        """Return the rate in force; None where there is not one."""
        optimizer = _inner(getattr(model, "optimizer", None))
        if optimizer is None or hasattr(optimizer, "optimizers"):
            return None
        rate = optimizer._learning_rate  # noqa: SLF001 # the property costs twice as much
        if hasattr(rate, "value") and not callable(rate):
            return float(_number(rate))
        return float(np.asarray(optimizer.learning_rate))

    @staticmethod
    def step(model: Any) -> int | None:
        """Return how many steps the optimizer has made; None where to ask costs too much."""
        optimizer = getattr(model, "optimizer", None)
        iterations = getattr(optimizer, "iterations", None) if _JAX else None
        if iterations is None:
            return None
        # Where gradients are accumulated it is a quotient, not a variable.
        return int(_number(iterations) if hasattr(iterations, "value") else np.asarray(iterations))

    def set(self, model: Any, wanted: float) -> float:
        """Set the rate and return it read back; CannotChangeError when it stayed another."""
        outer = getattr(model, "optimizer", None)
        optimizer = _inner(outer)
        if optimizer is None:
            raise CannotChangeError("the model has no optimizer")
        if hasattr(optimizer, "optimizers") or _others(model, outer):
            raise CannotChangeError(_SEVERAL)
        rate = optimizer._learning_rate  # noqa: SLF001
        if is_schedule(rate):
            self._scale(model, outer, optimizer, wanted)
        elif hasattr(rate, "assign"):
            optimizer.learning_rate = wanted
        else:
            raise CannotChangeError("the optimizer's learning rate is a function")
        back = self.read(model)
        if back is None or not np.isclose(back, wanted, rtol=1e-5, atol=0):
            raise CannotChangeError(f"the optimizer was set to {wanted:g} and holds {back}")
        return back

    def _scale(self, model: Any, outer: Any, optimizer: Any, wanted: float) -> None:
        current = self.read(model)
        if not current:
            raise CannotChangeError(f"the schedule gives {current}")
        if self._scaled is None:
            self._scaled = Scaled.install(model, outer, optimizer)
        self._scaled.scale(wanted / current)

    def restore(self, fitted: Any = None) -> None:
        """Put the user's own schedule back; fitted is the model of a fit that begins."""
        scaled, self._scaled = self._scaled, None
        if scaled is not None:
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


def _inner(optimizer: Any) -> Any:
    """Return the optimizer inside loss scaling, whose own rate is a decoy of 0."""
    inner = getattr(optimizer, "inner_optimizer", None)
    return optimizer if inner is None else inner


def _others(model: Any, known: Any) -> bool:
    """Whether other optimizers hang in the model, as a GAN's do."""
    found: list[Any] = []
    for name, value in vars(model).items():
        if name.startswith("_self_"):
            continue
        if isinstance(value, dict):
            found.extend(value.values())
        elif isinstance(value, list | tuple):
            found.extend(value)
        else:
            found.append(value)
    return any(isinstance(each, keras.optimizers.Optimizer) and each is not known for each in found)
