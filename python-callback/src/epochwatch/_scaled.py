"""A learning rate schedule times a factor that can change while the model trains."""

from __future__ import annotations

import math
from typing import Any, Final

import keras
import numpy as np

_RATES: Final = {
    "ExponentialDecay": ("initial_learning_rate",),
    "InverseTimeDecay": ("initial_learning_rate",),
    "PolynomialDecay": ("initial_learning_rate", "end_learning_rate"),
    "PiecewiseConstantDecay": ("values",),
    "CosineDecay": ("initial_learning_rate", "warmup_target"),
    "CosineDecayRestarts": ("initial_learning_rate",),
}
"""The arguments of Keras' schedules that are rates; each schedule is linear in them."""


def is_schedule(rate: Any) -> bool:
    """Whether an optimizer's learning rate is a schedule."""
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


def scaled_config(schedule: Any, factor: float) -> dict[str, Any]:
    """Return the serialized schedule with its rates multiplied.

    A checkpoint written in mid-fit thus holds Keras' own class and loads where epochwatch is
    not installed. A schedule of the user's own class is written as it is, unscaled.
    """
    written: dict[str, Any] = keras.optimizers.schedules.serialize(schedule)
    module = type(schedule).__module__.partition(".")[0]
    rates = _RATES.get(type(schedule).__name__, ()) if module == "keras" else ()
    config = dict(written["config"])
    for name in rates:
        value = config.get(name)
        if isinstance(value, list | tuple):
            config[name] = [float(each) * factor for each in value]
        elif value is not None:
            config[name] = float(value) * factor
    return {**written, "config": config}


class _Product(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The schedule the optimizer calls: the user's times a variable that it tracks."""

    def __init__(self, inner: Any, factor: Any) -> None:
        self.inner = inner
        self.factor = factor

    def __call__(self, step: Any) -> Any:
        rate = self.inner(step)
        return rate * keras.ops.cast(self.factor, keras.backend.standardize_dtype(rate.dtype))

    def get_config(self) -> dict[str, Any]:
        return {}  # never written: the optimizer's own get_config is overridden while it stands


class Scaled:
    """The product in place of a schedule, from the first cut to the end of fit."""

    def __init__(self, model: Any, outer: Any, optimizer: Any) -> None:
        self.model = model
        self._outer = outer
        self._optimizer = optimizer
        self._inner = optimizer._learning_rate  # noqa: SLF001
        self.variable = keras.Variable(1.0, trainable=False, dtype="float32", name="factor")

    @classmethod
    def install(cls, model: Any, outer: Any, optimizer: Any) -> Scaled:
        """Put the product in place; the training step is compiled again, once."""
        scaled = cls(model, outer, optimizer)
        # The variable must be part of the traced state, or its value is baked in (JAX).
        optimizer._track_variable(scaled.variable)  # noqa: SLF001
        optimizer._learning_rate = _Product(scaled._inner, scaled.variable)  # noqa: SLF001
        scaled._override()
        model.make_train_function(force=True)
        return scaled

    def scale(self, by: float) -> None:
        """Multiply the factor in force."""
        self.variable.assign(self.factor * by)

    @property
    def factor(self) -> float:
        """The factor in force."""
        value = float(np.asarray(self.variable.value))
        return value if math.isfinite(value) else 1.0

    def _override(self) -> None:
        """Write files as if nothing had been put in place, but with the rates scaled."""
        optimizer, factor = self._optimizer, self.variable

        def get_config() -> dict[str, Any]:
            product, optimizer._learning_rate = optimizer._learning_rate, self._inner  # noqa: SLF001
            try:
                config: dict[str, Any] = type(optimizer).get_config(optimizer)
            finally:
                optimizer._learning_rate = product  # noqa: SLF001
            return {**config, "learning_rate": scaled_config(self._inner, self.factor)}

        optimizer.get_config = get_config
        for each in {id(one): one for one in (optimizer, self._outer)}.values():

            def save_own_variables(store: Any, one: Any = each) -> None:
                kept = [variable for variable in one.variables if variable is not factor]
                for index, variable in enumerate(kept):
                    store[str(index)] = np.asarray(variable.value)

            each.save_own_variables = save_own_variables

    def remove(self, *, fitting: bool) -> None:
        """Put the user's own schedule object back and leave no trace.

        fitting says that a fit of the model begins: Keras has made its training step already.
        """
        optimizer = self._optimizer
        optimizer._learning_rate = self._inner  # noqa: SLF001
        optimizer._untrack_variable(self.variable)  # noqa: SLF001
        for each in (optimizer, self._outer):
            for name in ("get_config", "save_own_variables"):
                each.__dict__.pop(name, None)
        if fitting:
            self.model.make_train_function(force=True)
        else:
            self.model.train_function = None
