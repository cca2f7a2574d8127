"""The store's format is raised when every living worker understands it, and a worker notices in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from handoff.bootstrap.server import Server, running
from handoff.bootstrap.settings import ServerSettings, Settings
from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.formats import FORMAT
from handoff.store.functions.library import Functions
from handoff.store.keys import META, WORKERS
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store
from handoff.store.workers import Upgrade, raise_format
from tests.conftest import opened
from tests.serving import options_of
from tests.store.servers import cluster_of_three, valkey_server

NEWER = 2
"""A format that no release has yet: handed to the composition, as a newer release's own constant would be."""


@pytest.fixture
def url() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@asynccontextmanager
async def release(url: str, understood: int) -> AsyncIterator[Store]:
    """A registered worker of a release that understands formats up to `understood`."""
    settings = StoreSettings(url=url)
    async with (
        Connection(settings, name="handoff-worker") as connection,
        open_store(settings, connection, understood=understood) as store,
    ):
        await store.workers.beat()
        yield store


async def upgrade(url: str, wanted: int = NEWER, **options: bool) -> Upgrade:
    """The effect of `handoff store upgrade` of a release with format `wanted`."""
    async with Connection(StoreSettings(url=url)) as connection:
        functions = Functions(connection)
        await functions.load()
        return await raise_format(connection, functions, wanted, **options)


async def test_a_store_that_names_no_format_has_the_first(url: str) -> None:
    async with opened(url) as store:
        await store.connection.call(b"HDEL", META, b"format", key=META)
        await store.workers.beat()
        assert store.workers.current == 1


async def test_a_newer_release_writes_nothing_new_beside_an_older_one(url: str) -> None:
    async with release(url, 1) as older, release(url, NEWER) as newer:
        assert not newer.workers.writes(NEWER)
        assert newer.workers.writes(1)
        refused = await upgrade(url)
        assert refused.format == 1
        (old,) = refused.old
        assert (old.format, old.release) == (1, "0.1.0")
        assert f"pid {old.pid}" in refused.obstacles[0]
        assert f"host {old.host}" in refused.obstacles[0]
        await newer.workers.beat()
        assert not newer.workers.writes(NEWER)
        await older.workers.leave(older.connection)


async def test_the_format_is_raised_when_the_last_old_worker_is_gone(url: str) -> None:
    async with release(url, 1) as older:
        await older.workers.leave(older.connection)
    async with release(url, NEWER) as newer:
        raised = await upgrade(url)
        assert (raised.format, raised.obstacles) == (NEWER, [])
        await newer.workers.beat()
        assert newer.workers.writes(NEWER)
        assert newer.workers.ready() is None
        with pytest.raises(ConfigurationError, match=r"format 2.*understands formats up to 1"):
            async with release(url, 1):
                pass
        assert (await upgrade(url, 1)).format == NEWER, "a format is never lowered"


async def test_a_dry_run_changes_nothing(url: str) -> None:
    async with release(url, NEWER) as newer:
        await newer.connection.call(b"HDEL", META, b"format", key=META)
        assert (await upgrade(url, dry_run=True)).format == 1


async def test_force_raises_it_and_the_old_worker_stops_being_ready(url: str) -> None:
    async with release(url, 1) as older:
        forced = await upgrade(url, force=True)
        assert forced.format == NEWER
        assert len(forced.old) == 1
        await older.workers.beat()
        assert older.workers.ready() == "store_format"
        assert not older.workers.writes(NEWER)


async def test_a_release_that_does_not_register_is_seen_by_its_connections(url: str) -> None:
    settings = StoreSettings(url=url)
    async with Connection(settings, name="handoff") as former:  # as the last release names them
        await former.call("PING")
        refused = await upgrade(url)
        assert refused.format == 1
        assert len(refused.unregistered) == 1
        assert "does not register" in refused.obstacles[0]
    await gone(url, "name=handoff ")
    assert (await upgrade(url)).format == NEWER


async def until(asked: Callable[[], Awaitable[bool]], wanted: bool) -> None:
    """Ask again and again until the answer is as wanted."""
    async with asyncio.timeout(15):
        while await asked() is not wanted:  # noqa: ASYNC110 - what is waited for is another process's or server's
            await asyncio.sleep(0.02)


async def gone(url: str, name: str) -> None:
    """Wait until the server has no connection of this name."""
    async with Connection(StoreSettings(url=url)) as connection:

        async def listed() -> bool:
            return name in (await connection.call("CLIENT", "LIST")).decode()

        await until(listed, False)


async def test_a_worker_that_fell_silent_counts_no_more(url: str) -> None:
    async with release(url, 1) as older:
        (entry,) = await older.connection.call(b"HVALS", WORKERS, key=WORKERS)
        long_ago = b"%d" % (int(entry.split(b" ")[0]) - 60_000)
        silent = long_ago + entry[entry.index(b" ") :]
        await older.connection.call(b"HSET", WORKERS, older.workers.id, silent, key=WORKERS)
        assert (await upgrade(url)).format == NEWER
        assert await older.connection.call(b"HLEN", WORKERS, key=WORKERS) == 0


async def test_a_worker_that_describes_itself_otherwise_counts_all_the_same(url: str) -> None:
    async with opened(url) as store:
        stranger = b"%d 1 \xff whatever" % (2**42)
        await store.connection.call(b"HSET", WORKERS, b"x", stranger, key=WORKERS)
        refused = await upgrade(url)
        assert (refused.format, refused.old[0].host) == (FORMAT, "unknown")


async def test_a_store_made_by_a_newer_release_has_its_format(url: str) -> None:
    async with release(url, NEWER) as newer:
        assert newer.workers.writes(NEWER)
        await newer.connection.on_primaries("FLUSHALL")
        await newer.health.beat()
        assert await newer.connection.call(b"HGET", META, b"format", key=META) == b"2"


async def test_on_a_cluster_the_registry_lies_beside_the_format() -> None:
    with cluster_of_three() as url:
        async with release(url, 1):
            assert (await upgrade(url)).format == 1
        async with release(url, NEWER) as newer:
            await newer.connection.call(b"DEL", WORKERS, key=WORKERS)
            await newer.workers.beat()
            assert (await upgrade(url)).format == NEWER


@asynccontextmanager
async def server(url: str, understood: int) -> AsyncIterator[Server]:
    settings = Settings(server=ServerSettings(port=0), store=StoreSettings(url=url))
    async with running(settings, options_of(admin_token="t" * 24, understood=understood)) as started:
        yield started


async def test_running_servers_notice_a_raised_format_without_a_restart(url: str) -> None:
    async with server(url, 1) as older:
        async with server(url, NEWER) as newer:
            assert len((await upgrade(url)).old) == 1
            forced = await upgrade(url, force=True)
            assert forced.format == NEWER

            async def noticed() -> bool:
                return newer.store.workers.writes(NEWER) and older.site.ready() is not None

            await until(noticed, True)
            assert newer.site.ready() is None
            assert older.site.ready() == "store_format"
        with pytest.raises(ConfigurationError, match="start the release that raised it"):
            async with server(url, 1):
                pass
    async with release(url, NEWER) as store:  # servers that end take their entries with them
        assert await store.connection.call(b"HLEN", WORKERS, key=WORKERS) == 1
