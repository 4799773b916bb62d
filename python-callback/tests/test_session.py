from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from broker import MODES, Broker

from epochwatch import _session
from epochwatch._codec import encode_command
from epochwatch._contract import Command, EpochEnded, RunEnded, RunStarted, command_subject
from epochwatch._endpoint import find
from epochwatch._session import Session
from epochwatch._spool import Header, Spool

if TYPE_CHECKING:
    from collections.abc import Callable

ENDED = RunEnded(state="completed", epochs=3)


def begin(url: str | None, folder: Path, run: str = "r") -> Session:
    target = find(url)
    session = Session(target, folder, Header("p", run, "a", target.url))
    session.start()
    return session


def epochs(session: Session, count: int = 3) -> None:
    session.put(RunStarted())
    for epoch in range(count):
        session.put(EpochEnded(epoch=epoch, metrics={"loss": 0.5}))


def spooled(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()[1:]]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what another thread does; the deadline is the failure."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.005)


def timed_end(session: Session) -> float:
    began = time.monotonic()
    session.end(ENDED)
    return time.monotonic() - began


def test_a_good_broker_gets_everything_once_in_order(broker: Broker, tmp_path: Path) -> None:
    session = begin(broker.url, tmp_path)
    epochs(session)
    broker.wait(lambda: len(broker.messages) == 4)
    seconds = timed_end(session)
    assert broker.types() == ["run_started"] + ["epoch_ended"] * 3 + ["run_ended"]
    assert [event["seq"] for event in broker.events] == [1, 2, 3, 4, 5]
    assert [message[1] for message in broker.messages] == [f"r.a.{n}" for n in range(1, 6)]
    assert {message[0] for message in broker.messages} == {"epochwatch.v1.p.r.event"}
    until(lambda: not list(tmp_path.iterdir()))
    assert seconds < 0.5  # 0.1 on a machine with nothing else to do


def test_with_no_daemon_the_end_is_at_once_and_the_spool_complete(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = begin(None, tmp_path)
    epochs(session)
    assert timed_end(session) < 0.3
    assert [event["seq"] for event in spooled(tmp_path)] == [1, 2, 3, 4, 5]
    session.stop(5)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no daemon" in caplog.text
    assert "Traceback" not in caplog.text


def test_refused_is_absent(tmp_path: Path, broker: Broker) -> None:
    url = broker.url
    broker.stop()
    session = begin(url, tmp_path)
    epochs(session)
    until(lambda: session._link_state == "absent")
    assert timed_end(session) < 0.3
    assert len(spooled(tmp_path)) == 5
    session.stop(5)


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_broker_costs_two_seconds_at_most_and_no_event(
    mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 1.9 < _session._END_SECONDS < 2
    if mode != "silent":  # one of them in full, the others in less of the suite's time
        monkeypatch.setattr(_session, "_END_SECONDS", 0.4)
    with Broker(mode) as broker:
        session = begin(broker.url, tmp_path)
        epochs(session)
        until(lambda: broker.connections > 0)
        assert timed_end(session) < _session._END_SECONDS + 0.3
        assert [event["seq"] for event in spooled(tmp_path)] == [1, 2, 3, 4, 5]
        session.stop(5)
    assert len(caplog.records) <= 2
    assert "Traceback" not in caplog.text
    assert all(record.name == "epochwatch" for record in caplog.records)


@pytest.mark.parametrize("mode", ["closing", "denying", "streamless", "strange", "rubbish"])
def test_a_broker_that_recovers_gets_everything(mode: str, tmp_path: Path) -> None:
    with Broker(mode) as broker:
        session = begin(broker.url, tmp_path)
        epochs(session)
        until(lambda: broker.connections > 1)
        broker.mode = "good"
        broker.wait(lambda: len(broker.events) == 4)
        session.end(ENDED)
        broker.wait(lambda: len(broker.events) == 5)
        # In any order: what was refused at first is sent again behind what was on its way.
        assert sorted(event["seq"] for event in broker.events) == [1, 2, 3, 4, 5]
    until(lambda: not list(tmp_path.iterdir()))


def test_a_broker_that_dies_and_comes_back(tmp_path: Path) -> None:
    with Broker("dying") as broker:
        session = begin(broker.url, tmp_path)
        epochs(session, 5)
        until(lambda: session._link_state == "absent")
        assert len(broker.events) == 3
        port = broker.port
    with Broker(port=port) as again:
        session.end(ENDED)
        again.wait(lambda: "run_ended" in again.types())
        # Three were acknowledged or not, in which case they are sent again: never a hole.
        assert [event["seq"] for event in again.events][-4:] == [4, 5, 6, 7]
    until(lambda: not list(tmp_path.iterdir()))


def test_a_daemon_that_moves_is_found_again(data: Path, tmp_path: Path) -> None:
    def write(broker: Broker, token: str) -> None:
        data.mkdir(exist_ok=True)
        (data / "endpoint.json").write_text(json.dumps({"nats": broker.url, "token": token}))

    session = begin(None, tmp_path)
    epochs(session)
    until(lambda: session._link_state == "absent")
    with Broker(token="one") as first:  # noqa: S106
        write(first, "one")
        first.wait(lambda: len(first.events) == 4)
    with Broker(token="two") as second:  # noqa: S106
        write(second, "two")
        session.end(ENDED)
        second.wait(lambda: len(second.events) == 1)
    until(lambda: not list(tmp_path.glob("*.jsonl")))


def test_commands_land_in_the_slot(broker: Broker, tmp_path: Path) -> None:
    session = begin(broker.url, tmp_path)
    subject = command_subject("p", "r")
    broker.wait(lambda: broker.subscribed(subject))
    command = Command(
        id="c1",
        kind="stop",
        project="p",
        run="r",
        attempt="a",
        expires_at=datetime.now(UTC) + timedelta(minutes=1),
        expires_epoch=3,
    )
    broker.push(subject, b"rubbish")
    broker.push(subject, encode_command(command))
    until(lambda: len(session.commands) == 1)
    assert session.commands.popleft() == command
    session.end(ENDED)


def test_the_next_session_delivers_what_a_dead_one_left(broker: Broker, tmp_path: Path) -> None:
    dead = Session(find(broker.url), tmp_path, Header("p", "dead", "old", find(broker.url).url))
    spool = Spool.create(tmp_path, dead.head)
    for seq in range(1, 151):
        spool.append(json.dumps({"type": "x", "seq": seq}).encode())
    spool.acknowledge(20)
    spool.close()
    other = Spool.create(tmp_path, Header("p", "other", "old", "nats://elsewhere:1"))
    other.close()
    session = begin(broker.url, tmp_path)
    broker.wait(lambda: len(broker.messages) == 130)
    assert {message[0] for message in broker.messages} == {"epochwatch.v1.p.dead.event"}
    assert {message[1] for message in broker.messages} == {f"dead.old.{n}" for n in range(21, 151)}
    until(lambda: not list(tmp_path.glob("p.dead.*")))
    assert list(tmp_path.glob("p.other.*"))
    session.end(ENDED)


def test_fits_without_a_daemon_do_not_add_up(data: Path, tmp_path: Path) -> None:
    for number in range(5):
        session = begin(None, tmp_path, f"r{number}")
        epochs(session)
        session.end(ENDED)
        until(lambda: len(_session.live_sessions()) == 1)
    with Broker() as broker:
        data.mkdir()
        (data / "endpoint.json").write_text(json.dumps({"nats": broker.url, "token": "t"}))
        session = begin(None, tmp_path, "last")
        broker.wait(lambda: len(broker.events) == 25)
        assert {event["run"] for event in broker.events} == {f"r{n}" for n in range(5)}
        session.end(ENDED)
        broker.wait(lambda: len(broker.events) == 26)
    until(lambda: not list(tmp_path.glob("*.jsonl")))


def test_a_long_backlog_goes_out_in_windows(broker: Broker, tmp_path: Path) -> None:
    session = begin(broker.url, tmp_path)
    epochs(session, 1_000)
    broker.wait(lambda: len(broker.events) == 1_001)
    assert [event["seq"] for event in broker.events] == list(range(1, 1_002))
    session.end(ENDED)


def test_heartbeats_are_numbered_events(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "HEARTBEAT_SECONDS", 0.05)
    session = begin(broker.url, tmp_path)
    looked = threading.Event()
    session.watch = looked.set
    session.epoch = 3
    session.put(RunStarted())
    broker.wait(lambda: broker.types().count("heartbeat") >= 2)
    assert looked.is_set()
    session.end(ENDED)
    broker.wait(lambda: broker.types()[-1] == "run_ended")
    assert [event["seq"] for event in broker.events] == list(range(1, len(broker.events) + 1))
    beat = next(event for event in broker.events if event["type"] == "heartbeat")
    assert beat["heartbeat"]["epoch"] == 3


def test_a_folder_that_takes_no_files_costs_no_event_while_the_broker_is_there(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    session = begin(broker.url, blocked)
    epochs(session)
    session.end(ENDED)
    broker.wait(lambda: len(broker.events) == 5)
    assert "cannot write to" in caplog.text


def test_an_event_that_cannot_be_written_costs_only_itself(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = begin(broker.url, tmp_path)

    def broken() -> RunStarted:
        raise ZeroDivisionError

    session.put(broken)
    epochs(session)
    session.put(EpochEnded(epoch=-1, metrics={}))
    session.end(ENDED)
    broker.wait(lambda: len(broker.events) == 5)
    assert [event["seq"] for event in broker.events] == [1, 2, 3, 4, 5]
    assert sum("left out" in record.message for record in caplog.records) == 2


def test_the_queue_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = find(None)
    session = Session(target, tmp_path, Header("p", "r", "a", None))  # the thread never starts
    for _ in range(_session.QUEUE_LENGTH + 5):
        session.put(ENDED)
    assert len(session._queue) == _session.QUEUE_LENGTH
    assert len(caplog.records) == 1


def test_the_seeded_generators_of_the_user_do_not_advance(broker: Broker, tmp_path: Path) -> None:
    random.seed(5)
    want = random.getstate()
    session = begin(f"{broker.url},{broker.url}", tmp_path)
    epochs(session)
    session.end(ENDED)
    broker.wait(lambda: len(broker.events) == 5)
    assert random.getstate() == want


def test_a_forked_child_is_not_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begin(None, tmp_path)
    assert session.mine
    monkeypatch.setattr(os, "getpid", lambda: session._pid + 1)
    assert not session.mine
    monkeypatch.undo()
    session.end(ENDED)


def test_the_users_own_use_of_nats_keeps_its_log(broker: Broker, tmp_path: Path) -> None:
    session = begin(broker.url, tmp_path)
    epochs(session)
    session.end(ENDED)
    broker.wait(lambda: len(broker.events) == 5)
    logger = logging.getLogger("nats.aio.client")
    record = logger.makeRecord("nats", logging.ERROR, "f", 1, "message", (), None)
    assert logger.filter(record)
    record.threadName = "epochwatch-session"
    assert not logger.filter(record)
