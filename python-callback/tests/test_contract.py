from __future__ import annotations

import json
import math
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epochwatch import _codec as codec
from epochwatch import _contract as contract
from epochwatch._readers import RefusedError

V1 = Path(__file__).parents[2] / "ingest" / "contract" / "v1"
GOOD = sorted(V1.glob("good/*.json"))
BAD = sorted(V1.glob("bad/*.json"))
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def rewrite(path: Path, raw: bytes) -> tuple[Any, bytes]:
    """Read a golden message by the kind that its name says, and write it back."""
    if path.name.startswith("command_"):
        command = codec.decode_command(raw)
        return command, codec.encode_command(command)
    event = codec.decode_event(raw)
    return event, codec.encode_event(event)


def bits(value: Any) -> Any:
    """A tree in which numbers are equal only to the last bit."""
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bits(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return struct.pack("<d", float(value))
    return value


def event(body: contract.Body, **head: Any) -> contract.Event:
    names: dict[str, Any] = {"project": "p", "run": "r", "attempt": "a", "seq": 1, "time": WHEN}
    return contract.Event(type=contract.TYPES[type(body)], body=body, **(names | head))


def test_the_golden_folder_is_there() -> None:
    assert len(GOOD) >= 20
    assert len(BAD) >= 30


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_messages_round_trip(path: Path) -> None:
    raw = path.read_bytes()
    first, written = rewrite(path, raw)
    second, again = rewrite(path, written)
    assert written == again
    assert repr(first) == repr(second)
    if "unknown" not in path.name:
        assert bits(json.loads(written)) == bits(json.loads(raw))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_messages_are_refused_for_their_reason(path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        rewrite(path, path.read_bytes())
    assert path.stem.split("_", 1)[1].startswith(refused.value.reason)
    assert refused.value.detail


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_what_is_written_is_of_the_schema(path: Path) -> None:
    kind = path.name.split("_")[0]
    schema = json.loads((V1 / f"{kind}.schema.json").read_text())
    checker = jsonschema.Draft202012Validator(schema)
    _, written = rewrite(path, path.read_bytes())
    checker.validate(json.loads(written))


def test_oversized_is_refused() -> None:
    raw = (V1 / "good/event_heartbeat.json").read_bytes() + b" " * contract.MAX_MESSAGE_BYTES
    with pytest.raises(RefusedError) as refused:
        codec.decode_event(raw)
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"version":1,"version":1}', "malformed"),
        (b'{"version":1,"x":' + b"[" * 40 + b"]" * 40 + b"}", "malformed"),
        (b"[" * 200_000, "malformed"),
        (b'{"version":1,"type":"a\\u0000b"}', "invalid"),
        (b'\xff\xfe{"version":1}', "malformed"),
        (b'\xef\xbb\xbf{"version":1}', "malformed"),
        (b'{"version":true}', "version"),
        (b'{"version":1.0}', "version"),
        (b'{"version":1,"seq":' + b"9" * 5000 + b"}", "wrong_type"),
        (b'{"version":1,"x":-Infinity}', "malformed"),
    ],
)
def test_what_two_readers_would_read_differently_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        codec.decode_event(raw)
    assert refused.value.reason == reason


@given(st.floats())
def test_numbers_round_trip(value: float) -> None:
    raw = codec.encode_event(event(contract.EpochEnded(epoch=0, metrics={"m": value})))
    body = codec.decode_event(raw).body
    assert isinstance(body, contract.EpochEnded)
    got = body.metrics["m"]
    assert (math.isnan(got) and math.isnan(value)) or struct.pack("d", got) == struct.pack(
        "d", value
    )


@given(st.binary(max_size=200) | st.sampled_from(GOOD).map(lambda path: path.read_bytes()[:-9]))
def test_rubbish_is_refused_and_nothing_else(raw: bytes) -> None:
    for decode in (codec.decode_event, codec.decode_command):
        with pytest.raises(RefusedError):
            decode(raw)


@settings(max_examples=30, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_in_any_field_is_read_or_refused(value: Any) -> None:
    golden = json.loads((V1 / "good/event_run_started_full.json").read_text())
    for name in golden["run_started"]:
        body = golden["run_started"] | {name: value}
        raw = json.dumps(golden | {"run_started": body}, allow_nan=True).encode()
        try:
            codec.decode_event(raw)
        except RefusedError as refused:
            assert refused.reason in ("wrong_type", "invalid", "malformed")  # noqa: PT017


def test_what_is_long_is_trimmed() -> None:
    body = contract.RunStarted(
        name="n" * 300_000,
        layers=["Dense64/relu"] * 100_000,
        tags=["t" * 5_000] * 1_000,
        outputs=[contract.Output(name="o" * 9_000)] * 1_000,
        samples=5,
    )
    raw = codec.encode_event(event(body))
    assert len(raw) <= contract.MAX_MESSAGE_BYTES
    read = codec.decode_event(raw).body
    assert isinstance(read, contract.RunStarted)
    assert read.samples == 5
    assert read.layers is not None
    assert read.layers[0] == "Dense64/relu"
    many = contract.EpochEnded(
        epoch=1, metrics={f"metric {i} " + "x" * 400: 0.5 for i in range(900)}
    )
    kept = codec.decode_event(codec.encode_event(event(many))).body
    assert isinstance(kept, contract.EpochEnded)
    assert 400 < len(kept.metrics) < 900
    assert next(iter(kept.metrics)).startswith("metric 0 ")


def test_a_short_message_is_not_trimmed() -> None:
    body = contract.RunStarted(tags=["t" * 5_000], layers=["L"] * 300)
    read = codec.decode_event(codec.encode_event(event(body))).body
    assert read == body


def test_names_fit_the_contract() -> None:
    assert codec.short_name("loss") == "loss"
    assert len(codec.short_name("ä" * 600).encode()) <= contract.MAX_METRIC_NAME
    assert codec.short_name("")
    odd = event(contract.EpochEnded(epoch=0, metrics={"a\0b": 1.0, "\ud800": 2.0}))
    codec.decode_event(codec.encode_event(odd))


@pytest.mark.parametrize(
    "wrong", [{"seq": 0}, {"run": "a b"}, {"project": "*"}, {"attempt": ""}, {"run": "x" * 65}]
)
def test_what_no_reader_would_take_is_not_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        codec.encode_event(replace(event(contract.Heartbeat()), **wrong))


def test_subjects_and_ids() -> None:
    assert contract.event_subject("p-1", "r_2") == "epochwatch.v1.p-1.r_2.event"
    assert contract.command_subject("p-1", "r_2") == "epochwatch.v1.p-1.r_2.command"
    assert contract.message_id("r", "a", 7) == "r.a.7"
