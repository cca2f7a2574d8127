"""A customer-facing caller sees nothing internal, wherever it asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handoff.services.access.shown_snapshot import shown_snapshot
from tests.access.conftest import Callers, message, stream_of
from tests.api.conftest import secret
from tests.samples import WEEK_AGO

NOTE = "the customer is difficult"
EDIT = "the customer is very difficult"


async def prepared(callers: Callers) -> Any:
    """A customer with a note, an edited note, and a handoff that an agent declined with a reason."""
    await callers.record("hello", text="Where is my parcel?", thread="t1")
    note = {"type": "note.added", "visibility": "internal", "thread": "t1"}
    await callers.record("note", text=NOTE, occurred_at=f"{WEEK_AGO}T10:01:00Z", **note)
    await callers.record(
        "edit",
        type="message.edited",
        amends="note",
        text=EDIT,
        occurred_at=f"{WEEK_AGO}T10:02:00Z",
        thread="t1",
    )
    first = await callers.hand_over("user:anna", "sales", "asks for a refund", token="bot")
    await callers.move(first, "decline", agent="mia", reason=NOTE)
    return await callers.hand_over("user:anna", "sales", NOTE, context={"why": NOTE})


def paths(handoff: Any) -> list[str]:
    customer, conversation = handoff["customer_id"], handoff["conversation_id"]
    return [
        "/v1/context?identity=user:anna",
        f"/v1/customers/{customer}/context",
        f"/v1/customers/{customer}/timeline",
        f"/v1/customers/{customer}/timeline?limit=1",
        f"/v1/customers/{customer}/timeline?min_assurance=inferred&order=asc",
        f"/v1/customers/{customer}/export",
        f"/v1/customers/{customer}/export?format=vcon&internal=true",
        f"/v1/conversations/{conversation}",
        f"/v1/conversations/{conversation}/vcon?internal=true",
        "/v1/handoffs",
        f"/v1/handoffs/{handoff['id']}",
        f"/v1/handoffs/{handoff['id']}/context",
        f"/v1/handoffs/{handoff['id']}/snapshot",
        f"/v1/handoffs/{handoff['id']}/snapshots",
    ]


async def test_no_answer_to_a_customer_facing_token_has_internal_words(callers: Callers) -> None:
    handoff = await prepared(callers)
    seen = 0
    for path in paths(handoff):
        full, shown = await callers.get(path), await callers.get(path, token="bot")
        assert (full.status, shown.status) == (200, 200), path
        seen += b"difficult" in full.raw
        assert b"difficult" not in shown.raw, path
    assert seen >= 10, "the words are where they could be shown"


async def test_an_internal_touchpoint_does_not_exist_for_it(callers: Callers) -> None:
    handoff = await prepared(callers)
    timeline = await callers.ok("GET", f"/v1/customers/{handoff['customer_id']}/timeline?order=asc")
    hidden = [it["id"] for it in timeline["touchpoints"] if it["type"] in ("note.added", "message.edited")]
    assert len(hidden) == 2
    for id_ in hidden:
        assert (await callers.get(f"/v1/touchpoints/{id_}")).status == 200
        answer = await callers.get(f"/v1/touchpoints/{id_}", token="bot")
        assert (answer.status, answer.code) == (404, "not_found")


async def test_it_still_sees_the_public_words_its_own_reason_and_whose_the_conversation_is(
    callers: Callers,
) -> None:
    await callers.record("hello", text="Where is my parcel?")
    mine = await callers.hand_over("user:anna", "sales", "asks for a refund", token="bot")
    owned = await callers.move(mine, "accept", agent="mia")
    context = await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="bot")
    assert "Where is my parcel?" in str(context["timeline"])
    assert [it["reason"] for it in context["handoffs"]] == ["asks for a refund"]
    assert context["conversations"][0]["owner"] == "mia"
    types = [it["type"] for it in context["timeline"]["touchpoints"]]
    assert {"handoff.requested", "handoff.accepted"} <= set(types)
    assert context["timeline"]["total"] is None
    pinned = await callers.get(f"/v1/handoffs/{owned['id']}/snapshot?at=requested", token="bot")
    assert "Handoff-Sha256" in pinned.headers, "nothing in it is hidden: the pinned bytes themselves"


async def test_views_of_different_readers_are_cached_apart(callers: Callers) -> None:
    handoff = await prepared(callers)
    path = f"/v1/customers/{handoff['customer_id']}/context"
    for token, hidden in (("desk", False), ("bot", True), ("desk", False), ("bot", True)):
        assert (b"difficult" not in (await callers.get(path, token=token)).raw) is hidden


async def test_streams_show_no_internal_words_either(callers: Callers) -> None:
    handoff = await prepared(callers)
    customer, bearer = handoff["customer_id"], secret("bot", callers.tenant)
    async with (
        stream_of(callers, f"/v1/customers/{customer}/events", bearer) as touchpoints,
        stream_of(callers, "/v1/queues/sales/events", bearer) as handoffs,
    ):
        assert (await touchpoints.get())[0] == "ready"
        first = await handoffs.get()
        assert first[0] == "ready"
        await callers.record("n2", type="note.added", visibility="internal", text=NOTE)
        await callers.record("public", text="Anybody there?")
        await callers.move(handoff, "decline", agent="mia", reason=NOTE)
        seen = [first]
        while seen[-1][0] != "handoff.declined":
            seen.append(await asyncio.wait_for(handoffs.get(), 20))
        while seen[-1][1].get("text") != "Anybody there?":
            seen.append(await asyncio.wait_for(touchpoints.get(), 20))
    assert "difficult" not in str(seen)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/webhooks"),
        ("POST", "/v1/webhooks"),
        ("GET", "/v1/quarantine"),
        ("GET", "/v1/customers/cu_x/links"),
    ],
)
async def test_what_cannot_be_limited_is_refused(callers: Callers, method: str, path: str) -> None:
    answer = await callers.call(method, path, {} if method == "POST" else None, token="bot")
    assert (answer.status, answer.code) == (403, "limited_token")


async def test_a_session_of_a_customer_facing_token_is_customer_facing(callers: Callers) -> None:
    handoff = await prepared(callers)
    session = await callers.session("bot")
    answer = await callers.as_session("GET", f"/v1/handoffs/{handoff['id']}/context", session)
    assert answer.status == 200
    assert b"difficult" not in answer.raw


def test_a_snapshot_without_anything_hidden_is_left_as_it_is() -> None:
    from handoff.services.access.reader import Reader

    content = b'{"timeline":{"touchpoints":[{"id":"t","type":"message.received","visibility":"public"}]}}'
    assert shown_snapshot(content, Reader(internal=False)) is None


async def test_a_repeated_answer_is_refused_when_the_tokens_limits_have_changed(callers: Callers) -> None:
    """The credential is the same, and its configuration has become narrower."""
    import msgspec

    await callers.record("hello")
    body = {"identity": "user:anna", "to": {"queue": "sales"}, "reason": NOTE}
    given: dict[str, Any] = {"headers": {"Idempotency-Key": "k1"}, "token": "desk"}
    assert (await callers.post("/v1/handoffs", body, **given)).status == 201
    repeated = await callers.post("/v1/handoffs", body, **given)
    assert repeated.headers["Idempotent-Replayed"] == "true"
    access = callers.server.site.credentials.access
    before = [token for token, _principal in access._by_hash.values()]
    narrower = [
        msgspec.structs.replace(it, queues=frozenset({"hr"})) if it.name == "desk" else it for it in before
    ]
    access.replace(narrower, [callers.tenant, callers.other])
    answer = await callers.post("/v1/handoffs", body, **given)
    assert answer.status in (404, 409)
    assert b"difficult" not in answer.raw


__all__ = ["message"]
