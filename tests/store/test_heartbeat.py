"""Heartbeats: what is a loss, what is none, and what is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from handoff.store.keys import META
from handoff.store.server.heartbeat import FAILOVER_S, FSYNC_S, Heartbeats, Memory, accept_loss, tolerated_s
from handoff.store.server.seen import Floor, read_seen, write_seen
from handoff.store.settings import Durability
from handoff.store.store import Store
from tests.conftest import opened
from tests.store.servers import cluster_of_three, redis7_server, valkey_server

SERVERS = {"valkey": valkey_server, "redis-7.0": redis7_server, "cluster": cluster_of_three}


@pytest.fixture(scope="module", params=SERVERS)
def own_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server of this module: other tests' stores must not lose data."""
    with SERVERS[request.param](appendonly="no") as url:
        yield url


@pytest.fixture
async def emptied(own_url: str) -> AsyncIterator[Store]:
    async with opened(own_url) as store:
        await store.connection.on_primaries("FLUSHALL")
    async with opened(own_url) as store:
        yield store


def beats(store: Store, *, tolerated: float = 0.0, floor: Floor | None = None) -> Heartbeats:
    """The heartbeats of one more server."""
    keys = store.health.keys
    return Heartbeats(store.connection, store.functions, keys, tolerated, floor or Floor())


async def found(heartbeats: Heartbeats) -> object:
    """The finding of one heartbeat: None, or the loss."""
    outcomes = set(await heartbeats.beat())
    assert len(outcomes) == 1
    return outcomes.pop()


async def put(store: Store, field: str, value: int) -> None:
    for key in store.health.keys:
        await store.connection.call("HSET", key, field, value)


async def test_a_count_below_what_was_confirmed_is_a_loss_for_every_server(emptied: Store) -> None:
    one, other = beats(emptied), beats(emptied)
    assert [await found(memory) for memory in (one, other, one)] == [None, None, None]
    for key in emptied.health.keys:
        fields = await emptied.connection.call("HKEYS", key)
        own = [name for name in fields if name.startswith(b"w")]
        await emptied.connection.call("HSET", key, "n", 1, *[part for name in own for part in (name, 1)])
    assert await found(one) == "older"
    assert await found(other) == "older"
    assert await found(beats(emptied)) == "older", "a server that saw nothing finds it too"
    assert "older" in await accept_loss(emptied.connection, emptied.health.keys)
    assert await accept_loss(emptied.connection, emptied.health.keys) == []
    assert [await found(memory) for memory in (one, other, beats(emptied))] == [None, None, None]


async def test_newer_heartbeats_of_others_hide_no_loss(emptied: Store) -> None:
    one = beats(emptied)
    assert await found(one) is None
    for key in emptied.health.keys:
        await emptied.connection.call("DEL", key)
    await put(emptied, "n", 200)
    assert await found(one) == "older"


async def test_a_server_that_slept_through_a_loss_and_its_acceptance_raises_no_alarm(emptied: Store) -> None:
    awake, asleep = beats(emptied), beats(emptied)
    assert [await found(memory) for memory in (asleep, awake)] == [None, None]
    for key in emptied.health.keys:
        await emptied.connection.call("DEL", key)
    assert await found(awake) == "empty"
    await accept_loss(emptied.connection, emptied.health.keys)
    assert await found(asleep) is None


async def test_a_store_from_before_an_accepted_loss_is_a_loss(emptied: Store) -> None:
    one = beats(emptied)
    assert await found(one) is None
    await put(emptied, "lost", 1)
    await accept_loss(emptied.connection, emptied.health.keys)
    assert await found(one) is None
    await put(emptied, "accepted", 0)
    assert await found(one) == "older"


async def test_a_server_that_was_forgotten_among_many_others_raises_no_alarm(emptied: Store) -> None:
    asleep = beats(emptied)
    assert await found(asleep) is None
    (key, *_rest) = emptied.connection.one_of_each_primary(emptied.health.keys)
    for _ in range(300):
        await emptied.functions.call("heartbeat", [key], [b"%d" % _, 0, 0, -1, 1])
    assert await emptied.connection.call("HLEN", key) < 270, "servers that are gone are forgotten"
    assert await found(asleep) is None


async def test_a_heartbeat_that_is_gone_is_a_loss_for_a_server_that_starts(emptied: Store) -> None:
    await emptied.connection.call("DEL", emptied.connection.one_of_each_primary(emptied.health.keys)[0])
    assert "empty" in await beats(emptied).beat()


async def test_a_store_of_an_older_release_gets_heartbeats_without_alarm(own_url: str) -> None:
    async with opened(own_url) as store:
        await store.connection.on_primaries("FLUSHALL")
    async with opened(own_url) as store:
        for key in store.health.keys:
            await store.connection.call("DEL", key)
        fields = await store.connection.call("HKEYS", META)
        (made,) = [name for name in fields if name.startswith(b"heartbeats")]
        await store.connection.call("HDEL", META, made)
    async with opened(own_url) as store:
        assert store.health.reason is None


async def test_a_floor_from_an_earlier_start_is_compared(emptied: Store) -> None:
    assert await found(beats(emptied, floor=Floor(count=1, accepted=0))) is None
    assert await found(beats(emptied, floor=Floor(count=9_999, accepted=0))) == "older"


def test_what_may_be_lost_is_not_expected() -> None:
    memory = Memory(3.0, Floor())
    for second in range(6):
        memory.note(float(second), 10 + second, 0, False)
    assert memory.arguments(5.0) == (12, 0, 0)
    assert memory.floor(9.0) == Floor(count=15, accepted=0)
    memory.note(9.0, 13, 0, False)  # a power cut took three
    assert memory.arguments(9.0)[0] == 12
    assert memory.arguments(12.0)[0] == 13


def test_what_was_expected_before_a_loss_stays_expected() -> None:
    memory = Memory(0.0, Floor())
    memory.note(1.0, 10, 0, False)
    memory.note(2.0, 1, 0, True)
    assert memory.arguments(3.0) == (10, 0, 0)
    memory.note(3.0, 2, 1, False)
    assert memory.arguments(4.0) == (2, 0, 1)


@pytest.mark.parametrize(
    ("fails_over", "durability", "seconds"),
    [
        (False, "always", 0.0),
        (False, "everysec", FSYNC_S),
        (False, "provider", FAILOVER_S),
        (False, "replicated", 0.0),
        (True, "replicated", 0.0),
        (True, "always", FAILOVER_S),
    ],
)
def test_what_each_promise_allows_to_be_lost(
    fails_over: bool, durability: Durability, seconds: float
) -> None:
    assert tolerated_s(durability, fails_over=fails_over) == seconds


def test_a_file_that_cannot_be_read_or_written_is_ignored(tmp_path: Path) -> None:
    place = tmp_path / "store.seen"
    assert read_seen(place) == Floor()
    write_seen(place, Floor(count=7, accepted=1))
    assert read_seen(place) == Floor(count=7, accepted=1)
    place.write_bytes(b"{")
    assert read_seen(place) == Floor()
    write_seen(tmp_path / "missing" / "store.seen", Floor(count=1))
    assert [memory.name for memory in tmp_path.iterdir()] == ["store.seen"]
