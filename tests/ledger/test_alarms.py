"""Alarms of promises: by webhook and on the streams of the owner of the customer, without anybody's words."""

from __future__ import annotations

import asyncio
from typing import Any

from handoff.domain.clock import MINUTE
from tests.access.conftest import stream_of
from tests.api.conftest import secret
from tests.delivery.subscribers import subscriber, until

from .conftest import Ledger

WORDS = "I will call you about the leak in the cellar"


async def hand_over(ledger: Ledger) -> Any:
    return await ledger.ok(
        "POST",
        "/v1/handoffs",
        {"identity": "user:anna", "from": {"channel": "chat"}, "to": {"queue": "billing"}, "reason": "x"},
    )


async def alarms(events: asyncio.Queue[tuple[str, Any]], count: int) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            name, data = await events.get()
            if name.startswith("promise."):
                found.append((name, data))
    return found


async def test_the_owner_of_the_customer_gets_both_alarms(ledger: Ledger) -> None:
    """A broken promise is reported once by webhook, though a touchpoint records it too."""
    handoff = await hand_over(ledger)
    bearer = secret("desk", ledger.tenant)
    async with (
        subscriber() as platform,
        stream_of(ledger, "/v1/queues/billing/events", bearer) as queue,
        stream_of(ledger, "/v1/agents/mia/events", bearer) as agent,
    ):
        hook = {
            "url": platform.url,
            "types": ["promise.*"],
            "allow_insecure": True,
            "secret": platform.secret,
        }
        hook["allow_networks"] = ["127.0.0.0/8"]
        admin = {"token": "admin", "headers": {"Handoff-Tenant": ledger.tenant}}
        await ledger.ok("POST", "/v1/webhooks", hook, **admin)
        id_ = await ledger.promised(2, ago=20, data={"act": "call"}, text=WORDS)
        (soon,) = await alarms(queue, 1)
        assert soon[0] == "promise.due_soon"
        assert (soon[1]["promise"], soon[1]["queue"], soon[1]["agent"]) == (id_, "billing", None)
        path = f"/v1/handoffs/{handoff['id']}/accept"
        await ledger.ok("POST", path, {"version": handoff["version"], "agent": "mia"})
        (broken,) = await alarms(agent, 1)
        assert broken[0] == "promise.broken"
        assert (broken[1]["promise"], broken[1]["queue"], broken[1]["agent"]) == (id_, None, "mia")
        await ledger.until({id_: "broken"}, ledger.states)
        await until(lambda: "promise.broken" in platform.types())
        late = await ledger.happened("promise.kept", data={"promise": id_})
        await ledger.until({id_: "kept late"}, ledger.states)
        await until(lambda: "promise.kept" in platform.types())
        sent = platform.types()
    assert sorted(sent) == ["promise.broken", "promise.due_soon", "promise.kept", "promise.made"]
    words = [it for it in platform.accepted if it.event["type"] in ("promise.due_soon", "promise.broken")]
    assert len(words) == 2
    assert not any(WORDS.encode() in it.body for it in words)
    assert late


async def test_a_promise_that_is_kept_in_time_raises_no_second_alarm(ledger: Ledger) -> None:
    id_ = await ledger.promised(2, ago=20, data={"act": "call"})
    await ledger.until({id_: "due"}, ledger.states)
    await ledger.happened("call.ended", channel="phone", thread="call", data={"duration_s": 30})
    await ledger.until({id_: "kept"}, ledger.states)
    timers = ledger.server.store.of(ledger.tenant).ledger.timers
    assert await timers.count() == 0


async def test_a_restricted_customer_causes_no_alarms(ledger: Ledger) -> None:
    """Until the restriction is lifted: the timer is put off."""
    id_ = await ledger.promised(3, data={"act": "call"})
    await ledger.until({id_: "open"}, ledger.states)
    officer = {"token": "desk", "headers": {}}
    path = f"/v1/customers/{await ledger.customer()}/restriction"
    await ledger.ok("PUT", path, {"reason": "a dispute"}, **officer)
    timers = ledger.server.store.of(ledger.tenant).ledger.timers

    async def put_off() -> bool:
        ((_id, due),) = await timers.entries(limit=1)
        return due > await ledger.now() + 30 * MINUTE

    await ledger.until(True, put_off)
    entries = await ledger.server.store.of(ledger.tenant).outbox.after("0-0", 100)
    assert entries is None or not [it for it in entries.entries if b"promise.due_soon" in it.payload]
    (promise,) = await ledger.promises()
    assert promise["text"] is None
    assert promise["state"] in ("open", "overdue")
