"""Whole training processes: killed, interrupted, terminated, forked, left by an exception."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from training import build, fit

from epochwatch import EpochWatch

TRAIN = """
import sys
sys.path.insert(0, {tests!r})
import os, signal, time
import keras, numpy as np
from epochwatch import EpochWatch
from training import build, fit

signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it

class Do(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("epoch", epoch, repr(logs["loss"]), flush=True)
        if epoch == 2:
            {do}

watch = EpochWatch(run="r")
{around}
"""
FIT = "fit(build(), watch, Do(), epochs={epochs})"


def train(
    do: str, data: Path, *, around: str = FIT, epochs: int = 5, url: str | None = None
) -> subprocess.Popen[str]:
    script = TRAIN.format(
        tests=str(Path(__file__).parent), do=do, around=around.format(epochs=epochs)
    )
    environ = os.environ | {"EPOCHWATCH_DATA": str(data), "PYTHONUNBUFFERED": "1"}
    if url:
        environ["EPOCHWATCH_URL"] = url
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def spooled(data: Path) -> list[dict[str, Any]]:
    (path,) = (data / "spool").glob("*.jsonl")
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[1:-1]]


def last(data: Path) -> dict[str, Any]:
    body = spooled(data)[-1].get("run_ended")
    assert body is not None, spooled(data)[-1]
    return dict(body)


def test_sigkill_leaves_the_spool_complete_and_the_next_one_delivers_it(data: Path) -> None:
    process = train("time.sleep(0.2); os.kill(os.getpid(), signal.SIGKILL)", data)
    code, out, _ = finish(process)
    assert code == -signal.SIGKILL
    printed = [line.split() for line in out.splitlines()]
    assert [int(words[1]) for words in printed] == [0, 1, 2]
    told = [event["epoch_ended"] for event in spooled(data) if event["type"] == "epoch_ended"]
    assert [repr(body["metrics"]["loss"]) for body in told] == [words[2] for words in printed]
    # The daemon of that folder comes back; the next fit there brings it what was left.
    with Broker() as broker:
        (data / "endpoint.json").write_text(json.dumps({"nats": broker.url, "token": "t"}))
        fit(build(), EpochWatch(run="r"), epochs=3)
        broker.wait(lambda: len(broker.events) >= 4 + 5)
    attempts = [
        [event for event in broker.events if event["attempt"] == attempt]
        for attempt in sorted({event["attempt"] for event in broker.events})
    ]
    assert [[event["seq"] for event in part] for part in attempts] == [
        [1, 2, 3, 4],
        [1, 2, 3, 4, 5],
    ]


FULL = """
import resource
from pathlib import Path

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def fill(spool=Path(os.environ["EPOCHWATCH_DATA"]) / "spool"):
    limit(next(spool.glob("*.jsonl")).stat().st_size + 100)

def on_epoch_end(epoch, logs):
    if epoch == 4:
        limit(resource.RLIM_INFINITY)

empty = keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
fit(build(), watch, Do(), empty, epochs={epochs})
"""


def test_a_disk_that_takes_no_more_for_a_while(data: Path) -> None:
    """The kernel refuses what would make a file longer, in the middle of a line."""
    code, out, err = finish(train("fill()", data, around=FULL, epochs=7))
    assert code == 0, err
    assert err.count("kept in memory") == 1
    assert "Traceback" not in err
    told = [event["epoch_ended"] for event in spooled(data) if event["type"] == "epoch_ended"]
    printed = [line.split()[2] for line in out.splitlines()]
    assert [repr(body["metrics"]["loss"]) for body in told] == printed
    assert last(data)["state"] == "completed"


def test_an_uncaught_exception_is_told_and_seen(data: Path) -> None:
    code, _, err = finish(train("raise ValueError('planted')", data))
    assert code == 1
    assert "ValueError: planted" in err
    assert last(data) == {"state": "failed", "reason": "ValueError: planted", "epochs": 3}


def test_ctrl_c(data: Path) -> None:
    code, _, err = finish(train("os.kill(os.getpid(), signal.SIGINT)", data))
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in err
    body = last(data)
    assert body["state"] == "interrupted"
    assert body["reason"].startswith("KeyboardInterrupt")


def test_sigterm_ends_the_process_as_ever_and_is_told(data: Path) -> None:
    code, _, _ = finish(train("os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", data))
    assert code == -signal.SIGTERM
    assert last(data) == {"state": "interrupted", "reason": "SIGTERM", "epochs": 3}


def test_a_handler_of_the_users_own_for_sigterm_is_left_alone(data: Path) -> None:
    around = "signal.signal(signal.SIGTERM, lambda *_: print('mine', flush=True))\n" + FIT
    code, out, _ = finish(train("os.kill(os.getpid(), signal.SIGTERM)", data, around=around))
    assert code == 0
    assert "mine" in out
    assert last(data)["state"] == "completed"


def test_the_process_that_exits_in_mid_fit(data: Path) -> None:
    code, _, _ = finish(train("sys.exit(3)", data))
    assert code == 3
    # SystemExit leaves no trace that could be looked up, so it may be "an exception not seen".
    assert last(data)["state"] in ("failed", "interrupted")


def test_an_exception_reaches_a_broker_before_the_process_ends(data: Path) -> None:
    with Broker() as broker:
        code, _, err = finish(train("raise ValueError('planted')", data, url=broker.url))
        assert code == 1
        broker.wait(lambda: broker.types()[-1:] == ["run_ended"])
        assert "epochwatch" not in err
    assert not list((data / "spool").glob("*.jsonl"))


@pytest.mark.parametrize("mode", ["silent", "rubbish"])
def test_a_bad_broker_does_not_hold_up_the_end_of_the_process(mode: str, data: Path) -> None:
    with Broker(mode) as broker:
        around = FIT + "\nprint('done', time.time(), flush=True)"
        process = train("pass", data, url=broker.url, epochs=3, around=around)
        code, out, err = finish(process)
        ended = time.time()
    assert code == 0
    assert ended - float(out.split()[-1]) < 10  # a broker waited for would cost minutes
    assert last(data)["state"] == "completed"
    assert len([line for line in err.splitlines() if "epochwatch" in line]) == 1
    assert "Traceback" not in err


FORKED = """
pid = os.fork()
            if pid == 0:
                watch.on_epoch_end(99, {"loss": 1.0})
                watch.on_train_end()
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
"""


def test_a_forked_worker_publishes_nothing(data: Path) -> None:
    code, _, err = finish(train(FORKED.strip(), data))
    assert code == 0, err
    told = spooled(data)
    assert [event["seq"] for event in told] == list(range(1, 8))
    assert all(event.get("epoch_ended", {}).get("epoch") != 99 for event in told)
    assert told[-1]["run_ended"]["state"] == "completed"


def test_a_fork_that_outlives_a_killed_trainer_does_not_keep_the_spool(data: Path) -> None:
    do = "pid = os.fork()\n            if pid == 0: signal.pause()\n            print(pid)\n"
    do += "            time.sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)"
    process = train(do, data)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    child = int(lines[-1])
    try:
        assert process.wait(60) == -signal.SIGKILL
        from epochwatch._spool import orphans  # noqa: PLC0415

        assert [orphan.head.run for orphan in orphans(data / "spool", None)] == ["r"]
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.close()


def test_importing_the_package_imports_neither_keras_nor_nats() -> None:
    code = (
        "import sys, epochwatch; epochwatch.Control(); print({'keras','nats'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_without_keras_the_import_says_so() -> None:
    code = "import sys; sys.modules['keras'] = None; from epochwatch import EpochWatch"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert "EpochWatch is a Keras callback and Keras is not installed" in done.stderr
