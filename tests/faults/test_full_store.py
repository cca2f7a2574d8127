"""Quarantine cannot fill a store, and deletes and starts work while it is full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.domain.errors import StoreUnavailable
from handoff.store.repositories.control import Change
from handoff.store.repositories.tenant.quarantine_records import QuarantineBounds, QuarantineItem
from handoff.store.server.memory import embedded_limit
from handoff.store.store import Store
from tests import serving
from tests.api.conftest import SECRET, Api, message
from tests.conftest import opened
from tests.samples import noise, record_all, touchpoint
from tests.store.servers import valkey_server

WORK = ("touchpoints:write", "context:read", "handoffs:write", "webhooks:write", "operate")
MAXMEMORY = 16 * 1024 * 1024


@asynccontextmanager
async def two_tenants(directory: Path) -> AsyncIterator[tuple[Api, Api]]:
    """Two tenants on one embedded store of 16 MiB; the first has a source with a browser's public key."""
    source = {"name": "shop", "adapter": "web.segment", "tenant": "first", "secrets": [SECRET]}
    settings = serving.settings_for(
        None,
        [serving.token("desk", tenant, *WORK) for tenant in ("first", "second")],
        store={"data_dir": str(directory), "maxmemory": str(MAXMEMORY), "durability": "everysec"},
        sources=[source],
    )
    async with serving.in_process(settings) as (server, session):
        yield Api(server, session, "first", "second"), Api(server, session, "second", "first")


async def used(api: Api) -> int:
    await api.server.store.health.beat()
    memory = api.server.store.health.memory
    return round(memory.share * memory.limit)


async def flood(api: Api, deliveries: int) -> None:
    """Send malformed events of 700 kB each with the public write key, as a script in a browser can."""

    async def send(number: int) -> int:
        event = {"type": "track", "event": noise(700_000), "messageId": f"{number}"}
        body = msgspec.json.encode({"writeKey": SECRET, "batch": [event]})
        return (await api.call("POST", "/in/shop/v1/batch", token=None, data=body)).status

    for at in range(0, deliveries, 10):
        statuses = await asyncio.gather(*map(send, range(at, at + 10)))
        assert set(statuses) == {200}


async def test_a_flood_of_malformed_events_leaves_both_tenants_writing(tmp_path: Path) -> None:
    async with two_tenants(tmp_path) as (first, second):
        await flood(first, 50)  # 17 MB as stored: more than the store has
        for api in (first, second):
            for number in range(20):
                await api.record(f"{number}")
        assert await used(first) < MAXMEMORY * 0.5
        page = await first.ok("GET", "/v1/quarantine?limit=500")
        assert 0 < page["total"] < 20
        assert (await first.call("DELETE", f"/v1/quarantine/{page['items'][0]['id']}")).status == 204
        assert (await first.ok("GET", "/v1/quarantine"))["total"] == page["total"] - 1
    async with two_tenants(tmp_path) as (first, second):
        for api in (first, second):
            await api.record("after the restart")


async def fill(api: Api) -> None:
    """Record touchpoints until the store refuses them."""
    for number in range(400):
        batch = [message(f"{number}-{n}", text=noise(20_000)) for n in range(40)]
        answer = await api.post("/v1/touchpoints", batch)
        await used(api)
        if answer.status != 200:
            break
    assert (answer.status, answer.json["reason"]) == (503, "out_of_memory")


async def test_a_full_store_deletes_moves_handoffs_and_starts_again(tmp_path: Path) -> None:
    webhook = {"url": "https://8.8.8.8/hook", "types": ["handoff.requested"]}
    wanted: dict[str, Any] = {"identity": "user:anna", "to": {"queue": "q"}, "reason": "r"}
    async with two_tenants(tmp_path) as (first, second):
        await first.record("e1")
        await second.record("e1")
        hook = await first.ok("POST", "/v1/webhooks", webhook)
        handoff = await first.ok("POST", "/v1/handoffs", wanted)
        await flood(first, 10)
        # Of a nearly full store, quarantine keeps only the newest 50 kB: whichever sweep comes first.
        small = {"writeKey": SECRET, "batch": [{"type": "track", "messageId": 7}]}
        assert (await first.call("POST", "/in/shop/v1/batch", token=None, json=small)).status == 200
        await fill(second)
        assert (await first.post("/v1/touchpoints", message("e2"))).status == 503
        assert (await first.get("/readyz")).json["reason"] == "out_of_memory"
        item = (await first.ok("GET", "/v1/quarantine"))["items"][0]
        assert item["size"] < 1000
        assert (await first.call("DELETE", f"/v1/quarantine/{item['id']}")).status == 204
        assert (await first.call("DELETE", f"/v1/webhooks/{hook['id']}")).status == 204
        move = {"version": handoff["version"], "agent": "maria"}
        assert (await first.post(f"/v1/handoffs/{handoff['id']}/accept", move)).status == 200
    async with two_tenants(tmp_path) as (first, _second):
        assert await used(first) > MAXMEMORY * 0.8
        assert (await first.ok("GET", f"/v1/handoffs/{handoff['id']}"))["state"] == "accepted"
        assert (await first.context())["match"] == "one"


@pytest.fixture
async def full() -> AsyncIterator[Store]:
    """A store that is beyond its `maxmemory`, with one record and one quarantined item."""
    with valkey_server() as url:
        async with opened(url) as store:
            await record_all(store, "acme", [touchpoint("e1")])
            control = store.control("acme")
            change = Change().put(control.keys.record("w", b"1"), 1, "value" * 100)
            await control.commit(change.add(control.keys.set("webhooks"), 1, b"1"))
            item = QuarantineItem(b"1" * 16, 1, b"record")
            await store.of("acme").quarantine.keep("shop", [item], QuarantineBounds(items=9, bytes=9999))
            await store.connection.call("CONFIG", "SET", "maxmemory", "1")
            yield store
            await store.connection.call("CONFIG", "SET", "maxmemory", "0")


async def test_deletes_work_beyond_the_last_byte(full: Store) -> None:
    control = full.control("acme")
    with pytest.raises(StoreUnavailable):
        await control.commit(Change().put(control.keys.record("w", b"2"), 1, "value"))
    change = Change().drop(control.keys.record("w", b"1")).remove(control.keys.set("webhooks"), b"1")
    await control.commit(change.put(control.keys.named("webhooks"), 5, None))
    assert await control.read([control.keys.record("w", b"1")]) == [None]
    assert await control.count(control.keys.set("webhooks")) == 0
    await full.deliveries("acme").drop(b"1" * 16)
    assert await full.of("acme").quarantine.drop("shop", [b"1" * 16]) == 1
    assert await full.connection.call("EXISTS", control.keys.quarantine()) == 0


async def test_a_start_of_the_same_release_writes_nothing(full: Store) -> None:
    async with opened(full.connection.url) as again:
        await again.workers.beat()
        assert again.health.reason == "out_of_memory"
        assert again.hashes("acme").store() == full.hashes("acme").store()


async def test_a_change_that_adds_is_never_sent_as_a_delete(full: Store) -> None:
    control = full.control("acme")
    for change in (
        Change().drop(b"a").put(b"b", 1, "x" * 100),
        Change().drop(b"a").add(b"b", 1, b"m"),
        Change().drop(b"a").keep(b"b", b"v"),
        Change().drop(b"a").post(b"b", b"v"),
        Change().put(b"b", 1, None),
    ):
        assert not change.erases
        with pytest.raises(StoreUnavailable):
            await control.commit(change)


async def test_quarantine_keeps_the_newest_within_count_bytes_and_age(own_store: Store, tenant: str) -> None:
    kept, control = own_store.of(tenant).quarantine, own_store.control(tenant)
    items = [QuarantineItem(bytes([n]) * 16, n, b"r" * 100) for n in range(1, 101)]
    wide = QuarantineBounds(items=1000, bytes=10**6)
    assert await kept.keep("shop", items, wide) == 0
    assert await kept.keep("shop", items, wide) == 0  # sent again after a lost answer
    assert await kept.keep("other", [QuarantineItem(b"o" * 16, 1, b"r")], wide) == 0
    assert await kept.trim("shop", QuarantineBounds(items=60, bytes=10**6)) == 40
    counted = await own_store.connection.call("HGET", control.keys.quarantine(), "shop")
    each = int(counted.split()[0]) // 60
    assert await kept.trim("shop", QuarantineBounds(items=60, bytes=each * 50)) == 10
    assert await kept.trim("shop", QuarantineBounds(items=60, bytes=10**6, since=91)) == 40
    left = [member for member, _at in await control.ids(control.keys.set("quarantine:shop"), limit=100)]
    assert left == [it.id for it in reversed(items[90:])]
    assert await control.count(control.keys.set("quarantine")) == 11
    assert await control.read([control.keys.record("q", items[0].id)]) == [None]
    # A release that does not know the sizes deletes an item: they are counted again.
    await own_store.connection.call("ZREM", control.keys.set("quarantine:shop"), items[95].id)
    assert await kept.trim("shop", QuarantineBounds(items=5, bytes=10**6)) == 4
    sizes = await own_store.connection.call("HGET", control.keys.quarantine(), "shop")
    assert sizes == b"%d 5 i" % (5 * each)


def test_the_embedded_store_takes_a_part_of_the_smaller_of_container_and_machine(tmp_path: Path) -> None:
    machine, container = tmp_path / "meminfo", tmp_path / "memory.max"
    assert embedded_limit((container,), machine) is None
    machine.write_text("MemFree: 1 kB\nMemTotal:       1000 kB\n")
    assert embedded_limit((container,), machine) == 614400
    container.write_text("max\n")
    assert embedded_limit((container,), machine) == 614400
    container.write_text("500000\n")
    assert embedded_limit((container,), machine) == 300000
