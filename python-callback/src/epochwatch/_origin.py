"""Where a run comes from: host, versions, and the commit, read without a subprocess."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._contract import RunStarted

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LOOSEST: Final = 1 << 20


def add_origin(body: RunStarted, version: str) -> RunStarted:
    """Fill in what can be known anywhere; called in the background thread."""
    body.callback = version
    body.pid = os.getpid()
    body.python = platform.python_version()
    with contextlib.suppress(OSError):
        body.host = socket.gethostname()
    with contextlib.suppress(OSError, ValueError):
        body.git_commit = git_commit(Path.cwd())
    return body


def git_commit(start: Path) -> str | None:
    """Return the commit checked out in the repository around a folder, from its files."""
    for folder in (start, *start.parents):
        git = folder / ".git"
        if git.is_file():  # a worktree or a submodule: the file says where
            said = git.read_text("utf-8")[:4096].strip().removeprefix("gitdir:").strip()
            return _head((folder / said).resolve())
        if git.is_dir():
            return _head(git)
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text("utf-8")[:4096].strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    ref = head.removeprefix("ref:").strip()
    if ".." in ref.split("/"):
        return None
    common = git
    with contextlib.suppress(OSError):
        common = (git / (git / "commondir").read_text("utf-8").strip()).resolve()
    for folder in (git, common):
        with contextlib.suppress(OSError):
            commit = (folder / ref).read_text("utf-8")[:128].strip()
            if _COMMIT.fullmatch(commit):
                return commit
    with contextlib.suppress(OSError), (common / "packed-refs").open(encoding="utf-8") as file:
        for line in file.read(_LOOSEST).splitlines():
            commit, _, name = line.partition(" ")
            if name == ref and _COMMIT.fullmatch(commit):
                return commit
    return None


def is_chief(backend: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether this process speaks for the run: of a distributed one only the chief does.

    Nothing is imported for it: what is not loaded does not distribute.
    """
    environ = os.environ if environ is None else environ
    if backend == "jax" and "jax" in sys.modules:
        with contextlib.suppress(Exception):
            return int(sys.modules["jax"].process_index()) == 0
    if "TF_CONFIG" in environ:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            return _tf_chief(environ["TF_CONFIG"])
    for rank, size in (
        ("RANK", "WORLD_SIZE"),
        ("HOROVOD_RANK", "HOROVOD_SIZE"),
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ):
        if environ.get(size, "").isdigit() and int(environ[size]) > 1:
            return environ.get(rank, "0") == "0"
    return True


def _tf_chief(text: str) -> bool:
    top = json.loads(text)
    task, cluster = top["task"], top.get("cluster", {})
    if cluster.get("chief") or cluster.get("master"):
        return task["type"] in ("chief", "master")
    return task["type"] == "worker" and int(task["index"]) == 0
