"""Erasures in a sealed store: every copy is found, the keys are destroyed, and backups forget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from handoff.codec.compression import decompress
from handoff.domain.clock import HOUR
from handoff.domain.errors import StoreUnavailable
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import job_of, read_erasure
from handoff.services.privacy.journal import Journal
from handoff.services.privacy.repeating import repeat_all
from handoff.store.connection import Connection
from handoff.store.sealing.rotation import RETIRED_S
from handoff.store.sealing.settings import SealingSettings
from handoff.store.settings import StoreSettings
from handoff.store.store import Store
from tests.api.conftest import Api
from tests.privacy.conftest import erase
from tests.privacy.test_canary import (
    PHONE,
    TRACES,
    USER,
    by_errors,
    by_touchpoints,
    by_work,
    queued,
    subscribe,
)
from tests.privacy.test_interrupted import TOUCHPOINTS, Crash, Died, begin, handoffs_of, live
from tests.samples import record_all, timeline, touchpoint
from tests.store.servers import valkey_server

from .conftest import opened_sealed, sealing
from .test_rotation import finished, rotation
from .test_server import served
from .test_timelines import field, home_of, stored

KEPT_KINDS = frozenset({"s", "de"})


async def named(api: Api) -> set[str]:
    """The kinds of values in the tenant's control partition that name the canary."""
    store, found = api.server.store, set[str]()
    seal = store.seal(api.tenant)
    async for kind_, key, raw in store.of(api.tenant).sweeping.values(100):
        kind, content = kind_.decode(), raw
        if kind in KEPT_KINDS:
            content = decompress(raw[0], raw[1:])
        if kind == "y":
            body = msgspec.msgpack.decode(raw)["body"]
            content = seal.open(body, key) if body else b""
        if any(it.encode() in content.lower() for it in TRACES):
            found.add(kind)
    return found


async def test_every_copy_of_an_erased_customer_is_found(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """In handoffs, snapshots, messages, kept answers, and quarantine, all of which are sealed."""
    async with served(fresh_valkey, tmp_path, tenant) as api:
        subscription = await subscribe(api)
        await by_touchpoints(api)
        await by_errors(api)
        customer = str((await api.context(f"user:{USER}"))["customer"]["id"])
        await by_work(api, customer)
        await queued(api, subscription)
        assert await named(api) >= {"h", "s", "y", "de"}
        assert (await api.ok("GET", "/v1/quarantine"))["total"] >= 4
        assert [it for it in TRACES if it.encode() in await stored(api.server.store)] == []
        view = await erase(api, customer)
        counts = view["receipt"]["counts"]
        assert counts["handoffs"] == 2
        assert counts["keys"] == counts["identities"] == 3
        assert await named(api) == set()
        assert (await api.ok("GET", "/v1/quarantine"))["items"] == []
        wanted = {"customer_id": customer, "from": {"channel": "chat", "party": "bot"}}
        wanted |= {"to": {"queue": "sales"}, "reason": f"my canary sings in the kitchen {PHONE}"}
        wanted |= {"context": {"note": "my canary sings in the kitchen"}, "fallback": [{"queue": "backup"}]}
        answer = await api.call("POST", "/v1/handoffs", wanted, headers={"Idempotency-Key": "k1"})
        assert (answer.status, answer.code) == (410, "customer_erased")


async def grave_key(store: Store, home: bytes, job: bytes) -> bytes | None:
    found: bytes | None = await store.connection.call("HGET", store.keys.grave(b"n", job, home), "k")
    return found


@pytest.mark.parametrize("moment", ["after bury", "before keys", "after keys", "within clear"])
async def test_a_crash_around_the_end_of_the_keys_ends_in_the_same_receipt(
    sealed_store: Store, tenant: str, tmp_path: Path, moment: str
) -> None:
    store = sealed_store
    home = await live(store, tenant)
    wrapped = await field(store, home, "k")
    erasure = await begin(store, tenant, home, tmp_path)
    job = job_of(store.hashes(tenant), erasure.id)
    with pytest.raises(Died):
        await Eraser(store, handoffs_of(store), [tenant], Crash(moment)).run_open()
    destroyed = moment in ("after keys", "within clear")
    assert await grave_key(store, home, job) == (None if destroyed else wrapped)
    assert (repr(wrapped).encode() in await stored(store)) == (not destroyed)
    assert await store.connection.call("EXISTS", store.keys.grave(b"t", job, home)) == 1, "not cleared yet"
    assert await Eraser(store, handoffs_of(store), [tenant]).run_open() == 1
    done = await read_erasure(store, tenant, erasure.id)
    assert done.counts == {
        "identities": 2,
        "touchpoints": TOUCHPOINTS + 2,
        "keys": 2,
        "handoffs": 1,
        "snapshots": 1,
        "callbacks": 1,
    }
    assert await store.graves.left_of(done.homes, job) == 0
    only_named = home_of(store, tenant, "phone:+358401234567")
    assert await store.connection.call("EXISTS", store.keys.record(only_named)) == 0


async def erased(store: Store, tenant: str, home: bytes, folder: Path) -> None:
    await begin(store, tenant, home, folder)
    assert await Eraser(store, handoffs_of(store), [tenant]).run_open() == 1


async def destroy_old_epoch(store: Store, tenant: str) -> None:
    """Rotate, and destroy the epoch of before, as an operator does."""
    assert store.sealing is not None
    old = store.sealing.epochs.current(tenant).hex()
    store.sealing.epochs.begin(tenant)
    assert (await finished(rotation(store).run())).unreadable == 0
    await rotation(store).destroy(old, clock=lambda: time.time() + RETIRED_S + 1)


async def backup_of(store: Store) -> dict[bytes, bytes]:
    keys = await store.connection.call("KEYS", "*")
    dumps = await store.connection.pipeline([("DUMP", key) for key in keys])
    return {key: dump for key, dump in zip(keys, dumps, strict=True) if isinstance(dump, bytes)}


@asynccontextmanager
async def restored(
    backup: dict[bytes, bytes], keys: SealingSettings, *tenants: str
) -> AsyncIterator[tuple[str, Store]]:
    """A backup on a server of its own, opened with the keys that are left."""
    with valkey_server() as url:
        async with Connection(StoreSettings(url=url)) as connection:
            await connection.pipeline([("RESTORE", key, 0, dump) for key, dump in backup.items()])
        async with opened_sealed(url, keys, *tenants) as store:
            yield url, store


async def test_a_backup_forgets_an_erased_customer_with_the_epoch(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """Until then it can be read together with the key file, as documented."""
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("a"), touchpoint("b", "user:bob")])
        home = home_of(store, tenant)
        backup = await backup_of(store)
        await erased(store, tenant, home, tmp_path)
        async with restored(backup, sealing(tmp_path), tenant) as (_url, before):
            assert [it.text for it in await timeline(before, tenant)] == ["text of a"]
        await destroy_old_epoch(store, tenant)
        assert [it.text for it in await timeline(store, tenant, "user:bob")] == ["text of b"]
    async with restored(backup, sealing(tmp_path)) as (_url, after):
        with pytest.raises(StoreUnavailable, match="keys that seal"):
            await after.prepare_tenants([tenant])
        for person in ("user:anna", "user:bob"):
            with pytest.raises(StoreUnavailable, match="keys that seal"):
                await timeline(after, tenant, person)
        assert after.sealing is not None
        wrapped = await field(after, home, "k")
        assert wrapped is not None
        assert after.sealing.passing_key(home, wrapped) is None
        assert b"text of" not in await stored(after)


async def test_an_erasure_outlives_the_epoch_in_which_it_began(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """Its keys are rewrapped in the graves, where the next steps need them."""
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        home = await live(store, tenant)
        erasure = await begin(store, tenant, home, tmp_path)
        with pytest.raises(Died):
            await Eraser(store, handoffs_of(store), [tenant], Crash("after bury")).run_open()
        await destroy_old_epoch(store, tenant)
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:  # has no key in memory
        assert await Eraser(store, handoffs_of(store), [tenant]).run_open() == 1
        assert (await read_erasure(store, tenant, erasure.id)).counts["keys"] == 2
        texts = [it.text for it in await timeline(store, tenant, "user:otto")]
        assert texts == ["text of otto"], "the reference to the erased customer is gone"


async def test_the_journal_erases_again_what_a_backup_brings_back(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """Also for a tenant that the configuration no longer has."""
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("a")])
        home, backup = home_of(store, tenant), await backup_of(store)
        await erased(store, tenant, home, tmp_path)
    async with restored(backup, sealing(tmp_path)) as (_url, again):
        assert await field(again, home, "k") is not None
        assert await repeat_all(again, Journal(tmp_path)) == 1
        assert await field(again, home, "k") is None
        assert await Eraser(again, handoffs_of(again), [tenant]).run_open() == 1


async def test_a_worker_that_notices_an_erasure_drops_its_keys(sealed_store: Store, tenant: str) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a")])
    home, keys = home_of(sealed_store, tenant), sealed_store.sealing
    assert keys is not None
    assert keys.known(home) is not None
    sealed_store.forget_reads()
    assert keys.known(home) is None
    standing = await field(sealed_store, home, "k")
    await record_all(sealed_store, tenant, [touchpoint("a"), touchpoint("b")])
    assert await field(sealed_store, home, "k") == standing
    assert len(await timeline(sealed_store, tenant)) == 2


async def test_late_events_of_an_erased_customer_are_refused_and_later_ones_get_a_new_key(
    sealed_store: Store, tenant: str, tmp_path: Path
) -> None:
    """Many at once, with two workers' idea of the key: known to one, unknown to the other."""
    now = await sealed_store.of(tenant).clock()
    old = touchpoint("old", at=now - HOUR)
    await record_all(sealed_store, tenant, [old])
    home = home_of(sealed_store, tenant)
    first = await field(sealed_store, home, "k")
    await erased(sealed_store, tenant, home, tmp_path)
    late = [touchpoint(f"late{n}", at=old.occurred_at + n) for n in range(20)]
    new = [touchpoint(f"new{n}", at=now + HOUR + n) for n in range(20)]
    mixed = [it for pair in zip(late, new, strict=True) for it in pair]
    await asyncio.gather(*(record_all(sealed_store, tenant, [it]) for it in mixed))
    assert [it.text for it in await timeline(sealed_store, tenant)] == [f"text of new{n}" for n in range(20)]
    assert await field(sealed_store, home, "k") not in (None, first)
