"""Functions are loaded where they are missing, share a server with other releases, and lose nothing."""

from __future__ import annotations

import asyncio

import pytest

from handoff.store.connection import StoreError
from handoff.store.functions.library import NAMES, library, prune
from handoff.store.repositories.outbox import Lease, Outbox, advance, release_leases, take_leases
from handoff.store.store import Store
from tests.samples import NOON, record_all, timeline, touchpoint


def outbox_of(store: Store, partition: int, consumer: str) -> Outbox:
    keys = store.keys
    return Outbox(
        stream=keys.outbox(partition),
        cursor=keys.cursor(partition, consumer),
        lease=keys.lease(partition, consumer),
    )


async def loaded(store: Store) -> set[str]:
    names = set()
    for listing in await store.connection.on_primaries("FUNCTION", "LIST"):
        for entry in listing:
            names.add(dict(zip(entry[::2], entry[1::2], strict=True))[b"library_name"].decode())
    return names


def test_a_librarys_name_is_the_hash_of_its_source() -> None:
    for operation in NAMES:
        name, source = library(operation)
        assert name.startswith(f"{operation}_")
        assert len(name) == len(operation) + 9
        assert f"#!lua name={name}\n".encode() in source
        assert f"function_name = '{name}'".encode() in source


async def test_functions_that_the_server_lost_are_loaded_again(store: Store, tenant: str) -> None:
    await record_all(store, tenant, [touchpoint("before")])
    await store.connection.on_primaries("FUNCTION", "FLUSH")
    await asyncio.gather(*(record_all(store, tenant, [touchpoint(f"e{n}", f"user:u{n}")]) for n in range(20)))
    await record_all(store, tenant, [touchpoint("after", at=NOON + 1)])
    assert len(await timeline(store, tenant)) == 2


async def test_pruning_takes_other_releases_and_leaves_strangers(store: Store) -> None:
    name = "timeline_record_00000000"
    old = f"#!lua name={name}\nredis.register_function('{name}', function() return 1 end)".encode()
    foreign = b"#!lua name=somebody\nredis.register_function('somebody', function() return 1 end)"
    await store.connection.load_function(old)
    await store.connection.load_function(foreign)
    try:
        assert await store.connection.fcall_durable(name, [b"{0}x"], []) == 1
        assert await prune(store.connection) == [name]
        left = await loaded(store)
        assert "somebody" in left
        assert {library(operation)[0] for operation in NAMES} <= left
        assert await prune(store.connection) == []
    finally:
        await store.connection.on_primaries("FUNCTION", "DELETE", "somebody")


async def test_record_validates_all_items_before_it_writes_any(store: Store, tenant: str) -> None:
    """A short id in the second item: the first must not be stored, nor a pointer of either."""
    home = store.hashes(tenant).identity(touchpoint("x").home.identity)
    keys = store.keys
    places = [keys.timeline(home), keys.index(home), keys.record(home), keys.arrivals(home)]
    outbox, conversation = keys.outbox(keys.partition(home)), keys.conversations(home)

    def one(id_: bytes) -> list[bytes | int | str]:
        fixed = b"\x80" * 8 + id_ + b"\x00" * 4 + b"\x01" + b"d" * 8 + b"e0"
        return [fixed, b"body", b"plain", b"tenant", b"", 0]

    pointer: list[bytes | int | str] = [b"", 1, b"field", b"value"]
    before = await store.connection.call("XLEN", outbox)
    for wrong in (b"short", b""):
        arguments: list[bytes | int | str] = [1, 2, *pointer, *one(b"i" * 16), *one(wrong)]
        with pytest.raises(StoreError, match="item"):
            await store.functions.call("timeline_record", [conversation, places[0], places[0]], arguments)
    assert await store.connection.pipeline([("EXISTS", key) for key in places]) == [0, 0, 0, 0]
    assert await store.connection.call("EXISTS", conversation) == 0
    assert await store.connection.call("XLEN", outbox) == before


async def taken(store: Store, box: Outbox, owner: str) -> Lease | None:
    (lease,) = await take_leases(store.functions, [box], owner)
    return lease


async def moved(store: Store, box: Outbox, lease: Lease, cursor: bytes) -> bool:
    (done,) = await advance(store.functions, [(box, lease, cursor)])
    return done


async def test_a_lease_has_one_holder_and_fences_off_the_one_before(store: Store, tenant: str) -> None:
    box = outbox_of(store, 3, f"consumer-{tenant}")
    first = await taken(store, box, "worker-1")
    assert first is not None
    assert first.cursor == b"0-0"
    assert await taken(store, box, "worker-2") is None
    assert await moved(store, box, first, b"5-1")
    renewed = await taken(store, box, "worker-1")
    assert renewed is not None
    assert renewed.token == first.token
    await release_leases(store.functions, [box], "worker-1")
    second = await taken(store, box, "worker-2")
    assert second is not None
    assert second.token > first.token
    assert second.cursor == b"5-1"
    assert not await moved(store, box, first, b"9-9")
    assert await moved(store, box, second, b"6-0")


async def test_a_lease_that_is_not_renewed_runs_out(store: Store, tenant: str) -> None:
    box = outbox_of(store, 4, f"consumer-{tenant}")
    (token, _cursor) = await store.functions.call("lease", [box.lease, box.cursor], ["worker-1", 50])
    async with asyncio.timeout(10):
        while (lease := await taken(store, box, "worker-2")) is None:
            pass
    assert lease.token > token


async def test_every_stored_touchpoint_has_one_outbox_entry(store: Store, tenant: str) -> None:
    event = touchpoint("event")
    home = store.hashes(tenant).identity(event.home.identity)
    stream = store.keys.outbox(store.keys.partition(home))
    before = await store.connection.call("XLEN", stream)
    for _ in range(3):
        await record_all(store, tenant, [event])
    assert await store.connection.call("XLEN", stream) == before + 1


async def test_a_lease_of_a_clock_that_was_set_back_is_over(store: Store, tenant: str) -> None:
    """Its holder was killed while the store's clock was a day ahead: nobody waits for that day."""
    box = outbox_of(store, 5, f"consumer-{tenant}")
    before = await taken(store, box, "worker-1")
    assert before is not None
    tomorrow = await store.control(tenant).clock() // 1000 + 86_400_000
    await store.connection.call("HSET", box.lease, "e", tomorrow)
    after = await taken(store, box, "worker-2")
    assert after is not None
    assert after.token > before.token
    assert await taken(store, box, "worker-1") is None
