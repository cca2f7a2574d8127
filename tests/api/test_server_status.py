"""`/v1/status` and `/v1/configuration`: the server as operators see it."""

from __future__ import annotations

import asyncio
import os

from handoff.store.repositories.lease_holders import lease_holders
from handoff.store.repositories.outbox import partition_outboxes
from handoff.store.store import Store
from tests.api.conftest import SECRET, Api
from tests.serving import ADMIN


async def test_the_status_has_store_lag_workers_and_leases(api: Api) -> None:
    async with asyncio.timeout(30):  # the relay takes its leases after the start
        while (status := await api.ok("GET", "/v1/status"))["leases"]["free"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert status["store"]["problem"] is None
    assert status["store"]["durability"] == "always"
    assert status["store"]["embedded"] is False
    assert status["lag"]["behind_s"] >= 0
    assert os.getpid() in [it["pid"] for it in status["workers"]]
    partitions = status["store"]["partitions"]
    assert sum(it["outboxes"] for it in status["leases"]["holders"]) == partitions + 1
    assert status["leases"]["unread"] == 0
    assert status["webhooks"]["subscriptions"] == 0


async def test_leases_are_read_on_every_kind_of_store(store: Store, tenant: str) -> None:
    outboxes = partition_outboxes(store.keys, f"reader-of-{tenant}")
    now = await store.of(tenant).clock() // 1000
    for outbox, owner, ends in zip(
        outboxes, ("one", "one", "gone"), (now + 60_000, now + 60_000, now), strict=False
    ):
        await store.connection.call("HSET", outbox.lease, "o", owner, "e", str(ends))
    found = await lease_holders(store.connection, outboxes, now)
    assert (found.held, found.free, found.unread) == ({"one": 2}, len(outboxes) - 2, 0)


async def test_the_status_sums_the_tenants_webhooks(api: Api) -> None:
    hook = {"url": "https://example.com/", "types": ["handoff.*"]}
    made = await api.ok("POST", "/v1/webhooks", hook, token="admin", headers={"Handoff-Tenant": api.tenant})
    off = {"enabled": False}
    inside = {"Handoff-Tenant": api.tenant}
    await api.ok("PATCH", f"/v1/webhooks/{made['id']}", off, token="admin", headers=inside)
    status = await api.ok("GET", "/v1/status")
    assert (status["webhooks"]["subscriptions"], status["webhooks"]["disabled"]) == (1, 1)
    assert (await api.ok("GET", "/v1/status", token="elsewhere"))["webhooks"]["subscriptions"] == 0


async def test_the_configuration_is_shown_without_secrets_and_by_tenant(api: Api) -> None:
    answer = await api.get("/v1/configuration")
    mine = answer.json["sections"]
    assert [it["name"] for it in mine["sources"]] == ["shop"]
    assert "server" not in mine
    assert "elsewhere" not in [it["name"] for it in mine["tokens"]]
    whole = await api.get("/v1/configuration", token="admin")
    assert whole.json["sections"]["server"]["host"] == "127.0.0.1"
    assert "elsewhere" in [it["name"] for it in whole.json["sections"]["tokens"]]
    for raw in (answer.raw, whole.raw):
        assert SECRET.encode() not in raw
        assert ADMIN.encode() not in raw
        assert b"-token-secret" not in raw
