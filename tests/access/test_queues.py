"""Callers that are limited to queues: their handoffs, and the customers of these while they last."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.access.conftest import Callers, stream_of
from tests.api.conftest import secret

COMPLAINT = "her manager harasses her"


async def complaint(callers: Callers, who: str = "user:anna") -> Any:
    await callers.record(f"c-{who}", text=f"about {who}", identities=[who])
    return await callers.hand_over(who, "hr", COMPLAINT, context={"detail": COMPLAINT})


def paths_of(handoff: Any) -> list[str]:
    id_, customer, conversation = handoff["id"], handoff["customer_id"], handoff["conversation_id"]
    return [
        *(f"/v1/handoffs/{id_}{part}" for part in ("", "/context", "/snapshots", "/snapshot")),
        *(f"/v1/customers/{customer}/{part}" for part in ("context", "timeline", "events", "export")),
        f"/v1/conversations/{conversation}",
        f"/v1/conversations/{conversation}/vcon",
        "/v1/context?identity=user:anna",
    ]


async def test_another_queues_handoff_and_its_customer_do_not_exist(callers: Callers) -> None:
    handoff = await complaint(callers)
    for path in paths_of(handoff):
        answer = await callers.get(path, token="sales")
        assert (answer.status, answer.code) == (404, "not_found"), path
        assert b"harass" not in answer.raw
    for action in ("accept", "decline", "withdraw", "offer", "viewed"):
        answer = await callers.post(
            f"/v1/handoffs/{handoff['id']}/{action}", {"version": 1, "agent": "sam"}, token="sales"
        )
        assert answer.status == 404, action
    assert (await callers.ok("GET", f"/v1/handoffs/{handoff['id']}", token="hr"))["version"] == 1


async def test_look_ups_answer_alike_for_strangers_and_for_customers_of_others(callers: Callers) -> None:
    await complaint(callers)
    answers = []
    for identity in ("user:anna", "user:nobody"):
        read = await callers.get(f"/v1/context?identity={identity}", token="sales")
        asked = await callers.post("/v1/context", {"identities": [identity]}, token="sales")
        assert (read.status, read.code, read.json["match"]) == (404, "not_found", "none")
        assert (asked.status, asked.json["match"], asked.json["customer"]) == (200, "none", None)
        answers.append((read.json, {**asked.json, "completeness": None}))
    assert answers[0] == answers[1]


async def test_lists_and_streams_of_other_queues_are_refused(callers: Callers) -> None:
    await complaint(callers)
    for path in ("/v1/handoffs?queue=hr", "/v1/queues/hr/events", "/v1/handoffs?queue=nothing"):
        answer = await callers.get(path, token="sales")
        assert (answer.status, answer.code) == (403, "other_queue"), path
    listed = await callers.ok("GET", "/v1/handoffs", token="sales")
    assert (listed["handoffs"], listed["total"], listed["scanned_to"]) == ([], 0, None)
    listed = await callers.ok("GET", "/v1/handoffs?state=requested", token="sales")
    assert (listed["handoffs"], listed["total"]) == ([], None)


async def test_a_pending_handoff_opens_the_timeline_without_other_queues_reasons(callers: Callers) -> None:
    first = await complaint(callers)
    taken = await callers.move(first, "accept", agent="hanna", token="hr")
    await callers.move(taken, "complete", agent="hanna", reason=COMPLAINT, token="hr")
    mine = await callers.hand_over("user:anna", "sales", "wants to order", conversation_id=None)
    for path in paths_of(mine):
        if path.endswith("/events"):
            continue
        answer = await callers.get(path, token="sales")
        assert answer.status == 200, path
        assert b"harass" not in answer.raw, path
    context = await callers.ok("GET", f"/v1/handoffs/{mine['id']}/context", token="sales")
    assert "about user:anna" in str(context["timeline"])
    assert {it["reason"] for it in context["handoffs"]} == {"", "wants to order"}
    assert (await callers.get(f"/v1/handoffs/{first['id']}", token="sales")).status == 404
    snapshot = await callers.ok("GET", f"/v1/handoffs/{mine['id']}/snapshot", token="sales")
    assert snapshot["left_out"]["limited"] is True


async def test_a_snapshot_of_its_own_is_the_pinned_bytes(callers: Callers) -> None:
    await callers.record("hello")
    mine = await callers.hand_over("user:anna", "sales", "wants to order")
    path = f"/v1/handoffs/{mine['id']}/snapshot"
    limited, full = await callers.get(path, token="sales"), await callers.get(path)
    assert limited.raw == full.raw
    assert limited.headers["Handoff-Sha256"] == mine["snapshot"]["sha256"]


async def test_access_ends_with_the_handoff_after_its_time(callers: Callers) -> None:
    await callers.record("hello")
    mine = await callers.hand_over("user:anna", "sales", "wants to order")
    taken = await callers.move(mine, "accept", agent="sam", token="short")
    path = f"/v1/customers/{mine['customer_id']}/context"
    assert (await callers.get(path, token="short")).status == 200
    done = await callers.move(taken, "complete", agent="sam", token="short")
    assert (await callers.get(path, token="short")).status == 404
    assert (await callers.get(path, token="sales")).status == 200, "eight hours by default"
    for part in ("context", "snapshot"):
        assert (await callers.get(f"/v1/handoffs/{mine['id']}/{part}", token="short")).status == 404
    assert (await callers.ok("GET", f"/v1/handoffs/{done['id']}", token="short"))["state"] == "completed"


async def test_a_request_cannot_open_a_customer_of_others(callers: Callers) -> None:
    handoff = await complaint(callers)
    to = {"to": {"queue": "sales"}, "reason": "let me see"}
    for target in (
        {"identity": "user:anna"},
        {"customer_id": handoff["customer_id"]},
        {"conversation_id": handoff["conversation_id"]},
    ):
        answer = await callers.post("/v1/handoffs", {**to, **target}, token="sales")
        assert (answer.status, answer.code) == (404, "not_found"), target
        assert b"harass" not in answer.raw
    new = await callers.post("/v1/handoffs", {**to, "identity": "user:new"}, token="sales")
    assert new.status == 201
    callback = {"phone": "+358401234567", "identity": "user:anna"}
    assert (await callers.post("/v1/callbacks", callback, token="sales")).status == 404


async def test_a_conflict_shows_nothing_of_another_queues_handoff(callers: Callers) -> None:
    await callers.record("hello")
    mine = await callers.hand_over("user:anna", "sales", "wants to order")
    taken = await callers.move(mine, "accept", agent="sam")
    await callers.move(taken, "complete", agent="sam")
    await callers.hand_over("user:anna", "hr", COMPLAINT)
    body = {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "again"}
    answer = await callers.post("/v1/handoffs", body, token="sales")
    assert (answer.status, answer.code) == (409, "handoff_pending")
    assert b"harass" not in answer.raw


async def test_links_are_not_for_callers_with_queues(callers: Callers) -> None:
    mine = await complaint(callers)
    for method, path in (
        ("GET", f"/v1/customers/{mine['customer_id']}/links"),
        ("POST", f"/v1/customers/{mine['customer_id']}/links?dry_run=true"),
        ("POST", "/v1/identities/shared"),
    ):
        body = {"identity": "user:bert", "reason": "x"} if method == "POST" else None
        answer = await callers.call(method, path, body, token="sales")
        assert (answer.status, answer.code) == (403, "limited_token")


async def test_a_stream_hears_that_a_handoff_left_and_not_why(callers: Callers) -> None:
    await callers.record("hello")
    mine = await callers.hand_over("user:anna", "sales", "wants to order", fallback=[{"queue": "hr"}])
    async with stream_of(callers, "/v1/queues/sales/events", secret("sales", callers.tenant)) as events:
        assert (await asyncio.wait_for(events.get(), 20))[0] == "ready"
        await complaint(callers, "user:bert")
        gone = await callers.move(mine, "decline", agent="sam", reason=COMPLAINT)
        name, shown = await asyncio.wait_for(events.get(), 20)
    assert (name, shown["id"], shown["to"]) == ("handoff.declined", gone["id"], {"queue": "hr"})
    assert "harass" not in str(shown)


async def test_callbacks_are_those_of_readable_customers(callers: Callers) -> None:
    await complaint(callers)
    made = await callers.ok("POST", "/v1/callbacks", {"phone": "+358401234567", "identity": "user:anna"})
    listed = await callers.ok("GET", "/v1/callbacks", token="sales")
    assert (listed["callbacks"], listed["total"]) == ([], None)
    assert (await callers.get(f"/v1/callbacks/{made['id']}", token="sales")).status == 404
    assert (await callers.post(f"/v1/callbacks/{made['id']}/cancel", {}, token="sales")).status == 404
    assert len((await callers.ok("GET", "/v1/callbacks", token="hr"))["callbacks"]) == 1


@pytest.mark.parametrize("action", ["release", "complete", "withdraw"])
async def test_a_bound_agent_ends_only_its_own_handoffs(callers: Callers, action: str) -> None:
    await callers.record("hello")
    mine = await callers.hand_over("user:anna", "sales", "wants to order")
    owned = await callers.move(mine, "accept", agent="mia")
    path = f"/v1/handoffs/{mine['id']}/{action}"
    body = {"version": owned["version"]}
    sam, mia = await callers.session(agent="sam"), await callers.session(agent="mia")
    lead = await callers.session(agent="lena", role="lead")
    refused = await callers.as_session("POST", path, sam, body)
    assert (refused.status, refused.code) == (403, "other_agent")
    by = lead if action == "complete" else mia
    assert (await callers.as_session("POST", path, by, body)).status == 200


async def test_an_unbound_token_ends_any_handoff(callers: Callers) -> None:
    await callers.record("hello")
    mine = await callers.hand_over("user:anna", "sales", "wants to order")
    owned = await callers.move(mine, "accept", agent="mia")
    assert (await callers.move(owned, "complete"))["state"] == "completed"
