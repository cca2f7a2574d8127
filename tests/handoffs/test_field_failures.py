"""Problems that users of other platforms report, one test each."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.conftest import Api
from tests.samples import EIGHT_DAYS_AGO, WEEK_AGO

ASK = {
    "identity": "user:anna",
    "from": {"channel": "chat", "party": "bot"},
    "to": {"channel": "chat", "queue": "support"},
    "reason": "refund",
}


async def ask(api: Api, **changes: Any) -> Any:
    return await api.ok("POST", "/v1/handoffs", {**ASK, **changes})


async def act(api: Api, handoff: Any, action: str, **body: Any) -> Any:
    path = f"/v1/handoffs/{handoff['id']}/{action}"
    return await api.ok("POST", path, {"version": handoff["version"], **body})


async def read(api: Api, handoff: Any) -> Any:
    return await api.ok("GET", f"/v1/handoffs/{handoff['id']}")


async def until(api: Api, handoff: Any, state: str) -> Any:
    for _ in range(100):
        found = await read(api, handoff)
        if found["state"] == state:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {found['state']}, not {state}")


async def test_accept_after_expiry_is_refused_with_the_current_state(api: Api) -> None:
    handoff = await ask(api, deadline_s=0.2)
    await until(api, handoff, "expired")
    answer = await api.post(f"/v1/handoffs/{handoff['id']}/accept", {"version": 1, "agent": "maria"})
    assert (answer.status, answer.code) == (409, "stale_version")
    assert answer.json["current"]["state"] == "expired"


async def test_concurrent_accepts_have_one_winner(api: Api) -> None:
    handoff = await ask(api)
    path = f"/v1/handoffs/{handoff['id']}/accept"
    bodies = [{"version": 1, "agent": agent} for agent in ("maria", "pekka", "otto")]
    answers = await asyncio.gather(*(api.post(path, body) for body in bodies))
    assert sorted(it.status for it in answers) == [200, 409, 409]
    winner = next(it.json["owner"] for it in answers if it.status == 200)
    assert {it.json["current"]["owner"] for it in answers if it.status == 409} == {winner}


async def test_the_customer_leaves_while_an_offer_is_in_flight(api: Api) -> None:
    offered = await act(api, await ask(api), "offer", agent="maria")
    withdraw, accept = await asyncio.gather(
        api.post(f"/v1/handoffs/{offered['id']}/withdraw", {"version": 2, "reason": "customer left"}),
        api.post(f"/v1/handoffs/{offered['id']}/accept", {"version": 2, "agent": "maria"}),
    )
    assert sorted((withdraw.status, accept.status)) == [200, 409]
    found = await read(api, offered)
    assert found["state"] == ("withdrawn" if withdraw.status == 200 else "accepted")
    assert found["owner"] == ("bot" if withdraw.status == 200 else "maria")


async def test_an_event_and_its_own_trailing_message_in_one_second(api: Api) -> None:
    await api.record("m1", occurred_at=f"{WEEK_AGO}T10:00:00Z")
    await ask(api)
    await api.record("m2", text="handing you over now", type="message.sent")
    context = await api.context()
    kinds = [it["type"] for it in context["timeline"]["touchpoints"]]
    assert sorted(kinds) == ["handoff.requested", "message.received", "message.sent"]
    assert len(context["handoffs"]) == 1


async def test_a_slow_acknowledgement_does_not_fail_the_handoff(api: Api) -> None:
    handoff = await ask(api, deadline_s=60)
    short = await ask(api, identity="user:otto", deadline_s=0.2)
    await until(api, short, "expired")  # so the timers have been looked at since
    accepted = await act(api, handoff, "accept", agent="maria")
    assert accepted["state"] == "accepted"


async def test_a_to_b_to_a_keeps_everything(api: Api) -> None:
    await api.record("m1")
    first = await act(api, await ask(api), "accept", agent="anton")
    second = await act(
        api, await ask(api, to={"queue": "billing"}, reason="invoice"), "accept", agent="berit"
    )
    third = await act(
        api, await ask(api, to={"agent": "anton"}, reason="back to you"), "accept", agent="anton"
    )
    assert [hop["agent"] for hop in third["hops"]] == ["anton", "berit"]
    assert [hop["outcome"] for hop in third["hops"]] == ["transferred", "transferred"]
    assert [hop["reason"] for hop in third["hops"]] == ["refund", "invoice"]
    assert (await read(api, first))["state"] == (await read(api, second))["state"] == "transferred"
    context = await api.context()
    assert context["conversations"][0]["owner"] == "anton"
    assert context["timeline"]["total"] == 1 + 8  # three requests, three accepts, two ended by a take-over


async def test_human_to_bot_and_back(api: Api) -> None:
    accepted = await act(api, await ask(api), "accept", agent="maria")
    released = await act(api, accepted, "release", reason="the bot can do the rest")
    assert (released["state"], released["owner"]) == ("released", "bot")
    again = await ask(api, reason="the bot was stuck")
    assert [hop["outcome"] for hop in again["hops"]] == ["released"]


async def test_a_fallback_chain_ends_where_it_began(api: Api) -> None:
    chain = [
        {"queue": "second", "deadline_s": 0.3},
        {"channel": "phone", "queue": "callbacks", "deadline_s": 0.3},
    ]
    handoff = await ask(api, deadline_s=0.3, fallback=chain)
    expired = await until(api, handoff, "expired")
    assert expired["fallback_used"] == 2
    assert expired["to"]["queue"] == "callbacks"
    assert [it["state"] for it in expired["history"]] == ["requested", "expired", "expired", "expired"]
    assert expired["owner"] == "bot"


async def test_a_decline_continues_with_the_next_step(api: Api) -> None:
    handoff = await ask(api, fallback=[{"queue": "second"}])
    declined = await act(api, handoff, "decline", reason="too busy")
    assert (declined["state"], declined["to"]["queue"]) == ("requested", "second")
    accepted = await act(api, declined, "accept", agent="maria")
    assert accepted["history"][1]["state"] == "declined"


async def test_an_unanswered_offer_returns_to_the_queue(api: Api) -> None:
    offered = await act(api, await ask(api), "offer", agent="maria", deadline_s=0.2)
    back = await until(api, offered, "requested")
    assert back["to"] == {"channel": "chat", "queue": "support"}
    assert back["history"][-1]["state"] == "expired"


async def test_the_context_survives_transfer_and_callback(api: Api) -> None:
    await api.record("m1", text="my order is lost")
    await act(api, await ask(api), "accept", agent="maria")
    made = await api.ok(
        "POST", "/v1/callbacks", {"identity": "user:anna", "phone": "+358401234567", "reason": "call me"}
    )
    phone = await ask(api, **{"from": {"channel": "phone"}}, to={"channel": "phone", "queue": "calls"})
    context = await api.ok("GET", f"/v1/handoffs/{phone['id']}/context")
    texts = [it["text"] for it in context["timeline"]["touchpoints"]]
    assert "my order is lost" in texts
    assert any(it["data"].get("callback") == made["id"] for it in context["timeline"]["touchpoints"])


async def test_a_chat_closed_without_being_taken_stays_in_the_history(api: Api) -> None:
    await api.record("m1", thread="t1")
    handoff = await ask(api)
    await act(api, handoff, "withdraw", reason="customer left")
    await api.record("end", type="conversation.resolved", thread="t1", occurred_at=f"{WEEK_AGO}T11:00:00Z")
    context = await api.context()
    assert context["handoffs"][0]["state"] == "withdrawn"
    assert [it["state"] for it in context["handoffs"][0]["history"]] == ["requested", "withdrawn"]


async def test_viewed_is_recorded_once_and_does_not_change_the_state(api: Api) -> None:
    accepted = await act(api, await ask(api), "accept", agent="maria")
    path = f"/v1/handoffs/{accepted['id']}/viewed"
    first = await api.ok("POST", path, {"agent": "maria"})
    second = await api.ok("POST", path, {"agent": "maria"})
    assert first["state"] == "accepted"
    assert first["viewed_by"] == "maria"
    assert second["viewed_at"] == first["viewed_at"]


async def test_late_touchpoints_after_the_handoff_are_listed(api: Api) -> None:
    await api.record("m1")
    accepted = await act(api, await ask(api), "accept", agent="maria")
    await api.record("m0", occurred_at=f"{EIGHT_DAYS_AGO}T09:00:00Z", text="I wrote yesterday too")
    context = await api.ok("GET", f"/v1/handoffs/{accepted['id']}/context")
    assert len(context["left_out"]["late"]) == 1
