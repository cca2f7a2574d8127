"""`/readyz` is 503 with the reason while writes are refused, and 200 again by itself."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import serving
from tests.api.conftest import Api, message, served, settings_for
from tests.conftest import fresh_tenant, opened
from tests.store.servers import ask, cluster_servers, sentinel_servers, server, valkey_binary

PATIENCE_S = 20.0


async def until(api: Api, status: int, reason: str | None = None) -> None:
    """Wait until `/readyz` returns this state. Reads work meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await api.get("/readyz", token=None)
            assert (await api.context())["match"] == "one"
            if answer.status == status:
                assert answer.json.get("reason") == reason
                return
            await asyncio.sleep(0.05)


async def follows(api: Api, refuse: Callable[[], object], allow: Callable[[], object], reason: str) -> None:
    """Readiness follows the store, first without any traffic, then with writes that fail."""
    for traffic in (False, True):
        await until(api, 200)
        await asyncio.to_thread(refuse)
        if traffic:
            assert (await api.post("/v1/touchpoints", message("refused"))).status == 503
            answer = await api.get("/readyz", token=None)
            assert (answer.status, answer.json["reason"]) == (503, reason), "a failed write is known at once"
        else:
            await until(api, 503, reason)
        assert b"handoff_store_up 0.0" in (await api.get("/metrics", token=None)).raw
        await asyncio.to_thread(allow)
        await until(api, 200)
        await api.record(f"after {traffic}")


def setting(socket: str, name: str, value: str) -> Callable[[], str]:
    return lambda: ask(socket, "CONFIG", "SET", name, value)


@pytest.mark.parametrize(
    ("name", "refusing", "allowing", "reason"),
    [
        ("maxmemory", "1", "0", "out_of_memory"),
        ("min-replicas-to-write", "1", "0", "no_replicas"),
    ],
)
async def test_a_store_that_refuses_writes_is_not_ready(
    name: str, refusing: str, allowing: str, reason: str
) -> None:
    with server(valkey_binary()) as running:
        socket = str(running.directory / "server.sock")
        async with served(running.url, timeout_s=2) as api:
            await api.record("e1")
            refuse, allow = setting(socket, name, refusing), setting(socket, name, allowing)
            await follows(api, refuse, allow, reason)


@pytest.mark.parametrize(
    ("name", "refusing", "allowing", "reason"),
    [
        ("maxmemory", "1", "0", "out_of_memory"),
        ("min-replicas-to-write", "1", "0", "no_replicas"),
    ],
)
async def test_a_server_starts_on_a_store_that_refuses_writes(
    name: str, refusing: str, allowing: str, reason: str
) -> None:
    """It answers reads, and works as soon as the store takes writes again."""
    with server(valkey_binary()) as running:
        socket = str(running.directory / "server.sock")
        tenant = fresh_tenant()
        settings = settings_for(running.url, tenant, fresh_tenant(), timeout_s=2)
        async with serving.in_process(settings) as (first, session):
            await Api(first, session, tenant, tenant).record("e1")
        ask(socket, "CONFIG", "SET", name, refusing)
        async with serving.in_process(settings) as (second, session):
            api = Api(second, session, tenant, tenant)
            await until(api, 503, reason)
            assert (await api.post("/v1/touchpoints", message("refused"))).status == 503
            ask(socket, "CONFIG", "SET", name, allowing)
            await until(api, 200)
            await api.record("e2")
            assert await second.store.workers.alive(), "it registers later"


async def test_a_heartbeat_from_before_a_failed_write_proves_nothing() -> None:
    """It may have been written before the store began to refuse."""
    with server(valkey_binary()) as running:
        async with opened(running.url) as store:
            (key,) = store.health.keys
            running.pause()
            beat = asyncio.create_task(store.health.beat())
            await asyncio.sleep(0)  # it has started
            await asyncio.sleep(0)
            store.health.doubt()
            check = asyncio.create_task(store.health.check())
            await asyncio.sleep(0)
            running.resume()
            await beat
            before = int(await store.connection.call("HGET", key, "n"))
            assert await check is None
            assert int(await store.connection.call("HGET", key, "n")) > before


async def test_a_heartbeat_before_a_failed_write_counts_for_nothing_while_the_next_one_runs() -> None:
    with server(valkey_binary()) as running:
        async with opened(running.url) as store:
            await store.health.beat()
            assert await store.health.check() is None
            ask(str(running.directory / "server.sock"), "CONFIG", "SET", "maxmemory", "1")
            store.health.doubt()
            beat = asyncio.create_task(store.health.beat())
            await asyncio.sleep(0)  # it has started
            await asyncio.sleep(0)
            assert await store.health.check() == "out_of_memory"
            await beat


async def test_without_the_replicas_that_confirm_writes_it_is_not_ready() -> None:
    with sentinel_servers() as (url, _primary, replica):
        async with served(url, durability="replicated", timeout_s=2) as api:
            await api.record("e1")
            await follows(api, replica.pause, replica.resume, "not_replicated")


async def test_a_cluster_is_ready_while_some_of_its_primaries_take_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Taking every server out of service would stop the sound primaries too."""
    with cluster_servers() as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        async with served(url, timeout_s=2) as api:
            await api.record("e1")
            targets = [("127.0.0.1", node.port) for node in nodes]
            ask(targets[0], "CONFIG", "SET", "maxmemory", "1")
            await api.server.store.health.beat()
            await until(api, 200)
            assert "store_partly_not_writable" in capsys.readouterr().out
            for target in targets:
                ask(target, "CONFIG", "SET", "maxmemory", "1")
            await until(api, 503, "out_of_memory")
            for target in targets:
                ask(target, "CONFIG", "SET", "maxmemory", "0")
            await until(api, 200)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own; the test is skipped where none may be mounted."""
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
        ).returncode
    ):
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, capture_output=True)


async def test_a_full_disk_is_not_ready_until_there_is_space(tmp_path: Path) -> None:
    """With `everysec` Valkey lives on, answers reads, and refuses all writes."""
    with (
        small_disk(tmp_path / "disk", "4m") as disk,
        server(valkey_binary(), directory=disk, appendfsync="everysec") as running,
    ):
        filler = disk / "filler"

        def fill() -> None:
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass  # no space is left

        async with served(running.url, durability="everysec", timeout_s=2) as api:
            await api.record("e1")
            await asyncio.to_thread(fill)
            for number in range(40):  # more than what is left of the file's last page
                await api.post("/v1/touchpoints", message(f"{number}", text="word " * 200))
            await until(api, 503, "disk")
            filler.unlink()
            await until(api, 200)
            await api.record("e2")
