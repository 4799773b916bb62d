from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import warnings
from pathlib import Path

import pytest

from epochwatch._spool import Header, Spool, orphans

HEAD = Header("p", "r", "a", "nats://127.0.0.1:4222")


def line(seq: int) -> bytes:
    return json.dumps({"seq": seq}).encode()


def fill(folder: Path, count: int, head: Header = HEAD) -> Spool:
    spool = Spool.create(folder, head)
    for seq in range(1, count + 1):
        assert spool.append(line(seq)) is None
    return spool


def left(folder: Path, url: str | None = HEAD.url) -> dict[str, list[int]]:
    return {
        orphan.head.run: [seq for seq, raw in orphan.events() if raw == line(seq)]
        for orphan in orphans(folder, url)
    }


def test_the_file_is_of_the_form_that_others_read(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = fill(folder, 2)
    spool.acknowledge(1)
    path = folder / "p.r.a.jsonl"
    header, *events = path.read_bytes().splitlines(keepends=True)
    top = json.loads(header)
    assert top.pop("created").endswith("Z")
    assert top == {
        "spool": 1,
        "project": "p",
        "run": "r",
        "attempt": "a",
        "url": "nats://127.0.0.1:4222",
        "pid": os.getpid(),
    }
    assert events == [line(1) + b"\n", line(2) + b"\n"]
    assert (folder / "p.r.a.acked").read_bytes() == b"1"
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    spool.remove()
    assert list(folder.iterdir()) == []


def test_the_owner_holds_the_lock(tmp_path: Path) -> None:
    spool = fill(tmp_path, 3)
    with (tmp_path / "p.r.a.jsonl").open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert left(tmp_path) == {}
    spool.close()
    assert left(tmp_path) == {"r": [1, 2, 3]}


def test_an_orphan_starts_behind_the_marker(tmp_path: Path) -> None:
    spool = fill(tmp_path, 12)
    spool.acknowledge(9)
    spool.acknowledge(10)
    spool.close()
    assert left(tmp_path) == {"r": [11, 12]}
    (tmp_path / "p.r.a.acked").write_text("x10")
    assert left(tmp_path) == {"r": list(range(1, 13))}


def test_only_the_same_target_is_swept(tmp_path: Path) -> None:
    fill(tmp_path, 1).close()
    fill(tmp_path, 1, Header("p", "here", "a", None)).close()
    assert left(tmp_path) == {"r": [1]}
    assert left(tmp_path, None) == {"here": [1]}
    assert left(tmp_path, "nats://other:4222") == {}


def test_a_torn_last_line_is_ignored_and_a_broken_one_is_kept_aside(tmp_path: Path) -> None:
    fill(tmp_path, 2).close()
    path = tmp_path / "p.r.a.jsonl"
    with path.open("ab") as file:
        file.write(b'{"seq": 3, "ha')
    (orphan,) = list(orphans(tmp_path, HEAD.url))
    assert left(tmp_path) == {"r": [1, 2]}
    assert orphan.complete
    path.write_bytes(path.read_bytes() + b"lf\n" + line(4) + b"\n")
    for orphan in orphans(tmp_path, HEAD.url):
        assert [seq for seq, _ in orphan.events()] == [1, 2, 4]
        orphan.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["p.r.a.unread"]
    assert left(tmp_path) == {}


def test_the_golden_spool_is_read_as_the_daemon_reads_it(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "ingest" / "spool" / "testdata"
    for path in golden.glob("digits.golden.*"):
        shutil.copy(path, tmp_path)
    (spool,) = tmp_path.glob("*.jsonl")
    lines = spool.read_bytes().split(b"\n")
    for orphan in orphans(tmp_path, None):
        assert list(orphan.events()) == [(seq, lines[seq]) for seq in (3, 4, 5)]
        orphan.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_was_killed_before_it_had_a_name_is_cleared_away(tmp_path: Path) -> None:
    old, new = tmp_path / "p.r.a.new", tmp_path / "p.r.b.new"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == [new]  # its owner may be at it


def test_what_is_no_spool_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.jsonl").write_bytes(b"[1]\n")
    (tmp_path / "c.jsonl").write_bytes(b'{"spool":2,"project":"p","run":"r","attempt":"a"}\n')
    (tmp_path / "d.jsonl").write_bytes(b'{"spool":1,"project":"../p","run":"r","attempt":"a"}\n')
    assert left(tmp_path) == {}
    assert left(tmp_path, None) == {}
    assert len(list(tmp_path.iterdir())) == 4


def test_events_read_back(tmp_path: Path) -> None:
    spool = fill(tmp_path, 3)
    assert [spool.read(seq) for seq in (1, 2, 3)] == [line(1), line(2), line(3)]
    assert spool.last == 3
    spool.close()


def test_a_full_disk_costs_nothing_when_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = fill(tmp_path, 1)
    real = os.write

    def full(fd: int, raw: bytes) -> int:
        if fd != spool._fd:
            return real(fd, raw)
        real(fd, raw[: len(raw) // 2])  # a torn write, then an error
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    errors = [spool.append(line(seq)) for seq in (2, 3)]
    assert [error.errno if error else None for error in errors] == [28, 28]
    assert [spool.read(seq) for seq in (1, 2, 3)] == [line(1), line(2), line(3)]
    monkeypatch.undo()
    assert spool.append(line(4)) is None
    assert [spool.read(seq) for seq in (1, 2, 3, 4)] == [line(n) for n in (1, 2, 3, 4)]
    spool.close()
    assert left(tmp_path) == {"r": [1, 2, 3, 4]}


def test_a_short_write_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = fill(tmp_path, 1)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, raw: real(fd, raw[:-3]))
    assert spool.append(line(2)) is not None
    monkeypatch.undo()
    spool.close()
    assert left(tmp_path) == {"r": [1]}


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    spool = fill(tmp_path, 1)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other tests have left threads; the child only waits
        pid = os.fork()
    if pid == 0:
        os.write(write, b"!")
        signal.pause()
        os._exit(1)
    try:
        assert os.read(read, 1) == b"!"
        spool.close()  # as the death of the owner does
        assert left(tmp_path) == {"r": [1]}
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)
