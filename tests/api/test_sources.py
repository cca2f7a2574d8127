"""`/v1/sources`: what sources deliver, and why their deliveries are refused, summed over all workers."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from handoff.adapter.contract import Outcome
from handoff.codec.records import decode_as
from handoff.domain.errors import RateLimited, SignatureRefused
from handoff.services.sources.activity import AGAIN_S, DIFFERENT, SHOWN, ActivityLog, SourceCounts
from handoff.store.errors import StoreError
from handoff.store.repositories.tenant.source_records import COUNT_S, KEEP_REFUSALS, RefusedDeliveries
from handoff.store.store import Store
from tests import serving
from tests.api.conftest import SECRET, Answer, Api
from tests.api.test_inbound import send, track
from tests.conftest import fresh_tenant, opened
from tests.store.servers import valkey_server

PUBLIC = "https://handoff.example.com"
CONFIGURED = "https://vendor:password-of-the-url@handoff.example.com"
PERSON = "+358401234567"


@asynccontextmanager
async def operated(url: str, tenant: str, other: str) -> AsyncIterator[Api]:
    """A server that knows its public URL, with a web and a phone source, and a source of another tenant."""
    tokens = [
        serving.token("desk", tenant, "operate"),
        {**serving.token("elsewhere", tenant, "operate"), "tenant": other},
    ]
    sources = [
        {"name": "shop", "adapter": "web.segment", "tenant": tenant, "secrets": [SECRET], "trust": "server"},
        {"name": "calls", "adapter": "phone.twilio", "tenant": tenant, "secrets": ["token-of-twilio"]},
        {"name": "theirs", "adapter": "web.segment", "tenant": other, "secrets": [SECRET]},
        {
            "name": "quiet",
            "adapter": "web.segment",
            "tenant": tenant,
            "secrets": [SECRET],
            "expected_every_s": 60,
        },
    ]
    chosen = serving.settings_for(url, tokens, sources=sources, server={"port": 0, "public_url": CONFIGURED})
    async with serving.in_process(chosen) as (server, session):
        yield Api(server, session, tenant, other)


@pytest.fixture
async def api(valkey: str) -> AsyncIterator[Api]:
    async with operated(valkey, fresh_tenant(), fresh_tenant()) as client:
        yield client


async def call(api: Api, path: str, signature: str = "d3Jvbmc=", **headers: str) -> Answer:
    """A form as Twilio posts it, with a wrong signature."""
    return await api.post(
        path,
        data=io.BytesIO(f"CallSid=CA1&From={PERSON}".encode()),
        token=None,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature,
            **headers,
        },
    )


async def source(api: Api, name: str) -> Any:
    return await api.ok("GET", f"/v1/sources/{name}")


async def test_a_wrong_twilio_signature_shows_which_url_was_signed(api: Api) -> None:
    answer = await call(api, f"/in/calls/status?step=2&To={PERSON}", Authorization="Basic dXNlcjpzZWtyaXQ=")
    assert (answer.status, answer.code) == (401, "signature_refused")
    assert PUBLIC.encode() not in answer.raw
    found = await source(api, "calls")
    (refusal,) = found["refusals"]
    assert refusal["code"] == "signature_refused"
    assert refusal["detail"] == "The signature does not match"
    assert refusal["signed_url"] == f"{PUBLIC}/in/calls/status?step=…&To=…"
    assert refusal["count"] == 1
    assert found["last_refusal"] == refusal
    assert found["last_hour"]["refused"] == 1
    assert found["url"] == f"{PUBLIC}/in/calls"
    assert "password-of-the-url" not in str(found)


async def test_what_is_kept_of_refusals_is_no_personal_data(api: Api) -> None:
    await call(api, f"/in/calls/{PERSON}?From={PERSON}", Authorization="Basic dXNlcjpzZWtyaXQ=")
    await call(api, "/in/calls/anna@example.com")
    await source(api, "calls")
    connection, stored = api.server.store.connection, b""
    for key in await connection.call("KEYS", "{c." + api.tenant + "}x:*"):
        kind = await connection.call("TYPE", key)
        if kind == b"list":
            stored += key + b"".join(await connection.call("LRANGE", key, 0, -1))
    assert b"/in/calls/" in stored
    for word in (b"358401234567", b"anna", b"sekrit", b"dXNl"):
        assert word not in stored


async def test_each_reason_is_an_entry_with_its_count(api: Api) -> None:
    for _ in range(3):
        await call(api, "/in/calls/status")
    await call(api, "/in/calls/voice")
    await call(api, "/in/calls/voice", signature="")
    reasons = {
        (it["detail"], it["signed_url"]): it["count"] for it in (await source(api, "calls"))["refusals"]
    }
    assert reasons == {
        ("The signature does not match", f"{PUBLIC}/in/calls/status"): 3,
        ("The signature does not match", f"{PUBLIC}/in/calls/voice"): 1,
        ("The request is not signed", None): 1,
    }


async def test_counts_are_those_of_the_last_hour(api: Api) -> None:
    assert (await send(api, track("1"), track("2"), {"type": "track"})).status == 200
    assert (await send(api, track("1"))).status == 200
    assert (await send(api, track("3"), key="guess")).status == 401
    assert (await send(api, raw=b"[]")).status == 400
    found = await source(api, "shop")
    assert found["last_hour"] == {
        "accepted": 2,
        "duplicates": 1,
        "expired": 0,
        "ignored": 0,
        "quarantined": 2,
        "refused": 1,
    }
    assert found["per_minute"] == 0.05
    assert found["quarantined"] == 2
    assert found["last_heard"]
    assert [it["detail"] for it in found["refusals"]] == ["The write key is unknown"]


async def test_the_list_has_every_source_of_the_tenant_and_no_other(api: Api) -> None:
    listed = await api.ok("GET", "/v1/sources")
    assert [it["name"] for it in listed["sources"]] == ["calls", "quiet", "shop"]
    assert [it["late"] for it in listed["sources"]] == [False, True, False]
    assert "refusals" not in listed["sources"][0]
    assert (await api.get("/v1/sources/theirs")).status == 404
    assert (await api.get("/v1/sources/nothing")).status == 404
    theirs = await api.ok("GET", "/v1/sources", token="elsewhere")
    assert [it["name"] for it in theirs["sources"]] == ["theirs"]


async def test_a_body_that_is_too_large_is_a_refusal_too(api: Api) -> None:
    answer = await send(api, raw=b"x" * (4 * 1024 * 1024 + 1))
    assert answer.status == 413
    assert [it["code"] for it in (await source(api, "shop"))["refusals"]] == ["too_large"]


async def test_workers_are_summed(valkey: str) -> None:
    tenant, other = fresh_tenant(), fresh_tenant()
    async with operated(valkey, tenant, other) as one, operated(valkey, tenant, other) as two:
        for api in (one, two, two):
            await call(api, "/in/calls/status")
            await send(api, track(str(id(api))))
        await source(one, "calls")  # saves what this worker has
        for asked in (two, one):
            found = await source(asked, "calls")
            assert found["last_hour"]["refused"] == 3
        (refusal,) = (await source(two, "calls"))["refusals"]
        assert refusal["count"] == 3
        assert (await source(one, "shop"))["last_hour"]["accepted"] == 2


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def saved(store: Store, tenant: str) -> int:
    """How many entries the store has of the source."""
    (found,) = await store.of(tenant).sources.refusals(["calls"])
    return len(found)


async def test_a_flood_is_one_entry_a_minute(store: Store, tenant: str) -> None:
    clock = Clock()
    activity = ActivityLog(store, clock)
    for _ in range(50):
        for _ in range(100):
            activity.refused(tenant, "calls", SignatureRefused("no", signed_url="https://a.example/in"))
        await activity.save()
    assert await saved(store, tenant) == 1
    ((refusal,),) = await activity.refusals(tenant, ["calls"])
    assert refusal.count == 5000
    clock.now += AGAIN_S
    await activity.save()
    assert await saved(store, tenant) == 2
    ((refusal,),) = await activity.refusals(tenant, ["calls"])
    assert refusal.count == 5000
    assert (await activity.counts(tenant))["calls"].refused == 5000


async def test_a_tenant_whose_counts_cannot_be_saved_holds_up_no_other(store: Store, tenant: str) -> None:
    activity, other_tenant = ActivityLog(store), fresh_tenant()
    broken = store.of(tenant).sources._counts(time.time_ns() // 1_000_000_000 // COUNT_S)
    later = store.of(tenant).sources._counts(time.time_ns() // 1_000_000_000 // COUNT_S + 1)
    for key in (broken, later):
        await store.connection.call("SET", key, "not a hash")
    for owner in (tenant, other_tenant):
        activity.recorded(owner, "calls", Outcome(accepted=2))
    with pytest.raises(StoreError):
        await activity.save()
    assert (await ActivityLog(store).counts(other_tenant))["calls"].accepted == 2
    activity.recorded(other_tenant, "calls", Outcome(accepted=1))
    assert (await activity.counts(other_tenant))["calls"].accepted == 3
    await store.connection.call("DEL", broken, later)
    await activity.save()
    assert (await ActivityLog(store).counts(tenant))["calls"].accepted == 2


async def test_a_store_that_takes_no_writes_still_shows_why_deliveries_are_refused() -> None:
    tenant = fresh_tenant()
    with valkey_server() as url:
        async with opened(url) as store:
            activity = ActivityLog(store)
            activity.recorded(tenant, "calls", Outcome(accepted=1))
            await activity.save()
            await store.connection.call("CONFIG", "SET", "min-replicas-to-write", "1")
            activity.recorded(tenant, "calls", Outcome(accepted=1))
            activity.refused(tenant, "calls", SignatureRefused("no"))
            assert (await activity.counts(tenant))["calls"] == SourceCounts(accepted=2, refused=1)
            ((refusal,),) = await activity.refusals(tenant, ["calls"])
            assert refusal.detail == "no"


async def test_a_worker_that_stops_saves_what_it_has(valkey: str) -> None:
    tenant, other = fresh_tenant(), fresh_tenant()
    async with operated(valkey, tenant, other) as one:
        async with operated(valkey, tenant, other) as two:
            for _ in range(2):
                await call(two, "/in/calls/status")
                await source(two, "calls")  # saves; equal refusals now wait for their minute
            await call(two, "/in/calls/status")
            await send(two, track("1"))
        found = await source(one, "calls")
        assert found["last_hour"]["refused"] == 3
        assert found["refusals"][0]["count"] == 3
        assert (await source(one, "shop"))["last_hour"]["accepted"] == 1


async def test_a_stranger_with_many_urls_fills_nothing(store: Store, tenant: str) -> None:
    clock = Clock()
    activity = ActivityLog(store, clock)
    for turn in range(6):
        for number in range(DIFFERENT * 3):
            url = f"https://a.example/in/calls/{turn}-{number}"
            activity.refused(tenant, "calls", SignatureRefused("no", signed_url=url))
        await activity.save()
        clock.now += AGAIN_S
    assert await saved(store, tenant) == KEEP_REFUSALS
    (found,) = await activity.refusals(tenant, ["calls"])
    assert len(found) == SHOWN
    assert (await activity.counts(tenant))["calls"].refused == 6 * DIFFERENT * 3


async def test_only_refused_signatures_keep_their_detail(store: Store, tenant: str) -> None:
    activity = ActivityLog(store)
    activity.refused(tenant, "calls", RateLimited("anna@example.com sends too fast"))
    ((refusal,),) = await activity.refusals(tenant, ["calls"])
    assert (refusal.code, refusal.detail, refusal.signed_url) == ("rate_limited", "", None)


async def test_saving_at_the_same_time_counts_nothing_twice(store: Store, tenant: str) -> None:
    activity = ActivityLog(store)
    for _ in range(10):
        activity.refused(tenant, "calls", SignatureRefused("no"))
    await asyncio.gather(*(activity.save() for _ in range(10)))
    assert (await activity.counts(tenant))["calls"].refused == 10


def test_the_stored_refusal_is_read_by_later_releases() -> None:
    newer = msgspec.msgpack.encode(
        {"code": "x", "first_at": 1, "at": 2, "count": 3, "more": "of a later release"}
    )
    assert decode_as(newer, RefusedDeliveries).count == 3
