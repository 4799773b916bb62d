"""What a command did to the rate, taken back in live fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from orders import Order, Steps, answers, outcomes, run, scheduled
from training import build, fit, weights

from epochwatch import Control, EpochWatch, _weights

BACK = {"kind": "revert", "reverts": "c1"}


def test_the_rate_goes_back_to_what_it_was_and_the_weights_move_as_before(data: Path) -> None:
    steps = run(build(), {1: {"wanted": 0.001}, 2: BACK}, epochs=6)
    assert steps.rates == pytest.approx([0.5, 0.5, 0.001, 0.5, 0.5, 0.5])
    assert steps.moved[2] < 0.05 * min(steps.moved[0], *steps.moved[3:])
    assert answers(data)[1] == {
        "id": "c2",
        "kind": "revert",
        "outcome": "applied",
        "before": pytest.approx(0.001),
        "after": 0.5,
        "epoch": 3,
    }


@pytest.mark.parametrize("scaling", [False, True])
def test_under_a_schedule_the_factor_is_divided_out(data: Path, *, scaling: bool) -> None:
    def model() -> keras.Model:
        made = scheduled("CosineDecay")
        if scaling:
            made.compile(
                keras.optimizers.LossScaleOptimizer(made.optimizer),
                "sparse_categorical_crossentropy",
            )
        return made

    left_alone = Steps()
    fit(model(), left_alone, epochs=6)
    wanted = left_alone.rates[2] * 0.01
    cut = model()
    steps = run(cut, {1: {"wanted": wanted}, 3: BACK}, epochs=6)
    share = [one / other for one, other in zip(steps.rates, left_alone.rates, strict=True)]
    assert share == pytest.approx([1, 1, 0.01, 0.01, 1, 1], rel=1e-4)
    assert outcomes(data) == ["applied", "applied"]
    assert answers(data)[1]["after"] == pytest.approx(left_alone.rates[4], rel=1e-4)


def test_of_two_cuts_the_last_goes_first(data: Path) -> None:
    orders = {
        0: {"id": "one", "wanted": 0.2},
        1: {"id": "two", "wanted": 0.1},
        2: {"id": "wrong", "kind": "revert", "reverts": "one"},
        3: {"id": "right", "kind": "revert", "reverts": "two"},
        4: {"id": "then", "kind": "revert", "reverts": "one"},
        5: {"id": "again", "kind": "revert", "reverts": "one"},
    }
    steps = run(build(), orders, epochs=7)
    assert steps.rates == pytest.approx([0.5, 0.2, 0.1, 0.1, 0.2, 0.5, 0.5])
    assert outcomes(data) == ["applied", "applied", "refused", "applied", "applied", "refused"]
    assert "0.1, is not what one left" in answers(data)[2]["reason"]
    assert "taken back before" in answers(data)[5]["reason"]


def test_of_a_rollback_the_rate_alone_goes_back_and_that_is_said(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_weights.Best, "offer", lambda *_: "")  # those of the beginning it is
    kept: list[bytes] = []

    class Keep(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            kept.append(weights(self.model))

    watch = EpochWatch(control=Control(hardest_factor=1e-3, cooldown_epochs=0))
    orders = {1: {"kind": "rollback", "wanted": 0.05}, 2: BACK}
    steps = Steps()
    fit(build(), Keep(), watch, Order(watch, orders), Keep(), steps, epochs=4)
    assert steps.rates == pytest.approx([0.5, 0.5, 0.05, 0.5])
    assert kept[2] != kept[3]  # the way back of epoch 1
    assert kept[4] == kept[5]  # nothing is done to the weights now
    assert "the weights stay as they are" in answers(data)[1]["reason"]


def test_a_rate_that_somebody_else_has_set_since_is_left_alone(data: Path) -> None:
    class Other(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch == 2:
                self.model.optimizer.learning_rate = 0.05

    steps = run(build(), {0: {"id": "c1", "wanted": 0.2}, 2: BACK}, Other(), epochs=4)
    assert steps.rates == pytest.approx([0.5, 0.2, 0.2, 0.05])
    assert outcomes(data) == ["applied", "refused"]
    assert "0.05, is not what c1 left" in answers(data)[1]["reason"]


def test_cutting_and_taking_back_uses_up_the_cuts(data: Path) -> None:
    orders: dict[int, Any] = {}
    for epoch in range(0, 8, 2):
        orders[epoch] = {"id": f"cut{epoch}", "wanted": 0.1}
        orders[epoch + 1] = {"id": f"b{epoch}", "kind": "revert", "reverts": f"cut{epoch}"}
    control = Control(hardest_factor=1e-3, cooldown_epochs=0, max_cuts=2)
    steps = run(build(), orders, epochs=9, control=control)
    assert steps.rates == pytest.approx([0.5, 0.1, 0.5, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert outcomes(data) == ["applied"] * 4 + ["refused"] * 4
    assert "had its 2 cuts" in answers(data)[4]["reason"]


def test_the_cooldown_does_not_hold_it_up_and_starts_anew_behind_it(data: Path) -> None:
    control = Control(hardest_factor=1e-3, cooldown_epochs=2, allow={"reduce_lr"})
    orders = {
        1: {"wanted": 0.1},
        2: BACK,
        3: {"id": "soon", "wanted": 0.1},
        4: {"id": "later", "wanted": 0.1},
    }
    steps = run(build(), orders, epochs=6, control=control)
    assert steps.rates == pytest.approx([0.5, 0.5, 0.1, 0.5, 0.5, 0.1])
    assert outcomes(data) == ["applied", "applied", "refused", "applied"]
    assert "since the last change" in answers(data)[2]["reason"]


def test_a_stop_is_no_command_that_changed_a_rate(data: Path) -> None:
    control = Control(allow={"stop"})
    both = [{"id": "s", "kind": "stop"}, {"id": "r", "kind": "revert", "reverts": "s"}]
    run(build(), {0: both}, control=control)
    assert outcomes(data) == ["applied", "refused"]
    assert "s is no command that changed a rate" in answers(data)[1]["reason"]
