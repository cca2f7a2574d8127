"""`POST /v1/events`: one stream for several topics, each with its own access and position."""

from __future__ import annotations

import asyncio
import io
import re
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import msgspec
import pytest

from handoff.api.handlers.live.topics import MAX_TOPICS
from handoff.services.events.feed import EventFrame, HandoffFrame, Hub, StreamLimits
from handoff.services.events.missed import MissedFrames
from tests.access.conftest import Callers, opened, stream_of
from tests.api.conftest import secret

EVENTS = "/v1/events"
MIB = 1024 * 1024
Events = asyncio.Queue[tuple[str, Any]]


def topics(*names: str, **positions: str) -> dict[str, Any]:
    """A body with these topics; `positions` by the kinds of topics."""
    wanted = [{"topic": name, "position": positions.get(name.split(":")[0])} for name in names]
    return {"topics": wanted}


def follow(
    callers: Callers, body: dict[str, Any], token: str = "desk"
) -> AbstractAsyncContextManager[Events]:
    return stream_of(callers, EVENTS, secret(token, callers.tenant), body)


async def until(events: Events, last: str) -> list[tuple[str, Any]]:
    """The events up to the first one with this name."""
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(30):
        while not found or found[-1][0] != last:
            found.append(await events.get())
    return found


async def test_one_stream_has_the_events_of_every_topic(callers: Callers) -> None:
    await callers.record("first")
    waiting = await callers.hand_over("user:bertta", "hr", "waits")
    customer = f"customer:{(await callers.context())['customer']['id']}"
    wanted = topics("queue:sales", "queue:hr", "agent:mia", customer)
    async with follow(callers, wanted) as events:
        begun = await until(events, "ready")
        assert [name for name, _data in begun] == ["started"] * 4 + ["ready"]
        states = {data["topic"]: data["data"] for _name, data in begun[:-1]}
        assert [it["id"] for it in states["queue:hr"]["handoffs"]] == [waiting["id"]]
        assert states["queue:sales"] == states["agent:mia"] == {"handoffs": []}
        assert f"customer:{states[customer]['customer_id']}" == customer
        given = {data["topic"]: data["position"] for _name, data in begun[:-1]}
        assert {it["topic"]: it["position"] for it in begun[-1][1]["topics"]} == given
        handoff = await callers.hand_over("user:cecilia", "sales", "new")
        ((_name, asked),) = await until(events, "handoff.requested")
        assert (asked["topic"], asked["data"]["id"]) == ("queue:sales", handoff["id"])
        await callers.record("second", text="of anna")
        ((_name, came),) = await until(events, "touchpoint")
        assert (came["topic"], came["data"]["text"]) == (customer, "of anna")
        assert came["position"] == (await callers.context())["as_of"]


async def test_a_stream_continues_every_topic_after_its_own_position(callers: Callers) -> None:
    await callers.record("first")
    waiting = await callers.hand_over("user:dora", "sales", "waits")
    customer = f"customer:{(await callers.context())['customer']['id']}"
    async with follow(callers, topics("queue:sales", customer)) as events:
        begun = await until(events, "ready")
    positions = {it["topic"].split(":")[0]: it["position"] for it in begun[-1][1]["topics"]}
    await callers.record("second", text="missed")
    missed = await callers.hand_over("user:bertta", "sales", "missed too")
    async with follow(callers, topics("queue:sales", customer, "queue:hr", **positions)) as events:
        begun = await until(events, "ready")
        # `queue:hr` continues after the position of another queue: it is the tenant's.
        assert [(name, it.get("topic")) for name, it in begun] == [
            ("handoff.requested", "queue:sales"),
            ("touchpoint", customer),
            ("ready", None),
        ]
        assert begun[0][1]["data"]["id"] == missed["id"]
        assert begun[1][1]["data"]["text"] == "missed"
    gone = {"queue": "not-a-position", "customer": "AAAA"}
    async with follow(callers, topics("queue:sales", customer, **gone)) as events:
        begun = await until(events, "ready")
        assert [name for name, _data in begun] == ["reset", "reset", "ready"]
        assert [it["id"] for it in begun[0][1]["data"]["handoffs"]] == [missed["id"], waiting["id"]]
        assert begun[1][1]["data"]["reason"] == "changed"


class CountingHub(Hub):
    """Counts its reads of missed frames."""

    reads = 0

    async def missed(self, tenant: str, last_id: str) -> list[HandoffFrame | EventFrame] | None:
        self.reads += 1
        return await super().missed(tenant, last_id)


async def test_what_several_topics_missed_is_read_once(callers: Callers) -> None:
    hub = CountingHub(callers.server.site.store, StreamLimits(behind=3))
    await callers.hand_over("user:zero", "sales", "zero")
    start = await hub.newest(callers.tenant)
    for name in ("one", "two"):
        await callers.hand_over(f"user:{name}", "sales", name)
    first, last = [it.id for it in await hub.missed(callers.tenant, start) or []]
    hub.reads = 0
    missed = MissedFrames(hub, callers.tenant, [last, "x", first, start])
    left = {start: [first, last], first: [last], last: []}
    for position, ids in left.items():
        assert [it.id for it in await missed.after(position) or []] == ids
    assert hub.reads == 1
    assert await missed.after("x") is None
    later = f"{int(last.split('-')[0]) + 60_000}-0"
    assert await missed.after(later) is None  # of another store: this one does not have it
    await callers.hand_over("user:three", "sales", "three")  # from the start, that is too much now
    missed = MissedFrames(hub, callers.tenant, [start, first])
    assert await missed.after(start) is None
    assert len(await missed.after(first) or []) == 2


async def test_topics_that_continue_share_one_read(callers: Callers) -> None:
    await callers.hand_over("user:anna", "sales", "before")
    position = await callers.server.site.hub.newest(callers.tenant)
    id_ = (await callers.hand_over("user:bertta", "sales", "missed"))["id"]
    body = topics("queue:sales", *(f"queue:{n}" for n in range(40)), queue=position)
    before = await newest_reads(callers)
    async with follow(callers, body) as events:
        begun = await until(events, "ready")
    assert [it["data"]["id"] for name, it in begun[:-1] if name == "handoff.requested"] == [id_]
    assert await newest_reads(callers) - before < 20


async def newest_reads(callers: Callers) -> int:
    """How often the store was asked for an outbox's newest entry: each read of missed frames does."""
    (info,) = await callers.server.site.store.connection.on_primaries("INFO", "commandstats")
    found = re.search(
        rb"cmdstat_xrevrange:calls=(\d+)", info if isinstance(info, bytes) else str(info).encode()
    )
    return int(found[1]) if found else 0


async def test_a_list_that_is_cut_is_marked(callers: Callers) -> None:
    callers.server.site.hub.limits = StreamLimits(listed=2)
    for n in range(2):
        await callers.hand_over(f"user:c{n}", "sales", f"number {n}")
    async with follow(callers, topics("queue:sales", "pending")) as events:
        for _name, started in (await until(events, "ready"))[:-1]:
            assert "more" not in started["data"]
    await callers.hand_over("user:c3", "sales", "number 3")
    async with follow(callers, topics("queue:sales", "pending", queue="not-a-position")) as events:
        reset, started, _ready = [it for _name, it in await until(events, "ready")]
    for event in (reset, started):
        assert (len(event["data"]["handoffs"]), event["data"]["more"]) == (2, True)


async def test_pending_has_the_handoffs_of_every_queue_and_their_ends(callers: Callers) -> None:
    one = await callers.hand_over("user:anna", "sales", "one")
    other = await callers.hand_over("user:bertta", "hr", "other")
    await callers.move(other, "accept", agent="mia")
    async with follow(callers, topics("pending")) as events, follow(callers, topics("pending"), "hr") as hr:
        begun = await until(events, "ready")
        assert [it["id"] for it in begun[0][1]["data"]["handoffs"]] == [one["id"]]
        assert (await until(hr, "ready"))[0][1]["data"] == {"handoffs": []}
        await callers.move(one, "accept", agent="mia")
        ((_name, accepted),) = await until(events, "handoff.accepted")
        assert (accepted["topic"], accepted["data"]["id"]) == ("pending", one["id"])
        third = await callers.hand_over("user:cecilia", "hr", "third")
        ((_name, seen),) = await until(hr, "handoff.requested")  # nothing of sales came before it
        assert seen["data"]["id"] == third["id"]


async def test_each_topic_is_authorized_and_the_refusal_names_it(callers: Callers) -> None:
    await callers.record("secret")
    hidden = f"customer:{(await callers.context())['customer']['id']}"
    refused = [
        ("sales", "queue:hr", 403, "other_queue"),
        ("sales", hidden, 404, "not_found"),
        ("elsewhere", hidden, 404, "not_found"),
        ("desk", "customer:cu_unknown", 404, "not_found"),
    ]
    for token, topic, status, code in refused:
        answer = await callers.post(EVENTS, topics("queue:sales", topic, "agent:mia"), token=token)
        assert (answer.status, answer.code, answer.json["topic"]) == (status, code, topic)
    for scope, topic in (("context:read", "queue:sales"), ("handoffs:read", hidden)):
        session = await callers.session(scopes=[scope])
        answer = await callers.as_session("POST", EVENTS, session, topics(topic))
        assert (answer.status, answer.code, answer.json["topic"]) == (403, "missing_scope", topic)
    assert not callers.server.site.hub._homes
    assert not callers.server.site.hub._tenants


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"topics": []}, "too_many_topics"),
        ({"topics": [{"topic": f"queue:{n}"} for n in range(MAX_TOPICS + 1)]}, "too_many_topics"),
        (topics("queue:sales", "queue:sales"), "duplicate_topic"),
        (topics("queue:"), "unknown_topic"),
        (topics("pending:sales"), "unknown_topic"),
        (topics("callback:1"), "unknown_topic"),
        (topics("agent:" + "x" * 201), "unknown_topic"),
        (topics("queue:sales", queue="x" * 16_001), "invalid"),
        ({"topics": [{"topic": "pending", "since": 1}]}, "invalid"),
        ({}, "invalid"),
    ],
)
async def test_a_list_of_topics_that_cannot_be_followed_is_refused(
    callers: Callers, body: dict[str, Any], code: str
) -> None:
    answer = await callers.post(EVENTS, body)
    assert (answer.status, answer.code) == (422, code)
    assert answer.json["errors"]


async def test_a_stream_ends_with_its_session(callers: Callers) -> None:
    session = await callers.session(agent="mia")
    wanted = topics("queue:sales", "agent:mia", "pending")
    async with stream_of(callers, EVENTS, session["token"], wanted) as events:
        await until(events, "ready")
        await callers.call("DELETE", f"/v1/sessions/{session['id']}")
        assert [name for name, _data in await until(events, "end")] == ["session_ended", "end"]
    assert (await callers.as_session("POST", EVENTS, session, wanted)).status == 401


async def test_an_erased_customer_ends_the_stream_and_is_named(callers: Callers) -> None:
    await callers.record("first")
    id_ = (await callers.context())["customer"]["id"]
    wanted = topics("queue:sales", f"customer:{id_}")
    callers.server.site.hub.limits = StreamLimits(check_identities_s=0.2, heartbeat_s=0.1)
    async with follow(callers, wanted) as events:
        await until(events, "ready")
        headers = {"Handoff-Tenant": callers.tenant}
        await callers.ok("DELETE", f"/v1/customers/{id_}", token="admin", headers=headers)
        last = await until(events, "end")
        assert last[-2][0] == "resume"
        assert last[-2][1].get("topic") in (f"customer:{id_}", None)  # None: cut off before it could look
    answer = await callers.post(EVENTS, wanted)
    assert answer.status in (404, 410)
    assert answer.json["topic"] == f"customer:{id_}"


async def test_a_quiet_stream_is_kept_open_once_for_all_topics(callers: Callers) -> None:
    callers.server.site.hub.limits = StreamLimits(heartbeat_s=0.1)
    headers = {"Authorization": f"Bearer {secret('desk', callers.tenant)}"}
    body = topics(*(f"queue:{n}" for n in range(20)))
    async with callers._session.post(callers.url + EVENTS, json=body, headers=headers) as response:
        loop = asyncio.get_running_loop()
        beats, began, read = 0, 0.0, b""
        async with asyncio.timeout(30):
            while beats < 5:
                read += await response.content.readany()
                if not began and b"event: ready" in read:
                    began = loop.time()
                beats = read.count(b": still here")
        assert loop.time() - began > 0.3  # one by one, not one for each topic


async def test_a_refused_list_names_the_topic_that_others_can_be_followed_without(callers: Callers) -> None:
    long = "queue:" + "x" * 300
    for body in (topics("pending", "callback:1"), topics("pending", long)):
        answer = await callers.post(EVENTS, body)
        assert answer.json["topic"] == body["topics"][1]["topic"]


async def test_an_open_stream_does_not_keep_the_bytes_of_its_request(valkey: str) -> None:
    """All requests share a budget of bytes: open streams would leave nothing to others."""
    async with (
        opened(valkey, limits={"max_bytes_in_flight": 16 * MIB}) as callers,
        AsyncExitStack() as streams,
    ):
        token = secret("desk", callers.tenant)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = msgspec.json.encode(topics("queue:sales")) + b" " * (MIB - 1000)
        for _ in range(17):
            sent = callers._session.post(callers.url + EVENTS, data=io.BytesIO(body), headers=headers)
            response = await streams.enter_async_context(sent)
            assert response.status == 200
