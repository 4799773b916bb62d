"""Where the daemon is: asked anew at each connection, so that one that moved is found."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect and with what; secrets are left out of its representation."""

    urls: tuple[str, ...]
    token: str | None = field(default=None, repr=False)
    creds: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The addresses as people and spools may see them."""
        return ",".join(self.urls)


@dataclass(frozen=True, slots=True)
class Target:
    """What the user pointed at: fixed addresses, or the folder of a daemon."""

    fixed: Address | None
    folder: Path
    """The data folder: its endpoint.json when nothing is fixed, and its spool."""

    @property
    def url(self) -> str | None:
        """What a spool's header says: None is "the daemon of this data folder"."""
        return self.fixed.shown if self.fixed else None

    @property
    def shown(self) -> str:
        """The target in words for people."""
        return self.fixed.shown if self.fixed else f"the data folder {self.folder}"

    def address(self) -> Address | None:
        """Return where the daemon is now; None when its folder has no endpoint.json.

        ValueError when the file is not understood.
        """
        if self.fixed is not None:
            return self.fixed
        try:
            raw = (self.folder / "endpoint.json").read_bytes()
        except FileNotFoundError:
            return None
        try:
            top = json.loads(raw)
            urls, token = top["nats"], top.get("token")
            if not isinstance(token, str | None):
                raise TypeError("token is not a string")  # noqa: TRY301 # one message for all
            address = parse(urls)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{self.folder / 'endpoint.json'} is not understood: {error}"
            ) from None
        return Address(address.urls, token=token or None)


def find(url: str | None, environ: Mapping[str, str] | None = None) -> Target:
    """Find the target in the order url=, EPOCHWATCH_URL, EPOCHWATCH_DATA, the state folder.

    ValueError when an address cannot be one.
    """
    environ = os.environ if environ is None else environ
    data = environ.get("EPOCHWATCH_DATA")
    folder = Path(data).expanduser().absolute() if data else state_folder(environ)
    url = url or environ.get("EPOCHWATCH_URL")
    if not url:
        return Target(None, folder)
    address = parse(url)
    token = address.token or environ.get("EPOCHWATCH_TOKEN") or None
    address = replace(address, token=token, creds=environ.get("EPOCHWATCH_CREDS") or None)
    return Target(address, folder)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return where a daemon without --data keeps its things."""
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = environ.get("XDG_STATE_HOME") or ""
        if not Path(base).is_absolute():  # the XDG specification has relative paths ignored
            base = "~/.local/state"
    return Path(base).expanduser().absolute() / "epochwatch"


def parse(text: str) -> Address:
    """Read nats://[token@]host:port[,…]; ValueError, without the secret, when it is not one."""
    urls: list[str] = []
    tokens: set[str] = set()
    for part in text.split(","):
        split = _split(part.strip())
        if split.username:
            tokens.add(unquote(split.username))
        host = f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname
        urls.append(f"{split.scheme}://{host}:{split.port or 4222}")
    if len(tokens) > 1:
        raise ValueError("the addresses name two different tokens, all of a cluster take the same")
    return Address(tuple(urls), token=next(iter(tokens), None))


def _split(part: str) -> SplitResult:
    shown = part.rpartition("@")[2]
    split = urlsplit(part if "://" in part else f"nats://{part}")
    try:
        bad = split.scheme not in ("nats", "tls") or not split.hostname or split.port == 0
    except ValueError:  # a port that is not a number
        bad = True
    if bad or split.path.strip("/") or split.query or split.fragment:
        raise ValueError(f"{shown!r} is not an address like nats://[token@]host:4222")
    if split.password is not None:  # as the daemon's commands, which read the same variable
        raise ValueError(
            f"{shown!r}: user and password are not spoken, take a token or a credentials file "
            "(EPOCHWATCH_CREDS)"
        )
    return split
