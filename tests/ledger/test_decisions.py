"""Confirming and dismissing candidates: touchpoints, once, and the same for everybody who asks again."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.access.conftest import Api

from .conftest import Ledger, opened, times

SENTENCE = "I will call you back tomorrow."
AGENT = {"direction": "outbound", "actor": {"type": "agent", "name": "Mia"}}


async def candidate(ledger: Ledger, section: str = "promised") -> dict[str, Any]:
    """The one candidate in the brief of `user:anna`."""
    (line,) = [it for it in (await ledger.context())["brief"][section] if it.get("candidate")]
    return dict(line)


async def spoken(ledger: Ledger) -> dict[str, Any]:
    await ledger.happened("message.received", 120, text="My cellar is wet, when do you come?")
    await ledger.happened("message.sent", 60, text=SENTENCE, **AGENT)
    return await candidate(ledger)


async def decide(api: Api, customer: str, kind: str, id_: str, action: str, **given: Any) -> Any:
    token = given.pop("token", "desk")
    return await api.post(f"/v1/customers/{customer}/{kind}s/{id_}/{action}", given, token=token)


async def test_a_confirmed_candidate_is_a_promise(ledger: Ledger) -> None:
    line = await spoken(ledger)
    customer = await ledger.customer()
    answer = await decide(ledger, customer, "promise", line["id"], "confirm", reason="he wrote so")
    assert answer.status == 200, answer.raw
    decision = answer.json
    assert (decision["state"], decision["id"], decision["reason"]) == ("confirmed", line["id"], "he wrote so")
    assert decision["due"] == line["params"]["due"]
    (promise,) = await ledger.promises()  # at once, without waiting for the relay
    assert promise["id"] == decision["touchpoint"]
    assert promise["text"] == SENTENCE
    assert promise["made_at"] < decision["decided_at"]
    brief = (await ledger.context())["brief"]["promised"]
    assert [(it["code"], it["params"]["promised_by"]) for it in brief] == [("promise", "Mia")]
    again = await decide(ledger, customer, "promise", line["id"], "confirm", reason="another reason")
    assert again.json == decision
    refused = await decide(ledger, customer, "promise", line["id"], "dismiss")
    assert (refused.status, refused.code) == (409, "already_confirmed")
    assert refused.json["current"]["touchpoint"] == decision["touchpoint"]


async def test_a_due_time_of_ones_own(ledger: Ledger) -> None:
    line = await spoken(ledger)
    due = times(await ledger.now(), due=7200)
    answer = await decide(ledger, await ledger.customer(), "promise", line["id"], "confirm", **due)
    assert answer.json["due"] == due["due"]
    (promise,) = await ledger.promises()
    assert promise["due"] == due["due"]
    wrong = await decide(ledger, await ledger.customer(), "promise", line["id"], "confirm", due="tomorrow")
    assert (wrong.status, wrong.code) == (422, "invalid_time")


async def test_a_dismissed_candidate_is_shown_no_longer(ledger: Ledger) -> None:
    line = await spoken(ledger)
    customer = await ledger.customer()
    answer = await decide(ledger, customer, "promise", line["id"], "dismiss")
    assert answer.json["state"] == "dismissed"
    assert (await ledger.context())["brief"]["promised"] == []
    assert await ledger.promises() == []
    assert (await decide(ledger, customer, "promise", line["id"], "dismiss")).json == answer.json
    refused = await decide(ledger, customer, "promise", line["id"], "confirm")
    assert (refused.status, refused.code) == (409, "already_dismissed")


async def test_of_two_who_decide_at_the_same_time_one_wins(ledger: Ledger) -> None:
    line = await spoken(ledger)
    customer = await ledger.customer()
    actions = ["confirm", "dismiss"] * 4
    answers = await asyncio.gather(
        *(decide(ledger, customer, "promise", line["id"], action) for action in actions)
    )
    won = {it.json["touchpoint"] for it in answers if it.status == 200}
    assert len(won) == 1
    assert {it.status for it in answers} == {200, 409}
    decided = [(action, it.status) for action, it in zip(actions, answers, strict=True)]
    assert len({action for action, status in decided if status == 200}) == 1


async def test_unknown_foreign_and_erased(ledger: Ledger) -> None:
    line = await spoken(ledger)
    customer = await ledger.customer()
    for id_ in ("pc_AAAAAAAAAAAAAAAAAAAAAA", "x", "tp_x"):
        assert (await decide(ledger, customer, "promise", id_, "confirm")).status == 404
    assert (await decide(ledger, customer, "complaint", line["id"], "confirm")).status == 404
    await ledger.happened("message.received", identities=["user:ben"], thread="other", text="Hello there")
    ben = str((await ledger.context("user:ben"))["customer"]["id"])
    assert (await decide(ledger, ben, "promise", line["id"], "confirm")).status == 404
    for token, status in (("sales", 404), ("bot", 403), ("elsewhere", 404)):
        answer = await decide(ledger, customer, "promise", line["id"], "confirm", token=token)
        assert answer.status == status, token
    assert await ledger.promises() == []
    await ledger.ok("DELETE", f"/v1/customers/{customer}")
    gone = await decide(ledger, customer, "promise", line["id"], "confirm")
    assert (gone.status, gone.code) == (410, "customer_erased")


async def test_a_platforms_promise_can_be_taken_back(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600)
    customer = await ledger.customer()
    assert (await decide(ledger, customer, "promise", id_, "confirm")).json["state"] == "confirmed"
    answer = await decide(ledger, customer, "promise", id_, "dismiss", reason="the wrong customer")
    assert answer.json["state"] == "dismissed"
    assert [it["state"] for it in await ledger.promises()] == ["dismissed"]
    assert (await ledger.context())["brief"]["promised"] == []


async def test_a_confirmed_complaint_has_a_clock_from_its_first_words(ledger: Ledger) -> None:
    await ledger.happened("message.received", 600, text="This is unacceptable, my cellar is wet again")
    line = await candidate(ledger, "feelings")
    customer = await ledger.customer()
    answer = await decide(ledger, customer, "complaint", line["id"], "confirm")
    assert answer.status == 200, answer.raw
    (complaint,) = await ledger.complaints(state="open")
    assert complaint["id"] == answer.json["touchpoint"]
    assert complaint["open_s"] >= 599
    feelings = (await ledger.context())["brief"]["feelings"]
    assert [it["code"] for it in feelings] == ["complaint"]
    vcon = await ledger.ok("GET", f"/v1/conversations/{complaint['conversation_id']}/vcon")
    assert len(vcon["dialog"]) == 1  # the message, and not our record of it
    effort = (await ledger.context())["brief"]["effort"]
    assert effort["contacts"] == 1  # our own record of it is not a contact of theirs


async def test_by_policy_a_sentence_that_an_agent_typed_needs_no_confirmation(valkey: str) -> None:
    async with opened(valkey, promises=lambda tenant: {"agents_confirm": [tenant]}) as ledger:
        await ledger.happened("message.received", 120, text="My cellar is wet, when do you come?")
        bot = {"direction": "outbound", "actor": {"type": "bot"}}
        await ledger.happened("message.sent", 90, text="We will send you a contract today.", **bot)
        await ledger.happened("message.sent", 60, text=SENTENCE, **AGENT)

        async def listed() -> list[tuple[str, str]]:
            return [(it["text"], it["state"]) for it in await ledger.promises()]

        await ledger.until([(SENTENCE, "open")], listed)
        (promise,) = await ledger.promises()
        assert promise["due"] is not None
        path = f"/v1/touchpoints/{promise['id']}"
        made = await ledger.ok("GET", path)
        assert made["data"]["automatic"] is True


async def test_dismissing_a_candidate_leaves_other_promises_of_the_conversation(ledger: Ledger) -> None:
    """Also those of a platform that gives its promises no ids."""
    line = await spoken(ledger)
    id_ = await ledger.promised(3600, text="A refund of 20 euros", data={"act": "refund"})
    await ledger.until({id_: "open"}, ledger.states)
    answer = await decide(ledger, await ledger.customer(), "promise", line["id"], "dismiss")
    assert answer.status == 200, answer.raw
    assert await ledger.states() == {id_: "open"}
    (shown,) = (await ledger.context())["brief"]["promised"]
    assert (shown["code"], shown["params"]["state"]) == ("promise", "open")


async def test_a_second_complaint_can_be_decided_on_when_another_was_opened(ledger: Ledger) -> None:
    await ledger.happened("message.received", 600, text="This is unacceptable, my cellar is wet again")
    first = await candidate(ledger, "feelings")
    elsewhere = {"thread": "mail", "channel": "email"}
    words = "I want to complain about the invoice 4711"
    await ledger.happened("email.received", 500, text=words, **elsewhere)
    lines = (await ledger.context())["brief"]["feelings"]
    (second,) = [it["id"] for it in lines if it.get("candidate") and it["id"] != first["id"]]
    opened_ = await ledger.happened("complaint.opened", 60, text="It drips from the ceiling")
    customer = await ledger.customer()

    async def open_ones() -> set[str]:
        return {it["id"] for it in await ledger.complaints(state="open")}

    await ledger.until({opened_}, open_ones)
    answer = await decide(ledger, customer, "complaint", first["id"], "dismiss")
    assert answer.status == 200, answer.raw
    assert await open_ones() == {opened_}
    answer = await decide(ledger, customer, "complaint", second, "confirm")
    assert answer.status == 200, answer.raw
    assert await open_ones() == {opened_, answer.json["touchpoint"]}
    refused = await decide(ledger, customer, "complaint", second, "dismiss")
    assert (refused.status, refused.code) == (409, "already_confirmed")


async def test_customer_facing_readers_see_no_reason_of_a_decision(ledger: Ledger) -> None:
    line = await spoken(ledger)
    reason = "a regular of ours"
    await decide(ledger, await ledger.customer(), "promise", line["id"], "confirm", reason=reason)
    for token, seen in (("desk", True), ("bot", False)):
        answer = await ledger.get("/v1/context?identity=user:anna", token=token)
        assert (reason in answer.raw.decode()) is seen, token
