"""The start is refused unless the server keeps what the settings promise."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.server.durability import prove
from handoff.store.settings import StoreSettings
from tests.store.servers import (
    ask,
    cluster_servers,
    redis7_binary,
    sentinel_of_one,
    sentinel_servers,
    server,
    valkey_binary,
)

# As in config/redis.conf: what our user needs, and nothing dangerous.
OURS = "user ours on >pw ~* &* +@all -@admin -@dangerous +config|get +info +function|load"
NO_CONFIG = "user ours on >pw ~* &* +@all -config"
NOTHING = "user ours on >pw ~* &* +@all -config -info"


async def notes_of(url: str, **changes: Any) -> list[str]:
    settings = StoreSettings(url=url, timeout_s=2, **changes)
    async with Connection(settings) as store:
        return await prove(store, settings)


@pytest.mark.parametrize("binary", [valkey_binary, redis7_binary])
async def test_a_durable_server_is_proved(binary: Any) -> None:
    with server(binary()) as running:
        for durability in ("always", "everysec"):
            (note,) = await notes_of(running.url, durability=durability)
            assert "appendfsync always" in note


@pytest.mark.parametrize(
    ("options", "durability", "says"),
    [
        ({"appendonly": "no"}, "always", "set appendonly yes"),
        ({"appendonly": "no"}, "everysec", "set appendonly yes"),
        ({"appendfsync": "everysec"}, "always", "needs appendfsync always"),
        ({"appendfsync": "no"}, "everysec", "needs appendfsync everysec"),
        ({"maxmemory_policy": "allkeys-lru"}, "always", "set maxmemory-policy noeviction"),
        ({"maxmemory_policy": "volatile-ttl"}, "provider", "set maxmemory-policy noeviction"),
        ({}, "replicated", "0 connected replicas"),
        ({"appendonly": "no"}, "replicated", "set appendonly yes"),
        ({"replicaof": "127.0.0.1 1"}, "always", "is a replica"),
        ({"cluster_enabled": "yes"}, "always", "redis+cluster"),
    ],
)
async def test_a_server_that_differs_is_refused_with_what_to_change(
    options: dict[str, str], durability: str, says: str
) -> None:
    with server(valkey_binary(), **options) as running, pytest.raises(ConfigurationError) as refused:
        await notes_of(running.url, durability=durability)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("user", "durability", "says"),
    [
        (OURS, "always", None),
        (NO_CONFIG, "always", "does not show appendfsync"),
        (NO_CONFIG, "provider", None),
        (NOTHING, "replicated", "maxmemory-policy"),
        (NOTHING, "everysec", "maxmemory-policy"),
        (NOTHING, "provider", None),
    ],
)
async def test_what_may_not_be_read_is_refused_unless_the_provider_vouches(
    user: str, durability: str, says: str | None
) -> None:
    with server(valkey_binary(), user=user.removeprefix("user ")) as running:
        url = running.url.replace("unix://", "unix://ours:pw@")
        if says is None:
            assert await notes_of(url, durability=durability)
            return
        with pytest.raises(ConfigurationError, match=says) as refused:
            await notes_of(url, durability=durability)
        assert "provider" in str(refused.value)


async def test_the_recommended_user_can_do_all_that_the_store_does() -> None:
    with server(valkey_binary(), user=OURS.removeprefix("user ")) as running:
        async with Connection(StoreSettings(url=running.url.replace("://", "://ours:pw@"))) as store:
            await store.load_function(
                b"#!lua name=one\nredis.register_function('one', function() return 1 end)"
            )
            assert await store.fcall_durable("one", [b"k"], []) == 1
            assert await store.call("WAIT", 0, 10) == 0


async def test_replicas_are_counted() -> None:
    with sentinel_of_one() as url:
        (note,) = await notes_of(url, durability="replicated")
        assert "appendonly yes, 1 connected replicas" in note
        with pytest.raises(ConfigurationError, match="needs 2"):
            await notes_of(url, durability="replicated", replicas=2)


async def test_a_replica_without_an_append_only_file_is_refused() -> None:
    """It may be the next primary, and would come back empty from a restart."""
    with sentinel_servers() as (url, primary, replica):
        ask(("127.0.0.1", replica.port), "CONFIG", "SET", "appendonly", "no")
        for store in (url, primary.url):
            with pytest.raises(ConfigurationError, match="a replica of the store keeps nothing"):
                await notes_of(store, durability="replicated")
        assert await notes_of(url), "other modes promise nothing of replicas"


async def test_a_replica_that_does_not_show_its_file_is_refused_where_it_may_take_over() -> None:
    with sentinel_servers() as (url, primary, replica):
        replica.pause()
        with pytest.raises(ConfigurationError, match=r"0 replicas of the store show appendonly.*provider"):
            await notes_of(url, durability="replicated")
        notes = await notes_of(primary.url, durability="replicated")
        assert any("taken on trust" in note for note in notes)


async def test_every_primary_of_a_cluster_is_asked() -> None:
    with cluster_servers() as nodes:
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        assert await notes_of(url) == ["durability proved: appendonly yes, appendfsync always"]
        ask(("127.0.0.1", nodes[2].port), "CONFIG", "SET", "appendfsync", "everysec")
        with pytest.raises(ConfigurationError, match="of 3 of the store has everysec"):
            await notes_of(url)
