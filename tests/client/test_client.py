"""The Python client against a running server: typed responses, retries, and live events that resume."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from handoff import client as sdk
from handoff.bootstrap.server import running
from handoff.client import Client, ClientError, LiveEvent, Party
from handoff.client.live import parse_frame
from tests.e2e.agents import free_port, settings
from tests.samples import WEEK_AGO
from tests.serving import options_of

BOT = Party(channel="chat", party="Refund bot")
QUEUE = Party(channel="chat", queue="refunds")


def touchpoint(event: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": event,
        "channel": "chat",
        "type": "message.received",
        "occurred_at": f"{WEEK_AGO}T10:00:00Z",
        "identities": ["user:anna"],
        "text": f"text of {event}",
        **changes,
    }


@pytest.fixture
async def client(valkey: str) -> AsyncIterator[Client]:
    chosen = settings(valkey)
    async with (
        running(chosen, options_of()) as server,
        Client(server.url, chosen.tokens[0].secret) as opened,
    ):
        yield opened


async def test_from_touchpoint_to_accepted_handoff(client: Client) -> None:
    recorded = await client.record(touchpoint("one"), touchpoint("two", occurred_at=f"{WEEK_AGO}T10:01:00Z"))
    assert (recorded.accepted, recorded.duplicates) == (2, 0)
    assert (await client.record(touchpoint("one"))).duplicates == 1
    handoff = await client.request_handoff(to=QUEUE, sender=BOT, reason="Refund", identity="user:anna")
    assert (handoff.sender, handoff.state) == (BOT, "requested")
    context = await client.context("user:anna", limit=1)
    assert context.customer is not None
    assert str(context.customer.identities[0]) == "user:anna"
    assert context.brief is not None
    assert context.brief.why_now[0].params["reason"] == "Refund"
    assert [it.id for it in await client.handoffs(queue="refunds", state="requested")] == [handoff.id]
    accepted = await client.move(handoff, "accept", agent="ville")
    assert accepted.owner == "ville"
    with pytest.raises(ClientError) as refused:
        await client.move(handoff, "accept", agent="aino")
    assert (refused.value.status, refused.value.body["current"]["owner"]) == (409, "ville")
    assert (await client.viewed(handoff.id)).viewed_at
    page = await client.timeline(context.customer.id, limit=1)
    older = await client.timeline(context.customer.id, cursor=page.next, limit=10)
    assert older.touchpoints[-1].text == "text of one"


async def test_a_shared_identitys_message_is_assigned_and_given_back(client: Client) -> None:
    shared = {"type": "email", "value": "family@example.com", "assurance": "verified"}
    for user in ("anna", "bo"):
        await client.record(touchpoint(f"login of {user}", identities=[f"user:{user}", shared]))
    recorded = await client.record(touchpoint("mail", identities=[shared], thread="mail"))
    context = await client.context("email:family@example.com")
    assert (context.match, context.customer) == ("several", None)
    assert context.timeline
    assert [it.text for it in context.timeline.touchpoints] == ["text of mail"]
    assert {it.identity for it in context.candidates if it.summary} == {"user:anna", "user:bo"}
    made = await client.request_handoff(
        identity="email:family@example.com", to=Party(queue="q"), sender=Party(channel="chat"), reason="help"
    )
    assert {it.identity for it in made.candidates} == {"user:anna", "user:bo"}
    given = await client.assign(recorded.ids[0] or "", "user:bo", reason="he called about it")
    read = await client.handoff_context(made.id)
    assert read.customer
    assert read.customer.id == given.customer_id
    assert read.timeline
    assert [it.assigned.why for it in read.timeline.touchpoints if it.assigned] == ["he called about it"]
    await client.withdraw_link(given.customer_id, given.id, reason="it was Anna")
    assert (await client.handoff_context(made.id)).match == "several"
    assert await client.candidates(given.customer_id) == []


async def test_a_copy_is_shown_with_its_original_until_it_is_separated(client: Client) -> None:
    data = {"external_id": "act-0123456789abcdef"}
    for source in ("one", "two"):
        given = {"source": source, "occurred_at": "2026-11-21T10:00:00Z", "data": data}
        await client.record(touchpoint(f"from {source}", text="Where is it?", **given))
    context = await client.context("user:anna")
    assert context.timeline
    (shown,) = context.timeline.touchpoints
    (copy,) = shown.also
    assert (copy.why, {copy.source, shown.source}) == ("platform_id", {"one", "two"})
    made = await client.separate(copy.id, reason="two")
    page = await client.timeline(made.customer_id)
    assert {copy.id, shown.id} <= {it.id for it in page.touchpoints}
    await client.withdraw_link(made.customer_id, made.id, reason="one after all")
    assert copy.id not in {it.id for it in (await client.timeline(made.customer_id)).touchpoints}


async def test_an_unchanged_context_is_not_sent_again(client: Client) -> None:
    await client.record(touchpoint("one"))
    first = await client.context("user:anna")
    assert await client.context("user:anna", known=first) is first
    await client.record(touchpoint("two"))
    second = await client.context("user:anna", known=first)
    assert second.etag != first.etag
    assert second.timeline is not None
    assert second.timeline.returned == 2


async def test_errors_carry_their_code(client: Client) -> None:
    with pytest.raises(ClientError) as refused:
        await client.handoff("no-such")
    assert refused.value.status == 404
    with pytest.raises(ClientError) as unknown:
        await client.record(touchpoint("one", type="no.such"))
    assert (unknown.value.status, unknown.value.code) == (422, "all_rejected")


async def test_live_events_resume_after_a_restart_without_duplicates(valkey: str) -> None:
    chosen = settings(valkey, free_port())
    received: list[str | None] = []
    async with asyncio.timeout(30):
        async with running(chosen, options_of()) as server:
            client = await Client(server.url, chosen.tokens[0].secret).__aenter__()
            await client.record(touchpoint("before"))
            context = await client.context("user:anna")
            assert context.customer is not None
            events = client.customer_events(context.customer.id, after=context.as_of)
            await client.record(touchpoint("first", text="x" * 150_000))
            received.append((await _next_touchpoint(events)).touchpoint().text)
        async with running(chosen, options_of()):
            await client.record(touchpoint("meanwhile"), touchpoint("last"))
            received += [(await _next_touchpoint(events)).touchpoint().text for _ in range(2)]
            await events.aclose()  # type: ignore[attr-defined]
            await client.__aexit__(None, None, None)
    assert received == ["x" * 150_000, "text of meanwhile", "text of last"]


async def test_several_topics_on_one_stream_resume_after_a_restart(valkey: str) -> None:
    chosen = settings(valkey, free_port())
    async with asyncio.timeout(30):
        async with running(chosen, options_of()) as server:
            client = await Client(server.url, chosen.tokens[0].secret).__aenter__()
            await client.record(touchpoint("before"))
            context = await client.context("user:anna")
            assert context.customer is not None
            customer = f"customer:{context.customer.id}"
            events = client.topic_events({"queue:refunds": None, customer: context.as_of})
            started = await anext(events)
            assert (started.type, started.topic, started.data) == (
                "started",
                "queue:refunds",
                {"handoffs": []},
            )
            assert (await anext(events)).type == "ready"
            handoff = await client.request_handoff(
                to=QUEUE, sender=BOT, reason="Refund", identity="user:anna"
            )
            requested = [await anext(events) for _ in range(2)]  # it is on the customer's timeline, too
            assert {it.topic for it in requested} == {"queue:refunds", customer}
        async with running(chosen, options_of()):
            await client.move(handoff, "accept", agent="ville")
            came: dict[str | None, LiveEvent] = {}
            while len(came) < 2:
                event = await anext(events)
                if event.topic:
                    came.setdefault(event.topic, event)
            assert came["queue:refunds"].handoff().owner == "ville"
            assert came[customer].touchpoint().type == "handoff.accepted"
            await events.aclose()  # type: ignore[attr-defined]
            await client.__aexit__(None, None, None)


async def _next_touchpoint(events: AsyncIterator[LiveEvent]) -> LiveEvent:
    async for event in events:
        if event.type == "touchpoint":
            return event
    raise AssertionError("the stream ended")


async def test_after_an_unknown_outcome_the_same_request_is_repeated() -> None:
    requests: list[tuple[str, bytes]] = []

    async def flaky(request: web.Request) -> web.Response:
        requests.append((request.headers.get("Idempotency-Key", ""), await request.read()))
        if len(requests) < 3:
            return web.json_response({"code": "store_unavailable"}, status=503, headers={"Retry-After": "0"})
        return web.json_response({"code": "missing_scope", "detail": "no"}, status=403)

    app = web.Application()
    app.router.add_post("/v1/handoffs", flaky)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with Client(f"http://127.0.0.1:{port}", "token") as client:
            with pytest.raises(ClientError) as refused:
                await client.request_handoff(to=QUEUE, sender=BOT, reason="Refund", identity="user:anna")
    finally:
        await runner.cleanup()
    assert refused.value.code == "missing_scope"
    assert len(requests) == 3
    assert len(set(requests)) == 1


def test_frames_are_parsed_as_the_standard_specifies() -> None:
    assert parse_frame(b": still here") is None
    assert parse_frame(b"retry: 1000") is None
    frame = parse_frame(b'id: 7\nevent: touchpoint\ndata: {"a":\ndata: 1}')
    assert frame == LiveEvent(type="touchpoint", id="7", data={"a": 1})


def test_the_response_types_have_the_names_of_the_api() -> None:
    for name in ("Context", "Customer", "Handoff", "Party", "Timeline", "Touchpoint"):
        assert getattr(sdk, name) is getattr(sdk.shapes, f"Api{name}")
    assert set(sdk.__all__) <= set(dir(sdk))


async def test_sessions_are_opened_and_ended(client: Client) -> None:
    one = await client.open_session("ville", scopes=["context:read"], queues=["refunds"], ttl_s=60)
    assert (one.agent, one.queues, one.role) == ("ville", ["refunds"], "agent")
    async with Client(client._url, one.token) as browser:
        with pytest.raises(ClientError) as unknown:
            await browser.context("user:anna")
        assert (unknown.value.status, unknown.value.body["match"]) == (404, "none")
        await client.end_session(one.id)
        with pytest.raises(ClientError) as ended:
            await browser.context("user:anna")
        assert ended.value.status == 401
    await client.open_session("ville", scopes=["context:read"])
    assert await client.end_sessions("ville") == 1
