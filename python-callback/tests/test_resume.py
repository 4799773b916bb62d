"""A run taken up again: what its commands left is in force, whatever was restored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from orders import Order, Steps, answers, run, scheduled, spooled
from orders import notes as all_notes
from training import build, fit

from epochwatch import Control, EpochWatch
from epochwatch._session import Session

WIDE = Control(hardest_factor=1e-3, cooldown_epochs=0)
CUT = {"id": "k", "wanted": 0.05}


def notes(data: Path) -> list[str]:
    """What was told of rates; of weights there is a word, too, where epochs are this short."""
    return [note for note in all_notes(data) if "learning rate" in note]


def test_a_rate_of_before_a_cut_is_put_back_down_and_that_is_told(data: Path) -> None:
    run(build(), {1: CUT}, epochs=3, run="mine", control=WIDE)
    watch, steps = EpochWatch(run="mine", control=WIDE), Steps()
    fit(build(), watch, steps, epochs=5, initial_epoch=3)
    assert steps.rates == pytest.approx([0.05, 0.05])
    (note,) = notes(data)
    assert "found, 0.5, is an older one than 0.05" in note
    assert "in force again" in note


def test_not_where_training_begins_anew(data: Path) -> None:
    run(build(), {1: CUT}, epochs=3, run="mine", control=WIDE)
    steps = run(build(), {}, epochs=2, run="mine", control=WIDE)
    assert steps.rates == [0.5, 0.5]
    assert "it stays: training begins anew" in notes(data)[0]


def test_not_where_the_owner_allows_nothing_now(data: Path) -> None:
    run(build(), {1: CUT}, epochs=3, run="mine", control=WIDE)
    steps = Steps()
    fit(build(), EpochWatch(run="mine"), steps, epochs=5, initial_epoch=3)
    assert steps.rates == [0.5, 0.5]
    assert "it stays: the owner's mode is off" in notes(data)[0]


def test_a_rate_of_the_owners_own_choice_is_taken_as_it_is(data: Path) -> None:
    run(build(), {1: CUT}, epochs=3, run="mine", control=WIDE)
    watch, steps = EpochWatch(run="mine", control=WIDE), Steps()
    fit(build(keras.optimizers.SGD(0.3)), watch, steps, epochs=5, initial_epoch=3)
    assert steps.rates == pytest.approx([0.3, 0.3])
    assert "taken as it is" in notes(data)[0]


class Fail(keras.callbacks.Callback):  # type: ignore[misc]
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        if epoch == 3:
            raise ValueError("planted")


@pytest.mark.parametrize("name", ["", "CosineDecay"])
@pytest.mark.parametrize("backup_first", [False, True])
def test_a_fit_brought_back_by_backup_and_restore(
    data: Path, tmp_path: Path, name: str, *, backup_first: bool
) -> None:
    def model() -> keras.Model:
        return scheduled(name) if name else build()  # without momentum, which would carry on

    def train(orders: dict[int, Any], *others: Any) -> Steps:
        watch, steps = EpochWatch(run="mine", control=WIDE), Steps()
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        pair = [backup, watch] if backup_first else [watch, backup]
        # The failing one last: what its epoch began with is on record by then.
        fit(model(), *pair, Order(watch, orders), steps, *others, epochs=5)
        return steps

    whole = Steps()
    fit(model(), whole, epochs=5)
    with pytest.raises(ValueError, match="planted"):
        # The last backup is of behind epoch 2, the very boundary at which the cut is made.
        train({2: {"id": "k", "wanted": whole.rates[3] * 0.01}}, Fail())
    steps = train({})
    share = [one / other for one, other in zip(steps.rates, whole.rates[3:], strict=True)]
    assert share == pytest.approx([0.01, 0.01], rel=1e-3)
    assert max(steps.moved) < 0.2 * max(whole.moved)
    assert [answer["outcome"] for answer in answers(data)] == ["applied"]


def test_a_second_fit_under_the_same_name_keeps_the_factor(data: Path) -> None:
    model = scheduled("ExponentialDecay")
    schedule = model.optimizer._learning_rate
    first = run(model, {1: {"id": "k", "wanted": 0.004}}, epochs=3, run="mine", control=WIDE)
    assert model.optimizer._learning_rate is schedule
    second = run(model, {}, epochs=2, run="mine", control=WIDE)
    assert second.rates[0] < first.rates[2]
    assert second.rates[0] > 0.5 * first.rates[2]
    assert model.optimizer._learning_rate is schedule
    # A run of another name is not cut: the factor was the first run's.
    third = run(model, {}, epochs=1, control=WIDE)
    assert third.rates[0] > 10 * second.rates[1]
    assert [answer["outcome"] for answer in answers(data)] == ["applied"]


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import os, signal
from orders import run
from training import build
from epochwatch import Control
from epochwatch._contract import CommandResult
from epochwatch._session import Session

put = Session.put

def killed(self, body):
    if isinstance(body, CommandResult):
        os.kill(os.getpid(), signal.SIGKILL)  # applied, and not answered
    put(self, body)

Session.put = killed
control = Control(hardest_factor=1e-3, cooldown_epochs=0, max_cuts=2)
run(build(), {{1: {{"id": "k", "wanted": 0.05}}}}, run="mine", control=control)
"""


def test_killed_between_applying_and_answering(data: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parent))
    environ = os.environ | {"EPOCHWATCH_DATA": str(data)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not answers(data)
    # The daemon has no answer and sends it once more; the model comes from before the cut.
    control = Control(hardest_factor=1e-3, cooldown_epochs=0, max_cuts=2)
    watch, steps = EpochWatch(run="mine", control=control), Steps()
    again = [CUT | {"attempt": "before"}, CUT | {"attempt": "before"}]
    orders = Order(watch, {2: again, 3: {"wanted": 0.02}, 4: {"wanted": 0.01}})
    fit(build(), watch, orders, steps, epochs=6, initial_epoch=2)
    assert steps.rates == pytest.approx([0.05, 0.05, 0.02, 0.02])
    told = answers(data)
    assert [(one["id"], one["outcome"]) for one in told] == [
        ("k", "applied"),
        ("c3", "applied"),
        ("c4", "refused"),
    ]
    assert (told[0]["before"], told[0]["after"]) == pytest.approx((0.5, 0.05))
    assert "ended before it was answered" in told[0]["reason"]
    assert "had its 2 cuts" in told[2]["reason"]


def test_what_could_not_be_put_back_is_not_said_to_be_in_force(data: Path) -> None:
    put = Session.put

    def silent(self: Session, body: Any) -> None:
        if type(body).__name__ != "CommandResult":
            put(self, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "put", silent)
        run(build(), {1: CUT}, epochs=3, run="mine", control=WIDE)
    watch, steps = EpochWatch(run="mine", control=WIDE), Steps()
    order = Order(watch, {3: CUT | {"attempt": "before"}})
    fit(build(keras.optimizers.SGD(0.3)), watch, order, steps, epochs=5, initial_epoch=3)
    assert steps.rates == pytest.approx([0.3, 0.3])
    (answer,) = answers(data)
    assert answer["outcome"] == "refused"
    assert "it is in force no more" in answer["reason"]
    assert len(spooled(data, "run_ended")) == 2
