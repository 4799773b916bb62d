from __future__ import annotations

import contextlib
import gc
import json
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from broker import MODES, Broker
from training import X, Y, build, fit, weights

import epochwatch
from epochwatch import Control, EpochWatch, _callback, _session
from epochwatch._codec import decode_event


def events(data: Path) -> list[dict[str, Any]]:
    """The spooled events of all attempts, in order; each is of the contract."""
    found = []
    paths = (data / "spool").glob("*.jsonl")
    for path in sorted(paths, key=lambda path: path.stem.rpartition(".")[2]):  # by attempt
        for line in path.read_bytes().splitlines()[1:]:
            decode_event(line)
            found.append(json.loads(line))
    return found


def ends(data: Path) -> list[tuple[str, str | None]]:
    bodies = [event["run_ended"] for event in events(data) if event["type"] == "run_ended"]
    return [(body["state"], body.get("reason")) for body in bodies]


@pytest.fixture(scope="module")
def alone() -> bytes:
    model = build()
    fit(model)
    return weights(model)


def test_a_fit_is_told_in_full(data: Path) -> None:
    model = build()
    watch = EpochWatch(name="größer", tags=["a", "b"], data=(X, Y))
    history = fit(model, watch, validation_data=(X[:16], Y[:16]))
    told = events(data)
    assert [event["type"] for event in told] == ["run_started"] + ["epoch_ended"] * 3 + [
        "run_ended"
    ]
    assert [event["seq"] for event in told] == [1, 2, 3, 4, 5]
    assert {event["run"] for event in told} == {watch.run}
    bodies = [event["epoch_ended"] for event in told[1:4]]
    assert [body["epoch"] for body in bodies] == [0, 1, 2]
    for name, values in history.history.items():
        assert [body["metrics"][name] for body in bodies] == values  # to the last bit
    assert set(bodies[0]["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert [body["learning_rate"] for body in bodies] == [0.5] * 3
    jax = keras.backend.backend() == "jax"
    assert [body.get("step") for body in bodies] == ([4, 8, 12] if jax else [None] * 3)
    assert all(0 < body["seconds"] < 60 for body in bodies)
    assert ends(data) == [("completed", None)]
    assert told[-1]["run_ended"]["epochs"] == 3
    started = told[0]["run_started"]
    assert started["name"] == "größer"
    assert started["control"]["mode"] == "off"
    assert started["validation"] is True
    assert (started["samples"], started["validation_samples"]) == (64, 16)
    assert (started["batch_size"], started["steps_per_epoch"]) == (16, 4)


def test_the_weights_are_those_of_a_fit_left_alone(alone: bytes, data: Path) -> None:
    model = build()
    fit(model, EpochWatch(auto_lr=True, data=(X, Y)))
    assert weights(model) == alone
    assert len(events(data)) == 5


@pytest.mark.parametrize("mode", ["good", *MODES])
def test_no_broker_changes_a_weight(
    mode: str, alone: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_session, "_END_SECONDS", 0.3)
    with Broker(mode) as broker:
        model = build()
        fit(model, EpochWatch(broker.url, auto_lr=True))
        assert weights(model) == alone
    assert "Traceback" not in caplog.text


def test_errors_of_our_own_stay_out_of_fit(
    alone: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("planted")

    for name in ("gather", "numbers_of", "Session"):
        monkeypatch.setattr(_callback, name, broken)
        model = build()
        fit(model, EpochWatch())
        assert weights(model) == alone
        monkeypatch.undo()
    assert "planted" in caplog.text
    assert "Traceback" not in caplog.text


def test_no_batch_hook_and_asynchronous_dispatch_stays_on() -> None:
    for watch in (EpochWatch(), EpochWatch(batches=2), EpochWatch(auto_lr=True)):
        container = keras.callbacks.CallbackList([watch])
        assert container._async_train or not keras.src.backend.IS_THREAD_SAFE
    for name in dir(keras.callbacks.Callback):
        if "batch" in name or "test" in name or "predict" in name:
            assert getattr(EpochWatch, name) is getattr(keras.callbacks.Callback, name)


class FirstBatch(keras.callbacks.Callback):  # type: ignore[misc]
    loss = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 0 and not self.loss:
            self.loss = logs["loss"]


@pytest.mark.parametrize(
    ("options", "told"), [({"auto_lr": True}, 1), ({"batches": 3}, 1), ({}, 0)]
)
def test_the_loss_before_any_step_is_told_by_the_first_epoch(
    options: dict[str, Any], told: int, data: Path
) -> None:
    witness = FirstBatch()
    fit(build(), EpochWatch(**options), witness)
    bodies = [event["epoch_ended"] for event in events(data) if event["type"] == "epoch_ended"]
    assert [body.get("first_batch_loss") for body in bodies] == [
        witness.loss if told else None,
        None,
        None,
    ]


def test_batches_are_summed_up_when_asked_for(data: Path) -> None:
    fit(build(), EpochWatch(batches=3))
    found = [event["batches"] for event in events(data) if event["type"] == "batches"]
    assert [(body["epoch"], body["batch"], body["count"]) for body in found] == [
        (epoch, batch, count) for epoch in range(3) for batch, count in ((2, 3), (3, 1))
    ]
    loss = found[0]["metrics"]["loss"]
    assert loss["min"] <= loss["mean"] <= loss["max"]
    first = next(event["epoch_ended"] for event in events(data) if event["type"] == "epoch_ended")
    assert first["first_batch_loss"] > 0


def test_not_finite_values_arrive_as_what_they_are(data: Path) -> None:
    fit(build(loss=lambda _, out: keras.ops.mean(out) * np.nan), EpochWatch())
    body = next(event["epoch_ended"] for event in events(data) if event["type"] == "epoch_ended")
    assert body["metrics"]["loss"] == "NaN"


def test_odd_logs_are_taken_as_far_as_they_are_numbers(data: Path) -> None:
    watch = EpochWatch()
    watch.set_model(build())
    watch.on_train_begin()
    watch.on_epoch_begin(0)
    logs = {
        "f": 0.1,
        "i": 3,
        "big": 2**70,
        "b": True,
        "np32": np.float32(0.1),
        "array": np.ones(3),
        "zero": np.array(2.5),
        "text": "5",
        "none": None,
        "long" * 200: 1.0,
    }
    watch.on_epoch_end(0, logs)
    watch.on_train_end()
    metrics = events(data)[1]["epoch_ended"]["metrics"]
    long = metrics.pop(("long" * 200)[:512])
    assert long == 1.0
    assert metrics == {
        "f": 0.1,
        "i": 3,
        "big": 2.0**70,
        "b": 1.0,
        "np32": float(np.float32(0.1)),
        "zero": 2.5,
    }


def test_each_fit_is_a_run_unless_it_is_named(data: Path) -> None:
    watch = EpochWatch()
    fit(build(), watch, epochs=1)
    first = watch.run
    fit(build(), watch, epochs=1)
    assert watch.run != first
    named = EpochWatch(run="mine")
    model = build()
    fit(model, named, epochs=1)
    fit(model, named, epochs=3, initial_epoch=1)
    mine = [event for event in events(data) if event["run"] == "mine"]
    attempts = sorted({event["attempt"] for event in mine})
    assert len(attempts) == 2
    by_attempt = [[e for e in mine if e["attempt"] == attempt] for attempt in attempts]
    assert [[e["seq"] for e in part] for part in by_attempt] == [[1, 2, 3], [1, 2, 3, 4]]
    second = by_attempt[1]
    assert second[0]["run_started"]["initial_epoch"] == 1
    assert [e["epoch_ended"]["epoch"] for e in second[1:-1]] == [1, 2]
    assert second[-1]["run_ended"]["epochs"] == 2


class Raise(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises in the second call of a hook, and keeps no traceback alive by itself."""

    def __init__(self, error: type[BaseException], hook: str = "on_epoch_begin") -> None:
        super().__init__()
        setattr(self, hook, self._hook)
        self.error = error
        self.calls = 0

    def _hook(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        if self.calls == 2:
            raise self.error("planted")


HOOKS = ("on_epoch_begin", "on_epoch_end", "on_train_batch_begin")


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_passes_and_is_told_by_the_next_fit_at_the_latest(
    hook: str, data: Path
) -> None:
    watch = EpochWatch()
    with pytest.raises(ValueError, match="planted"):
        fit(build(), Raise(ValueError, hook), watch)
    fit(build(), watch, epochs=1)
    (state, reason), second = ends(data)
    assert state == "failed"
    assert second == ("completed", None)
    if hook == "on_train_batch_begin":
        assert reason == "ValueError: planted"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_that_the_user_handles_is_told_when_fit_is_gone(
    hook: str, error: type[BaseException], data: Path
) -> None:
    watch = EpochWatch()
    with contextlib.suppress(error):
        fit(build(), watch, Raise(error, hook))
    gc.collect()
    assert watch._fit is None
    until_spooled(watch)
    ((state, reason),) = ends(data)
    if hook == "on_train_batch_begin":
        assert reason == f"{error.__name__}: planted"
        assert state == ("failed" if error is ValueError else "interrupted")


def until_spooled(watch: EpochWatch) -> None:
    deadline = time.monotonic() + 5
    while not (watch._fit is None and watch._session and watch._session._spooled):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_a_fit_that_was_left_is_noticed_by_the_heartbeat(data: Path) -> None:
    watch = EpochWatch()
    kept = None
    try:
        fit(build(), watch, Raise(ValueError, "on_epoch_end"))
    except ValueError as error:
        kept = error  # holds the traceback, as a notebook does
    if watch._fit is not None:
        watch._fit.look()
    until_spooled(watch)
    assert kept is not None
    assert [state for state, _ in ends(data)] == ["failed"]


def test_the_heartbeat_does_not_end_a_fit_that_runs(data: Path) -> None:
    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            assert watch._fit is not None
            thread = threading.Thread(target=watch._fit.look)
            thread.start()
            thread.join()

    watch = EpochWatch()
    fit(build(), watch, Look())
    assert ends(data) == [("completed", None)]


def test_an_interrupt_is_told_as_one(data: Path) -> None:
    watch = EpochWatch()
    with pytest.raises(KeyboardInterrupt):
        fit(build(), watch, Raise(KeyboardInterrupt, "on_train_batch_begin"))
    until_spooled(watch)
    assert ends(data) == [("interrupted", "KeyboardInterrupt: planted")]


def test_stop_training_is_an_end_like_any(data: Path) -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            self.model.stop_training = True

    fit(build(), EpochWatch(), Stop(), epochs=9)
    assert ends(data) == [("completed", None)]
    assert events(data)[-1]["run_ended"]["epochs"] == 1


def test_another_controller_is_noticed(data: Path) -> None:
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    fit(build(), EpochWatch(), halve)
    bodies = [event["epoch_ended"] for event in events(data) if event["type"] == "epoch_ended"]
    assert [body.get("controllers") for body in bodies] == [None] + [["LearningRateScheduler"]] * 2


def test_data_and_model_are_let_go_of(data: Path) -> None:
    watch = EpochWatch(data=(X, Y))
    x = X.copy()
    gone = weakref.ref(x)
    fit(build(), watch, x=x)
    del x
    assert events(data)
    if keras.backend.backend() == "jax":  # TensorFlow's own pipeline holds it for a while
        assert gone() is None
    assert "catch_stop_iteration" not in str(vars(watch))


def test_only_the_chief_publishes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if keras.backend.backend() == "jax":
        monkeypatch.setattr(sys.modules["jax"], "process_index", lambda: 1)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    watch = EpochWatch()
    fit(build(), watch, epochs=1)
    assert watch._session is None
    assert not data.exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"run": "a b"}, "run 'a b' does not match"),
        ({"run": ""}, "run '' does not match"),
        ({"project": "x" * 65}, "project"),
        ({"project": 3}, "project 3"),
        ({"auto_lr": True, "control": Control()}, "one of the two"),
        ({"control": {"mode": "auto"}}, "is not an epochwatch.Control"),
        ({"batches": 0}, "batches 0"),
        ({"batches": True}, "batches True"),
        ({"tags": "a"}, "tags 'a'"),
        ({"tags": [1]}, "tags"),
        ({"name": 3}, "name 3"),
        ({"url": "http://x"}, "is not an address"),
    ],
)
def test_bad_arguments_are_refused_at_once(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EpochWatch(**wrong)


def test_a_bad_address_in_the_environment_does_not_hurt(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EPOCHWATCH_URL", "nats://s3cret@:x")
    fit(build(), EpochWatch(), epochs=1)
    assert len(events(data)) == 3
    assert "is not an address" in caplog.text
    assert "s3cret" not in caplog.text


def test_what_is_public() -> None:
    assert issubclass(EpochWatch, keras.callbacks.Callback)
    assert set(epochwatch.__all__) <= set(dir(epochwatch))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = epochwatch.Nothing
