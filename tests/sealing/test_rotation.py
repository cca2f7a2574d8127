"""Rotation, and sealing what was stored before: both can be stopped at any step and started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgpack
import pytest

from handoff.codec.compression import SEALED
from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.domain.evidence import Statement
from handoff.domain.identity import parse_identity
from handoff.services.customers.links import Attribution, agent_evidence, mark_shared, write_evidence
from handoff.services.events.publishing import StoredEvent, pack_event
from handoff.services.timeline.recording import record
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import Change
from handoff.store.repositories.identities import HOLD, RESTRICTION
from handoff.store.repositories.recorder import Pointer
from handoff.store.sealing.rewriting import Rewriting, SealProgress
from handoff.store.sealing.rotation import RETIRED_S, RewrapProgress, Rotation
from handoff.store.server.sizes import kind_of
from handoff.store.store import Store
from tests.conftest import fresh_tenant, opened
from tests.samples import NOON, record_all, timeline, touchpoint
from tests.store.servers import cluster_of_three

from .conftest import destroy_key, opened_sealed, sealing
from .test_timelines import CANARY, field, home_of, stored

PEOPLE = 30


async def fill(store: Store, tenant: str) -> None:
    people = [f"user:p{number}" for number in range(PEOPLE)]
    await record_all(
        store, tenant, [touchpoint(f"of-{it}", it, f"email:{it[5:]}@x.example") for it in people]
    )


async def check(store: Store, tenant: str) -> None:
    for number in range(PEOPLE):
        texts = [it.text for it in await timeline(store, tenant, f"user:p{number}")]
        assert texts == [f"text of of-user:p{number}"]


def rotation(store: Store) -> Rotation:
    assert store.sealing is not None
    functions = Functions(store.connection)
    return Rotation(store.connection, store.settings.url or "", functions, store.sealing.epochs)


async def finished(steps: AsyncIterator[RewrapProgress]) -> RewrapProgress:
    progress = RewrapProgress()
    async for step in steps:
        progress = step
    return progress


async def test_a_rotation_that_stops_anywhere_is_continued(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """After each step another process starts again; a server with cached keys works all the time."""
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as serving:
        await fill(serving, tenant)
        assert serving.sealing is not None
        old = serving.sealing.epochs.current(tenant).hex()
        serving.sealing.epochs.begin(tenant)
        stop, seen = 1, 0
        while True:
            async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
                steps, count = rotation(store).run(), 0
                async for progress in steps:
                    count, seen = count + 1, max(seen, progress.rewrapped)
                    if count == stop:
                        break
                await steps.aclose()
                await check(store, tenant)
            await record_all(
                serving, tenant, [touchpoint(f"later{stop}", f"user:late{stop}", at=NOON + stop)]
            )
            if count < stop:
                break
            stop += 1
        await finished(rotation(serving).run())
        assert (await rotation(serving).count())[old] == 0
        await check(serving, tenant)
        retired = serving.sealing.epochs.content.epochs[0].retired_at or 0
        with pytest.raises(ConfigurationError, match="wait"):
            await rotation(serving).destroy(old)
        await rotation(serving).destroy(old, clock=lambda: retired + RETIRED_S)
        await check(serving, tenant)
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await check(store, tenant)


async def test_an_epoch_that_still_wraps_keys_is_not_destroyed(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await fill(store, tenant)
        assert store.sealing is not None
        old = store.sealing.epochs.current(tenant).hex()
        with pytest.raises(ConfigurationError, match="in use"):
            await rotation(store).destroy(old)
        store.sealing.epochs.begin(tenant)
        with pytest.raises(ConfigurationError, match="still wraps"):
            await rotation(store).destroy(old, clock=lambda: time.time() + RETIRED_S + 1)
        await check(store, tenant)


async def test_a_backup_of_before_a_rotation_cannot_be_read_after_it(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("a")])
        home = home_of(store, tenant)
        backup = await field(store, home, "k")
        assert store.sealing is not None
        old = store.sealing.epochs.current(tenant).hex()
        store.sealing.epochs.begin(tenant)
        await finished(rotation(store).run())
        await rotation(store).destroy(old, clock=lambda: time.time() + RETIRED_S + 1)
        await store.connection.call("HSET", store.keys.record(home), "k", backup)
        progress = await finished(rotation(store).run())
        assert progress.unreadable == 1
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        with pytest.raises(StoreUnavailable, match="keys that seal"):
            await timeline(store, tenant)
        with pytest.raises(StoreUnavailable, match="keys that seal"):
            await record_all(store, tenant, [touchpoint("b")])


async def test_a_key_that_was_changed_is_left_alone(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("a")])
        home = home_of(store, tenant)
        key = await field(store, home, "k") or b""
        await store.connection.call("HSET", store.keys.record(home), "k", key[:-1] + bytes((key[-1] ^ 1,)))
        assert store.sealing is not None
        store.sealing.epochs.begin(tenant)
        assert (await finished(rotation(store).run())).unreadable == 1


def rewriting(store: Store, tenant: str) -> Rewriting:
    keys = Keys(store.settings.partitions, store.sealing)
    return Rewriting(store.connection, store.settings.url or "", store.functions, keys, [tenant])


async def rewritten(steps: AsyncIterator[SealProgress]) -> SealProgress:
    progress = SealProgress()
    async for step in steps:
        progress = step
    return progress


async def old_data(store: Store, tenant: str) -> None:
    await fill(store, tenant)
    many = [touchpoint(f"long{n}", "user:long", at=NOON + n, text=f"{CANARY} {n}") for n in range(250)]
    await record_all(store, tenant, many)
    await record_all(store, tenant, [touchpoint("seq", "user:seq", seq=7, text=CANARY)])
    edit = touchpoint("edit", "user:seq", type="message.edited", amends="seq", text="later", at=NOON + 1)
    await record_all(store, tenant, [edit])
    identity = parse_identity(f"email:{CANARY}@desk.example")
    by = Attribution(who=CANARY, reason=CANARY)
    one, other = home_of(store, tenant, "user:p1"), home_of(store, tenant, "user:p2")
    piece = agent_evidence(one, other, Statement.NOT_SAME, by)
    await write_evidence(store, tenant, piece)
    withdrawn: bytes = msgpack.packb([CANARY, NOON, CANARY])
    place = Pointer(one, store.keys.record(one), ((b"w" + piece.id, withdrawn), (HOLD, withdrawn)))
    await store.recorder.point([place])
    await record_all(store, tenant, [touchpoint("hidden", "user:hidden")])
    hidden = home_of(store, tenant, "user:hidden")
    await store.of(tenant).people.set_field(hidden, RESTRICTION, withdrawn)
    blob = pack_event(StoredEvent(id="e", type="t", subject=CANARY, at=0, recorded_at=0, data=b"{}"))
    await store.connection.call("SET", f"{{c.{tenant}}}de".encode() + b"e" * 16, blob)
    await mark_shared(store, tenant, identity, by, shared=True, now=NOON)


async def test_sealing_what_was_stored_before_stops_and_continues_anywhere(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with opened(fresh_valkey) as store:
        await old_data(store, tenant)
        assert CANARY.encode() in await stored(store)
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as serving:
        stop, complete = 1, False
        while not complete:
            async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
                steps, count, complete = rewriting(store, tenant).run(), 0, True
                async for _progress in steps:
                    count += 1
                    if count == stop:
                        complete = False
                        break
                await steps.aclose()
            stop = stop * 3
            await check(serving, tenant)
        progress = await rewritten(rewriting(serving, tenant).run())
        assert (progress.sealed, progress.skipped) == (0, 0)
        dump = await stored(serving)
        assert CANARY.encode() not in dump
        assert b"x.example" not in dump
        await check(serving, tenant)
        home = home_of(serving, tenant, "user:p1")
        (record_,) = (await read_records(serving.connection, serving.keys, [home])).values()
        assert [(it.who, it.why) for it in record_.evidence if it.who == CANARY] == [(CANARY, CANARY)]
        assert [(it.who, it.why) for it in record_.withdrawals] == [(CANARY, CANARY)]
        views = await timeline(serving, tenant, "user:long")
        assert [it.text for it in views] == [f"{CANARY} {n}" for n in range(250)]
        again = await record_all(serving, tenant, [touchpoint("long3", "user:long", text=f"{CANARY} 3")])
        assert [it.status for it in again] == ["duplicate"]
        (changed,) = await record(serving, tenant, [touchpoint("long3", "user:long", text="other")])
        assert changed.code == "id_reused"
        assert (await timeline(serving, tenant, "user:seq"))[0].text == "later"
        for name in await serving.connection.call("KEYS", "*"):
            if kind_of(name) != "timelines":
                continue
            for raw in await serving.connection.call("ZRANGE", name, 0, -1):
                assert raw[35] & SEALED


async def test_what_changed_meanwhile_is_not_replaced(sealed_store: Store, tenant: str) -> None:
    """The functions that rewrite compare with what was read."""
    await record_all(sealed_store, tenant, [touchpoint("a")])
    home = home_of(sealed_store, tenant)
    record_, line = sealed_store.keys.record(home), sealed_store.keys.timeline(home)
    key = await field(sealed_store, home, "k") or b""
    call = sealed_store.functions.call
    assert await call("rewrap", [record_], [b"another", b"new"]) == 0
    arguments = [key, 1, b"v", b"another", b"new", b"no such entry", b"new entry"]
    assert await call("reseal", [record_, line], arguments) == [1, 0]
    assert await call("reseal", [record_, line], [b"another key", 0]) == [0, key]
    await sealed_store.connection.call("SET", "{x}string", "value", "EX", 100)
    assert await call("replace", [b"{x}string"], [b"another", b"new"]) == 0
    assert await call("replace", [b"{x}string"], [b"value", b"new"]) == 1
    assert await sealed_store.connection.call("TTL", "{x}string") > 90
    assert len(await timeline(sealed_store, tenant)) == 1


async def test_two_runs_at_once_agree_on_the_keys(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    async with opened(fresh_valkey) as store:
        await old_data(store, tenant)
    async with (
        opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as one,
        opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as other,
    ):
        runs = [rewritten(rewriting(it, tenant).run()) for it in (one, other, one, other)]
        assert [it.skipped for it in await asyncio.gather(*runs)] == [0] * 4
        assert CANARY.encode() not in await stored(one)
        for store in (one, other):
            await check(store, tenant)


async def test_names_are_looked_through_in_many_steps(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    """Among thousands of keys of others, some steps find nothing; some names only look like ours."""
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await fill(store, tenant)
        await store.connection.pipeline([("SET", f"other:{number}", "x") for number in range(3_000)])
        await store.connection.call("HSET", f"{{c.{tenant}}}x:another", "k", "no key")
        progress = await finished(rotation(store).run())
        assert (progress.seen, progress.rewrapped) == (2 * PEOPLE + 1, 0)


async def test_identities_of_unknown_tenants_are_reported(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with opened(fresh_valkey) as store:
        await record_all(store, "gone", [touchpoint("a")])
        await record_all(store, tenant, [touchpoint("a")])
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        progress = await rewritten(rewriting(store, tenant).run())
        assert progress.skipped == 1
        key = b"k" * 64
        await store.connection.call("HSET", store.keys.record(home_of(store, tenant)), "k", key)
        assert (await rewritten(rewriting(store, tenant).run())).skipped == 2


async def test_control_values_of_before_are_sealed(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    async with opened(fresh_valkey) as store:
        control = store.control(tenant)
        records = [control.keys.record(kind, b"h" * 16) for kind in "hrmbwqj"]
        kept = control.keys.snapshot(b"s" * 32)
        event = f"{{c.{tenant}}}de".encode() + b"e" * 16
        change = Change().keep(kept, b"\0" + CANARY.encode())
        await store.connection.call("SET", event, b"\0" + CANARY.encode())
        for key in records:
            change.put(key, 1, CANARY)
        await control.commit(change)
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        control = store.control(tenant)
        before = await control.read(records), await control.kept(kept)
        assert (await rewritten(rewriting(store, tenant).run())).sealed == 9
        assert CANARY.encode() not in await stored(store)
        assert (await control.read(records), await control.kept(kept)) == before
        raw = await store.connection.call("GET", event)
        assert control.seal.open_kept(b"e" * 16, raw) == b"\0" + CANARY.encode()
        assert (await rewritten(rewriting(store, tenant).run())).sealed == 0


async def test_an_erased_identity_gets_no_key(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    """A record without its value stays without a key."""
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("a")])
        home = home_of(store, tenant)
        await destroy_key(store, home)
        progress = await rewritten(rewriting(store, tenant).run())
        assert progress.sealed == 0
        assert await field(store, home, "k") is None


@asynccontextmanager
async def cluster(tmp_path: Path, tenant: str) -> AsyncIterator[Store]:
    with cluster_of_three() as url:
        async with opened(url) as store:
            await fill(store, tenant)
        async with opened_sealed(url, sealing(tmp_path), tenant) as store:
            yield store


async def test_a_cluster_is_sealed_and_rotated_too(tmp_path: Path) -> None:
    tenant = fresh_tenant()
    async with cluster(tmp_path, tenant) as store:
        await check(store, tenant)
        await record_all(store, tenant, [touchpoint("new", "user:new", "email:new@x.example", text=CANARY)])
        assert (await timeline(store, tenant, "user:new"))[0].text == CANARY
        await rewritten(rewriting(store, tenant).run())
        await check(store, tenant)
        assert store.sealing is not None
        old = store.sealing.epochs.current(tenant).hex()
        assert [it.tenant for it in store.sealing.epochs.content.epochs] == [tenant]
        store.sealing.epochs.begin(tenant)
        await finished(rotation(store).run())
        assert (await rotation(store).count())[old] == 0
        await check(store, tenant)
