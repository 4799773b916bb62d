"""The best weights of a fit, kept on the host, and the way back to them.

Copied only while that costs little (see ``Best.offer``); put back with whatever the optimizer
remembers of the weights left behind cleared: with its momenta kept, a run that had diverged
diverges again in the next epoch (21 to 207 with SGD), and one NaN in a slot stays for ever.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

import numpy as np

SHARE: Final = 0.01
"""The most of the training time that copying may take."""
_BYTES_PER_SECOND: Final = 500e6
"""A copy is guessed to be as slow as this before one was made: a slow bus, a loaded host."""
_BEGIN_SECONDS: Final = 0.01
"""The longest that copying the untrained weights may hold up the beginning of fit."""
_ONE_BATCH: Final = 1.5


class CannotRestoreError(Exception):
    """There are no weights to go back to; the message says why."""


class Best:
    """The weights with the least training loss, and the untrained ones until there are some."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        """The epoch whose end they are of; None for those that fit began with."""
        self.loss = math.inf
        self._values: list[np.ndarray[Any, Any]] | None = None
        self._cost = 0.0
        self._saved = 0.0
        """Seconds of training since the last copy."""

    def begin(self, model: Any) -> None:
        """Copy the weights that fit begins with, when that is quick."""
        self._cost = _bytes(model) / _BYTES_PER_SECOND
        if self._cost <= _BEGIN_SECONDS:
            self._copy(model)

    def untrained(self, loss: float) -> None:
        """Say what the loss of the first batch was, before any step.

        Weights are better than those that fit began with only where they are better than that;
        one batch of a regression is off by up to half.
        """
        if self.epoch is None and math.isfinite(loss):
            self.loss = max(loss, loss * _ONE_BATCH)

    def offer(self, model: Any, epoch: int, loss: float | None, seconds: float) -> None:
        """Copy the weights if the loss is the least so far and it costs too little to matter.

        Where a copy costs more than 1 % of an epoch it is made the more rarely: only when it
        is 1 % of the training since the last one.
        """
        self._saved += seconds
        if loss is None or not loss < self.loss:  # NaN is not less than anything
            return
        if self._cost <= SHARE * self._saved:
            self.epoch, self.loss = epoch, loss
            self._copy(model)

    def _copy(self, model: Any) -> None:
        began = time.perf_counter()
        # A copy, not a view: JAX gives the buffers of the training state away at each step.
        values = [np.array(variable.value, copy=True) for variable in model.weights]
        self._cost = time.perf_counter() - began
        self._saved = 0.0
        self._values = values

    @property
    def shown(self) -> str:
        """What is gone back to, in words."""
        if self.epoch is None:
            return "the weights that fit began with"
        return f"the weights of epoch {self.epoch} (loss {self.loss:.4g})"

    def check(self, model: Any) -> None:
        """CannotRestoreError when there is nothing to go back to."""
        if self._values is None:
            raise CannotRestoreError(
                "no weights were kept: a copy costs more than 1 % of the training time"
            )
        if [value.shape for value in self._values] != [tuple(v.shape) for v in model.weights]:
            raise CannotRestoreError("the model's weights are others than those kept")

    def restore(self, model: Any, keep: tuple[Any, ...]) -> None:
        """Put the weights back and clear the optimizer's slots; ``check`` has passed.

        keep are the optimizer's variables that belong to no weights: what changes the rate.
        """
        for variable, value in zip(model.weights, self._values or (), strict=True):
            variable.assign(value)
        _clear(model.optimizer, keep)


def _bytes(model: Any) -> float:
    return float(
        sum(
            math.prod(each.shape) * np.dtype("float32").itemsize  # near enough for all
            for each in model.weights
        )
    )


def _clear(outer: Any, keep: tuple[Any, ...]) -> None:
    """Make the optimizer forget the gradients it has seen.

    The count of its steps stays, as does the rate; averages of the weights begin anew at the
    weights put back.
    """
    optimizer = getattr(outer, "inner_optimizer", None) or outer
    kept = {id(each) for each in keep}
    # Not the property: where gradients are accumulated it is a quotient.
    for name in ("_iterations", "iterations", "_learning_rate"):
        kept.add(id(getattr(optimizer, name, None)))
    averages = getattr(optimizer, "_model_variables_moving_average", None) or []
    kept.update(id(each) for each in averages)
    for variable in optimizer.variables:
        if id(variable) not in kept:
            variable.assign(np.full(tuple(variable.shape), _start(optimizer, variable), "float32"))
    for average, variable in zip(
        averages, getattr(optimizer, "_trainable_variables", []), strict=False
    ):
        average.assign(
            np.array(variable.value, copy=True)
        )  # never the same buffer: JAX gives it away


def _start(optimizer: Any, variable: Any) -> float:
    """Return what a slot holds before the first step: 0 but for a few optimizers."""
    if variable is getattr(optimizer, "_u_product", None):  # Nadam's product of momenta
        return 1.0
    if "accumulator" in variable.path and "gradient" not in variable.path:  # Adagrad, Ftrl
        return float(getattr(optimizer, "initial_accumulator_value", 0.0))
    return 0.0
