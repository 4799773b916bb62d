"""A cut holds in the next epoch, however the model is compiled and wherever the callback stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from orders import SCHEDULES, Order, Steps, answers, notes, outcomes, run, spooled
from training import build, fit

from epochwatch import Control, EpochWatch, _weights

TENSORFLOW = keras.backend.backend() == "tensorflow"
CUT = {"wanted": 0.0005}
WIDE = Control(hardest_factor=1e-4, cooldown_epochs=0)


def compiled(rate: Any = 0.5, **options: Any) -> keras.Model:
    model = build()
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", **options)
    return model


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("steps_per_execution", [1, 4])
@pytest.mark.parametrize("jit_compile", [True, False])
def test_the_next_epoch_moves_the_weights_less(
    data: Path, *, jit_compile: bool, steps_per_execution: int, last: bool
) -> None:
    model = compiled(jit_compile=jit_compile, steps_per_execution=steps_per_execution)
    watch, steps = EpochWatch(control=WIDE), Steps()
    others = [Order(watch, {1: CUT}), steps]
    fit(model, *([*others, watch] if last else [watch, *others]), epochs=4)
    assert outcomes(data) == ["applied"]
    assert steps.rates == pytest.approx([0.5, 0.5, 0.0005, 0.0005])
    assert max(steps.moved[2:]) < 0.02 * min(steps.moved[:2])


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_so_it_does_under_a_schedule(
    data: Path, *, jit_compile: bool, steps_per_execution: int
) -> None:
    model = compiled(
        SCHEDULES["ExponentialDecay"](),
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    steps = run(model, {1: CUT}, epochs=4, control=WIDE)
    assert outcomes(data) == ["applied"]
    assert max(steps.moved[2:]) < 0.02 * min(steps.moved[:2])


class Flat(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs a metric that never gets better."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch
        logs["flat"] = 1.0


def beside_a_plateau(orders: dict[int, Any], *, ours_first: bool) -> list[float]:
    """Train beside ReduceLROnPlateau, which halves the rate behind each epoch but the first."""
    watch, steps = EpochWatch(control=WIDE), Steps()
    plateau = keras.callbacks.ReduceLROnPlateau("flat", 0.5, 1, mode="min", min_delta=0)
    pair = [watch, plateau] if ours_first else [plateau, watch]
    order = Order(watch, orders)
    fit(build(), Flat(), *pair, order, steps, epochs=4)
    return steps.rates


@pytest.mark.parametrize("ours_first", [True, False])
def test_what_reduce_lr_on_plateau_sets_is_told_within_an_epoch_and_not_fought(
    data: Path, *, ours_first: bool
) -> None:
    rates = beside_a_plateau({}, ours_first=ours_first)
    assert rates == pytest.approx([0.5, 0.5, 0.25, 0.125])
    told = [body.get("controllers") for body in spooled(data, "epoch_ended")]
    them = ["ReduceLROnPlateau"]
    assert told == ([None, None, them, them] if ours_first else [None, them, them, them])


def test_a_command_decided_before_it_cut_is_refused(data: Path) -> None:
    order = {1: {"expected": 0.5, "wanted": 0.05}}
    rates = beside_a_plateau(order, ours_first=False)
    assert rates == pytest.approx([0.5, 0.5, 0.25, 0.125])
    (answer,) = answers(data)
    assert answer["outcome"] == "refused"
    assert "it expects 0.5, in force is 0.25" in answer["reason"]


def test_a_cut_of_ours_stands_beside_it_until_its_next(data: Path) -> None:
    order = {1: {"expected": 0.5, "wanted": 0.05}}
    rates = beside_a_plateau(order, ours_first=True)
    assert rates == pytest.approx([0.5, 0.5, 0.025, 0.0125])  # both in one boundary, once each
    (answer,) = answers(data)
    assert (answer["outcome"], answer["after"]) == ("applied", pytest.approx(0.05))
    told = [body.get("controllers") for body in spooled(data, "epoch_ended")]
    assert told[2:] == [["ReduceLROnPlateau"]] * 2


class Keep(keras.callbacks.Callback):  # type: ignore[misc]
    """The weights and the loss at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Any] = []
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch
        self.weights.append([each.copy() for each in self.model.get_weights()])
        self.losses.append(logs["loss"])


class Worsen(keras.callbacks.Callback):  # type: ignore[misc]
    """Spoils the weights when an epoch begins."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        if epoch == self.at:
            self.model.set_weights([each * 0 + 9 for each in self.model.get_weights()])


def stop(
    data: Path, monkeypatch: pytest.MonkeyPatch, *allow: str, **order: Any
) -> tuple[Keep, keras.Model, str]:
    monkeypatch.setattr(_weights, "SHARE", 1e9)
    monkeypatch.setattr(_weights, "_LEARNED", 1.5)
    control = Control(allow=frozenset(allow))
    watch, keep, model = EpochWatch(control=control), Keep(), compiled(0.05)
    orders = Order(watch, {3: {"kind": "stop", "issued_by": "ada", "reason": "enough"} | order})
    fit(model, keep, Worsen(3), watch, orders, epochs=8)
    assert len(keep.losses) == 4
    assert outcomes(data) == ["applied"]
    (ended,) = spooled(data, "run_ended")
    assert ended["state"] == "stopped"
    assert "enough" in ended["reason"]
    return keep, model, str(ended["reason"])


def equal(one: Any, other: Any) -> bool:
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def test_a_stop_puts_the_best_weights_back_where_that_is_allowed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, model, reason = stop(data, monkeypatch, "stop", "rollback")
    best = min(range(4), key=keep.losses.__getitem__)
    assert best < 3
    assert equal(model.get_weights(), keep.weights[best])
    assert f"back to the weights of epoch {best}" in reason


@pytest.mark.parametrize(
    ("allow", "keep_weights"), [(("stop",), False), (("stop", "rollback"), True)]
)
def test_and_leaves_them_where_it_is_not_or_the_command_says_so(
    data: Path, monkeypatch: pytest.MonkeyPatch, allow: tuple[str, ...], *, keep_weights: bool
) -> None:
    keep, model, reason = stop(data, monkeypatch, *allow, keep_weights=keep_weights)
    assert equal(model.get_weights(), keep.weights[3])
    assert "back to" not in reason


@pytest.mark.skipif(not TENSORFLOW, reason="a strategy of TensorFlow")
def test_under_a_distribution_strategy_of_tensorflow(data: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415

    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = compiled()
    held(data, model)


@pytest.mark.skipif(TENSORFLOW, reason="the distribution of Keras is of JAX")
def test_under_a_distribution_of_keras(data: Path) -> None:
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    try:
        held(data, compiled())
    finally:
        keras.distribution.set_distribution(before)


def held(data: Path, model: keras.Model) -> None:
    """A cut is applied and shows, or is refused with a word; training goes on in any case."""
    steps = run(model, {1: CUT}, epochs=4, control=WIDE)
    assert len(steps.rates) == 4
    (answer,) = answers(data)
    if answer["outcome"] == "applied":
        assert max(steps.moved[2:]) < 0.02 * min(steps.moved[:2])
    else:
        assert answer["reason"]
        assert steps.rates == [0.5] * 4


def test_a_model_of_tf_keras_is_watched_and_a_word_said(data: Path) -> None:
    # The package need not be there: what counts is the module that the class says it is of.
    kind = type("Sequential", (), {"__module__": "tf_keras.src.engine.sequential"})
    model = kind()
    model.stop_training = False
    watch = EpochWatch(auto_lr=True)
    order = Order(watch, {0: {"wanted": 0.2}})
    watch.set_model(model)
    watch.set_params({"epochs": 3})
    watch.on_train_begin()
    watch.on_epoch_begin(0)
    order.on_train_batch_begin(0)
    watch.on_epoch_end(0, {"loss": 0.5})
    watch.on_train_end()
    (answer,) = answers(data)
    assert answer["outcome"] == "refused"
    assert "tf_keras" in answer["reason"]
    assert any("tf_keras" in note for note in notes(data))
    assert spooled(data, "run_ended")[0]["state"] == "completed"
