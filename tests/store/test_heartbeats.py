"""Heartbeats on every kind of server: several tenants in one round trip, each worker with its own number."""

from __future__ import annotations

from handoff.store.repositories.deliveries import QueueEntry
from handoff.store.repositories.worker_heartbeats import exchange_beats
from handoff.store.store import Store
from tests.conftest import fresh_tenant

Beats = dict[str, dict[str, int]]


async def test_numbers_are_written_read_and_taken_back_for_many_tenants_at_once(store: Store) -> None:
    tenants = [fresh_tenant() for _ in range(5)]
    first, last = tenants[0], tenants[-1]

    async def exchange(
        worker: str, beat: int, holding: set[str], idle: set[str]
    ) -> dict[str, dict[str, int]]:
        return await exchange_beats(store.connection, tenants, worker, beat, holding=holding, idle=idle)

    none: Beats = {it: {} for it in tenants}
    assert await exchange("one", 1, set(), set()) == none
    assert await exchange("one", 2, {first, last}, set()) == none | {first: {"one": 2}, last: {"one": 2}}
    before = store.connection.round_trips
    both = await exchange("two", 9, {last}, {first})
    assert store.connection.round_trips == before + 1
    assert both == none | {first: {"one": 2}, last: {"one": 2, "two": 9}}
    assert await exchange("one", 3, {first}, {last}) == none | {first: {"one": 3}, last: {"two": 9}}


async def test_a_claim_beats_and_a_release_takes_the_number_back(store: Store, tenant: str) -> None:
    queue, subscription, event = store.deliveries(tenant), b"s" * 16, b"e" * 16
    record = store.control(tenant).keys.record("w", subscription)
    await store.connection.call(b"SET", record, b"1", key=record)
    await queue.put(QueueEntry(event=event, blob=b"x", type="a"), [subscription])

    async def beats() -> dict[str, int]:
        found = await exchange_beats(store.connection, [tenant], "watcher", 1, holding=(), idle=())
        return found[tenant]

    assert (await queue.claim("one.1", 0, 0, beat=1)).messages == []
    assert await beats() == {}
    assert len((await queue.claim("one.2", 1, 1, beat=2)).messages) == 1
    assert await beats() == {"one": 2}
    assert await queue.release("one", 2) == 1
    assert await beats() == {}
    assert [it.event for it in (await queue.claim("two.1", 1, 1, beat=1)).messages] == [event]
