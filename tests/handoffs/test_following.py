"""Reactions to touchpoints: handoffs by policy, notices to owners, references, live streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from handoff.bootstrap.server import running
from handoff.domain.policies import Policy
from tests.api.conftest import Api, message, secret, settings_for
from tests.conftest import fresh_tenant
from tests.handoffs.test_field_failures import act, ask
from tests.samples import WEEK_AGO
from tests.serving import options_of

POLICIES = [
    {
        "name": "a form failed, now in chat",
        "from": "web",
        "to": "chat",
        "when": {"within_s": 3600 * 24 * 3650, "types": ["form.failed"]},
        "whom": {"queue": "refunds"},
    },
    {"name": "stop ping-pong", "when": {"transfers": 2}, "whom": {"queue": "supervisors"}},
]


@pytest.fixture
async def api(valkey: str) -> AsyncIterator[Api]:
    """A server with policies, and a store of one partition: it reacts in the order of recording."""
    tenant, other = fresh_tenant(), fresh_tenant()
    policies = msgspec.convert([{**it, "tenant": tenant} for it in POLICIES], list[Policy])
    settings = settings_for(valkey, tenant, other)
    store = msgspec.structs.replace(settings.store, partitions=1)
    settings = msgspec.structs.replace(settings, policies=policies, store=store)
    async with running(settings, options_of()) as server, aiohttp.ClientSession() as session:
        yield Api(server, session, tenant, other)


@asynccontextmanager
async def streamed(
    api: Api, path: str, last_id: str | None = None
) -> AsyncIterator[list[tuple[str, str, Any]]]:
    """The events of a stream in order of arrival: (event, id, data)."""
    events: list[tuple[str, str, Any]] = []
    headers = {"Authorization": f"Bearer {secret('desk', api.tenant)}"}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id

    async def read() -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession() as session,
            session.get(api.url + path, headers=headers, timeout=timeout) as response,
        ):
            assert response.status == 200
            fields: dict[str, str] = {}
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    events.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
                    fields = {}

    task = asyncio.create_task(read())
    try:
        await until(events, 1)
        yield events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(events: list[Any], count: int) -> None:
    for _ in range(200):
        if len(events) >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(events)} events came, not {count}: {[it[0] for it in events]}")


async def handoffs(api: Api, count: int) -> list[Any]:
    for _ in range(100):
        found = (await api.ok("GET", "/v1/handoffs"))["handoffs"]
        if len(found) >= count:
            break
        await asyncio.sleep(0.05)
    return found


async def handoffs_beside_the_next(api: Api) -> list[Any]:
    """All handoffs once another customer was handed over: reactions follow the order of recording."""
    for event, more in (
        ("zoe 1", {"channel": "web", "type": "form.failed", "data": {"form": "refund"}}),
        ("zoe 2", {"channel": "chat", "occurred_at": f"{WEEK_AGO}T10:05:00Z"}),
    ):
        await api.record(event, identities=["user:zoe"], **more)
    zoe = (await api.context("user:zoe"))["customer"]["id"]
    for _ in range(400):
        found = (await api.ok("GET", "/v1/handoffs"))["handoffs"]
        if zoe in {it["customer_id"] for it in found}:
            return [it for it in found if it["customer_id"] != zoe]
        await asyncio.sleep(0.05)
    raise AssertionError("the other customer was not handed over")


async def test_a_failure_on_the_web_is_handed_over_once_in_the_chat(api: Api) -> None:
    await api.record("w1", channel="web", type="form.failed", data={"form": "refund"})
    await api.record("c1", channel="chat", occurred_at=f"{WEEK_AGO}T10:05:00Z")
    (found,) = await handoffs(api, 1)
    assert found["to"]["queue"] == "refunds"
    assert found["requested_by"] == "policy:a form failed, now in chat"
    assert found["root"] != found["conversation_id"]
    context = await api.context()
    chat, web = context["conversations"]
    assert (chat["previous"], chat["root"]) == (web["id"], web["id"])
    await api.record("c2", channel="chat", occurred_at=f"{WEEK_AGO}T10:06:00Z")
    assert [it["id"] for it in await handoffs_beside_the_next(api)] == [found["id"]]


async def test_no_handoff_without_an_unresolved_matter(api: Api) -> None:
    await api.record("w1", channel="web", type="page.viewed")
    await api.record("c1", channel="chat", occurred_at=f"{WEEK_AGO}T10:05:00Z")
    assert await handoffs_beside_the_next(api) == []


async def test_the_third_transfer_for_one_reason_goes_to_the_supervisors(api: Api) -> None:
    for agent in ("anton", "berit", "cecilia"):
        handoff = await act(api, await ask(api), "accept", agent=agent)
        assert handoff["to"]["queue"] == "support"
    stopped = await ask(api)
    assert stopped["to"]["queue"] == "supervisors"
    assert len(stopped["hops"]) == 3


async def test_owners_are_notified_of_context_changes(api: Api) -> None:
    await api.record("m1")
    accepted = await act(api, await ask(api), "accept", agent="maria")
    async with streamed(api, "/v1/agents/maria/events") as events:
        await api.record("m2", text="one more thing", occurred_at=f"{WEEK_AGO}T12:00:00Z")
        await until(events, 2)
    kind, _id, data = events[1]
    assert kind == "context.changed"
    assert data["handoff"] == accepted["id"]
    assert data["change"]["text"] == "one more thing"


async def test_owners_hear_of_a_call_on_a_number_that_their_customer_shares(api: Api) -> None:
    phone = {"type": "phone", "value": "+358401234567", "assurance": "verified"}
    await api.record("m1", identities=["user:anna", phone])
    await api.record("m2", identities=["user:bo", phone])
    accepted = await act(api, await ask(api), "accept", agent="maria")
    async with streamed(api, "/v1/agents/maria/events") as events:
        await api.record(
            "call", identities=[phone], text="the fridge thaws", occurred_at=f"{WEEK_AGO}T12:00:00Z"
        )
        await until(events, 2)
    kind, _id, data = events[1]
    assert kind == "context.changed"
    assert data["handoff"] == accepted["id"]
    assert (data["change"]["kind"], data["change"]["text"]) == ("shared", "the fridge thaws")


async def quietly(api: Api, event: str, **changes: Any) -> None:
    await api.ok("POST", "/v1/touchpoints?announce=false", message(event, **changes))


async def test_quiet_touchpoints_trigger_no_reactions(api: Api) -> None:
    """No notice to owners and no handoff by policy; live readers of the customer still see it."""
    await api.record("m1", thread="one")
    await act(api, await ask(api), "accept", agent="maria")
    customer = (await api.context())["customer"]["id"]
    data = {"form": "refund"}
    await api.record("w1", channel="web", type="form.failed", identities=["user:otto"], data=data)
    async with (
        streamed(api, "/v1/agents/maria/events") as notices,
        streamed(api, f"/v1/customers/{customer}/events") as seen,
    ):
        await quietly(api, "old 1", occurred_at="2016-11-21T12:00:00Z")
        others = [
            {"type": "user", "value": "somebody", "role": "cc"}
        ]  # participants are looked up nevertheless
        await quietly(api, "old 2", occurred_at=f"{WEEK_AGO}T13:00:00Z", participants=others)
        for event, more in (("c1", []), ("c2", others)):
            at = f"{WEEK_AGO}T10:05:00Z"
            await quietly(api, event, identities=["user:otto"], occurred_at=at, participants=more)
        await api.record("m2", occurred_at=f"{WEEK_AGO}T14:00:00Z")
        await until(notices, 2)
        await until(seen, 4)
    assert [data["change"]["text"] for _, _, data in notices[1:]] == ["text of m2"]
    assert [data["text"] for _, _, data in seen[1:]] == ["text of old 1", "text of old 2", "text of m2"]
    others_by = [it["requested_by"] for it in await handoffs_beside_the_next(api)]
    assert [by for by in others_by if "policy" in by] == []
    context = await api.context()
    assert {"text of old 1", "text of old 2"} <= {it["text"] for it in context["timeline"]["touchpoints"]}
    assert context["timeline"]["touchpoints"][-1]["late"]


async def test_participants_get_references_to_quiet_touchpoints(api: Api) -> None:
    await api.record("k", identities=["user:otto"])
    await quietly(api, "old", participants=[{"type": "user", "value": "otto", "role": "cc"}])
    async with asyncio.timeout(10):
        while (otto := await api.context("user:otto"))["timeline"]["total"] < 2:  # noqa: ASYNC110 - the server's
            await asyncio.sleep(0.02)
    assert any(it["participant_of"] for it in otto["timeline"]["touchpoints"])


async def test_a_known_participant_gets_a_reference_and_nothing_else(api: Api) -> None:
    await api.record(
        "k", identities=["user:otto", {"type": "email", "value": "o@x.fi", "assurance": "verified"}]
    )
    await api.record(
        "mail",
        channel="email",
        type="email.received",
        identities=["email:anna@x.fi"],
        participants=[{"type": "email", "value": "o@x.fi", "role": "cc"}],
        text="see my letter",
    )
    for _ in range(100):
        otto = await api.context("user:otto")
        if otto["timeline"]["total"] == 2:
            break
        await asyncio.sleep(0.05)
    entry = next(it for it in otto["timeline"]["touchpoints"] if it["participant_of"])
    assert entry["participant_of"]["role"] == "cc"
    assert entry["identity"] == "email:anna@x.fi"
    assert all("letter" not in line["text"] for line in otto["brief"]["wants"])
    assert {it["type"] for it in otto["customer"]["identities"]} == {"user", "email"}
    assert (await api.context("email:anna@x.fi"))["timeline"]["total"] == 1


async def test_a_customers_stream_resumes_without_gap_or_repeat(api: Api) -> None:
    await api.record("m1")
    context = await api.context()
    path = f"/v1/customers/{context['customer']['id']}/events"
    async with streamed(api, path) as events:
        assert events[0][0] == "ready"
        assert events[0][1] == context["as_of"]
        await api.record("m2")
        await until(events, 2)
        seen = events[1][1]
    await api.record("m3")
    await api.record("m4", occurred_at="2020-01-01T00:00:00Z")
    async with streamed(api, path, seen) as events:
        await until(events, 2)
        await api.record("m5")
        await until(events, 3)
    assert [it[2]["text"] for it in events] == ["text of m3", "text of m4", "text of m5"]
    assert events[1][2]["late"] is True


async def test_a_stream_position_that_is_too_old_or_invalid_requires_a_new_read(api: Api) -> None:
    await api.record("m1")
    context = await api.context()
    path = f"/v1/customers/{context['customer']['id']}/events"
    await api.ok("POST", "/v1/touchpoints", [message(f"n{i}") for i in range(300)])
    async with streamed(api, path, context["as_of"]) as events:
        assert (events[0][0], events[0][2]["reason"]) == ("reset", "too_old")
    async with streamed(api, path, "AAAA") as events:
        assert (events[0][0], events[0][2]["reason"]) == ("reset", "changed")


async def test_a_queues_stream_begins_with_pending_handoffs_and_resumes(api: Api) -> None:
    handoff = await ask(api)
    async with streamed(api, "/v1/queues/support/events") as events:
        assert [it["id"] for it in events[0][2]["handoffs"]] == [handoff["id"]]
        offered = await act(api, handoff, "offer", agent="maria")
        await until(events, 2)
        assert (events[1][0], events[1][2]["version"]) == ("handoff.offered", 2)
        seen = events[1][1]
    await act(api, offered, "accept", agent="maria")
    async with streamed(api, "/v1/queues/support/events", seen) as events:
        assert [it[0] for it in events] == ["handoff.accepted"]
    async with streamed(api, "/v1/queues/other/events") as events:
        assert events[0][2]["handoffs"] == []


async def test_a_session_is_bound_to_its_agent_and_ends(api: Api) -> None:
    handoff = await ask(api)
    session = await api.ok("POST", "/v1/sessions", {"agent": "maria"})
    headers = {"Authorization": f"Bearer {session['token']}"}
    path = f"/v1/handoffs/{handoff['id']}/accept"
    other = await api.post(path, {"version": 1, "agent": "otto"}, token=None, headers=headers)
    assert (other.status, other.code) == (403, "other_agent")
    mine = await api.post(path, {"version": 1}, token=None, headers=headers)
    assert mine.json["owner"] == "maria"
    assert (await api.post("/v1/touchpoints", {}, token=None, headers=headers)).status == 403
    short = await api.ok("POST", "/v1/sessions", {"agent": "maria", "ttl_s": 1})
    headers = {"Authorization": f"Bearer {short['token']}"}
    async with asyncio.timeout(20):
        while (await api.get(path[:-7], token=None, headers=headers)).status != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
