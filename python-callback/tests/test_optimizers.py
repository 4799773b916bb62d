"""Several optimizers in live fits: found, named, told, and changed one by one or together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.optimizers import SGD, Adam, LossScaleOptimizer, MultiOptimizer, OptimizerMap
from orders import SCHEDULES, Order, Steps, answers, outcomes, run, spooled
from training import X, build, fit

from epochwatch import Control, EpochWatch
from epochwatch._optimizers import find, main_of

JAX = keras.backend.backend() == "jax"
FREE = Control(hardest_factor=1e-3, cooldown_epochs=0)


def net(units: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


class Pair(keras.Model):  # type: ignore[misc]
    """Two networks, each with an optimizer of its own, as a GAN has; compile gets none.

    On TensorFlow the step is compiled, on JAX it runs eagerly: there the state of a compiled
    step holds one optimizer only.
    """

    def __init__(self, d_rate: Any = 0.5, g_rate: Any = 0.25) -> None:
        super().__init__()
        self.d_net = net(6)
        self.g_net = net(4)
        self.d_optimizer = SGD(d_rate)
        self.g_opt = {"main": SGD(g_rate)}
        self.extra = [Adam(0.1)]  # trains nothing
        self.made: dict[int, Any] = {}

    def call(self, x: Any) -> Any:
        return self.d_net(x) + self.g_net(x)

    def pairs(self) -> list[tuple[Any, Any]]:
        return [(self.d_optimizer, self.d_net), (self.g_opt["main"], self.g_net)]

    if JAX:

        def train_step(self, state: Any, data: Any) -> Any:
            import jax  # noqa: PLC0415

            trainable, non_trainable, optimizer, metrics = state
            x, y = data
            new = list(trainable)
            total = 0.0
            for own, part in self.pairs():
                mine = [
                    index
                    for index, variable in enumerate(self.trainable_variables)
                    if any(variable is each for each in part.trainable_variables)
                ]

                def loss_of(values: Any, x: Any, y: Any, part: Any = part) -> Any:
                    out, _ = part.stateless_call(values, [], x)
                    return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, out))

                values = [trainable[index] for index in mine]
                step = self.made.get(id(part)) or jax.jit(jax.value_and_grad(loss_of))
                self.made[id(part)] = step
                loss, grads = step(values, x, y)
                total += loss
                if not own.built:
                    own.build(part.trainable_variables)
                held = [variable.value for variable in own.variables]
                values, held = own.stateless_apply(held, grads, values)
                for variable, value in zip(own.variables, held, strict=True):
                    variable.assign(value)
                for index, value in zip(mine, values, strict=True):
                    new[index] = value
            return {"loss": total}, (new, non_trainable, optimizer, metrics)

    else:

        def train_step(self, data: Any) -> Any:  # type: ignore[misc]
            import tensorflow as tf  # noqa: PLC0415

            x, y = data
            total = 0.0
            for own, part in self.pairs():
                with tf.GradientTape() as tape:
                    losses = keras.losses.sparse_categorical_crossentropy(y, part(x))
                    loss = keras.ops.mean(losses)
                grads = tape.gradient(loss, part.trainable_variables)
                own.apply_gradients(zip(grads, part.trainable_variables, strict=True))
                total += loss
            return {"loss": total}


def pair(**rates: Any) -> Pair:
    keras.utils.set_random_seed(3)
    model = Pair(**rates)
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=JAX)
    return model


class Parts(keras.callbacks.Callback):  # type: ignore[misc]
    """How far each network's weights move in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: dict[str, list[float]] = {"d_net": [], "g_net": []}

    def look(self) -> dict[str, list[Any]]:
        parts = {name: getattr(self.model, name) for name in self.moved}
        return {
            name: [np.array(v.value, copy=True) for v in part.trainable_variables]
            for name, part in parts.items()
        }

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.before = self.look()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        for name, values in self.look().items():
            pairs = zip(self.before[name], values, strict=True)
            self.moved[name].append(max(float(np.abs(new - old).max()) for old, new in pairs))


D, G = "d_optimizer", "g_opt.main"


def test_all_are_found_and_named_after_where_they_hang() -> None:
    model = pair()
    model.d_net.compile(SGD(0.3))  # a model in it with one of its own
    names = {held.name: held for held in find(model)}
    assert set(names) == {"optimizer", D, G, "extra.0", "d_net.optimizer"}
    assert names[G].inner is model.g_opt["main"]
    assert [held.name for held in find(pair())] == [held.name for held in find(pair())]


def test_one_that_hangs_in_two_places_is_one() -> None:
    model = build(LossScaleOptimizer(SGD(0.5)))
    model.mine = model.optimizer
    model.inner = model.optimizer.inner_optimizer
    (held,) = find(model)
    assert (held.name, held.outer, held.inner) == ("optimizer", model.mine, model.inner)


def test_a_default_that_trains_nothing_is_not_the_runs_rate(data: Path) -> None:
    fit(pair(), EpochWatch(auto_lr=True), epochs=2)
    (started,) = spooled(data, "run_started")
    assert {(one["name"], one["optimizer"]) for one in started["optimizers"]} == {
        ("optimizer", "RMSprop"),
        (D, "SGD"),
        (G, "SGD"),
        ("extra.0", "Adam"),
    }
    assert "learning_rate" not in started
    assert "optimizer" not in started
    bodies = spooled(data, "epoch_ended")
    assert [body["learning_rate"] for body in bodies] == [0.5, 0.5]  # of the larger network
    assert [body["optimizers"] for body in bodies] == [
        [{"name": D, "learning_rate": 0.5}, {"name": G, "learning_rate": 0.25}]
    ] * 2


def test_one_of_several_is_changed_by_its_name_and_the_others_are_not(data: Path) -> None:
    order = {"optimizer": G, "expected": 0.25, "wanted": 0.001}
    parts = Parts()
    steps = run(pair(), {1: order}, parts, control=FREE)
    assert [each[D] for each in steps.each] == [0.5] * 5
    assert [each[G] for each in steps.each] == pytest.approx([0.25] * 2 + [0.001] * 3)
    (answer,) = answers(data)
    assert (answer["before"], answer["after"]) == (0.25, pytest.approx(0.001))
    assert max(parts.moved["g_net"][2:]) < 0.1 * min(parts.moved["g_net"][:2])
    assert min(parts.moved["d_net"]) > 0.1 * max(parts.moved["d_net"])


def test_a_command_that_names_none_changes_all_by_the_same_factor(data: Path) -> None:
    parts = Parts()
    steps = run(pair(), {1: {"expected": 0.5, "wanted": 0.005}}, parts, control=FREE)
    assert [each[D] for each in steps.each] == pytest.approx([0.5] * 2 + [0.005] * 3)
    assert [each[G] for each in steps.each] == pytest.approx([0.25] * 2 + [0.0025] * 3)
    (answer,) = answers(data)
    assert answer["reason"] == f"{D} 0.5 to 0.005, {G} 0.25 to 0.0025"
    for moved in parts.moved.values():
        assert max(moved[2:]) < 0.1 * min(moved[:2])


def test_all_of_them_are_taken_back_together(data: Path) -> None:
    steps = run(
        pair(),
        {0: {"wanted": 0.05}, 1: {"kind": "revert", "reverts": "c0"}},
        epochs=4,
        control=FREE,
    )
    assert outcomes(data) == ["applied", "applied"]
    assert [(each[D], each[G]) for each in steps.each] == [
        (0.5, 0.25),
        pytest.approx((0.05, 0.025)),
        (0.5, 0.25),
        (0.5, 0.25),
    ]


def test_none_is_changed_where_one_would_leave_the_bounds(data: Path) -> None:
    control = Control(min_lr=0.1, hardest_factor=1e-3)
    steps = run(pair(), {0: {"wanted": 0.15}}, epochs=3, control=control)
    assert [(each[D], each[G]) for each in steps.each] == [(0.5, 0.25)] * 3
    assert answers(data)[0]["reason"] == f"{G}: 0.075 is below 0.1"


def test_none_is_changed_where_one_cannot_be(data: Path) -> None:
    steps = run(pair(g_rate=lambda: 0.25), {0: {"wanted": 0.05}}, epochs=3, control=FREE)
    assert [each[D] for each in steps.each] == [0.5] * 3
    assert answers(data)[0]["reason"] == "the optimizer's learning rate is a function"


def test_one_that_trains_nothing_is_not_changed_and_those_there_are_named(data: Path) -> None:
    run(pair(), {0: {"optimizer": "extra.0", "wanted": 0.01}}, epochs=2, control=FREE)
    assert answers(data)[0]["reason"] == f"no optimizer extra.0 trains; there are: {D}, {G}"


@pytest.mark.parametrize("both", [False, True])
def test_schedules_of_several_are_scaled(data: Path, tmp_path: Path, *, both: bool) -> None:
    rates = {"d_rate": SCHEDULES["CosineDecay"](), "g_rate": SCHEDULES["ExponentialDecay"]()}
    left_alone = Steps()
    fit(pair(**rates), left_alone, epochs=5)
    expected = left_alone.each[2][D] or 0.0
    order = {"expected": expected, "wanted": expected * 0.01} | ({} if both else {"optimizer": D})

    class Save(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 3:
                self.model.save_weights(tmp_path / "mid.weights.h5")

    model = pair(**rates)
    model(X[:1])  # TensorFlow saves only what was called by itself
    steps = run(model, {1: order}, Save(), control=FREE)
    assert outcomes(data) == ["applied"], answers(data)
    for name, factor in ((D, 0.01), (G, 0.01 if both else 1.0)):
        share = [
            (one[name] or 0.0) / (other[name] or 1.0)
            for one, other in zip(steps.each, left_alone.each, strict=True)
        ]
        assert share == pytest.approx([1, 1] + [factor] * 3, rel=1e-4), name
    assert model.d_optimizer._learning_rate is rates["d_rate"]
    assert model.g_opt["main"]._learning_rate is rates["g_rate"]
    assert len(model.d_optimizer.variables) == 1
    fresh = pair(**rates)
    fresh(X[:1])
    for own, part in fresh.pairs():
        own.build(part.trainable_variables)
    if JAX:  # there Keras builds the one that trains nothing, too
        fresh.optimizer.build(fresh.trainable_variables)
    fresh.load_weights(tmp_path / "mid.weights.h5")
    assert int(np.asarray(fresh.d_optimizer.iterations.value)) == 16


def test_the_way_back_clears_the_slots_of_all_of_them(data: Path) -> None:
    model = pair()
    model.d_optimizer, model.g_opt["main"] = SGD(0.5, momentum=0.9), Adam(0.25)
    seen: list[list[float]] = []

    class Slots(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            inner = (self.model.d_optimizer, self.model.g_opt["main"])
            seen.append(
                [
                    max(float(np.abs(np.asarray(v.value)).max()) for v in o.variables[2:])
                    for o in inner
                ]
            )

    watch = EpochWatch(control=FREE)
    order = Order(watch, {1: {"kind": "rollback", "wanted": 0.05}})
    fit(model, watch, order, Slots(), epochs=3)
    assert outcomes(data) == ["applied"], answers(data)
    assert min(seen[0]) > 0
    assert seen[1] == [0.0, 0.0]
    assert min(seen[2]) > 0


def multi(*, scaling: bool = False, kernels: Any = 0.5, biases: Any = 0.25) -> keras.Model:
    mapped = OptimizerMap(SGD(kernels, momentum=0.9), {".*bias": SGD(biases), "none": Adam(0.1)})
    several = MultiOptimizer(mapped)
    return build(LossScaleOptimizer(several) if scaling else several)


@pytest.mark.parametrize("scaling", [False, True])
def test_those_of_a_multi_optimizer_are_told_and_changed(data: Path, *, scaling: bool) -> None:
    model = multi(scaling=scaling)
    names = {type(held.inner).__name__ + str(held.name): held for held in find(model)}
    assert set(names) == {"SGDoptimizer.0", "Adamoptimizer.1", "SGDoptimizer.2"}
    orders = {
        0: {"optimizer": "optimizer.0", "wanted": 0.001},
        1: {"id": "all", "wanted": 0.05},
        2: {"id": "back", "kind": "revert", "reverts": "all"},
    }
    steps = run(model, orders, control=FREE)
    assert outcomes(data) == ["applied"] * 3, answers(data)
    biases, kernels = ([each[f"optimizer.{n}"] for each in steps.each] for n in (0, 2))
    assert kernels == pytest.approx([0.5, 0.5, 0.05, 0.5, 0.5])
    assert biases == pytest.approx([0.25, 0.001, 0.0001, 0.001, 0.001])
    bodies = spooled(data, "epoch_ended")
    assert [body["learning_rate"] for body in bodies] == pytest.approx([0.5, 0.5, 0.05, 0.5, 0.5])
    assert [one["name"] for one in bodies[0]["optimizers"]] == ["optimizer.2", "optimizer.0"]


def test_a_schedule_in_a_multi_optimizer(data: Path, tmp_path: Path) -> None:
    schedule = SCHEDULES["CosineDecay"]()
    left_alone = Steps()
    fit(multi(kernels=schedule), left_alone, epochs=5)

    class Save(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 3:
                self.model.save(tmp_path / "mid.keras")

    model = multi(kernels=schedule)
    name = "optimizer.2"
    wanted = (left_alone.each[2][name] or 0.0) * 0.01
    steps = run(model, {1: {"optimizer": name, "wanted": wanted}}, Save(), control=FREE)
    assert outcomes(data) == ["applied"], answers(data)
    share = [
        (one[name] or 0.0) / (other[name] or 1.0)
        for one, other in zip(steps.each, left_alone.each, strict=True)
    ]
    assert share == pytest.approx([1, 1, 0.01, 0.01, 0.01], rel=1e-4)
    loaded = keras.models.load_model(tmp_path / "mid.keras")
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    inner = {held.name: held for held in find(loaded)}
    rates = [float(np.asarray(each.inner.learning_rate)) for each in inner.values()]
    assert min(rates) == pytest.approx((left_alone.each[4][name] or 0.0) * 0.01, rel=1e-3)


def test_other_optimizers_that_train_nothing_do_not_hold_up_a_command(data: Path) -> None:
    model = build()
    model.other = {"main": Adam(0.1)}
    steps = run(model, {0: {"wanted": 0.2}}, epochs=2, control=FREE)
    assert [each["optimizer"] for each in steps.each] == pytest.approx([0.5, 0.2])
    assert outcomes(data) == ["applied"]
    bodies = spooled(data, "epoch_ended")
    assert [body.get("optimizers") for body in bodies] == [None, None]
    assert bodies[0]["learning_rate"] == 0.5


def test_what_another_sets_on_one_of_several_is_noticed(data: Path) -> None:
    class Other(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 2:
                self.model.g_opt["main"].learning_rate = 0.05

    fit(pair(), EpochWatch(auto_lr=True), Other(), epochs=4)
    told = [body.get("controllers") for body in spooled(data, "epoch_ended")]
    assert told == [None, None, ["Other"], None]


def test_the_main_one_is_that_of_compile_where_it_trains() -> None:
    model = build()
    model.other = SGD(0.1)
    assert main_of([]) is None
    main = main_of(find(model)[::-1])
    assert main is not None
    assert main.name == "optimizer"


class Empty(keras.Model):  # type: ignore[misc]
    """A model that is updated by hand: it has no optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net(4)

    def call(self, x: Any) -> Any:
        return self.net(x)

    def train_step(self, *args: Any) -> Any:
        loss = keras.ops.cast(0.5, "float32")
        return ({"loss": loss}, args[0]) if JAX else {"loss": loss}


def test_a_model_without_an_optimizer_is_watched_and_a_word_said(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Empty()
    model.compile(optimizer=None, loss="sparse_categorical_crossentropy")
    watch = EpochWatch(auto_lr=True)
    order = Order(watch, {0: {"wanted": 0.2}})
    if JAX:  # its own fit cannot do without one
        for each in (watch, order):
            each.set_model(model)
        watch.on_train_begin()
        watch.on_epoch_begin(0)
        order.on_train_batch_begin(0)
        watch.on_epoch_end(0, {"loss": 0.5})
        watch.on_train_end()
    else:
        fit(model, watch, order)
    assert "the model has no optimizer; the run is only watched" in caplog.text
    told = spooled(data, "epoch_ended")
    assert len(told) == (1 if JAX else 3)
    assert "learning_rate" not in told[0]
    assert told[0]["notes"] == ["the run is only watched: the model has no optimizer"]
    assert [answer["reason"] for answer in answers(data)] == ["the model has no optimizer"]
    assert spooled(data, "run_ended")[0]["state"] == "completed"
