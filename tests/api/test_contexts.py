"""Lookups, contexts, and timelines: the right customer, in order, without silent truncation."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.api.conftest import Api, message
from tests.samples import EIGHT_DAYS_AGO, WEEK_AGO

VERIFIED_EMAIL = {"type": "email", "value": "anna@example.com", "assurance": "verified"}


async def record_many(api: Api, count: int, **changes: Any) -> None:
    batch = [
        message(f"e{n}", occurred_at=f"{WEEK_AGO}T10:{n // 60:02}:{n % 60:02}Z", **changes)
        for n in range(count)
    ]
    assert (await api.ok("POST", "/v1/touchpoints", batch))["accepted"] == count


# --- Identification --------------------------------------------------------------------------------


async def test_an_unknown_identity_is_none_with_completeness(api: Api) -> None:
    context = await api.context("user:nobody")
    assert (context["match"], context["customer"]) == ("none", None)
    assert context["completeness"]["state"] == "complete"


async def test_verified_evidence_finds_one_customer_by_any_identity(api: Api) -> None:
    await api.record("e1", identities=["user:anna", VERIFIED_EMAIL, "anonymous:a1"])
    ids = set()
    for identity in ("user:anna", "email:ANNA@Example.com", "anonymous:a1"):
        context = await api.context(identity)
        assert (context["match"], context["match_assurance"]) == ("one", "verified")
        ids.add(context["customer"]["id"])
        assert context["customer"]["identities"][0]["type"] == "user"
    assert len(ids) == 1


async def test_a_claim_links_no_customers_and_is_a_candidate(api: Api) -> None:
    await api.record("e1", identities=["user:anna", "email:anna@example.com"])
    await api.record("e2", identities=["email:anna@example.com"])
    mine = await api.context("user:anna")
    assert [it["type"] for it in mine["customer"]["identities"]] == ["user"]
    assert [it["identity"] for it in mine["customer"]["candidates"]] == ["email:anna@example.com"]
    other = await api.context("email:anna@example.com")
    assert (other["match"], other["match_assurance"]) == ("one", "claimed")
    assert other["customer"]["id"] != mine["customer"]["id"]
    assert other["timeline"]["total"] == 1


async def test_a_shared_identity_is_several_with_candidates_and_a_question(api: Api) -> None:
    phone = {"type": "phone", "value": "+358401234567", "assurance": "verified"}
    await api.record("e1", identities=["user:anna", phone])
    await api.record("e2", identities=["user:bo", phone], text="secret of bo")
    context = await api.context("phone:+358401234567")
    assert (context["match"], context["customer"]) == ("several", None)
    assert sorted(it["identity"] for it in context["candidates"]) == ["user:anna", "user:bo"]
    assert context["question"]
    assert b"secret" not in msgspec.json.encode(context)
    narrowed = await api.ok("POST", "/v1/context", {"identities": ["phone:+358401234567", "user:bo"]})
    assert narrowed["match"] == "one"
    assert narrowed["timeline"]["touchpoints"][0]["text"] == "secret of bo"


async def test_a_reference_finds_customers_and_never_links_them(api: Api) -> None:
    await api.record("e1", identities=["user:anna", "reference:A-1"])
    context = await api.context("reference:A-1")
    assert context["match"] == "one"
    assert [str(it["type"]) for it in context["customer"]["identities"]] == ["user"]
    await api.record("e2", identities=["user:bo", "reference:A-1"])
    assert (await api.context("reference:A-1"))["match"] == "several"


async def test_a_lookup_by_query_string(api: Api) -> None:
    await api.record("e1", identities=["phone:+358401234567"])
    for text in ("phone:+358401234567", "phone:%2B358401234567", "phone:%20358401234567"):
        context = await api.ok("GET", f"/v1/context?identity={text}")
        assert context["match"] == "one", text
    mail = quote("email:anna@example.com")
    several = await api.ok("GET", f"/v1/context?identity={mail}&identity=phone:%2B358401234567&limit=1")
    assert several["match"] == "one"


async def test_a_former_id_works_and_returns_the_current_one(api: Api) -> None:
    await api.record("e1", identities=["anonymous:a1"])
    former = (await api.context("anonymous:a1"))["customer"]["id"]
    await api.record("e2", identities=["user:anna", "anonymous:a1"])
    current = (await api.context())["customer"]["id"]
    assert former != current
    context = await api.ok("GET", f"/v1/customers/{former}/context")
    assert (context["customer"]["id"], context["requested_id"]) == (current, former)
    assert (await api.ok("GET", f"/v1/customers/{former}/timeline"))["total"] == 2
    body = {"customer_id": former, "to": {"queue": "q"}, "reason": "r"}
    answer = await api.post("/v1/handoffs", body)
    assert (answer.status, answer.code, answer.json["current"]) == (409, "customer_merged", current)


# --- Selection -------------------------------------------------------------------------------------


async def test_a_context_counts_what_it_omits_and_links_to_it(api: Api) -> None:
    await record_many(api, 12)
    context = await api.context(limit=5)
    timeline, left_out = context["timeline"], context["left_out"]
    assert (timeline["total"], timeline["returned"], left_out["touchpoints"]) == (12, 5, 7)
    assert timeline["next"] == left_out["timeline_next"]
    id_ = context["customer"]["id"]
    rest = await api.ok("GET", f"/v1/customers/{id_}/timeline?cursor={timeline['next']}")
    shown = [it["text"] for it in (*timeline["touchpoints"], *rest["touchpoints"])]
    assert shown == [f"text of e{n}" for n in reversed(range(12))]
    assert rest["next"] is None


async def test_fields_omit_the_others_and_list_them(api: Api) -> None:
    await api.record("e1")
    context = await api.context(fields=["brief"])
    assert context["brief"]["wants"]
    assert "timeline" not in context
    assert context["left_out"]["fields"] == ["completeness", "conversations", "handoffs", "timeline"]
    assert context["customer"]["id"]


BAD = [
    ({"identities": []}, "invalid_parameter"),
    ({"identities": ["user:a"], "limit": 0}, "invalid_parameter"),
    ({"identities": ["user:a"], "limit": 501}, "invalid_parameter"),
    ({"identities": ["user:a"], "fields": ["nothing"]}, "invalid_parameter"),
    ({"identities": ["user:a"], "min_assurance": "sure"}, "invalid"),
    ({"identities": ["no colon"]}, "invalid_identity"),
    ({"identities": [f"user:u{n}" for n in range(21)]}, "invalid_parameter"),
    ({"identity": "user:a"}, "invalid"),
]


@pytest.mark.parametrize(("body", "code"), BAD)
async def test_an_invalid_lookup_is_422(api: Api, body: dict[str, Any], code: str) -> None:
    answer = await api.post("/v1/context", body)
    assert (answer.status, answer.code) == (422, code)


async def test_an_error_points_at_the_invalid_identity(api: Api) -> None:
    answer = await api.post("/v1/context", {"identities": ["user:a", {"type": "phone", "value": "12"}]})
    assert [it["pointer"] for it in answer.json["errors"]] == ["/identities/1"]


async def test_waiting_and_conversations_follow_the_messages(api: Api) -> None:
    await api.record("e1", thread="t1", subject="Refund", occurred_at=f"{WEEK_AGO}T10:00:00Z")
    await api.record("e2", thread="t1", type="message.sent", occurred_at=f"{WEEK_AGO}T10:01:00Z")
    await api.record("e3", thread="t1", occurred_at=f"{WEEK_AGO}T10:02:00Z")
    mail = {"type": "email.received", "occurred_at": f"{EIGHT_DAYS_AGO}T10:00:00Z"}
    await api.record("e4", channel="email", **mail)
    resolved = {"type": "conversation.resolved", "occurred_at": f"{EIGHT_DAYS_AGO}T11:00:00Z"}
    await api.record("e5", channel="email", **resolved)
    context = await api.context()
    found = {it["channels"][0]: it for it in context["conversations"]}
    assert found["chat"]["state"] == "open"
    assert found["chat"]["subject"] == "Refund"
    assert found["chat"]["waiting_since"] == f"{WEEK_AGO}T10:02:00.000000Z"
    assert found["email"]["state"] == "resolved"
    assert context["brief"]["effort"]["waiting_since"] == f"{WEEK_AGO}T10:02:00.000000Z"
    detail = await api.ok("GET", f"/v1/conversations/{found['chat']['id']}")
    assert (detail["threads"], detail["touchpoints"], detail["state"]) == (["t1"], 3, "open")


async def test_a_new_conversation_starts_after_a_resolution(api: Api) -> None:
    await api.record("e1", occurred_at=f"{EIGHT_DAYS_AGO}T10:00:00Z")
    await api.record("e2", type="conversation.resolved", occurred_at=f"{EIGHT_DAYS_AGO}T11:00:00Z")
    await api.record("e3", occurred_at=f"{EIGHT_DAYS_AGO}T12:00:00Z")
    context = await api.context()
    assert [it["state"] for it in context["conversations"]] == ["open", "resolved"]
    by_text = {it["text"]: it["conversation_id"] for it in context["timeline"]["touchpoints"]}
    assert by_text["text of e1"] == by_text["text of e2"] != by_text["text of e3"]


# --- Timelines -------------------------------------------------------------------------------------


async def whole(api: Api, query: str) -> list[list[str]]:
    """All pages of anna's timeline, following `next`."""
    id_ = (await api.context())["customer"]["id"]
    pages: list[list[str]] = []
    cursor = ""
    while True:
        view = await api.ok("GET", f"/v1/customers/{id_}/timeline?{query}{cursor}")
        assert view["returned"] == len(view["touchpoints"])
        pages.append([it["text"] for it in view["touchpoints"]])
        if view["next"] is None:
            return pages
        cursor = f"&cursor={view['next']}"


@pytest.mark.parametrize("limit", [1, 7, 50, 500])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_add_up_to_the_whole_timeline_in_both_orders(api: Api, limit: int, order: str) -> None:
    await record_many(api, 23)
    expected = [f"text of e{n}" for n in range(23)]
    pages = await whole(api, f"limit={limit}&order={order}")
    found = [text for page in pages for text in page]
    assert found == (expected if order == "asc" else expected[::-1])


async def test_filters_combine_and_return_the_last_position_read(api: Api) -> None:
    await record_many(api, 10)
    await api.record("mail", channel="email", type="email.received", occurred_at=f"{WEEK_AGO}T10:00:03.5Z")
    await api.record("view", channel="web", type="page.viewed", occurred_at=f"{WEEK_AGO}T10:00:04.5Z")
    id_ = (await api.context())["customer"]["id"]
    path = f"/v1/customers/{id_}/timeline"
    view = await api.ok("GET", f"{path}?channel=email,web&order=asc")
    assert [it["text"] for it in view["touchpoints"]] == ["text of mail", "text of view"]
    assert view["total"] is None
    assert view["scanned_to"]
    view = await api.ok("GET", f"{path}?channel=email&channel=web&type=page.viewed")
    assert [it["text"] for it in view["touchpoints"]] == ["text of view"]
    pages = await whole(api, "type=message.received&limit=3&order=asc")
    assert [text for page in pages for text in page] == [f"text of e{n}" for n in range(10)]


async def test_before_and_after_accept_times_and_cursors(api: Api) -> None:
    await record_many(api, 10)
    id_ = (await api.context())["customer"]["id"]
    path = f"/v1/customers/{id_}/timeline?order=asc"
    view = await api.ok("GET", f"{path}&after={WEEK_AGO}T10:00:02Z&before={WEEK_AGO}T12:00:06%2B02:00")
    assert [it["text"] for it in view["touchpoints"]] == [f"text of e{n}" for n in (3, 4, 5)]
    first = await api.ok("GET", f"{path}&limit=4")
    view = await api.ok("GET", f"{path}&after={first['next']}&before={WEEK_AGO}T10:00:06Z")
    assert [it["text"] for it in view["touchpoints"]] == [f"text of e{n}" for n in (4, 5)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_parameter"),
        ("limit=501", "invalid_parameter"),
        ("limit=x", "invalid_parameter"),
        ("limit=%D9%A3", "invalid_parameter"),
        ("order=up", "invalid_parameter"),
        ("type=no.such", "invalid_parameter"),
        ("limit=" + "9" * 5000, "invalid_parameter"),
        ("min_assurance=sure", "invalid_parameter"),
        ("cursor=nonsense", "invalid_cursor"),
        ("cursor=%C3%A4", "invalid_cursor"),
        ("cursor=" + "A" * 42, "invalid_cursor"),
        ("before=yesterday", "invalid_cursor"),
        ("after=2026-13-45T99:00:00Z", "invalid_cursor"),
    ],
)
async def test_an_invalid_page_is_422(api: Api, query: str, code: str) -> None:
    await api.record("e1")
    id_ = (await api.context())["customer"]["id"]
    answer = await api.get(f"/v1/customers/{id_}/timeline?{query}")
    assert (answer.status, answer.code) == (422, code)


@pytest.mark.parametrize(
    "path", ["/v1/customers/cu_x/context", "/v1/customers/tp_x/timeline", "/v1/conversations/cv_"]
)
async def test_an_unknown_customer_is_404(api: Api, path: str) -> None:
    answer = await api.get(path)
    assert (answer.status, answer.code) == (404, "not_found")
