"""The servers of the ingest table. A further comparison is a further entry here."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict, Unpack

from msgspec import Struct

from bench.load import Target
from bench.processes import (
    LOAD_CORE,
    PATIENCE_S,
    ROOT,
    SERVER_CORE,
    Durability,
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
UNCACHED = (("Cache-Control", "no-store"),)
"""A request with this header gets a rebuilt context, as after a new touchpoint or 10 s without a request."""
NODE = ROOT / "bench/rivals/node"


class Started(Struct, frozen=True, kw_only=True):
    """A contender that answers: where, its process, and its Valkey's process and socket if it has one."""

    target: Target
    process: Process
    store: Process | None = None
    socket: Path | None = None


Start = Callable[[Path], contextlib.AbstractContextManager[Started]]
"""Starts a contender with its files in the directory."""


def _nothing() -> str | None:
    return None


class Contender(Struct, frozen=True, kw_only=True):
    """One line of the table. `full` ones run with `make bench-full` only.

    `missing` is the reason why it cannot run here.
    """

    key: str
    name: str
    start: Start
    full: bool = False
    missing: Callable[[], str | None] = _nothing


@contextlib.contextmanager
def alone(name: str, command: Callable[[int], list[str]], directory: Path) -> Iterator[Started]:
    """A server without a store."""
    port = free_port()
    with running(name, command(port), directory, SERVER_CORE) as process:
        wait_until(lambda: answers(port, "/", ok=False), process)
        yield Started(target=Target(port=port, path="/"), process=process)


@contextlib.contextmanager
def stored(name: str, command: Callable[[int, Path], list[str]], directory: Path) -> Iterator[Started]:
    """A server with a Valkey of its own, as durable as ours."""
    port = free_port()
    with (
        valkey(directory / "store") as (store, socket),
        running(name, command(port, socket), directory, SERVER_CORE) as process,
    ):
        wait_until(lambda: answers(port, "/", ok=False), process)
        yield Started(target=Target(port=port, path="/"), process=process, store=store, socket=socket)


def bare(directory: Path, loop: str = "asyncio") -> contextlib.AbstractContextManager[Started]:
    return alone(f"bare {loop}", lambda port: python("bench.rivals.bare", str(port), loop), directory)


def fixed(directory: Path, body: bytes) -> contextlib.AbstractContextManager[Started]:
    """Answers every request with the same bytes of JSON."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "body"
    path.write_bytes(body)
    return alone("fixed", lambda port: python("bench.rivals.fixed", str(port), str(path)), directory)


def afternoon(directory: Path) -> contextlib.AbstractContextManager[Started]:
    return stored("afternoon", functools.partial(_module, "bench.rivals.afternoon"), directory)


def _fastapi(directory: Path) -> contextlib.AbstractContextManager[Started]:
    return stored("fastapi", functools.partial(_module, "bench.rivals.fast"), directory)


def _fastify(directory: Path) -> contextlib.AbstractContextManager[Started]:
    return stored(
        "fastify", lambda port, socket: ["node", str(NODE / "server.js"), str(port), str(socket)], directory
    )


def _module(module: str, port: int, socket: Path) -> list[str]:
    return python(module, str(port), str(socket))


class OurOptions(TypedDict, total=False):
    """How `handoff serve` runs.

    `apart` (the default): the server has a core and its store another; else the machine places both. `tree`
    is where its packages are.
    """

    durability: Durability
    workers: int
    apart: bool
    tree: Path


@contextlib.contextmanager
def ours(
    directory: Path, more: str = "", patience_s: float = PATIENCE_S, **options: Unpack[OurOptions]
) -> Iterator[Started]:
    """`handoff serve` with a configuration file, which `more` is added to, and a store of its own."""
    core = LOAD_CORE if options.get("apart", True) else None
    durability = options.get("durability", "always")
    with (
        valkey(directory / "store", durability=durability, core=core) as stored,
        served(directory, *stored, more, patience_s, **options) as started,
    ):
        yield started


@contextlib.contextmanager
def served(
    directory: Path,
    store: Process,
    socket: Path,
    more: str = "",
    patience_s: float = PATIENCE_S,
    **options: Unpack[OurOptions],
) -> Iterator[Started]:
    """As `ours`, on a store that runs already."""
    port = free_port()
    config = directory / "handoff.toml"
    durability, workers = options.get("durability", "always"), options.get("workers", 1)
    config.write_text(_config(port, workers, socket, directory / "data", durability) + more)
    command = python("handoff.cli", "serve", "--config", str(config))
    core = SERVER_CORE if options.get("apart", True) else None
    with running("handoff", command, directory, core, options.get("tree", ROOT)) as process:
        wait_until(lambda: answers(port, "/readyz", ok=True), process, patience_s)
        target = Target(port=port, path="/v1/touchpoints", headers=AUTHORIZATION)
        yield Started(target=target, process=process, store=store, socket=socket)


def _config(port: int, workers: int, socket: Path, data: Path, durability: Durability) -> str:
    return f"""
[server]
host = "127.0.0.1"
port = {port}
workers = {workers}

[store]
url = "unix://{socket}"
data_dir = "{data}"
durability = "{durability}"

[[tokens]]
name = "bench"
scopes = ["touchpoints:write", "context:read", "handoffs:write"]
secret = "{TOKEN}"
"""


def _without(*packages: str) -> str | None:
    gone = [name for name in packages if importlib.util.find_spec(name) is None]
    return f"{' and '.join(gone)} not installed (`make bench-full` does)" if gone else None


def _without_node() -> str | None:
    if not shutil.which("node"):
        return "node is not installed"
    here = (NODE / "node_modules/fastify").exists() and (NODE / "node_modules/ioredis").exists()
    return None if here else "its packages are not installed (`make bench-full` does, where npm is)"


BARE = "bare"
AFTERNOON = "afternoon"
OURS = "handoff"

CONTENDERS = (
    Contender(key=BARE, name="bare aiohttp, answers 204", start=bare),
    Contender(
        key="bare-uvloop",
        name="bare aiohttp on uvloop",
        start=functools.partial(bare, loop="uvloop"),
        full=True,
    ),
    Contender(key=AFTERNOON, name="aiohttp + redis-py, one `await xadd`", start=afternoon),
    Contender(
        key="fastapi",
        name="FastAPI + uvicorn + redis-py, one `await xadd`",
        start=_fastapi,
        full=True,
        missing=functools.partial(_without, "fastapi", "uvicorn", "httptools"),
    ),
    Contender(
        key="fastify",
        name="fastify + ioredis, one XADD, autopipelining",
        start=_fastify,
        full=True,
        missing=_without_node,
    ),
    Contender(key=OURS, name="handoff, `POST /v1/touchpoints`", start=ours),
)
