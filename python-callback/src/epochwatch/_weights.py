"""The best weights of a fit, kept on the host, and the way back to them.

Copied only while that costs little (see ``Best.offer``); put back with whatever the optimizer
remembers of the weights left behind cleared: with its momenta kept, a run that had diverged
diverges again in the next epoch (21 to 207 with SGD), and one NaN in a slot stays for ever.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np

from ._scaled import is_schedule

if TYPE_CHECKING:
    from ._optimizers import Held

SHARE: Final = 0.01
"""The most of the training time that copying may take."""
_BYTES_PER_SECOND: Final = 500e6
"""A copy is guessed to be as slow as this before one was made: a slow bus, a loaded host."""
_BEGIN_SECONDS: Final = 0.01
"""The longest that copying the untrained weights may hold up the beginning of fit."""
_LEARNED: Final = 0.9
"""The share of the untrained model's loss below which something was learned. Weights that a first
step has killed stand at about that loss and stay there; the untrained ones can learn."""


class CannotRestoreError(Exception):
    """There are no weights to go back to; the message says why."""


class Best:
    """The weights with the least training loss, and the untrained ones until there are some."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        """The epoch whose end they are of; None for those that fit began with."""
        self.loss = math.inf
        self.last: float | None = None
        """The loss of the last epoch."""
        self._values: list[np.ndarray[Any, Any]] | None = None
        self._scales: list[float] = []
        self._cost = 0.0
        self._measured = False
        self._saved = 0.0
        """Seconds of training since the last copy."""
        self._missed = 0
        """Better epochs since then that were not copied."""
        self._said = False

    def begin(self, model: Any, optimizers: list[Held]) -> None:
        """Copy the weights that fit begins with, when that is quick."""
        self._cost = _bytes(model) / _BYTES_PER_SECOND
        if self._cost <= _BEGIN_SECONDS:
            self._copy(model, optimizers)

    def untrained(self, loss: float) -> None:
        """Say what the loss of the first batch was, before any step.

        Weights take the place of those that fit began with only where they are clearly better.
        """
        if self.epoch is None and math.isfinite(loss):
            self.loss = loss - (1 - _LEARNED) * abs(loss)  # which may be below 0

    def offer(
        self,
        model: Any,
        epoch: int,
        loss: float | None,
        seconds: float,
        optimizers: list[Held],
    ) -> str:
        """Copy the weights if the loss is the least so far and it costs too little to matter.

        Where a copy costs more than 1 % of an epoch it is made the more rarely: only when it
        is 1 % of the training since the last one. Says so, once.
        """
        self._saved += seconds
        self.last = loss
        if loss is None or not loss < self.loss:  # NaN is not less than anything
            return ""
        if self._cost <= SHARE * self._saved:
            self.epoch, self.loss = epoch, loss
            self._copy(model, optimizers)
            return ""
        self._missed += 1
        if self._said:
            return ""
        self._said = True
        return f"the best weights are not kept after every epoch: {self._price}"

    def _copy(self, model: Any, optimizers: list[Held]) -> None:
        began = time.perf_counter()
        # A copy, not a view: JAX gives the buffers of the training state away at each step.
        values = [np.array(variable.value, copy=True) for variable in model.weights]
        self._scales = [float(np.asarray(scale.value)) for scale, _ in _scalings(optimizers)]
        self._cost = time.perf_counter() - began
        self._measured = True
        self._saved = 0.0
        self._missed = 0
        self._values = values

    @property
    def _price(self) -> str:
        about = "takes" if self._measured else "is guessed to take"
        return f"a copy {about} {self._cost:.2g} s, more than {SHARE:.0%} of the training time"

    @property
    def shown(self) -> str:
        """What is gone back to, in words."""
        if self.epoch is None:
            return "the weights that fit began with"
        missed = f"; {self._missed} better since were not kept" if self._missed else ""
        return f"the weights of epoch {self.epoch} (loss {self.loss:.4g}{missed})"

    @property
    def beaten(self) -> bool:
        """Whether the weights of the last epoch are at least as good as those kept."""
        return self.epoch is None or (self.last is not None and self.last <= self.loss)

    def check(self, model: Any) -> None:
        """CannotRestoreError when there is nothing to go back to."""
        if self._values is None:
            raise CannotRestoreError(f"no weights were kept: {self._price}")
        if [value.shape for value in self._values] != [tuple(v.shape) for v in model.weights]:
            raise CannotRestoreError("the model's weights are others than those kept")

    def restore(self, model: Any, optimizers: list[Held], keep: tuple[Any, ...]) -> None:
        """Put the weights back and clear the optimizers' slots; ``check`` has passed.

        keep are the optimizers' variables that belong to no weights: what changes the rate.
        """
        for variable, value in zip(model.weights, self._values or (), strict=True):
            variable.assign(value)
        for held in optimizers:
            _clear(held.inner, keep)
        self._restore_scales(optimizers)

    def _restore_scales(self, optimizers: list[Held]) -> None:
        """Put the scale of the loss back where it was.

        A batch that is not a number halves it. After an epoch of them it is 0 and the run is
        lost whatever its weights are: it doubles only after 2000 good steps.
        """
        for (scale, counter), kept in zip(_scalings(optimizers), self._scales, strict=False):
            if kept > 0:
                scale.assign(kept)
                counter.assign(0)


def _scalings(optimizers: list[Held]) -> list[tuple[Any, Any]]:
    """Return the scale and the counter of good steps of each loss scaling that is built."""
    found = {id(wrapper): wrapper for held in optimizers for wrapper in held.wrappers}
    return [
        (each.dynamic_scale, each.step_counter)
        for each in found.values()
        if hasattr(each, "dynamic_scale")
    ]


def _bytes(model: Any) -> float:
    return float(
        sum(
            math.prod(each.shape) * np.dtype("float32").itemsize  # near enough for all
            for each in model.weights
        )
    )


def _clear(optimizer: Any, keep: tuple[Any, ...]) -> None:
    """Make the optimizer forget the gradients it has seen.

    The rate stays, and what is of the weights themselves begins anew at the weights put back:
    their averages, and where one without a schedule steps from. The count of steps begins anew,
    too: Adam's steps from empty slots are up to six times the rate (0.1 / sqrt(0.001) and more)
    for a hundred steps where the count says that they are full. A schedule goes by the count, so
    that it stays under one.
    """
    kept = {id(each) for each in keep}
    # Not the property: where gradients are accumulated it is a quotient.
    count = getattr(optimizer, "_iterations", None)
    for variable in (count, getattr(optimizer, "_learning_rate", None)):
        kept.add(id(variable))
    if isinstance(count, keras.Variable) and not is_schedule(optimizer._learning_rate):  # noqa: SLF001
        count.assign(np.zeros((), count.dtype))
    trained = getattr(optimizer, "_trainable_variables", [])
    copies = [getattr(optimizer, "_model_variables_moving_average", None) or []]
    if type(optimizer).__name__ == "ScheduleFreeAdamW":
        copies.append(optimizer._momentums)  # noqa: SLF001
    for copy in copies:
        for slot, variable in zip(copy, trained, strict=False):
            if slot is not None:
                # Never the same buffer: JAX gives it away.
                slot.assign(np.array(variable.value, copy=True))
                kept.add(id(slot))
    for variable in optimizer.variables:
        if id(variable) not in kept:
            variable.assign(np.full(tuple(variable.shape), _start(optimizer, variable), "float32"))


def _start(optimizer: Any, variable: Any) -> float:
    """Return what a slot holds before the first step: 0 but for a few optimizers."""
    if variable is getattr(optimizer, "_u_product", None):  # Nadam's product of momenta
        return 1.0
    if "accumulator" in variable.path and "gradient" not in variable.path:  # Adagrad, Ftrl
        return float(getattr(optimizer, "initial_accumulator_value", 0.0))
    return 0.0
