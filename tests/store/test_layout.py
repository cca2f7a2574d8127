"""The layout of the store: one slot per identity, no personal data in keys, work that does not grow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.crc import key_slot

from handoff.codec.member import FLAG_QUIET, read_member
from handoff.domain.errors import ConfigurationError
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Participant
from handoff.services.context.assembly import assemble
from handoff.services.context.completeness import Concern, Monitor, SourceFacts
from handoff.services.context.views import ContextSelection
from handoff.services.customers.lookup import find
from handoff.services.timeline.recording import record
from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys, Keys
from handoff.store.repositories.outbox import is_quiet, names_others, read_entries, read_reference
from handoff.store.repositories.tenant.quarantine_records import QuarantineBounds, QuarantineItem
from handoff.store.server.valkey_conf import MODEL_SETTINGS
from handoff.store.store import Store
from tests.conftest import opened
from tests.samples import NOON, handle, pages, record_all, timeline, touchpoint
from tests.store.servers import valkey_server

SOMEBODY = Participant(handle("user:otto").identity, "cc")


@pytest.fixture
def empty_valkey() -> Iterator[str]:
    """A server of its own, with the settings the data model was measured with."""
    with valkey_server(appendonly="no", **MODEL_SETTINGS) as url:
        yield url


@pytest.fixture
async def empty(empty_valkey: str) -> AsyncIterator[Store]:
    async with opened(empty_valkey) as store:
        yield store


async def scan(store: Store) -> list[bytes]:
    keys: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, found = await store.connection.call("SCAN", cursor, "COUNT", 1000)
        keys += found
        if cursor == b"0":
            return keys


def test_all_keys_of_an_identity_share_a_slot() -> None:
    keys = Keys(64)
    for number in range(200):
        home = number.to_bytes(4, "big") * 4
        partition = keys.partition(home)
        names = [keys.timeline(home), keys.index(home), keys.record(home), keys.arrivals(home)]
        names += [keys.outbox(partition), keys.cursor(partition, "x"), keys.lease(partition, "x")]
        assert len({key_slot(name) for name in names}) == 1
        assert len(set(names)) == len(names)


def test_a_hash_with_braces_does_not_leave_its_slot() -> None:
    keys = Keys(64)
    assert key_slot(keys.timeline(b"}{7}" * 4)) == key_slot(keys.outbox(keys.partition(b"}{7}" * 4)))


def test_control_keys_of_a_tenant_share_a_slot() -> None:
    keys = ControlKeys("acme")
    names = [keys.record("h", b"1" * 16), keys.set("queue:", b"}x{"), keys.timers(), keys.outbox()]
    names += [keys.snapshot(b"s"), keys.idempotency(b"k"), keys.quarantine(), keys.sources()]
    assert len({key_slot(name) for name in names}) == 1


async def test_no_key_name_has_personal_data(empty: Store, tenant: str) -> None:
    person = ("user:anna.svensson", "email:anna.svensson@example.com", "phone:+358401234567")
    handles = [handle(it, Assurance.VERIFIED) for it in person]
    recorded = touchpoint("order-4711", *handles, thread="thread-4711", text="my words")
    await record_all(empty, tenant, [recorded])
    keys = await scan(empty)
    assert len(keys) > 5
    for key in keys:
        for word in (b"anna", b"svensson", b"example.com", b"358401234567", b"4711", b"words"):
            assert word not in key


async def test_the_plain_handle_lies_once_in_its_identitys_record(empty: Store, tenant: str) -> None:
    handles = [handle("user:anna.svensson"), handle("email:anna@example.com", Assurance.VERIFIED)]
    await record_all(empty, tenant, [touchpoint(f"e{n}", handles[0], at=NOON + n) for n in range(5)])
    held = 0
    for key in await scan(empty):
        if await empty.connection.call("TYPE", key) == b"hash":
            values = await empty.connection.call("HGETALL", key)
            held += sum(b"anna.svensson" in value for value in values)
    assert held == 1
    home = empty.hashes(tenant).identity(handles[0].identity)
    for raw in await empty.connection.call("ZRANGE", empty.keys.timeline(home), 0, -1):
        assert b"anna.svensson" not in raw
        assert "anna.svensson" not in repr(read_member(raw, home).body())


async def test_what_is_quiet_is_marked_in_the_outbox_alone(empty: Store, tenant: str) -> None:
    given = [touchpoint("old", seq=1), touchpoint("older", participants=(SOMEBODY,))]
    assert all(it.ok for it in await record(empty, tenant, given, quiet=True))
    assert (await record(empty, tenant, [touchpoint("loud")]))[0].ok
    home = empty.hashes(tenant).identity(handle("user:anna").identity)
    raws = await empty.connection.call(b"ZRANGE", empty.keys.timeline(home), 0, -1)
    assert not any(read_member(raw, home).flags & FLAG_QUIET for raw in raws)
    stream = empty.keys.outbox(empty.keys.partition(home))
    entries = (await read_entries(empty.connection, [(stream, b"0-0")], count=10, block_ms=None))[stream]
    assert [is_quiet(it.payload) for it in entries] == [True, True, False]
    assert [names_others(it.payload) for it in entries] == [False, True, False]
    assert [read_reference(it.payload).tenant for it in entries] == [tenant] * 3


async def test_the_number_of_partitions_is_fixed_for_ever(empty_valkey: str) -> None:
    async with opened(empty_valkey, partitions=16):
        pass
    async with opened(empty_valkey, partitions=16):
        pass
    with pytest.raises(ConfigurationError, match="partitions = 16"):
        async with opened(empty_valkey, partitions=32):
            pass


async def test_another_layout_is_refused(empty_valkey: str) -> None:
    async with opened(empty_valkey) as store:
        await store.connection.call("HSET", "handoff:meta", "layout", 999)
    with pytest.raises(ConfigurationError, match="999"):
        async with opened(empty_valkey):
            pass


async def test_ids_are_the_same_after_a_restart_and_differ_between_stores(
    empty_valkey: str, valkey: str, tenant: str
) -> None:
    ids = []
    for url in (empty_valkey, empty_valkey, valkey):
        async with opened(url) as store:
            (result,) = await record(store, tenant, [touchpoint("event")])
            ids.append(result.id)
    assert ids[0] == ids[1] != ids[2]


# --- Work that does not grow -----------------------------------------------------------------------

MANY, SLICE, BATCH = 20_000, 2_000, 100
SLOWER = 3.0  # the server's own time per call; a quadratic store would be ten times slower


async def spent(connection: Connection) -> tuple[int, int]:
    """Calls of functions so far, and the µs that the server worked on them."""
    (info,) = await connection.on_primaries("INFO", "commandstats")
    for line in info.decode().splitlines():
        if line.startswith("cmdstat_fcall:"):
            fields = dict(part.split("=") for part in line.partition(":")[2].split(","))
            return int(fields["calls"]), int(fields["usec"])
    return 0, 0


async def insert(store: Store, tenant: str, first: int, count: int) -> float:
    """Store touchpoints with one identity and one `occurred_at`; the server's µs for each.

    Those of the batch that others disturbed least: the server counts also while it does not run.
    """
    least = float("inf")
    for start in range(first, first + count, BATCH):
        batch = [touchpoint(f"event{number}", text="same") for number in range(start, start + BATCH)]
        _calls, before = await spent(store.connection)
        results = await record(store, tenant, batch)
        _calls, after = await spent(store.connection)
        assert {it.status for it in results} == {"accepted"}
        least = min(least, (after - before) / BATCH)
    return least


async def test_twenty_thousand_at_one_moment_cost_no_more_than_the_first(empty: Store, tenant: str) -> None:
    first = await insert(empty, tenant, 0, SLICE)
    await insert(empty, tenant, SLICE, MANY - 2 * SLICE)
    last = await insert(empty, tenant, MANY - SLICE, SLICE)
    assert last < first * SLOWER, f"{first:.1f} µs a touchpoint at first, {last:.1f} µs at the end"

    repeated = await record(empty, tenant, [touchpoint("event77", text="same", at=NOON + 5)])
    assert [it.status for it in repeated] == ["duplicate"]
    found = await pages(empty, tenant, "user:anna", limit=500, ascending=True)
    ids = [view.id for part in found for view in part]
    assert len(ids) == len(set(ids)) == MANY
    assert [len(part) for part in found] == [500] * (MANY // 500)
    arrivals = [view.recorded_at for part in found for view in part]
    assert arrivals == sorted(arrivals)
    assert not any(view.late for part in found for view in part)


# --- Round trips -----------------------------------------------------------------------------------


async def linked(store: Store, tenant: str) -> None:
    email = handle("email:anna@example.com", Assurance.VERIFIED)
    await record_all(store, tenant, [touchpoint("login", handle("user:anna"), email)])
    await record_all(store, tenant, [touchpoint("more", "user:anna", at=NOON + 1, thread="t")])


async def trips(store: Store, work: Any) -> int:
    before = store.connection.round_trips
    await work
    return store.connection.round_trips - before


async def test_round_trips_of_recording(own_store: Store, tenant: str) -> None:
    """One call, whatever evidence and pointers come with it."""
    handles = [handle("user:anna"), handle("email:anna@example.com"), handle("phone:+358401234567")]
    batch = [touchpoint(f"e{n}", *handles, thread="t", at=NOON + n) for n in range(50)]
    assert await trips(own_store, record(own_store, tenant, batch)) == 1


async def test_round_trips_of_a_look_up(own_store: Store, tenant: str) -> None:
    """One per step along the evidence: one for an identity by itself, two where it is linked."""
    await record_all(own_store, tenant, [touchpoint("alone", "user:bob")])
    await linked(own_store, tenant)
    unknown, alone = handle("user:nobody").identity, handle("user:bob").identity
    assert await trips(own_store, find(own_store, tenant, [unknown])) == 1
    assert await trips(own_store, find(own_store, tenant, [alone])) == 1
    for text in ("user:anna", "email:anna@example.com"):
        assert await trips(own_store, find(own_store, tenant, [handle(text).identity])) == 2


async def test_round_trips_of_a_context(own_store: Store, tenant: str) -> None:
    """After the look-up: the timelines, chains (2), handoffs and completeness; none more for a merge."""
    await linked(own_store, tenant)
    found = await find(own_store, tenant, [handle("user:anna").identity])
    monitor = Monitor(own_store, [])
    assembled = assemble(own_store, monitor, tenant, found, wanted=ContextSelection(), now=NOON)
    assert await trips(own_store, assembled) == 5


async def test_only_a_quarantine_with_items_costs_a_context_a_round_trip(
    own_store: Store, tenant: str
) -> None:
    await record_all(own_store, tenant, [touchpoint("1", "user:anna")])
    concern = Concern(hashes=[own_store.hashes(tenant).identity(handle("user:anna").identity)])
    facts = [
        SourceFacts(name=name, tenant=tenant, secret=True, expected_every_s=None, channel="web")
        for name in ("shop", "other", "third")
    ]
    monitor = Monitor(own_store, facts)
    assert await trips(own_store, monitor.completeness(tenant, concern=concern, now=NOON)) == 1
    kept = QuarantineItem(b"i" * 16, NOON, b"record", named=concern.hashes)
    await own_store.of(tenant).quarantine.keep("shop", [kept], QuarantineBounds(items=9, bytes=9_000_000))
    assert await trips(own_store, monitor.completeness(tenant, concern=concern, now=NOON)) == 2
    found = (await monitor.completeness(tenant, concern=concern, now=NOON)).completeness.sources
    assert [it.quarantined for it in found] == [1, 0, 0]


async def test_round_trips_of_a_timeline_page(own_store: Store, tenant: str) -> None:
    await linked(own_store, tenant)
    look_up = await trips(own_store, find(own_store, tenant, [handle("user:anna").identity]))
    whole = await trips(own_store, timeline(own_store, tenant))
    assert whole - look_up == 1
