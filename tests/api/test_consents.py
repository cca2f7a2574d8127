"""Consent: given and withdrawn on any channel, followed over links, and asked for by policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.consent import Consent, current_consents
from handoff.domain.identity import Assurance
from tests.access.conftest import Callers, callers, opened
from tests.reads import WatchedReads

__all__ = ["callers"]


@asynccontextmanager
async def asking(valkey: str, on_missing: str = "refuse") -> AsyncIterator[Callers]:
    rules = {"handoff": "service", "export": "portability"}
    async with opened(
        valkey, privacy={"require_consent": rules, "on_missing_consent": on_missing}
    ) as callers:
        yield callers


async def state(
    callers: Callers, event: str, what: str, purpose: str = "service", at: str = "", **more: Any
) -> None:
    data = {"purpose": purpose, "source": "form", "text_version": "1"} | ({"at": at} if at else {})
    await callers.record(event, type=f"consent.{what}", text=None, data=data, **more)


async def chat_much(callers: Callers) -> None:
    """More touchpoints than two pages have."""
    common = {"channel": "chat", "type": "message.received", "identities": ["user:anna"], "text": "x"}
    at = "2026-01-01T00:00:00Z"
    messages = [{"id": f"m{it}", "occurred_at": at, **common} for it in range(1_100)]
    await callers.ok("POST", "/v1/touchpoints", messages)


async def customer_of(callers: Callers, identity: str = "user:anna") -> str:
    context = await callers.ok("POST", "/v1/context", {"identities": [identity]})
    return str(context["customer"]["id"])


async def states(callers: Callers, customer: str) -> dict[str, str]:
    answer = await callers.ok("GET", f"/v1/customers/{customer}/consents")
    return {it["purpose"]: it["state"] for it in answer["consents"]}


def request(**more: Any) -> dict[str, Any]:
    return {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "x", **more}


async def test_the_newest_statement_counts_for_each_purpose(callers: Callers) -> None:
    await state(callers, "1", "given", occurred_at="2026-01-01T00:00:00Z")
    await state(callers, "2", "given", "marketing", occurred_at="2026-01-02T00:00:00Z")
    await state(callers, "3", "withdrawn", "marketing", occurred_at="2026-01-03T00:00:00Z", channel="email")
    await state(callers, "late", "given", "marketing", occurred_at="2026-01-01T12:00:00Z")
    customer = await customer_of(callers)
    answer = await callers.ok("GET", f"/v1/customers/{customer}/consents")
    marketing, service = answer["consents"]
    assert (marketing["state"], marketing["channel"], marketing["at"][:10]) == (
        "withdrawn",
        "email",
        "2026-01-03",
    )
    assert (service["state"], service["source"], service["text_version"]) == ("given", "form", "1")
    context = await callers.ok("GET", "/v1/context?identity=user:anna")
    assert context["customer"]["consents"] == answer["consents"]
    (line,) = [it for it in context["brief"]["known"] if it["code"] == "consent_withdrawn"]
    assert line["text"] == "Consent withdrawn: marketing"


async def test_a_customer_without_statements_has_none(callers: Callers) -> None:
    await callers.record("one")
    customer = await customer_of(callers)
    assert await states(callers, customer) == {}
    context = await callers.ok("GET", "/v1/context?identity=user:anna")
    assert "consents" not in context["customer"]


async def test_the_stated_time_decides(callers: Callers) -> None:
    await state(callers, "1", "withdrawn", occurred_at="2026-01-02T00:00:00Z")
    await state(callers, "2", "given", occurred_at="2026-01-03T00:00:00Z", at="2026-01-01T00:00:00Z")
    assert await states(callers, await customer_of(callers)) == {"service": "withdrawn"}


async def test_consent_follows_links_and_a_split_gives_it_back(callers: Callers) -> None:
    await state(callers, "1", "given", occurred_at="2026-01-01T00:00:00Z")
    by_mail = [{"type": "email", "value": "a@example.com"}]
    await state(callers, "2", "withdrawn", occurred_at="2026-01-02T00:00:00Z", identities=by_mail)
    customer = await customer_of(callers)
    assert await states(callers, customer) == {"service": "given"}
    link = {"identity": "email:a@example.com", "reason": "confirmed by phone"}
    made = await callers.ok("POST", f"/v1/customers/{customer}/links", link)
    assert await states(callers, customer) == {"service": "withdrawn"}
    path = f"/v1/customers/{customer}/links/{made['id']}/withdraw"
    await callers.ok("POST", path, {"reason": "it was her sister"})
    assert await states(callers, customer) == {"service": "given"}


async def test_a_claimed_identity_can_withdraw_but_not_give_again(callers: Callers) -> None:
    def claimed(day: int) -> dict[str, Any]:
        identity = {"type": "user", "value": "anna", "assurance": "claimed"}
        return {"identities": [identity], "occurred_at": f"2026-01-0{day}T00:00:00Z"}

    await state(callers, "1", "given", occurred_at="2026-01-01T00:00:00Z")
    await state(callers, "2", "withdrawn", **claimed(2))
    customer = await customer_of(callers)
    assert await states(callers, customer) == {"service": "withdrawn"}
    await state(callers, "3", "given", **claimed(3))
    assert await states(callers, customer) == {"service": "withdrawn"}
    await state(callers, "4", "given", occurred_at="2026-01-04T00:00:00Z")
    assert await states(callers, customer) == {"service": "given"}


async def test_a_long_timeline_is_read_to_its_beginning(callers: Callers) -> None:
    await state(callers, "first", "given", occurred_at="2020-01-01T00:00:00Z")
    await chat_much(callers)
    customer = await customer_of(callers)
    assert await states(callers, customer) == {"service": "given"}
    await state(callers, "last", "withdrawn", occurred_at="2026-02-01T00:00:00Z")
    assert await states(callers, customer) == {"service": "withdrawn"}


@pytest.mark.parametrize(("statements", "pages"), [((), 0), (("given",), 1), (("given", "withdrawn"), 1)])
async def test_no_more_of_a_timeline_is_read_than_has_statements(
    callers: Callers, statements: tuple[str, ...], pages: int
) -> None:
    await chat_much(callers)
    for day, what in enumerate(statements, 1):
        await state(callers, what, what, occurred_at=f"2026-02-0{day}T00:00:00Z")
    customer = await customer_of(callers)
    store = callers.server.site.store
    reads = WatchedReads(store.connection, lambda commands: any(b"REV" in it for it in commands))
    store.connection = reads  # type: ignore[assignment]
    assert list((await states(callers, customer)).values()) == list(statements[-1:])
    assert reads.asked == pages


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/data/purpose"),
        ({"purpose": "All Of It"}, "/data/purpose"),
        ({"purpose": "service", "source": 7}, "/data/source"),
        ({"purpose": "service", "text_version": "x" * 201}, "/data/text_version"),
        ({"purpose": "service", "at": "yesterday"}, "/data/at"),
    ],
)
async def test_an_unclear_statement_is_refused(callers: Callers, data: dict[str, Any], pointer: str) -> None:
    body = {
        "id": "1",
        "channel": "web",
        "type": "consent.given",
        "occurred_at": "2026-01-01T00:00:00Z",
        "identities": ["user:anna"],
        "data": data,
    }
    answer = await callers.post("/v1/touchpoints", body)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == pointer


async def test_a_handoff_needs_the_consent_that_the_policy_names(valkey: str) -> None:
    async with asking(valkey) as callers:
        await callers.record("one")
        answer = await callers.post("/v1/handoffs", request())
        assert (answer.status, answer.code, answer.json["purpose"]) == (409, "consent_missing", "service")
        unknown = await callers.post("/v1/handoffs", request(identity="user:stranger"))
        assert (unknown.status, unknown.code) == (409, "consent_missing")
        await state(callers, "yes", "given")
        made = await callers.ok("POST", "/v1/handoffs", request())
        assert "consent_missing" not in made


async def test_an_export_needs_its_own(valkey: str) -> None:
    async with asking(valkey) as callers:
        await state(callers, "yes", "given")
        customer = await customer_of(callers)
        for format_ in ("json", "vcon"):
            answer = await callers.get(f"/v1/customers/{customer}/export?format={format_}")
            assert (answer.status, answer.code) == (409, "consent_missing")
        await state(callers, "all", "given", "portability")
        assert (await callers.get(f"/v1/customers/{customer}/export")).status == 200


async def test_a_policy_can_mark_instead(valkey: str) -> None:
    async with asking(valkey, "mark") as callers:
        await callers.record("one")
        made = await callers.ok("POST", "/v1/handoffs", request())
        assert made["consent_missing"] == "service"
        read = await callers.ok("GET", f"/v1/handoffs/{made['id']}")
        assert read["consent_missing"] == "service"
        answer = await callers.get(f"/v1/customers/{made['customer_id']}/export")
        assert answer.headers["Handoff-Consent-Missing"] == "portability"


_STATEMENTS = st.lists(
    st.builds(
        Consent,
        purpose=st.sampled_from(["a", "b"]),
        given=st.booleans(),
        at=st.integers(0, 5),
        assurance=st.sampled_from([Assurance.VERIFIED, Assurance.CLAIMED]),
        channel=st.just("web"),
        id=st.just("tp"),
    ),
    max_size=8,
)


@given(_STATEMENTS)
def test_consent_after_a_withdrawal_is_verified(stated: list[Consent]) -> None:
    for current in current_consents(stated):
        mine = [it for it in stated if it.purpose == current.purpose]
        withdrawn = [it.at for it in mine if not it.given]
        verified = [it.at for it in mine if it.proven]
        if current.given and withdrawn:
            assert max(verified) >= max(withdrawn)
        assert not current.given or current.proven or not (withdrawn or verified)
