"""Going back to the best weights of a live fit."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from orders import Order, answers
from training import build, fit

from epochwatch import Control, EpochWatch, _weights
from epochwatch._weights import Best, CannotRestoreError

AUTO = Control(hardest_factor=1e-3, cooldown_epochs=0)


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy at each better loss: these epochs last milliseconds."""
    monkeypatch.setattr(_weights, "SHARE", math.inf)
    monkeypatch.setattr(_weights, "_LEARNED", 1.5)  # and learn next to nothing


class Look(keras.callbacks.Callback):  # type: ignore[misc]
    """What the weights, and the loss, were at the end of each epoch, before and after ours."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[list[Any]] = []
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch
        self.weights.append([np.array(each) for each in self.model.get_weights()])
        self.losses.append(logs["loss"])


def same(one: list[Any], other: list[Any]) -> bool:
    return all(
        np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)
    )


def slots(optimizer: Any) -> list[Any]:
    inner = getattr(optimizer, "inner_optimizer", None) or optimizer
    keep = {id(inner._iterations), id(inner._learning_rate)}
    return [np.asarray(v.value) for v in inner.variables if id(v) not in keep]


def run(
    model: keras.Model, orders: dict[int, dict[str, Any]], *, epochs: int = 5, **options: Any
) -> tuple[Look, Look]:
    """Train; return what stood before our hook and what after it."""
    watch = EpochWatch(control=options.pop("control", AUTO))
    before, after = Look(), Look()
    fit(model, before, watch, Order(watch, orders), after, epochs=epochs, **options)
    return before, after


BACK = {"kind": "rollback", "expected": 0.5, "wanted": 0.05}


@pytest.mark.usefixtures("every")
def test_back_to_the_best_weights_with_a_cut(data: Path) -> None:
    before, after = run(build(keras.optimizers.SGD(0.5, momentum=0.9)), {3: BACK}, epochs=6)
    best = int(np.argmin(before.losses[:4]))
    assert same(after.weights[3], before.weights[best])
    (answer,) = answers(data)
    assert answer["outcome"] == "applied"
    assert answer["after"] == pytest.approx(0.05)
    assert answer["reason"] == (
        f"back to the weights of epoch {best} (loss {before.losses[best]:.4g})"
    )
    assert not same(after.weights[4], after.weights[3])  # and training goes on


@pytest.mark.parametrize(
    ("optimizer", "start"),
    [
        (lambda: keras.optimizers.SGD(0.5, momentum=0.9), {0.0}),
        (lambda: keras.optimizers.Adam(0.5), {0.0}),
        (lambda: keras.optimizers.RMSprop(0.5), {0.0}),
        (lambda: keras.optimizers.Nadam(0.5), {0.0, 1.0}),
        (lambda: keras.optimizers.Adagrad(0.5), {np.float32(0.1)}),
        (
            lambda: keras.optimizers.Adagrad(0.5, gradient_accumulation_steps=3),
            {0.0, np.float32(0.1)},
        ),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.5)), {0.0}),
    ],
)
def test_the_slots_begin_anew(optimizer: Any, start: set[float], data: Path) -> None:
    model = build(optimizer())
    seen: list[set[float]] = []
    counts: list[int] = []

    class Slots(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            values = [np.unique(each) for each in slots(self.model.optimizer)]
            seen.append({float(value) for each in values for value in each})
            counts.append(int(self.model.optimizer.iterations))

    watch = EpochWatch(control=AUTO)
    fit(model, watch, Order(watch, {1: BACK}), Slots(), epochs=3)
    assert seen[1] == {float(value) for value in start}
    assert seen[2] != seen[1]
    assert counts == [counts[0], 0, counts[0]]
    assert answers(data)[0]["outcome"] == "applied"


def test_averages_of_the_weights_begin_at_the_weights_put_back() -> None:
    model = build(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5))
    seen: list[bool] = []

    class Averages(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            averages = self.model.optimizer._model_variables_moving_average
            seen.append(same(averages, self.model.trainable_variables))

    watch = EpochWatch(control=AUTO)
    fit(model, watch, Order(watch, {1: BACK}), Averages(), epochs=3)
    assert seen[:2] == [False, True]


class Poison(keras.callbacks.Callback):  # type: ignore[misc]
    """Makes the loss NaN from an epoch on, weights and momenta with it."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        if epoch == self.at:
            bias = self.model.trainable_variables[-1]
            bias.assign(np.full(bias.shape, np.nan, "float32"))


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.usefixtures("every")
def test_a_run_that_is_nan_recovers(at: int, data: Path) -> None:
    model = build(keras.optimizers.SGD(0.5, momentum=0.9))
    watch, look = EpochWatch(control=AUTO), Look()
    fit(model, Poison(at), watch, Order(watch, {at: BACK}), look, epochs=at + 3)
    assert math.isnan(look.losses[at])
    assert all(math.isfinite(loss) for loss in look.losses[at + 1 :])
    wanted = "the weights that fit began with" if at == 0 else "the weights of epoch"
    assert wanted in answers(data)[0]["reason"]


@pytest.mark.usefixtures("every")
def test_a_schedule_is_scaled_and_its_steps_stay(data: Path) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
    model = build(keras.optimizers.SGD(schedule, momentum=0.9))
    order = {"kind": "rollback", "wanted": 0.02}
    before, after = run(model, {2: order}, epochs=4)
    assert answers(data)[0]["outcome"] == "applied", answers(data)
    assert same(after.weights[2], before.weights[int(np.argmin(before.losses[:3]))])
    assert answers(data)[0]["after"] == pytest.approx(0.02)
    assert model.optimizer._learning_rate is schedule


@pytest.mark.parametrize(
    "control", [Control(allow={"reduce_lr"}), Control(mode="shadow"), Control(max_cuts=0)]
)
def test_nothing_is_kept_or_changed_that_is_not_allowed(control: Control, data: Path) -> None:
    before, after = run(build(), {1: BACK}, epochs=3, control=control)
    assert same(after.weights[1], before.weights[1])
    assert answers(data)[0]["outcome"] == "refused"


@pytest.mark.usefixtures("every")
def test_steps_after_the_way_back_are_no_longer_than_those_of_a_fresh_run(data: Path) -> None:
    def moved(look: Look) -> float:
        pairs = zip(look.weights[-1], look.weights[-2], strict=True)
        return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)

    order = {"kind": "rollback", "expected": 0.01, "wanted": 0.001}
    _, after = run(build(keras.optimizers.Adam(0.01)), {40: order}, epochs=42)
    assert answers(data)[0]["outcome"] == "applied"
    steps = 64 // 16
    assert moved(after) <= 0.001 * steps * 1.01  # Adam's first step is the rate, not three times it


@pytest.mark.usefixtures("every")
def test_weights_worse_than_the_untrained_ones_are_not_the_best(data: Path) -> None:
    model = build(keras.optimizers.SGD(1e4))  # dead after the first step
    started = [np.array(each) for each in model.get_weights()]
    _, after = run(model, {2: {"kind": "rollback", "expected": 1e4, "wanted": 10.0}}, epochs=4)
    assert answers(data)[0].get("reason") == "back to the weights that fit began with"
    assert same(after.weights[2], started)


def fake(size: int) -> Any:
    return SimpleNamespace(weights=[SimpleNamespace(value=np.zeros(size), shape=(size,))])


def test_a_copy_that_costs_too_much_is_made_the_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    best, model = Best(), fake(4)
    copies = []

    def copy(self: Best, *_: Any) -> None:
        copies.append(self.epoch)
        self._cost, self._saved, self._values = 0.05, 0.0, [np.zeros(4)]

    monkeypatch.setattr(Best, "_copy", copy)
    best.begin(model, [])
    for epoch in range(20):
        best.offer(model, epoch, 1 / (epoch + 1), 1.0, [])  # 0.05 s of 1 s would be 5 %
    assert copies == [None, 4, 9, 14, 19]


def test_large_weights_are_not_copied_before_the_first_epoch() -> None:
    best, model = Best(), fake(10_000_000)
    best.begin(model, [])
    with pytest.raises(CannotRestoreError, match="no weights were kept"):
        best.check(model)
    best.offer(model, 0, 1.0, 60.0, [])
    best.check(model)
    with pytest.raises(CannotRestoreError, match="others than"):
        best.check(fake(3))


def test_only_a_better_loss_counts() -> None:
    best, model = Best(), fake(2)
    for epoch, loss in enumerate([2.0, math.nan, 1.0, 1.5, None, math.inf]):
        best.offer(model, epoch, loss, 10.0, [])
    assert (best.epoch, best.loss) == (2, 1.0)
