from __future__ import annotations

import json
from pathlib import Path

import pytest

from epochwatch._endpoint import find, parse, state_folder


def test_the_order(tmp_path: Path) -> None:
    data = {"EPOCHWATCH_DATA": str(tmp_path)}
    both = data | {"EPOCHWATCH_URL": "nats://env:4222"}
    assert find("nats://arg:1", both).url == "nats://arg:1"
    assert find(None, both).url == "nats://env:4222"
    assert find(None, both).folder == tmp_path
    assert find(None, data).url is None
    assert find(None, data).folder == tmp_path
    assert find(None, {"XDG_STATE_HOME": "/state"}).folder == Path("/state/epochwatch")
    assert state_folder({"XDG_STATE_HOME": "relative"}) == state_folder({})
    assert state_folder({}) == Path.home() / ".local/state/epochwatch"


def test_secrets_are_taken_from_the_address_or_beside_it() -> None:
    environ = {"EPOCHWATCH_TOKEN": "beside", "EPOCHWATCH_CREDS": "/creds"}
    address = find("nats://s3cret@host:4222", environ).address()
    assert address is not None
    assert address.token == "s3cret"  # noqa: S105
    assert address.urls == ("nats://host:4222",)
    assert "s3cret" not in f"{address} {find('nats://s3cret@host').shown}"
    address = find("host", environ).address()
    assert address is not None
    assert (address.token, address.creds) == ("beside", "/creds")
    with pytest.raises(ValueError, match="'host': user and password are not spoken"):
        find("nats://u:p%40w@host", environ)


def test_several_addresses() -> None:
    address = parse("nats://t@a:1, tls://b,c")
    assert address.urls == ("nats://a:1", "tls://b:4222", "nats://c:4222")
    assert parse("nats://[::1]:5").urls == ("nats://[::1]:5",)


@pytest.mark.parametrize(
    "bad", ["http://h", "nats://", "nats://h:x", "nats://h:0", "nats://h/path", "", "a,,b"]
)
def test_what_is_no_address_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse(bad)


def test_a_refusal_does_not_show_the_token() -> None:
    with pytest.raises(ValueError, match="is not an address") as refused:
        parse("nats://s3cret@host:x")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ValueError, match="two different tokens"):
        parse("nats://a@h,nats://b@h")


def test_the_endpoint_is_read_each_time(tmp_path: Path) -> None:
    target = find(None, {"EPOCHWATCH_DATA": str(tmp_path)})
    assert target.address() is None
    for port in (1, 2):
        endpoint = {"nats": f"nats://127.0.0.1:{port}", "http": "x", "token": "t", "pid": 1}
        (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))
        address = target.address()
        assert address is not None
        assert (address.urls, address.token) == ((f"nats://127.0.0.1:{port}",), "t")


@pytest.mark.parametrize("bad", ["", "{", "[]", "{}", '{"nats": 1}', '{"nats":"x","token":3}'])
def test_an_endpoint_that_is_none(tmp_path: Path, bad: str) -> None:
    (tmp_path / "endpoint.json").write_text(bad)
    with pytest.raises(ValueError, match="is not understood"):
        find(None, {"EPOCHWATCH_DATA": str(tmp_path)}).address()
