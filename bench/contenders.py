"""The servers of the ingest table. A further comparison is a further entry here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from bench.load import Target
from bench.processes import (
    PATIENCE_S,
    SERVER_CORE,
    Process,
    answers,
    free_port,
    python,
    running,
    valkey,
    wait_until,
)

TOKEN = "benchmark-token-0123456789abcdef"
AUTHORIZATION = (("Authorization", f"Bearer {TOKEN}"),)


class Started(Struct, frozen=True, kw_only=True):
    """A contender that answers: where, its process, and its Valkey's process and socket if it has one."""

    target: Target
    process: Process
    store: Process | None = None
    socket: Path | None = None


Start = Callable[[Path], contextlib.AbstractContextManager[Started]]
"""Starts a contender with its files in the directory."""


class Contender(Struct, frozen=True, kw_only=True):
    """One line of the table. `full` ones run with `make bench-full` only."""

    key: str
    name: str
    start: Start
    full: bool = False


@contextlib.contextmanager
def _bare(directory: Path) -> Iterator[Started]:
    port = free_port()
    with running("bare", python("bench.rivals.bare", str(port)), directory, SERVER_CORE) as process:
        wait_until(lambda: answers(port, "/", ok=False), process)
        yield Started(target=Target(port=port, path="/"), process=process)


@contextlib.contextmanager
def _afternoon(directory: Path) -> Iterator[Started]:
    port = free_port()
    with valkey(directory / "store") as (store, socket):
        command = python("bench.rivals.afternoon", str(port), str(socket))
        with running("afternoon", command, directory, SERVER_CORE) as process:
            wait_until(lambda: answers(port, "/", ok=False), process)
            yield Started(target=Target(port=port, path="/"), process=process, store=store, socket=socket)


@contextlib.contextmanager
def ours(directory: Path, more: str = "", patience_s: float = PATIENCE_S) -> Iterator[Started]:
    """`handoff serve` with a configuration file, which `more` is added to, its store on a core beside it."""
    port = free_port()
    with valkey(directory / "store") as (store, socket):
        config = directory / "handoff.toml"
        config.write_text(_config(port, socket, directory / "data") + more)
        command = python("handoff.cli", "serve", "--config", str(config))
        with running("handoff", command, directory, SERVER_CORE) as process:
            wait_until(lambda: answers(port, "/readyz", ok=True), process, patience_s)
            target = Target(port=port, path="/v1/touchpoints", headers=AUTHORIZATION)
            yield Started(target=target, process=process, store=store, socket=socket)


def _config(port: int, socket: Path, data: Path) -> str:
    return f"""
[server]
host = "127.0.0.1"
port = {port}

[store]
url = "unix://{socket}"
data_dir = "{data}"
durability = "always"

[[tokens]]
name = "bench"
scopes = ["touchpoints:write", "context:read", "handoffs:write"]
secret = "{TOKEN}"
"""


BARE = "bare"
AFTERNOON = "afternoon"
OURS = "handoff"

CONTENDERS = (
    Contender(key=BARE, name="bare aiohttp, answers 204", start=_bare),
    Contender(key=AFTERNOON, name="aiohttp + redis-py, one `await xadd`", start=_afternoon),
    Contender(key=OURS, name="handoff, `POST /v1/touchpoints`", start=ours),
)
