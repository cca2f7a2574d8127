"""A backup from before an erasure, on a store that takes no writes: it shows nobody, and is erased later."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from handoff.services.privacy.settings import PrivacySettings
from tests import serving
from tests.api.conftest import Api, settings_for
from tests.conftest import fresh_tenant
from tests.faults.test_store_loss import accept_loss
from tests.store.servers import valkey_binary

from .conftest import erase, finished

PATIENCE_S = 30.0


@asynccontextmanager
async def embedded(data: Path, tenant: str) -> AsyncIterator[Api]:
    plain = settings_for(None, tenant, f"{tenant}-other", data_dir=str(data))
    chosen = msgspec.structs.replace(plain, privacy=PrivacySettings(backup_days=30))
    async with serving.in_process(chosen) as (server, session):
        yield Api(server, session, tenant, f"{tenant}-other")


async def readiness(api: Api) -> tuple[int, Any]:
    answer = await api.get("/readyz")
    return answer.status, answer.json.get("reason")


async def test_erasures_are_repeated_as_soon_as_the_store_takes_writes(tmp_path: Path) -> None:
    """The store lost data, as it seems to a server on a restored backup, and waits for an operator."""
    valkey_binary()
    tenant, data, backup = fresh_tenant(), tmp_path / "data", tmp_path / "backup"
    async with embedded(data, tenant) as api:
        (touchpoint,) = (await api.record("m1", text="words of anna"))["ids"]
        await api.record("m2", identities=["user:bert"])
        customer = (await api.context())["customer"]["id"]
    shutil.copytree(data / "valkey", backup, ignore=shutil.ignore_patterns("*.sock"))
    async with embedded(data, tenant) as api:
        await erase(api, customer)
    shutil.rmtree(data / "valkey")
    shutil.copytree(backup, data / "valkey")
    async with embedded(data, tenant) as api:
        assert await readiness(api) == (503, "store_lost_data")
        assert api.server.site.ready() == "erasures"
        for path in (f"/v1/customers/{customer}/context", f"/v1/touchpoints/{touchpoint}"):
            assert (await api.get(path)).status == 404
        export = await api.get(f"/v1/customers/{customer}/export", token="officer")
        assert export.status == 404
        assert (await api.context())["match"] == "none"
        assert (await api.context("user:bert"))["match"] == "one"
        await asyncio.to_thread(accept_loss, "--data", str(data))
        async with asyncio.timeout(PATIENCE_S):
            while await readiness(api) != (200, None):
                api.server.site.erased.set()  # or five seconds later
                await asyncio.sleep(0.05)
        assert not api.server.store.keys.withheld
        (job,) = (await api.ok("GET", "/v1/erasures", token="officer"))["erasures"]
        assert (await finished(api, job["id"]))["receipt"]["backups_forget_at"], "as of the repetition"
        assert (await api.get(f"/v1/customers/{customer}/context")).code == "customer_erased"
        assert (await api.context("user:bert"))["match"] == "one"
        assert (await api.record("m3", occurred_at="2031-01-01T00:00:00Z", text="new words"))["accepted"] == 1
        found = await api.context()
        assert [it["text"] for it in found["timeline"]["touchpoints"]] == ["new words"]
