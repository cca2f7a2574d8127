"""One act that arrives on two channels: shown once with both ways named, until an agent separates it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from .conftest import Shop, texts_of
from .test_field import record_one, verified

ADDRESS = "anna@example.com"
EMAIL, CONTACT = f"email:{ADDRESS}", "chatwoot.contact@1:71"
WORDS = "My order A-17 has not arrived yet. Where is it?"


def next_message_id(shop: Shop) -> str:
    """The Message-ID of the next mail that the shop's customers send."""
    return f"event-{shop.events + 1}.{shop.tenant}@example.com"


async def inbox(shop: Shop, message_id: str, text: str = WORDS, **changes: Any) -> None:
    """A mail as Chatwoot's webhook delivers it from its own mail inbox."""
    person = {"id": 71, "identifier": None, "name": "Anna", "email": ADDRESS, "type": "contact"}
    email = {
        "message_id": message_id,
        "in_reply_to": None,
        "subject": "Hello",
        "from": [ADDRESS],
        "to": ["support@shop.example"],
        "date": "2026-11-21T10:10:00+00:00",
        "auto_reply": False,
        "text_content": {"full": text, "reply": text, "quoted": text},
    }
    body = {
        "event": "message_created",
        "id": 9000 + shop.events,
        "account": {"id": 1, "name": "Shop"},
        "inbox": {"id": 3, "name": "Support mail"},
        "message_type": "incoming",
        "content": text,
        "content_type": "incoming_email",
        "content_attributes": {"email": email, "cc_email": None, "bcc_email": None},
        "private": False,
        "source_id": message_id,
        "created_at": "2026-11-21T10:10:40Z",
        "sender": person,
        "conversation": {
            "id": 71,
            "inbox_id": 3,
            "status": "open",
            "channel": "Channel::Email",
            "additional_attributes": {"source": "email", "mail_subject": "Hello"},
            "contact_inbox": {"id": 5, "contact_id": 71, "source_id": ADDRESS, "hmac_verified": False},
            "meta": {"sender": person, "hmac_verified": False, "assignee": None},
        },
    }
    await shop.chat_event(body | changes)


async def known(shop: Shop) -> None:
    """The customer's address and contact in the chat platform are known to be hers."""
    await record_one(shop, "login", "user:anna", verified("email", ADDRESS))
    await inbox(
        shop,
        "hello@mail.example",
        "A first mail, to make the contact known.",
        id=8000,
        created_at="2026-11-20T10:00:00Z",
    )
    await shop.link("user:anna", CONTACT)


async def both_ways(shop: Shop) -> tuple[str, str]:
    """The same mail by SMTP and through the inbox; the ids of the touchpoints."""
    message_id = next_message_id(shop)
    await shop.mail(ADDRESS, WORDS)
    await inbox(shop, message_id)
    entry = mail_of(await shop.look_up("user:anna"))
    return entry["id"], entry["also"][0]["id"]


def mail_of(context: Any) -> Any:
    """The one entry with the words of the mail."""
    (entry,) = [it for it in context["timeline"]["touchpoints"] if it["text"] == WORDS]
    return entry


def times_listed(touchpoints: list[Any]) -> int:
    return sum(1 for it in touchpoints if it["text"] == WORDS)


async def timeline(shop: Shop, **query: Any) -> Any:
    id_ = await shop.customer("user:anna")
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return await shop.ok("GET", f"/v1/customers/{id_}/timeline?{words}")


# --- One mail by two ways --------------------------------------------------------------------------


@pytest.mark.parametrize("smtp_first", [True, False])
async def test_one_mail_by_two_ways_is_shown_once(shop: Shop, smtp_first: bool) -> None:
    await known(shop)
    message_id = next_message_id(shop)
    ways: list[Callable[[], Awaitable[None]]] = [
        lambda: shop.mail(ADDRESS, WORDS),
        lambda: inbox(shop, message_id),
    ]
    first, second = ways if smtp_first else ways[::-1]
    await first()
    alone = await shop.look_up("user:anna")
    await second()
    both = await shop.look_up("user:anna")
    entry = mail_of(both)
    (copy,) = entry["also"]
    assert {entry["source"], copy["source"]} == {"mail", "chat"}
    # Chatwoot vouches for its contact; nobody vouches for the sender of a plain mail.
    assert (copy["source"], copy["channel"], copy["why"]) == ("mail", "email", "message_id")
    assert copy["assurance"] == "claimed"
    assert texts_of(both) == texts_of(alone)
    assert both["timeline"]["total"] == alone["timeline"]["total"] + 1
    assert both["brief"]["effort"]["contacts"] == alone["brief"]["effort"]["contacts"]
    quoted = [it for it in both["brief"]["wants"] if WORDS in it["text"]]
    assert [it["params"]["also"][0]["touchpoint"] for it in quoted] == [copy["id"]]
    assert "touchpoints" not in both["left_out"]
    stored = await shop.ok("GET", f"/v1/touchpoints/{copy['id']}")
    assert (stored["text"], stored["data"]["message_id"]) == (WORDS, message_id)
    assert times_listed((await timeline(shop))["touchpoints"]) == 1


async def test_a_copy_is_listed_once_whatever_the_pages(shop: Shop) -> None:
    await known(shop)
    shown, copy = await both_ways(shop)
    total = (await timeline(shop))["total"]
    for limit in (1, 2, 3):
        for order in ("desc", "asc"):
            listed, also, cursor = list[str](), list[str](), ""
            while cursor is not None:
                page = await timeline(
                    shop, limit=limit, order=order, **({"cursor": cursor} if cursor else {})
                )
                listed += [it["id"] for it in page["touchpoints"]]
                also += [one["id"] for it in page["touchpoints"] for one in it.get("also", ())]
                cursor = page["next"]
            assert also == [copy]
            assert listed.count(shown) == 1
            assert copy not in listed
            assert len(listed) == len(set(listed)) == total - 1
    for limit in (1, 2):
        context = await shop.look_up("user:anna", limit=limit)
        assert context["timeline"]["returned"] == limit
    by_channel = await timeline(shop, channel="email", limit=50)
    assert {shown, copy} <= {it["id"] for it in by_channel["touchpoints"]}  # a filter finds what is stored


async def test_two_customers_never_share_an_act(shop: Shop) -> None:
    """The address is only claimed to be the contact's."""
    message_id = next_message_id(shop)
    await shop.mail(ADDRESS, WORDS)
    await inbox(shop, message_id)
    for identity in (EMAIL, CONTACT):
        context = await shop.look_up(identity)
        assert texts_of(context) == [WORDS]
        assert "also" not in mail_of(context)


async def test_a_known_id_with_other_words_is_another_mail(shop: Shop) -> None:
    await known(shop)
    message_id = next_message_id(shop)
    await shop.mail(ADDRESS, WORDS)
    await inbox(shop, message_id, "Send the refund to my new account FI00 1234 instead.")
    context = await shop.look_up("user:anna")
    assert "also" not in mail_of(context)
    assert len(texts_of(context)) == 4


async def test_an_sms_that_a_chat_platform_forwards_is_one(shop: Shop) -> None:
    await record_one(shop, "login", "user:anna", verified("phone", "+358401234567"))
    sid = "SM" + "0a1b2c3d" * 4
    await shop.message_in("+358401234567", "ok", MessageSid=sid)
    from_twilio = (await shop.look_up("user:anna"))["timeline"]["touchpoints"][0]
    await record_one(
        shop,
        "forwarded",
        "user:anna",
        text="ok",
        data={"source_id": sid},
        occurred_at=from_twilio["occurred_at"],
    )
    context = await shop.look_up("user:anna")
    assert texts_of(context).count("ok") == 1
    (entry,) = [it for it in context["timeline"]["touchpoints"] if it["text"] == "ok"]
    assert [it["why"] for it in entry["also"]] == ["platform_id"]


# --- These are two ---------------------------------------------------------------------------------


async def test_an_agent_separates_two_acts_and_takes_it_back(shop: Shop) -> None:
    await known(shop)
    _shown, copy = await both_ways(shop)
    before = await shop.look_up("user:anna")
    made = await shop.ok("POST", f"/v1/touchpoints/{copy}/separate", {"reason": "two orders"})
    assert (made["touchpoint"], made["created"], made["customer_id"]) == (
        copy,
        True,
        before["customer"]["id"],
    )
    again = await shop.post(f"/v1/touchpoints/{copy}/separate", {"reason": "two orders"})
    assert (again.status, again.json["id"], again.json["created"]) == (200, made["id"], False)
    apart = await shop.look_up("user:anna")
    assert times_listed(apart["timeline"]["touchpoints"]) == 2
    assert times_listed((await timeline(shop))["touchpoints"]) == 2
    assert apart["brief"]["effort"]["contacts"] == before["brief"]["effort"]["contacts"] + 1
    assert apart["as_of"] != before["as_of"]
    (link,) = [it for it in await shop.links("user:anna") if it["statement"] == "separate"]
    assert (link["touchpoint"], link["why"], link["effective"]) == (copy, "two orders", True)
    assert link["by"].startswith("agent:")
    await shop.withdraw("user:anna", made["id"])
    after = await shop.look_up("user:anna")
    assert mail_of(after)["also"] == mail_of(before)["also"]
    assert after["brief"]["effort"] == before["brief"]["effort"]
    (link,) = [it for it in await shop.links("user:anna") if it["statement"] == "separate"]
    assert (link["effective"], link["withdrawn"]["why"]) == (False, "confirmed by phone")


async def test_a_separation_changes_no_customer(shop: Shop) -> None:
    await known(shop)
    _shown, copy = await both_ways(shop)
    before = (await shop.look_up("user:anna"))["customer"]
    await shop.ok("POST", f"/v1/touchpoints/{copy}/separate", {"reason": "two"})
    after = (await shop.look_up("user:anna"))["customer"]
    assert (after["id"], after["identities"], after["conflicts"]) == (
        before["id"],
        before["identities"],
        before["conflicts"],
    )
    assert (await shop.look_up(EMAIL))["customer"]["id"] == before["id"]


async def test_separating_needs_a_touchpoint_of_the_tenant_and_a_reason(shop: Shop) -> None:
    touchpoint = await record_one(shop, "one", "user:anna")
    path = f"/v1/touchpoints/{touchpoint}/separate"
    assert (await shop.post(path, {"reason": "x"}, token="elsewhere")).status == 404
    assert (await shop.post(path, {"reason": " "})).status == 422
    assert (await shop.post(path, {"reason": "x"}, token="bot")).status == 403
    assert (await shop.post(f"/v1/touchpoints/{touchpoint[:-2]}xx/separate", {"reason": "x"})).status == 404


# --- Handoffs --------------------------------------------------------------------------------------


async def test_a_handoff_of_either_conversation_is_one(shop: Shop) -> None:
    await known(shop)
    await both_ways(shop)
    entry = mail_of(await shop.look_up("user:anna"))
    conversations = [entry["conversation_id"], entry["also"][0]["conversation_id"]]
    assert len(set(conversations)) == 2
    asked = {
        "from": {"channel": "email"},
        "to": {"channel": "email", "queue": "orders"},
        "reason": "late order",
    }
    first = await shop.ok("POST", "/v1/handoffs", {**asked, "conversation_id": conversations[1]})
    for target in ({"conversation_id": conversations[0]}, {"identity": "user:anna"}):
        again = await shop.post("/v1/handoffs", {**asked, **target})
        assert (again.status, again.json["id"]) == (200, first["id"])
    context = await shop.ok("GET", f"/v1/handoffs/{first['id']}/context")
    waiting = {it["id"] for it in context["conversations"] if it["waiting_since"]}
    assert set(conversations) <= waiting
