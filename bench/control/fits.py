"""Fits of one task, all from the same weights, on one compiled training step."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
from tasks import Setting, Task


class Bench:
    """A task's data for one seed, and its compiled models; fits begin at the same weights."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._models: dict[tuple[float, int] | None, keras.Model] = {}

    def seed(self, seed: int) -> None:
        """Draw data, split and first weights."""
        rng = np.random.default_rng([seed, sum(map(ord, self.task.name))])
        x, y = self.task.data(rng)
        order = rng.permutation(len(x))
        x, y = x[order], y[order]
        test, held = len(x) // 5, len(x) // 5
        self._test = x[:test], y[:test]
        self._held = x[test : test + held], y[test : test + held]
        self._train = x[test + held :], y[test + held :]
        self._seed = seed
        self._first: list[np.ndarray] | None = None

    def steps(self, setting: Setting) -> int:
        """Return the batches of an epoch."""
        return math.ceil(int(len(self._train[0]) * setting.samples) / self.task.batch)

    def fit(
        self, setting: Setting, rate: float, callbacks: list[keras.callbacks.Callback]
    ) -> dict[str, Any]:
        """Train, and return how it went: test losses before and after, curves, seconds."""
        task = self.task
        model = self._model(setting, rate)
        self._reset(model, None if setting.schedule else rate)
        n = int(len(self._train[0]) * setting.samples)
        held = tuple(part[: setting.validation] for part in self._held)
        untrained = self._loss(model)
        keras.utils.set_random_seed(self._seed)  # the order of the samples
        seen = Seen()
        began, error = time.perf_counter(), ""
        try:
            model.fit(
                self._train[0][:n],
                self._train[1][:n],
                batch_size=task.batch,
                epochs=task.epochs,
                validation_data=held,
                verbose=0,
                callbacks=[*callbacks, seen],
            )
        except TypeError as raised:  # ReduceLROnPlateau on a schedule: the fit is over
            error = str(raised)[:80]
        return {
            "seconds": round(time.perf_counter() - began, 3),
            "untrained": untrained,
            "test": self._loss(model),
            "loss": seen.loss,
            "val_loss": seen.val,
            "rates": seen.rates,
            "error": error,
        }

    def _loss(self, model: keras.Model) -> float:
        found = model.evaluate(*self._test, batch_size=128, verbose=0, return_dict=True)
        return float(found["loss"])

    def _model(self, setting: Setting, rate: float) -> keras.Model:
        """Return the compiled model: one for all plain rates, one for each schedule."""
        steps = self.task.epochs * self.steps(setting)
        key = (rate, steps) if setting.schedule else None
        if key not in self._models:
            schedule = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.01)
            optimizer = getattr(keras.optimizers, self.task.optimizer)(
                learning_rate=schedule if setting.schedule else rate, **self.task.options
            )
            model = self.task.build()
            model.compile(optimizer=optimizer, loss=self.task.loss, metrics=[*self.task.metrics])
            self._models[key] = model
        return self._models[key]

    def _reset(self, model: keras.Model, rate: float | None) -> None:
        """Put back the seed's first weights, an optimizer that has seen nothing, the rate."""
        if self._first is None:
            keras.utils.set_random_seed(self._seed)
            fresh = self.task.build()
            self._first = [np.array(v.value, copy=True) for v in _own(fresh)]
        for variable, value in zip(_own(model), self._first, strict=True):
            variable.assign(value)
        optimizer = model.optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        for variable in optimizer.variables:
            if rate is not None and variable is optimizer._learning_rate:
                variable.assign(rate)
            else:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        model.stop_training = False


def _own(model: keras.Model) -> list[Any]:
    """Return what training changes of the layers: weights, and the seeds of dropout."""
    return [v for layer in model.layers for v in layer.variables]


class Seen(keras.callbacks.Callback):
    """The run by itself: losses, and the rate each epoch was trained with."""

    def __init__(self) -> None:
        super().__init__()
        self.loss: list[float] = []
        self.val: list[float] = []
        self.rates: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.rates.append(float(np.asarray(self.model.optimizer.learning_rate)))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.loss.append(float(logs["loss"]))
        self.val.append(float(logs["val_loss"]))
