"""The control partition: changes happen whole or not at all, once, in one slot, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from handoff.store.repositories.control import Change, Changed, decode_record, mark, read_versioned
from handoff.store.store import Store
from tests.conftest import opened
from tests.faults.proxy import cutting_proxy


def counter_change(store: Store, tenant: str, version: int, value: Any) -> Change:
    key = store.control(tenant).keys.record("h", b"counter")
    return Change().expect(key, version).put(key, version + 1, value)


async def read_counter(store: Store, tenant: str) -> tuple[int, Any]:
    control = store.control(tenant)
    (raw,) = await control.read([control.keys.record("h", b"counter")])
    return read_versioned(raw).version, decode_record(raw, object) if raw else None


async def test_everything_of_a_change_is_written_together(store: Store, tenant: str) -> None:
    control = store.control(tenant)
    keys = control.keys
    change = counter_change(store, tenant, 0, {"n": 1})
    change.add(keys.set("all"), 5, b"one").add(keys.timers(), 7, b"t").post(keys.outbox(), b"event")
    change.keep(keys.snapshot(b"hash"), b"bytes").keep(keys.idempotency(b"k"), b"v", 60)
    await control.commit(change)
    assert await read_counter(store, tenant) == (1, {"n": 1})
    assert await control.ids(keys.set("all"), limit=9) == [(b"one", 5)]
    assert await control.connection.call("GET", keys.snapshot(b"hash")) == b"bytes"
    assert await control.connection.call("TTL", keys.idempotency(b"k")) in range(50, 61)
    ((_id, fields),) = await control.connection.call("XRANGE", keys.outbox(), "-", "+")
    assert b"event" in fields


async def test_a_refused_change_writes_nothing_of_it(store: Store, tenant: str) -> None:
    control = store.control(tenant)
    keys = control.keys
    await control.commit(counter_change(store, tenant, 0, "first"))
    stale = counter_change(store, tenant, 0, "second")
    stale.add(keys.set("all"), 1, b"x").post(keys.outbox(), b"event").keep(keys.snapshot(b"h"), b"b")
    with pytest.raises(Changed):
        await control.commit(stale)
    assert await read_counter(store, tenant) == (1, "first")
    assert await control.ids(keys.set("all"), limit=9) == []
    assert await control.connection.call("EXISTS", keys.outbox()) == 0
    assert await control.connection.call("GET", keys.snapshot(b"h")) is None


async def test_one_of_many_at_once_wins_each_version(store: Store, tenant: str) -> None:
    async def bump(who: int) -> int:
        version, value = await read_counter(store, tenant)
        try:
            await store.control(tenant).commit(
                counter_change(store, tenant, version, {"sum": (value or {"sum": 0})["sum"] + 1, "by": who})
            )
        except Changed:
            return 0
        return 1

    won = 0
    for _ in range(5):
        won += sum(await asyncio.gather(*(bump(who) for who in range(8))))
    version, value = await read_counter(store, tenant)
    assert won == version == value["sum"]
    assert won >= 5


async def test_what_is_kept_is_written_once(store: Store, tenant: str) -> None:
    control = store.control(tenant)
    place = control.keys.snapshot(b"same")
    await control.commit(Change().keep(place, b"first"))
    await control.commit(Change().keep(place, b"second"))
    assert await control.connection.call("GET", place) == b"first"


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_pages_of_a_list_are_the_whole_though_scores_are_equal(
    store: Store, tenant: str, limit: int, newest_first: bool
) -> None:
    control = store.control(tenant)
    key = control.keys.set("all")
    change = Change()
    scores = [0, 1, 1, 1, *[1_795_000_000_000_000] * 30, 1_795_000_000_000_001]
    entries = [(bytes([number * 7 % 256]) * 16, score) for number, score in enumerate(scores)]
    for member, score in entries:
        change.add(key, score, member)
    await control.commit(change)
    found: list[tuple[bytes, int]] = []
    below = None
    while True:
        page = await control.ids(key, limit=limit, newest_first=newest_first, below=below)
        found += page
        if len(page) < limit:
            break
        below = mark(page[-1])
    assert found == sorted(entries, key=lambda it: (it[1], it[0]), reverse=newest_first)


@pytest.mark.parametrize("tenants", [("acme", "acme2"), ("a", "a}z:all")])
async def test_tenants_do_not_share_a_key(store: Store, tenant: str, tenants: Sequence[str]) -> None:
    one, other = (store.control(f"{tenant}{name}") for name in tenants)
    await one.commit(Change().add(one.keys.set("all"), 1, b"x").put(one.keys.record("h", b"1"), 1, "secret"))
    assert await other.ids(other.keys.set("all"), limit=9) == []
    assert await other.read([other.keys.record("h", b"1")]) == [None]


async def test_the_stores_clock_is_the_servers(store: Store, tenant: str) -> None:
    first = await store.control(tenant).clock()
    assert first < await store.control(tenant).clock() < first + 10_000_000


async def test_a_commit_whose_answer_is_lost_is_done_and_not_called_refused(valkey: str, tenant: str) -> None:
    """The connection sends it again; it must not take its own first attempt for somebody else's."""
    async with cutting_proxy(valkey) as proxy, opened(proxy.url, timeout_s=3) as store:
        await store.control(tenant).commit(counter_change(store, tenant, 0, "first"))
        proxy.cut_answers(1)
        await store.control(tenant).commit(counter_change(store, tenant, 1, "second"))
        assert proxy.cuts == 1
        assert await read_counter(store, tenant) == (2, "second")
        with pytest.raises(Changed):
            await store.control(tenant).commit(counter_change(store, tenant, 1, "third"))
