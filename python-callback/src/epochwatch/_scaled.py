"""A learning rate schedule times a factor that can change while the model trains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np

if TYPE_CHECKING:
    from ._optimizers import Held

_RATES: Final = {
    "ExponentialDecay": ("initial_learning_rate",),
    "InverseTimeDecay": ("initial_learning_rate",),
    "PolynomialDecay": ("initial_learning_rate", "end_learning_rate"),
    "PiecewiseConstantDecay": ("values",),
    "CosineDecay": ("initial_learning_rate", "warmup_target"),
    "CosineDecayRestarts": ("initial_learning_rate",),
}
"""The arguments of Keras' schedules that are rates; each schedule is linear in them."""

_SAME: Final = 1e-4
"""How far rates of the same schedule may be apart: it computes in float32."""


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


_PROBED: Final = (0, 1, 10, 100, 1000, 10_000)


def probe(schedule: Any) -> list[float]:
    """Return what a schedule gives at a few steps: by that it is known again."""
    return [float(np.asarray(schedule(step))) for step in _PROBED]


def share_of(now: list[float], then: list[float]) -> float | None:
    """Return by what a schedule is a multiple of the one probed earlier; None: of another."""
    if len(now) != len(then):
        return None
    pairs = [(one, other) for one, other in zip(now, then, strict=True) if one or other]
    if not pairs or not all(other > 0 for _, other in pairs):
        return None
    share = pairs[0][0] / pairs[0][1]
    same = all(math.isclose(one, share * other, rel_tol=_SAME) for one, other in pairs)
    return share if same and share > 0 else None


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

    def __init__(self, model: Any, held: Held) -> None:
        self.model = model
        self._held = held
        self.inner = held.inner._learning_rate  # noqa: SLF001
        self.variable = keras.Variable(1.0, trainable=False, dtype="float32", name="factor")
        self._product = _Product(self.inner, self.variable)

    @classmethod
    def install(cls, model: Any, held: Held) -> Scaled:
        """Put the product in place; the training step is compiled again, once."""
        scaled = cls(model, held)
        # The variable must be part of the traced state, or its value is baked in (JAX).
        held.inner._track_variable(scaled.variable)  # noqa: SLF001
        held.inner._learning_rate = scaled._product  # noqa: SLF001
        scaled.override()
        model.make_train_function(force=True)
        return scaled

    @property
    def stands(self) -> bool:
        """Whether the product is in place still: the user may have set another schedule."""
        return self._held.inner._learning_rate is self._product  # noqa: SLF001

    def scale(self, by: float) -> None:
        """Multiply the factor in force."""
        self.variable.assign(self.factor * by)

    @property
    def factor(self) -> float:
        """The factor in force."""
        value = float(np.asarray(self.variable.value))
        return value if math.isfinite(value) else 1.0

    def override(self) -> None:
        """Write files as if nothing had been put in place, but with the rates scaled."""
        optimizer, factor = self._held.inner, self.variable

        def get_config() -> dict[str, Any]:
            stood, optimizer._learning_rate = optimizer._learning_rate, self.inner  # noqa: SLF001
            try:
                config: dict[str, Any] = type(optimizer).get_config(optimizer)
            finally:
                optimizer._learning_rate = stood  # noqa: SLF001
            return {**config, "learning_rate": scaled_config(self.inner, self.factor)}

        optimizer.get_config = get_config
        for each in self._holders():
            # With several schedules scaled the others' factors are left out, too.
            before = each.__dict__.get("save_own_variables")
            left_out = [*getattr(before, "left_out", ()), factor]

            def save_own_variables(
                store: Any, one: Any = each, without: list[Any] = left_out
            ) -> None:
                kept = [v for v in one.variables if not any(v is each for each in without)]
                for index, variable in enumerate(kept):
                    store[str(index)] = np.asarray(variable.value)

            save_own_variables.left_out = left_out  # type: ignore[attr-defined]
            each.save_own_variables = save_own_variables

    def _holders(self) -> tuple[Any, ...]:
        return (*self._held.wrappers, self._held.inner)

    def remove(self, *, fitting: bool) -> None:
        """Put the user's own schedule object back and leave no trace.

        fitting says that a fit of the model begins: Keras has made its training step already.
        """
        optimizer = self._held.inner
        if self.stands:
            optimizer._learning_rate = self.inner  # noqa: SLF001
        optimizer._untrack_variable(self.variable)  # noqa: SLF001
        for each in self._holders():
            for name in ("get_config", "save_own_variables"):
                each.__dict__.pop(name, None)
        if fitting:
            self.model.make_train_function(force=True)
        else:
            self.model.train_function = None
