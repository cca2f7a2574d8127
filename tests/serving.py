"""Servers under test: in this process, or as a process of `handoff serve`."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession

from handoff.bootstrap.server import Options, Server, running
from handoff.bootstrap.settings import Settings
from tests.packs import packs

ADMIN = "admin-token-of-the-tests"
PATIENCE_S = 30.0
START_PATIENCE_S = 90.0  # a start imports hundreds of modules: 2 s, and 40 s on a very busy machine
_START = "--- start\n"


def token(name: str, tenant: str, *scopes: str, **changes: Any) -> dict[str, Any]:
    """A configured token. `secret_of` gives its secret."""
    secret = secret_of(name, tenant)
    return {"name": name, "tenant": tenant, "scopes": list(scopes), "secret": secret, **changes}


def secret_of(name: str, tenant: str) -> str:
    return ADMIN if name == "admin" else f"{name}-{tenant}-token-secret"


def settings_for(
    url: str | None,
    tokens: Sequence[Mapping[str, Any]],
    *,
    port: int = 0,
    store: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Settings:
    """Settings of a server on the store at `url` (None: the embedded one of `store["data_dir"]`)."""
    table = {
        "server": {"port": port},
        "store": {"url": url, **(store or {})},
        "tokens": tokens,
        **sections,
    }
    return msgspec.convert(table, Settings)


@asynccontextmanager
async def in_process(settings: Settings, **options: Any) -> AsyncIterator[tuple[Server, ClientSession]]:
    """A running server in this process, and an HTTP session for its callers."""
    try:
        async with running(settings, options_of(**options)) as server, ClientSession() as session:
            # Tests share the store: events that other tests left in its outbox must not make it unready.
            server.site.monitor.fan_out_behind_s = lambda: 0.0
            yield server, session
    finally:
        gc.unfreeze()  # the server froze what lives as long as its process; here it lives as long as a test


def options_of(**options: Any) -> Options:
    """Options of a server in this process. Language packs are read once for all of them."""
    return Options(**{"admin_token": ADMIN, "packs": packs(), **options})


@contextmanager
def process(
    log: Path, *arguments: str, tree: Path | None = None, wait: bool = True, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`handoff serve` with these arguments, stopped cleanly at the end.

    It has started to listen, unless `wait` is False. Its output is appended to `log`. `tree` is the source
    tree to run, by default this one.
    """
    env = {**os.environ, "HANDOFF_ADMIN_TOKEN": ADMIN, "HANDOFF_LOG_LEVEL": "warning", **environment}
    if tree is not None:
        env["PYTHONPATH"] = str(tree)
    with log.open("ab") as out:
        out.write(_START.encode())
        out.flush()
        command = [sys.executable, "-m", "handoff.cli", "serve", *arguments]
        popen = subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=tree)
    try:
        if wait:
            _wait_until_listening(popen, log)
        yield popen
    finally:
        stop(popen)


def stop(popen: subprocess.Popen[bytes]) -> None:
    if popen.poll() is not None:
        return
    popen.terminate()
    try:
        popen.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait(10)


def _wait_until_listening(popen: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while "handoff listens" not in (text := log.read_text(errors="replace").rpartition(_START)[2]):
        assert popen.poll() is None, text[-2000:]
        assert time.monotonic() < deadline, text[-2000:]
        time.sleep(0.02)
