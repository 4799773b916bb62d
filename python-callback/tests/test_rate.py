"""The rate of live fits: plain, scheduled, under loss scaling, and where it cannot change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.optimizers import schedules
from orders import SCHEDULES, Order, Steps, answers, run, scheduled
from training import X, Y, build, fit

from epochwatch import Control, EpochWatch
from epochwatch._scaled import scaled_config


def test_a_plain_rate_is_cut_and_read_back(data: Path) -> None:
    steps = run(build(), {1: {"expected": 0.5, "wanted": 0.001}})
    assert steps.rates == pytest.approx([0.5, 0.5, 0.001, 0.001, 0.001])
    assert max(steps.moved[3:]) < 0.1 * min(steps.moved[:2])
    (answer,) = answers(data)
    assert answer == {
        "id": "c1",
        "kind": "reduce_lr",
        "outcome": "applied",
        "before": 0.5,
        "after": pytest.approx(0.001),
        "epoch": 2,
    }


def test_each_id_is_answered_once_and_applied_once(data: Path) -> None:
    again = {"id": "same", "expected": None, "wanted": 0.2}
    steps = run(build(), {0: again, 1: again, 2: again, 3: {"id": "other", "wanted": 0.05}})
    assert steps.rates == pytest.approx([0.5, 0.2, 0.2, 0.2, 0.05])
    assert [answer["id"] for answer in answers(data)] == ["same", "other"]


def test_refusals_change_nothing_and_say_why(data: Path) -> None:
    control = Control()
    steps = run(
        build(),
        {0: {"wanted": 1e-3}, 1: {"wanted": 0.9}, 2: {"attempt": "old", "wanted": 0.2}},
        control=control,
    )
    assert steps.rates == [0.5] * 5
    assert [answer["outcome"] for answer in answers(data)] == ["refused"] * 3
    assert "harder" in answers(data)[0]["reason"]


def test_without_auto_lr_nobody_changes_the_run(data: Path) -> None:
    watch, steps = EpochWatch(), Steps()
    fit(build(), watch, Order(watch, {0: {"wanted": 0.2, "issued_by": "ada"}}), steps)
    assert steps.rates == [0.5] * 3
    assert answers(data)[0]["reason"] == "the owner's mode is off"


def test_what_arrives_for_the_last_epoch_expires(data: Path) -> None:
    run(build(), {4: {"wanted": 0.2}})
    assert [(a["outcome"], a["reason"]) for a in answers(data)] == [
        ("expired", "no epoch is left that it could change")
    ]


def test_what_waits_when_the_run_ends_expires(data: Path) -> None:
    class Late(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_end(self, logs: Any = None) -> None:
            del logs
            order.set_model(self.model)
            order.on_train_batch_begin(0)

    watch = EpochWatch(auto_lr=True)
    order = Order(watch, {2: {"wanted": 0.2}})
    fit(build(), Late(), watch)
    assert [(a["outcome"], a["reason"]) for a in answers(data)] == [
        ("expired", "the run has ended")
    ]


def test_stop_ends_the_run_behind_a_whole_epoch(data: Path) -> None:
    steps = run(
        build(),
        {1: {"kind": "stop", "reason": "enough"}},
        control=Control(allow=frozenset({"stop"})),
    )
    assert len(steps.rates) == 2
    (path,) = (data / "spool").glob("*.jsonl")
    last = json.loads(path.read_bytes().splitlines()[-1])
    assert last["run_ended"]["state"] == "stopped"
    assert "enough" in last["run_ended"]["reason"]
    assert answers(data)[0]["outcome"] == "applied"


def test_the_cuts_of_a_named_run_are_counted_over_its_attempts(data: Path) -> None:
    control = Control(max_cuts=2, cooldown_epochs=0)
    for n in range(2):
        run(
            build(),
            {0: {"id": f"a{n}", "wanted": 0.2}, 1: {"id": f"b{n}", "wanted": 0.08}},
            control=control,
            run="mine",
            epochs=3,
        )
    outcomes = [answer["outcome"] for answer in answers(data)]
    assert sorted(outcomes) == ["applied", "applied", "refused", "refused"]
    assert any("had its 2 cuts" in answer.get("reason", "") for answer in answers(data))


@pytest.mark.parametrize("name", ["CosineDecay", "ExponentialDecay"])
def test_a_schedule_is_scaled_not_replaced(name: str, data: Path) -> None:
    left_alone = Steps()
    fit(scheduled(name), left_alone, epochs=6)
    model = scheduled(name)
    schedule = model.optimizer._learning_rate
    # What the daemon read at the end of epoch 1 is no longer in force when it arrives.
    expected = left_alone.rates[2]
    order = {"expected": expected, "wanted": expected * 0.01}
    steps = run(model, {2: order, 4: {"wanted": left_alone.rates[5] * 0.001}}, epochs=6)
    share = [one / other for one, other in zip(steps.rates, left_alone.rates, strict=True)]
    assert share == pytest.approx([1, 1, 1, 0.01, 0.01, 0.001], rel=1e-4)
    assert max(steps.moved[4:]) < 0.2 * steps.moved[0]
    assert [answer["outcome"] for answer in answers(data)] == ["applied", "applied"]
    assert answers(data)[0]["after"] == pytest.approx(answers(data)[0]["before"] * 0.01)
    # In the end the user's own object is back, and nothing of ours is left.
    assert model.optimizer._learning_rate is schedule
    assert not {"get_config", "save_own_variables"} & set(vars(model.optimizer))
    assert len(model.optimizer.variables) == 1  # the iterations
    fit(model, epochs=1)


def test_a_healthy_run_with_a_schedule_is_not_touched(data: Path) -> None:
    model = scheduled("CosineDecay")
    schedule = model.optimizer._learning_rate

    class Same(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            assert self.model.optimizer._learning_rate is schedule

    fit(model, EpochWatch(auto_lr=True), Same())
    (path,) = (data / "spool").glob("*.jsonl")
    started = json.loads(path.read_bytes().splitlines()[1])["run_started"]
    assert started["schedule"] == "CosineDecay"
    bodies = [json.loads(line) for line in path.read_bytes().splitlines()[2:-1]]
    rates = [body["epoch_ended"]["learning_rate"] for body in bodies]
    assert len(set(rates)) == 3
    assert all("controllers" not in body["epoch_ended"] for body in bodies)


def test_a_fit_that_failed_behind_a_cut_gets_its_schedule_back(data: Path) -> None:
    class Fail(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 2:
                raise ValueError("planted")

    model = scheduled("CosineDecay")
    schedule = model.optimizer._learning_rate
    watch = EpochWatch(control=Control(hardest_factor=1e-3))
    order = Order(watch, {0: {"wanted": 0.01}})
    kept = None
    try:
        fit(model, watch, order, Fail(), epochs=4)
    except ValueError as error:
        kept = error  # and with it the frames of fit, as in a notebook
    assert model.optimizer._learning_rate is not schedule or watch._fit is None
    order.orders = {}
    steps = Steps()
    fit(model, watch, order, steps, epochs=2)
    assert kept is not None
    assert model.optimizer._learning_rate is schedule
    assert steps.rates[0] == pytest.approx(float(schedule(8)))
    assert steps.moved[0] > 0
    assert [answer["outcome"] for answer in answers(data)] == ["applied"]


LOAD = """
import sys
import keras, numpy as np
assert "epochwatch" not in sys.modules
sys.modules["epochwatch"] = None
model = keras.models.load_model(sys.argv[1])
print(int(np.asarray(model.optimizer.iterations.value)))
print(len(model.optimizer.variables))
print(float(np.asarray(model.optimizer.learning_rate)))
print(max(float(np.abs(np.asarray(v.value)).max()) for v in model.optimizer.variables[2:]))
"""


def test_a_checkpoint_of_a_cut_run_loads_where_epochwatch_is_not(
    tmp_path: Path, data: Path
) -> None:
    left_alone = Steps()
    fit(scheduled("CosineDecay"), left_alone, epochs=6)
    path = tmp_path / "mid.keras"

    class Save(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 3:
                self.model.save(path)

    model = scheduled("CosineDecay", 0.9)
    run(model, {1: {"wanted": left_alone.rates[2] * 0.01}}, Save(), epochs=5)
    assert answers(data)[0]["outcome"] == "applied"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", LOAD, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    iterations, variables, rate, slots = done.stdout.split()[-4:]
    assert int(iterations) == 16
    assert int(variables) == len(model.optimizer.variables)
    assert float(rate) == pytest.approx(left_alone.rates[4] * 0.01, rel=1e-4)
    assert float(slots) > 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_of_keras_is_written_scaled(name: str) -> None:
    schedule = SCHEDULES[name]()
    scaled = schedules.deserialize(scaled_config(schedule, 0.25))
    assert type(scaled) is type(schedule)
    for step in (0, 3, 8, 15, 30, 60):
        assert float(scaled(step)) == pytest.approx(float(schedule(step)) * 0.25)


def test_a_schedule_of_the_users_own_is_scaled_and_written_as_it_is(data: Path) -> None:
    class Mine(schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            return 0.5 + 0.0 * keras.ops.cast(step, "float32")

        def get_config(self) -> dict[str, Any]:
            return {"a": 1}

    steps = run(build(keras.optimizers.SGD(Mine())), {0: {"wanted": 0.005}}, epochs=3)
    assert steps.rates == pytest.approx([0.5, 0.005, 0.005])
    assert scaled_config(Mine(), 0.5)["config"] == {"a": 1}
    assert answers(data)[0]["outcome"] == "applied"


def test_the_rate_inside_loss_scaling_is_the_one_that_counts(data: Path) -> None:
    scaling = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5))
    steps = run(build(scaling), {1: {"expected": 0.5, "wanted": 0.001}})
    assert steps.rates == pytest.approx([0.5, 0.5, 0.001, 0.001, 0.001])
    assert max(steps.moved[2:]) < 0.1 * steps.moved[0]
    assert answers(data)[0]["outcome"] == "applied"


def test_a_schedule_inside_loss_scaling(data: Path, tmp_path: Path) -> None:
    inner = keras.optimizers.SGD(SCHEDULES["ExponentialDecay"]())
    schedule = inner._learning_rate
    model = build(keras.optimizers.LossScaleOptimizer(inner))

    class Save(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 3:
                self.model.save(tmp_path / "mid.keras")

    steps = run(model, {1: {"wanted": 0.005}}, Save(), epochs=5)
    assert answers(data)[0]["outcome"] == "applied"
    assert max(steps.moved[3:]) < 0.2 * steps.moved[0]
    assert inner._learning_rate is schedule
    loaded = keras.models.load_model(tmp_path / "mid.keras")
    assert int(np.asarray(loaded.optimizer.iterations.value)) == 16
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)


def test_a_rate_that_does_not_take_what_is_set_is_put_back(data: Path) -> None:
    class Coarse(keras.optimizers.SGD):  # type: ignore[misc]
        @property
        def learning_rate(self) -> Any:
            return self._learning_rate

        @learning_rate.setter
        def learning_rate(self, value: float) -> None:
            self._learning_rate.assign(round(value, 1))

    steps = run(build(Coarse(0.5)), {0: {"wanted": 0.17}}, epochs=2)
    assert steps.rates == pytest.approx([0.5, 0.5])
    assert answers(data)[0]["outcome"] == "refused"
    assert "was set to 0.17 and holds 0.2" in answers(data)[0]["reason"]


def test_a_rate_that_is_a_function_is_left_alone(data: Path) -> None:
    steps = run(build(keras.optimizers.SGD(lambda: 0.5)), {0: {"wanted": 0.2}}, epochs=2)
    assert steps.rates == [0.5, 0.5]
    assert answers(data)[0]["reason"] == "the optimizer's learning rate is a function"


def test_the_private_names_of_keras_are_still_there() -> None:
    optimizer = build().optimizer
    for name in ("_learning_rate", "_variables", "_track_variable", "_untrack_variable"):
        assert hasattr(optimizer, name)
    assert X.shape[0] == Y.shape[0]
