"""A backup from before an erasure, on a store that takes no writes: it shows nobody, and is erased later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from handoff.store.store import Store
from tests import serving
from tests.api.conftest import Api, settings_for
from tests.conftest import fresh_tenant, opened
from tests.store.servers import valkey_server

from .conftest import erase

PATIENCE_S = 30.0
Dump = dict[bytes, bytes]


async def backup(store: Store) -> Dump:
    keys = await store.connection.call(b"KEYS", b"*")
    return {key: await store.connection.call(b"DUMP", key, key=key) for key in keys}


async def restore(store: Store, dump: Dump) -> None:
    await store.connection.on_primaries(b"FLUSHALL")
    for key, raw in dump.items():
        await store.connection.call(b"RESTORE", key, 0, raw, key=key)


async def takes_writes(store: Store, answer: bool) -> None:
    await store.connection.call(b"CONFIG", b"SET", b"min-replicas-to-write", b"0" if answer else b"1")


@asynccontextmanager
async def serving_from(url: str, tenant: str, folder: Path) -> AsyncIterator[Api]:
    chosen = settings_for(url, tenant, f"{tenant}-other", data_dir=str(folder))
    async with serving.in_process(chosen) as (server, session):
        yield Api(server, session, tenant, f"{tenant}-other")


async def test_erasures_are_repeated_as_soon_as_the_store_takes_writes(tmp_path: Path) -> None:
    tenant = fresh_tenant()
    with valkey_server() as url:
        async with serving_from(url, tenant, tmp_path) as api:
            await api.record("m1", text="words of anna")
            await api.record("m2", identities=["user:bert"])
            (touchpoint,) = (await api.record("m1", text="words of anna"))["ids"]
            customer = (await api.context())["customer"]["id"]
            dump = await backup(api.server.store)
            await erase(api, customer)
        async with opened(url) as store:
            await restore(store, dump)
            await takes_writes(store, answer=False)
            async with serving_from(url, tenant, tmp_path) as api:
                ready = await api.get("/readyz")
                assert (ready.status, ready.json["reason"]) == (503, "no_replicas")
                assert api.server.site.ready() == "erasures"
                for path in (f"/v1/customers/{customer}/context", f"/v1/touchpoints/{touchpoint}"):
                    assert (await api.get(path)).status == 404
                export = await api.get(f"/v1/customers/{customer}/export", token="officer")
                assert export.status == 404
                assert (await api.context())["match"] == "none"
                assert (await api.context("user:bert"))["match"] == "one"
                await takes_writes(store, answer=True)
                async with asyncio.timeout(PATIENCE_S):
                    while (await api.get("/readyz")).status != 200:
                        api.server.site.erased.set()
                        await asyncio.sleep(0.05)
                assert not api.server.store.keys.withheld
                assert (await api.get(f"/v1/customers/{customer}/context")).code == "customer_erased"
                assert (await api.context("user:bert"))["match"] == "one"
                assert (await api.record("m3", text="new words"))["accepted"] == 1
                found = await api.context()
                assert [it["text"] for it in found["timeline"]["touchpoints"]] == ["new words"]
