"""Group commit: what shares a call shares neither its failure nor its fate with its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from handoff.domain.errors import Overloaded, StoreUnavailable
from handoff.domain.touchpoint import Touchpoint
from handoff.services.timeline.recording import prepare, record
from handoff.store.repositories.recorder import (
    IN_FLIGHT,
    MAX_BATCH,
    MAX_WAITING,
    REUSED,
    STORED,
    Item,
    Recorded,
)
from handoff.store.store import Store
from tests.conftest import opened
from tests.faults.proxy import cutting_proxy
from tests.samples import NOON, record_all, timeline, touchpoint
from tests.stopwatch import Stopwatch
from tests.store.servers import Server, server, valkey_binary


@pytest.fixture
def valkey_process() -> Iterator[Server]:
    with server(valkey_binary()) as running:
        yield running


def item(store: Store, tenant: str, stated: Touchpoint) -> Item:
    return prepare(stated, store.hashes(tenant), store.keys)


def numbered(count: int, home: str = "user:anna") -> list[Touchpoint]:
    return [touchpoint(f"event{number}", home, at=NOON + number) for number in range(count)]


async def test_concurrent_writes_share_calls(own_store: Store, tenant: str) -> None:
    """50 requests of one turn are one call."""
    before = own_store.connection.round_trips
    await asyncio.gather(*(record(own_store, tenant, [it]) for it in numbered(50)))
    assert own_store.connection.round_trips - before == 1
    assert len(await timeline(own_store, tenant)) == 50


async def test_a_few_calls_are_in_flight_and_keep_their_order(valkey_process: Server, tenant: str) -> None:
    """While the store does not answer the rest waits; what happened at the same time stays in order."""
    async with opened(valkey_process.url, timeout_s=30) as store:
        valkey_process.pause()
        before = store.connection.round_trips
        events = [f"event{number}" for number in range(3 * IN_FLIGHT)]
        asked = []
        for event in events:
            asked.append(asyncio.create_task(record(store, tenant, [touchpoint(event)])))
            await asyncio.sleep(0.01)
        assert store.connection.round_trips - before == IN_FLIGHT
        valkey_process.resume()
        results = await asyncio.gather(*asked)
        assert [it.status for (it,) in results] == ["accepted"] * len(events)
        assert [it.id for it in await timeline(store, tenant)] == [it.id for (it,) in results]


async def test_a_batch_is_bounded(own_store: Store, tenant: str) -> None:
    before = own_store.connection.round_trips
    await record_all(own_store, tenant, numbered(MAX_BATCH * 3))
    assert own_store.connection.round_trips - before == 3


async def test_answers_are_in_the_order_of_the_items(store: Store, tenant: str) -> None:
    first = item(store, tenant, touchpoint("a"))
    other = item(store, tenant, touchpoint("a", text="other words"))
    second = item(store, tenant, touchpoint("b", "user:bob"))
    answers = await store.recorder.record([first, first, other, second])
    assert [it.status for it in answers if isinstance(it, Recorded)] == [STORED, 1, REUSED, STORED]


async def test_a_poisoned_item_fails_alone(store: Store, tenant: str) -> None:
    """One timeline's key is of a wrong type: nothing else of its batch may suffer."""
    poisoned = store.hashes(tenant).identity(touchpoint("x", "user:poison").home.identity)
    key = store.keys.timeline(poisoned)
    await store.connection.call("SET", key, "no timeline")
    homes = [f"user:u{number}" for number in range(6)]
    sound = [touchpoint(f"e-{home}", home, f"email:{home[5:]}@example.com") for home in homes]
    batch = [*sound[:3], touchpoint("x", "user:poison"), *sound[3:]]
    with bound_contextvars(request_id="of the first"), capture_logs(processors=[merge_contextvars]) as logged:
        answers = await asyncio.gather(*(record(store, tenant, [it]) for it in batch), return_exceptions=True)
    assert [(it["event"], it.get("request_id")) for it in logged] == [("touchpoint_refused_by_store", None)]
    failed = [place for place, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert failed == [3]
    assert isinstance(answers[3], StoreUnavailable)
    for home in homes:
        assert len(await timeline(store, tenant, home)) == 1
        assert len(await timeline(store, tenant, f"email:{home[5:]}@example.com")) == 0
    await store.connection.call("DEL", key)
    assert (await record(store, tenant, [batch[3]]))[0].status in ("accepted", "duplicate")


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)


@asynccontextmanager
async def another_call(store: Store) -> AsyncIterator[None]:
    """Leaves when what was started inside has called the store."""
    before = store.connection.round_trips
    yield
    await until(lambda: store.connection.round_trips > before)


async def test_a_caller_that_leaves_changes_nothing(valkey_process: Server, tenant: str) -> None:
    async with opened(valkey_process.url) as store:
        valkey_process.pause()
        async with another_call(store):
            first = asyncio.create_task(record(store, tenant, [touchpoint("in flight")]))
        async with another_call(store):
            leaving = asyncio.create_task(record(store, tenant, numbered(5)))
            staying = asyncio.create_task(record(store, tenant, numbered(6)))
        leaving.cancel()
        valkey_process.resume()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert [it.status for it in await first] == ["accepted"]
        assert [it.status for it in await staying] == ["duplicate"] * 5 + ["accepted"]
        assert len(await timeline(store, tenant)) == 7


async def test_when_the_store_dies_all_waiting_callers_fail(valkey_process: Server, tenant: str) -> None:
    """Ten batches wait: they must not fail one deadline after the other."""
    async with opened(valkey_process.url, timeout_s=1) as store:
        await record_all(store, tenant, [touchpoint("before")])
        valkey_process.kill()
        watch = Stopwatch()
        waiting = [record(store, tenant, [it]) for it in numbered(MAX_BATCH * 10)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert watch.seconds < 2.5
        assert {type(answer) for answer in answers} == {StoreUnavailable}
        assert store.recorder.waiting == 0


async def test_too_much_waiting_is_refused_at_once_and_what_waits_is_kept(
    valkey_process: Server, tenant: str
) -> None:
    async with opened(valkey_process.url, timeout_s=30) as store:
        same = item(store, tenant, touchpoint("same"))
        valkey_process.pause()
        async with another_call(store):
            first = asyncio.create_task(store.recorder.record([same]))
        in_flight = (IN_FLIGHT - 1) * MAX_BATCH  # beside the first's call
        full = asyncio.create_task(store.recorder.record([same] * (in_flight + MAX_WAITING)))
        await until(lambda: store.recorder.waiting == MAX_WAITING)
        with pytest.raises(Overloaded):
            await store.recorder.record([same])
        valkey_process.resume()
        statuses = [it.status for it in (*await first, *await full) if isinstance(it, Recorded)]
        assert statuses == [STORED] + [1] * (in_flight + MAX_WAITING)
        assert [type(it) for it in await store.recorder.record([same])] == [Recorded]


async def test_many_bytes_waiting_are_refused_too(valkey_process: Server, tenant: str) -> None:
    async with opened(valkey_process.url, timeout_s=30) as store:
        valkey_process.pause()
        async with another_call(store):
            first = asyncio.create_task(store.recorder.record([item(store, tenant, touchpoint("a"))]))
        noise = "".join(chr(33 + (n * 7919) % 90) + chr(0x4E00 + (n * 104729) % 20000) for n in range(60_000))
        large = item(store, tenant, touchpoint("large", text=noise))
        assert large.size > 100_000
        async with another_call(store):
            full = asyncio.create_task(store.recorder.record([large] * 640))
        with pytest.raises(Overloaded):
            await store.recorder.record([large])
        valkey_process.resume()
        await first
        assert len(await full) == 640


async def test_closing_stores_what_waits(valkey: str, tenant: str) -> None:
    async with opened(valkey) as store:
        waiting = [asyncio.create_task(record(store, tenant, [it])) for it in numbered(500)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*waiting)
    assert all(it.status == "accepted" for (it,) in results)
    async with opened(valkey) as store:
        assert len(await timeline(store, tenant)) == 500


async def test_after_closing_nothing_is_taken(valkey: str, tenant: str) -> None:
    async with opened(valkey) as store:
        pass
    with pytest.raises(StoreUnavailable):
        await record(store, tenant, [touchpoint("late")])


async def test_an_answer_lost_on_the_way_stores_nothing_twice(valkey: str, tenant: str) -> None:
    async with cutting_proxy(valkey) as proxy, opened(proxy.url, timeout_s=10) as store:
        proxy.cut_share(0.3, seed=7)
        for stated in numbered(60):
            await record_all(store, tenant, [stated])
        assert proxy.cuts > 5
        proxy.cut_share(0, seed=7)
        assert len(await timeline(store, tenant)) == 60
        home = store.hashes(tenant).identity(touchpoint("x").home.identity)
        outbox = store.keys.outbox(store.keys.partition(home))
        entries = await store.connection.call("XRANGE", outbox, "-", "+")
        assert sum(1 for _id, fields in entries if any(home in it for it in fields)) == 60
