"""A store that lost acknowledged data refuses writes until an operator accepts the loss; no false alarms."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from handoff.cli.arguments import parser
from handoff.cli.maintenance import accept_loss_of_data
from handoff.domain.identity import Identity
from handoff.store.connection import Connection
from handoff.store.repositories.components import read_records
from handoff.store.settings import StoreSettings
from handoff.store.store import open_store
from tests.api.conftest import Api, message, served
from tests.store.servers import (
    Server,
    ask,
    cluster_servers,
    end,
    sentinel_servers,
    server,
    spawn,
    valkey_binary,
    wait_until,
)

LOST = (503, "store_lost_data")
PATIENCE_S = 20.0


@pytest.fixture
def valkey_process() -> Iterator[Server]:
    with server(valkey_binary()) as running:
        yield running


def socket_of(server: Server) -> str:
    return str(server.directory / "server.sock")


async def readiness(api: Api) -> tuple[int, str | None]:
    answer = await api.get("/readyz", token=None)
    return answer.status, answer.json.get("reason")


async def until(api: Api, wanted: tuple[int, str | None]) -> None:
    """Wait until `/readyz` returns this state."""
    async with asyncio.timeout(PATIENCE_S):
        while (await readiness(api)) != wanted:  # noqa: ASYNC110 - a server is asked
            await asyncio.sleep(0.05)


async def refused(api: Api, event: str) -> None:
    """Nothing that is acknowledged is taken: touchpoints, handoffs, callbacks."""
    handoff = {"identity": "user:anna", "to": {"queue": "q"}, "reason": "r"}
    for path, body in (
        ("/v1/touchpoints", message(event)),
        ("/v1/touchpoints", [message(f"{event} in a list")]),
        ("/v1/handoffs", handoff),
        ("/v1/callbacks", {"phone": "+358401234567"}),
    ):
        answer = await api.post(path, body)
        assert (answer.status, answer.code, answer.json["reason"]) == (
            503,
            "store_lost_data",
            "store_lost_data",
        )
        assert int(answer.headers["Retry-After"]) > 0


def accept_loss(*arguments: str) -> None:
    """The command, in this process."""
    assert accept_loss_of_data(parser().parse_args(["store", "accept-loss", *arguments])) == 0


async def accepted(url: str, folder: Path, *servers: Api) -> None:
    """Accept the loss. Every server resumes within seconds, and the next check finds no loss."""
    config = folder / "accepting.toml"
    config.write_text(f'[store]\nurl = "{url}"\n')
    await asyncio.to_thread(accept_loss, "--config", str(config))
    for api in servers:
        await until(api, (200, None))
    for number, api in enumerate(servers):
        await api.record(f"after the loss {number}")
    for api in servers:
        await api.server.store.health.beat()
        assert await readiness(api) == (200, None)


async def test_a_store_that_was_emptied_stops_every_server_until_the_loss_is_accepted(
    valkey_process: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = valkey_process.url
    async with served(url) as one, served(url) as other:
        await one.record("e1")
        await other.record("e1")
        assert ask(socket_of(valkey_process), "FLUSHALL") == "+OK"
        for api in (one, other):
            await until(api, LOST)
            await refused(api, "e2")
        assert (await one.get("/healthz")).status == 200
        assert capsys.readouterr().out.count("store_lost_data                of=1") in (1, 2)
        async with served(url) as late:  # a start does not make it well
            assert await readiness(late) == LOST
            await accepted(url, tmp_path, one, other, late)
        settings = StoreSettings(url=url)
        async with Connection(settings) as connection, open_store(settings, connection) as fresh:
            anna = fresh.hashes(one.tenant).identity(Identity("user", "", "anna"))
            found = await read_records(connection, fresh.keys, [anna])
            assert found[anna].touchpoints == 1, "what came after it is found by the next start"


async def test_accepting_where_nothing_was_lost_changes_nothing(
    valkey_process: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(valkey_process.url) as api:
        await accepted(valkey_process.url, tmp_path, api)
        assert "report no loss" in capsys.readouterr().out


async def test_a_second_loss_after_one_was_accepted_is_noticed(
    valkey_process: Server, tmp_path: Path
) -> None:
    async with served(valkey_process.url) as api:
        for _ in range(2):
            assert ask(socket_of(valkey_process), "FLUSHALL") == "+OK"
            await until(api, LOST)
            await accepted(valkey_process.url, tmp_path, api)


@contextmanager
def on_directory(folder: Path, **options: str) -> Iterator[Server]:
    """A server whose data stays in `folder`; it is stopped cleanly."""
    with server(valkey_binary(), directory=folder, **options) as running:
        yield running


async def test_an_older_copy_of_the_store_is_noticed(tmp_path: Path) -> None:
    """Also by a server whose store got newer heartbeats of others meanwhile."""
    folder, copy = tmp_path / "store", tmp_path / "copy"
    folder.mkdir()
    with ExitStack() as first:
        url = first.enter_context(on_directory(folder)).url
        async with served(url, timeout_s=1) as one, served(url, timeout_s=1) as other:
            await one.record("e1")
            shutil.copytree(folder / "appendonlydir", copy)
            await one.record("e2")
            for api in (one, other):
                await api.server.store.health.beat()
            first.close()
            shutil.rmtree(folder / "appendonlydir")
            shutil.copytree(copy, folder / "appendonlydir")
            with on_directory(folder):
                for api in (one, other):
                    await until(api, LOST)
                await refused(one, "e3")
                await accepted(url, tmp_path, one, other)


async def test_the_right_data_put_back_ends_the_alarm_by_itself(tmp_path: Path) -> None:
    folder, kept = tmp_path / "store", tmp_path / "kept"
    folder.mkdir()
    with ExitStack() as first:
        url = first.enter_context(on_directory(folder)).url
        async with served(url, timeout_s=1) as api:
            await api.record("e1")
            first.close()
            (folder / "appendonlydir").rename(kept)
            with on_directory(folder):
                await until(api, LOST)
            shutil.rmtree(folder / "appendonlydir")
            kept.rename(folder / "appendonlydir")
            with on_directory(folder):
                await until(api, (200, None))
                await api.record("e1")
                timeline = (await api.context())["timeline"]["touchpoints"]
                assert len([it for it in timeline if it["channel"] == "chat"]) == 1


@contextmanager
def primary_with_replicas(count: int) -> Iterator[tuple[Server, list[Server]]]:
    quick = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1"}
    with ExitStack() as stack:
        primary = stack.enter_context(server(valkey_binary(), tcp=True, **quick))
        follow = {"replicaof": f"127.0.0.1 {primary.port}", **quick}
        replicas = [stack.enter_context(server(valkey_binary(), tcp=True, **follow)) for _ in range(count)]
        for replica in replicas:
            target = ("127.0.0.1", replica.port)
            wait_until(lambda at=target: "master_link_status:up" in ask(at, "INFO", "replication"))  # type: ignore[misc]
        yield primary, replicas


async def test_a_primary_that_comes_back_empty_and_empties_its_replicas_is_noticed(tmp_path: Path) -> None:
    """Without an append-only file WAIT promises nothing once the primary restarts alone."""
    with primary_with_replicas(2) as (primary, replicas):
        async with served(primary.url, durability="replicated", replicas=2, timeout_s=2) as api:
            await api.record("e1")
            primary.kill()
            shutil.rmtree(primary.directory / "appendonlydir")
            primary.process = spawn(
                valkey_binary(),
                primary.directory,
                {"bind": "127.0.0.1", "port": str(primary.port), "dir": str(primary.directory), "save": ""},
            )
            try:
                await until(api, LOST)
                await refused(api, "e2")
                assert ask(("127.0.0.1", replicas[0].port), "EXISTS", "handoff:meta") in (":0", ":1")
                await accepted(primary.url, tmp_path, api)
            finally:
                end(primary.process, gently=False)


async def test_a_primary_of_a_cluster_that_lost_its_data_is_noticed(tmp_path: Path) -> None:
    with cluster_servers() as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        for lost in nodes:
            async with served(url) as api:
                await api.record("e1")
                assert await readiness(api) == (200, None)
                assert ask(("127.0.0.1", lost.port), "FLUSHALL") == "+OK"
                await until(api, LOST)
                await refused(api, "e2")
                await accepted(url, tmp_path, api)


async def test_a_lost_primary_of_a_cluster_is_noticed_by_a_server_that_starts_after_it() -> None:
    with cluster_servers() as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        async with served(url) as api:
            await api.record("e1")
        kept = [node for node in nodes if ask(("127.0.0.1", node.port), "EXISTS", "handoff:meta") == ":1"]
        lost = next(node for node in nodes if node not in kept)
        assert ask(("127.0.0.1", lost.port), "FLUSHALL") == "+OK"
        async with served(url) as api:
            assert await readiness(api) == LOST


# --- The embedded store, whose directory remembers ------------------------------------------------


def embedded(data: Path) -> AbstractAsyncContextManager[Api]:
    return served(None, data_dir=str(data))


def lose_the_manifest(valkey: Path) -> None:
    (valkey / "appendonlydir" / "appendonly.aof.manifest").unlink()


def lose_the_folder(valkey: Path) -> None:
    shutil.rmtree(valkey / "appendonlydir")


def lose_everything(valkey: Path) -> None:
    shutil.rmtree(valkey)


@pytest.mark.parametrize("lose", [lose_the_manifest, lose_the_folder, lose_everything])
async def test_an_embedded_store_whose_files_are_gone_takes_nothing(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    async with embedded(data) as api:
        await api.record("e1")
    lose(data / "valkey")
    for _start in range(2):  # another start does not make it well
        async with embedded(data) as api:
            assert await readiness(api) == LOST
            await refused(api, "e2")
    if lose is lose_the_manifest:
        (aside,) = (data / "valkey").glob("appendonlydir.unlisted-*")
        assert any(it.stat().st_size for it in aside.glob("*.incr.aof")), "what was there is kept"
    async with embedded(data) as api:
        await asyncio.to_thread(accept_loss, "--data", str(data))
        await until(api, (200, None))
        await api.record("e3")
    async with embedded(data) as api:
        assert await readiness(api) == (200, None)


async def test_a_vanished_manifest_is_a_loss_where_no_heartbeat_was_kept(tmp_path: Path) -> None:
    """As in a directory that an older release left behind."""
    data = tmp_path / "data"
    async with embedded(data) as api:
        await api.record("e1")
    (data / "store.seen").unlink()
    async with embedded(data) as api:
        assert await readiness(api) == (200, None)
    (data / "store.seen").unlink()
    lose_the_manifest(data / "valkey")
    async with embedded(data) as api:
        assert await readiness(api) == LOST


async def test_an_older_copy_of_an_embedded_store_is_noticed(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    for folder in (copy, None):
        async with embedded(data) as api:
            await api.record(f"e{folder}")
        if folder:
            shutil.copytree(data / "valkey" / "appendonlydir", folder)
    shutil.rmtree(data / "valkey" / "appendonlydir")
    shutil.copytree(copy, data / "valkey" / "appendonlydir")
    async with embedded(data) as api:
        assert await readiness(api) == LOST


# --- No false alarm -------------------------------------------------------------------------------


async def never_lost(*servers: Api) -> None:
    """Several heartbeats of each server, all without alarm."""
    for _ in range(2):
        for api in servers:
            await api.server.store.health.beat()
            assert api.server.store.health.reason is None


@asynccontextmanager
async def two_servers(url: str, **store: object) -> AsyncIterator[tuple[Api, Api]]:
    async with served(url, **store) as one, served(url, **store) as other:
        yield one, other


@pytest.mark.parametrize("durability", ["always", "everysec"])
async def test_a_restart_of_the_store_is_no_loss(tmp_path: Path, durability: str) -> None:
    options = {"appendfsync": durability}
    with ExitStack() as first:
        running = first.enter_context(on_directory(tmp_path, **options))
        async with two_servers(running.url, durability=durability, timeout_s=2) as both:
            await never_lost(*both)
            first.close()  # cleanly
            with on_directory(tmp_path, **options) as second:
                await never_lost(*both)
                second.kill()
                with on_directory(tmp_path, **options):
                    for api in both:
                        await until(api, (200, None))
                    await never_lost(*both)


async def test_a_failover_that_keeps_all_is_no_loss() -> None:
    quick = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1"}
    with sentinel_servers() as (url, primary, replica), ExitStack() as stack:
        # A replica of the replica: it confirms what is written once that one is the primary.
        follow = {"replicaof": f"127.0.0.1 {replica.port}", **quick}
        third = ("127.0.0.1", stack.enter_context(server(valkey_binary(), tcp=True, **follow)).port)
        wait_until(lambda: "master_link_status:up" in ask(third, "INFO", "replication"))
        async with two_servers(url, durability="replicated", timeout_s=2) as both:
            await both[0].record("e1")
            await never_lost(*both)
            primary.kill()
            for api in both:
                await until(api, (200, None))
            await never_lost(*both)
            await both[0].record("e2")


async def test_without_replicated_durability_a_failover_may_lose_the_last_moments() -> None:
    """`always` does not promise that the new primary has the newest writes, so this is not a loss."""
    with sentinel_servers() as (url, primary, replica):
        target = ("127.0.0.1", replica.port)
        async with two_servers(url, timeout_s=2) as both:
            ask(("127.0.0.1", primary.port), "WAIT", "1", "1000")
            ask(target, "REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
            await never_lost(*both)
            primary.kill()
            for api in both:
                await until(api, (200, None))
            await never_lost(*both)
            assert "role:master" in ask(target, "INFO", "replication")


async def test_a_store_that_hangs_is_no_loss(valkey_process: Server) -> None:
    async with two_servers(valkey_process.url, timeout_s=1.5) as both:
        await never_lost(*both)
        valkey_process.pause()
        for api in both:
            assert await readiness(api) == (503, "timeout")
        valkey_process.resume()
        for api in both:
            await until(api, (200, None))
        await never_lost(*both)
