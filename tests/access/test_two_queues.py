"""Two queues work with related customers: nothing of the one is in what the other reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.access.conftest import Callers, message, stream_of
from tests.api.conftest import secret

CANARY = "kanarek"
"""In the words, names, and identities of hr's customer, and in what hr writes about anyone."""
PHONE = "phone:+358401110000"
BERT = f"email:{CANARY}@example.com"
ORDER = "order 4711-2290"


async def neighbours(callers: Callers) -> tuple[Any, Any]:
    """Anna, who is a customer of both queues, and Bert, who is hr's alone and near her in every way.

    They share a telephone, he claims to be her, and he names her order. Returns the handoffs of sales: of
    Anna, and of the shared telephone.
    """
    await callers.record("a1", text=f"Where is my {ORDER}?", identities=["user:anna", PHONE])
    bert = {"identities": [BERT, PHONE], "text": f"{CANARY}: where is {ORDER}?"}
    await callers.record("b1", **bert)
    await callers.ok("POST", "/v1/identities/shared", {"identity": PHONE, "reason": f"home of {CANARY}"})
    claim = {"type": "user", "value": "anna", "assurance": "claimed"}
    await callers.record("b2", identities=[BERT, claim], text="That was me")
    await callers.record("p1", identities=[PHONE], channel="phone", type="call.ended", text="call me back")
    first = await callers.hand_over("user:anna", "hr", CANARY, token="desk", context=CANARY)
    taken = await callers.move(first, "accept", agent="hanna", token="hr")
    await callers.move(taken, "complete", agent="hanna", reason=CANARY, token="hr")
    await callers.hand_over(BERT, "hr", CANARY, context={"why": CANARY})
    mine = await callers.hand_over("user:anna", "sales", "wants to order")
    return mine, await callers.hand_over(PHONE, "sales", "somebody called")


def paths_of(handoff: Any) -> list[str]:
    id_, customer, conversation = handoff["id"], handoff["customer_id"], handoff["conversation_id"]
    return [
        *(f"/v1/handoffs/{id_}{part}" for part in ("", "/context", "/snapshots", "/snapshot")),
        f"/v1/handoffs/{id_}/context?min_assurance=inferred&limit=1",
        *(f"/v1/customers/{customer}/{part}" for part in ("context", "timeline", "export")),
        f"/v1/customers/{customer}/export?format=vcon&internal=true",
        f"/v1/conversations/{conversation}",
        f"/v1/conversations/{conversation}/vcon?internal=true",
    ]


async def test_nothing_of_a_neighbour_is_in_any_answer_however_warm_the_caches_are(callers: Callers) -> None:
    mine, shared = await neighbours(callers)
    paths = [*paths_of(mine), *paths_of(shared), "/v1/context?identity=user:anna", "/v1/handoffs"]
    found = 0
    for path in paths:
        full = await callers.get(path)
        etag = {"If-None-Match": full.headers["ETag"]} if "ETag" in full.headers else {}
        for _ in range(2):
            answer = await callers.get(path, token="sales", headers=etag)
            assert answer.status == 200, (path, answer.raw)
            at = answer.raw.find(CANARY.encode())
            assert at < 0, (path, answer.raw[max(0, at - 300) : at + 100])
        found += CANARY.encode() in full.raw
    assert found >= 10, "the words are where they could be shown"


async def test_a_limited_caller_cannot_join_others_customers_to_its_own_by_recording(
    callers: Callers,
) -> None:
    mine, _shared = await neighbours(callers)
    await callers.record("n1", identities=["email:neutral@example.com"])
    foreign = (["user:anna", BERT], [BERT], ["user:anna", "email:neutral@example.com"], ["user:x", BERT])
    for at, identities in enumerate(foreign):
        one = message(f"j{at}", identities=identities, text="x")
        alone = await callers.post("/v1/touchpoints", one, token="sales")
        assert (alone.status, alone.code) == (422, "foreign_identity"), identities
        many = await callers.post("/v1/touchpoints", [one, message(f"k{at}", text="x")], token="sales")
        assert (many.status, [it["code"] for it in many.json["rejected"]]) == (207, ["foreign_identity"])
    joined = await callers.get(f"/v1/customers/{mine['customer_id']}/timeline", token="sales")
    assert CANARY.encode() not in joined.raw


async def test_a_limited_caller_records_for_its_customers_and_for_new_ones(callers: Callers) -> None:
    await neighbours(callers)
    for at, identities in enumerate((["user:anna"], ["user:anna", "user:anna"], ["user:new"])):
        one = message(f"own{at}", identities=identities, text="noted")
        assert (await callers.post("/v1/touchpoints", one, token="sales")).status == 200, identities
        assert (await callers.post("/v1/touchpoints", one, token="sales")).status in (200, 422)


async def test_an_identity_beside_ones_own_reveals_no_customer_of_others(callers: Callers) -> None:
    await neighbours(callers)
    answers = []
    for beside in (BERT, "email:nobody@example.com"):
        body = {"identities": ["user:anna", beside]}
        answer = await callers.ok("POST", "/v1/context", body, token="sales")
        answers.append((answer["match"], answer["customer"], answer["timeline"]))
    assert answers[0] == answers[1]
    assert answers[0][0] == "one"


async def test_a_stream_does_not_follow_a_handoff_into_another_queue(callers: Callers) -> None:
    await callers.record("hello")
    gone = await callers.hand_over("user:anna", "sales", "wants to order", fallback=[{"queue": "hr"}])
    async with stream_of(callers, "/v1/queues/sales/events", secret("sales", callers.tenant)) as events:
        assert (await asyncio.wait_for(events.get(), 20))[0] == "ready"
        left = await callers.move(gone, "decline", agent="sam")
        await callers.move(left, "accept", agent="hanna", token="hr")
        await callers.hand_over("user:dora", "sales", "fence")
        heard = [await asyncio.wait_for(events.get(), 20) for _ in range(2)]
    assert [name for name, _shown in heard] == ["handoff.declined", "handoff.requested"]
    assert "hanna" not in str(heard)


@pytest.mark.parametrize("token", ["sales", "bot"])
async def test_a_repeated_request_shows_nothing_that_came_later(callers: Callers, token: str) -> None:
    await callers.record("hello")
    await callers.hand_over("user:anna", "sales", "opens the customer", fallback=[{"queue": "hr"}])
    body = {"identity": "user:new", "to": {"queue": "sales"}, "reason": "x", "fallback": [{"queue": "hr"}]}
    given: dict[str, Any] = {"token": token, "headers": {"Idempotency-Key": "k"}}
    made = await callers.post("/v1/handoffs", body, **given)
    assert made.status == 201
    moved = await callers.move(made.json, "decline", agent=CANARY, reason=CANARY)
    assert moved["to"] == {"queue": "hr"}
    again = await callers.post("/v1/handoffs", body, **given)
    assert again.status == (404 if token == "sales" else 201)
    assert CANARY.encode() not in again.raw
