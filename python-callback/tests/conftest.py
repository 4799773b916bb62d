from __future__ import annotations

import os
from typing import TYPE_CHECKING

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from broker import Broker

from epochwatch import _notice, _session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of the test's own, no address in the environment, threads gone after."""
    for name in ("EPOCHWATCH_URL", "EPOCHWATCH_TOKEN", "EPOCHWATCH_CREDS", "TF_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "data"
    monkeypatch.setenv("EPOCHWATCH_DATA", str(folder))
    _notice._said.clear()
    yield folder
    for session in _session.live_sessions():
        session.stop(5)
    assert not _session.live_sessions()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running
