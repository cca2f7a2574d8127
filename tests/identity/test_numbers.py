"""Handles as senders really send them: numbers of former plans, vendors' proofs, legs of calls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.samples import WEEK_AGO

from .conftest import Shop, identities, message, texts_of


async def record_one(shop: Shop, event: str, *who: str | dict[str, str], **more: object) -> None:
    await shop.ok("POST", "/v1/touchpoints", message(event, identities=list(who), **more))


def verified(value: str) -> dict[str, str]:
    return {"type": "phone", "value": value, "assurance": "verified"}


async def quarantined(shop: Shop) -> int:
    return int((await shop.ok("GET", "/v1/quarantine"))["total"])


def candidates(context: Any) -> list[tuple[str, str]]:
    return [(it["identity"], it["reason"]) for it in context["customer"]["candidates"]]


SAME_LINE = "the same line in another national spelling"


# --- Plans that changed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        ("+525512345678", "+5215512345678"),
        ("+5511981234567", "+551181234567"),
        ("+2290197068652", "+22997068652"),
        ("+2250707068652", "+22507068652"),
    ],
)
async def test_whatsapp_names_a_line_by_its_former_number(shop: Shop, kept: str, sent: str) -> None:
    await record_one(shop, "login", "user:marco", verified(kept))
    await shop.message_in(f"whatsapp:{sent}", "Hola, mi pedido?")
    assert await quarantined(shop) == 0
    context = await shop.look_up("user:marco")
    assert texts_of(context) == ["Hola, mi pedido?", "text of login"]
    by_number = await shop.look_up(f"phone:{sent}")
    assert (by_number["match"], by_number["match_assurance"]) == ("one", "inferred")
    assert by_number["customer"]["id"] == context["customer"]["id"]


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        ("+525512345678", "+5215512345678"),
        ("+5491123456789", "+541123456789"),
        ("+2290197068652", "+22997068652"),
    ],
)
async def test_another_vendor_makes_a_candidate_until_an_agent_confirms(
    shop: Shop, kept: str, sent: str
) -> None:
    await record_one(shop, "login", "user:marco", verified(kept))
    assert candidates(await shop.look_up("user:marco")) == []  # and this answer is cached
    await shop.message_in(sent, "Hola por SMS")
    assert await quarantined(shop) == 0
    before = await shop.look_up("user:marco")
    assert [reason for _identity, reason in candidates(before)] == [SAME_LINE]
    theirs = await shop.look_up(f"phone:{sent}")
    assert texts_of(theirs) == ["Hola por SMS"]
    assert len(candidates(theirs)) == 1
    link = await shop.link("user:marco", f"phone:{sent}")
    joined = await shop.look_up("user:marco")
    assert texts_of(joined) == ["Hola por SMS", "text of login"]
    assert candidates(joined) == []
    await shop.withdraw("user:marco", link["id"])
    apart = await shop.look_up("user:marco")
    assert texts_of(apart) == ["text of login"]
    assert candidates(apart) == []  # an agent stated that it is somebody else


async def explained(shop: Shop, identity: str) -> list[Any]:
    path = f"/v1/customers/{await shop.customer(identity)}/candidates"
    return list((await shop.ok("GET", path))["candidates"])


@pytest.mark.parametrize("refuser", ["user:marco", "phone:+5215512345678"])
async def test_a_spelling_is_refused_like_a_claim_and_refusing_it_is_undone(shop: Shop, refuser: str) -> None:
    sent = "+5215512345678"
    both = ("user:marco", f"phone:{sent}")
    await record_one(shop, "login", "user:marco", verified("+525512345678"))
    await shop.message_in(sent, "Hola por SMS")
    for who in both:
        (candidate,) = (await shop.look_up(who))["customer"]["candidates"]
        (found,) = await explained(shop, who)
        (reason,) = found["reasons"]
        assert (reason["kind"], [reason["link"]]) == ("same_number", candidate["links"])
    (mine,) = (await shop.look_up(refuser))["customer"]["candidates"]
    (link,) = mine["links"]
    foretold = await shop.withdraw(refuser, link, dry_run=True)
    assert (foretold["before"], foretold["id"]) == (foretold["after"], None)
    assert len(await explained(shop, refuser)) == 1
    refused = await shop.withdraw(refuser, link)
    assert (await shop.withdraw(refuser, link))["id"] is None, "repeating it adds nothing"
    for who in both:
        assert candidates(await shop.look_up(who)) == []
        assert await explained(shop, who) == []
    (stated,) = [it for it in await shop.links(refuser) if it["statement"] == "not_same"]
    assert (stated["id"], stated["effective"]) == (refused["id"], True)
    await shop.withdraw(refuser, refused["id"])
    for who in both:
        assert [reason for _identity, reason in candidates(await shop.look_up(who))] == [SAME_LINE]


async def test_a_claim_between_two_spellings_is_refused_together_with_them(shop: Shop) -> None:
    await record_one(shop, "new", verified("+525512345678"))
    await record_one(shop, "both", verified("+525512345678"), {"type": "phone", "value": "+5215512345678"})
    await record_one(shop, "old", verified("+5215512345678"))
    (found,) = await explained(shop, "phone:+525512345678")
    assert [it["kind"] for it in found["reasons"]] == ["claimed", "same_number"]
    assert (found["assurance"], len({it["link"] for it in found["reasons"]})) == ("claimed", 2)
    refused = [await shop.withdraw("phone:+525512345678", it["link"]) for it in found["reasons"]]
    assert [bool(it["id"]) for it in refused] == [True, False]
    assert await explained(shop, "phone:+5215512345678") == []
    await shop.withdraw("phone:+525512345678", refused[0]["id"])
    assert len(await explained(shop, "phone:+5215512345678")) == 1


async def test_only_the_customers_own_spellings_can_be_refused(shop: Shop) -> None:
    await record_one(shop, "login", "user:marco", verified("+525512345678"))
    await shop.message_in("+5215512345678", "Hola por SMS")
    await record_one(shop, "stranger", "user:ida", verified("+525587654321"))
    (link,) = (await shop.look_up("user:marco"))["customer"]["candidates"][0]["links"]
    path = f"/v1/customers/{await shop.customer('user:ida')}/links/{link}/withdraw"
    assert (await shop.call("POST", path, {"reason": "not mine"})).status == 404


async def test_a_short_code_and_a_name_are_kept_as_sent(shop: Shop) -> None:
    await shop.message_in("22122", "Your code is 1")
    await shop.message_in("Parcel Ltd", "It is on its way")
    await shop.message_in("+9991234567", "An unassigned country")
    assert await quarantined(shop) == 0
    assert texts_of(await shop.look_up("twilio.sender@twilio/AC1:22122")) == ["Your code is 1"]


# --- Look-ups --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["0404013863", "358404013863", "00358404013863", "(040) 401-3863", "+358 (0)40 401 3863", "404013863"],
)
async def test_a_look_up_reads_the_tenants_own_spellings(shop: Shop, written: str) -> None:
    await record_one(shop, "login", "user:frida", verified("+358404013863"))
    assert (await shop.look_up(f"phone:{written}"))["match"] == "one"
    assert (await shop.look_up({"type": "phone", "value": written}))["match"] == "one"
    path = f"/v1/context?identity=phone:{written.replace('+', '%2B')}"
    assert (await shop.ok("GET", path))["match"] == "one"
    asked = {"identity": f"phone:{written}", "from": {"channel": "phone"}, "to": {"channel": "phone"}}
    asked |= {"to": {"channel": "phone", "queue": "q"}, "reason": "asks"}
    made = await shop.ok("POST", "/v1/handoffs", asked)
    assert made["customer_id"] == (await shop.look_up("user:frida"))["customer"]["id"]


async def test_an_unknown_number_finds_no_customer(shop: Shop) -> None:
    assert (await shop.look_up("phone:0405559999"))["match"] == "none"
    answer = await shop.call("POST", "/v1/context", {"identities": ["phone:12"]})
    assert (answer.status, answer.code) == (422, "invalid_identity")


# --- What vendors prove ----------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["number", "id"])
async def test_a_whatsapp_id_joins_the_number_it_came_with(shop: Shop, first: str) -> None:
    number, id_ = "whatsapp:+358401112222", "whatsapp:FI.77"
    alone = {"number": (number, {}), "id": (id_, {"ExternalUserId": id_})}
    await shop.message_in(alone[first][0], "first", **alone[first][1])
    await shop.message_in(number, "both", ExternalUserId=id_)
    other = alone["id" if first == "number" else "number"]
    await shop.message_in(other[0], "last", **other[1])
    for who in ("phone:+358401112222", "whatsapp.user:FI.77"):
        context = await shop.look_up(who)
        assert identities(context) == {"phone:+358401112222", "whatsapp.user:FI.77"}
        assert texts_of(context) == ["last", "both", "first"]


async def test_a_number_that_changed_hands_joins_neither_account(shop: Shop) -> None:
    for id_ in ("FI.1", "FI.2"):
        await shop.message_in(f"whatsapp:{id_}", f"I am {id_}", ExternalUserId=f"whatsapp:{id_}")
        await shop.message_in("whatsapp:+358401113333", "both", ExternalUserId=f"whatsapp:{id_}")
    assert texts_of(await shop.look_up("whatsapp.user:FI.1")) == ["I am FI.1"]
    assert (await shop.look_up("phone:+358401113333"))["match"] == "several"


def chatwoot(shop: Shop, contact: int, text: str, source_id: str, **more: Any) -> dict[str, Any]:
    person = {"id": contact, "name": "Anna", "type": "contact"}
    number = int(shop.event().partition("-")[2])
    inbox = {"contact_id": contact, "inbox_id": 2, "source_id": source_id, "hmac_verified": False}
    return {
        "event": "message_created",
        "id": number,
        "account": {"id": 1},
        "message_type": "incoming",
        "content": text,
        "created_at": f"{WEEK_AGO}T10:05:00Z",
        "sender": person,
        "conversation": {
            "id": contact,
            "inbox_id": 2,
            "channel": "Channel::WebWidget",
            "contact_inbox": inbox,
            "meta": {"sender": person},
        },
        **more,
    }


async def test_a_merge_in_chatwoot_moves_the_inbox_to_the_contact_that_stays(shop: Shop) -> None:
    source = "0a1f6c1e-6b1d-4b5e-9d1c-2f6d2c1b7a55"
    await shop.chat_event(chatwoot(shop, 14, "little haze", source))
    await shop.chat_event(chatwoot(shop, 15, "somebody else", "5b0e22aa-0000-4b5e-9d1c-2f6d2c1b7a55"))
    assert texts_of(await shop.look_up("chatwoot.contact@1:14")) == ["little haze"]
    await shop.chat_event(chatwoot(shop, 12, "it is Jane", source))
    for contact in (12, 14):
        context = await shop.look_up(f"chatwoot.contact@1:{contact}")
        assert texts_of(context) == ["it is Jane", "little haze"]
    assert texts_of(await shop.look_up("chatwoot.contact@1:15")) == ["somebody else"]


@pytest.mark.parametrize("source", ["x", "", "1", "src-1"])
async def test_a_placeholder_is_no_address_of_an_inbox(shop: Shop, source: str) -> None:
    await shop.chat_event(chatwoot(shop, 21, "one", source))
    await shop.chat_event(chatwoot(shop, 22, "two", source))
    assert texts_of(await shop.look_up("chatwoot.contact@1:21")) == ["one"]


async def test_a_merge_that_the_business_states_joins(shop: Shop) -> None:
    await record_one(shop, "a", "user:alex")
    await record_one(shop, "b", "email:alex@example.com")
    both = [{"type": "userId", "value": "alex"}, {"type": "email", "value": "alex@example.com"}]
    await shop.web("merge", mergeProperties=both)
    assert {"text of a", "text of b"} <= set(texts_of(await shop.look_up("user:alex")))


# --- Calls that are passed on ----------------------------------------------------------------------


def leg(to: str, status: str, sender: str = "+358942454000", **fields: str) -> dict[str, str]:
    return {
        "CallSid": "CA-leg",
        "ParentCallSid": "CA-first",
        "Direction": "outbound-dial",
        "CallStatus": status,
        "From": sender,
        "To": to,
        **fields,
    }


def passed_on(context: Any) -> list[str]:
    found = [it for it in context["timeline"]["touchpoints"] if it["data"].get("name") == "call.passed_on"]
    return [it["subject"] for it in reversed(found)]


@pytest.mark.parametrize("shown", ["+358942454000", "+358405556666"])  # our number, or the caller's
async def test_a_leg_belongs_to_the_first_calls_customer(shop: Shop, shown: str) -> None:
    caller, colleague = "+358405556666", "+358405557777"
    await shop.call_in(caller, CallSid="CA-first", CallStatus="in-progress")
    for status in ("initiated", "ringing", "in-progress", "completed"):
        await shop.call_in("", **leg(colleague, status, shown))
    context = await shop.look_up(f"phone:{caller}")
    to = f"Call passed on to {colleague}"
    assert passed_on(context) == [to, f"{to}: answered", f"{to}: ended"]
    (conversation,) = context["conversations"]
    assert conversation["subject"] is None  # a leg does not name the conversation
    assert (await shop.look_up(f"phone:{colleague}"))["match"] == "none"


async def test_a_withheld_callers_leg_stays_with_the_call(shop: Shop) -> None:
    await shop.call_in("anonymous", CallSid="CA-first", CallStatus="in-progress")
    await shop.call_in("", **leg("+358405557777", "no-answer", "anonymous"))
    context = await shop.look_up("anonymous@twilio/AC1:CA-first")
    assert passed_on(context) == ["Call passed on to +358405557777: no answer"]


async def test_an_agent_who_dials_from_a_softphone_calls_a_customer(shop: Shop) -> None:
    await shop.call_in("client:mia", CallSid="CA-first", CallStatus="in-progress")
    await shop.call_in("", **leg("+358405558888", "no-answer"))
    context = await shop.look_up("phone:+358405558888")
    assert [it["type"] for it in context["timeline"]["touchpoints"]] == ["callback.missed"]
    assert passed_on(await shop.look_up("twilio.client@twilio/AC1:mia")) == []


# --- Updates and deletions -------------------------------------------------------------------------


def types_of(context: Any) -> list[str]:
    return [it["type"] for it in reversed(context["timeline"]["touchpoints"])]


async def test_an_update_without_new_content_is_no_edit(shop: Shop) -> None:
    made = chatwoot(shop, 31, "Where is my parcel?", "x")
    await shop.chat_event(made)
    update = made | {"event": "message_updated", "updated_at": f"{WEEK_AGO}T10:06:00Z"}
    await shop.chat_event(update)
    context = await shop.look_up("chatwoot.contact@1:31")
    assert types_of(context) == ["message.received"]
    assert context["timeline"]["touchpoints"][0]["amended_by"] is None
    await shop.chat_event(update | {"content": "Where are my parcels?"})
    await shop.chat_event(update | {"content": "Where are my parcels?"})
    await shop.chat_event(update)  # back to the first words
    texts = texts_of(await shop.look_up("chatwoot.contact@1:31"))
    assert "Where are my parcels?" in texts
    assert texts.count("Where is my parcel?") == 2


async def test_a_deletion_that_only_a_nested_copy_shows_is_followed(shop: Shop) -> None:
    first = chatwoot(shop, 32, "My password is hunter2", "x")
    second = chatwoot(shop, 32, "Is everyone well?", "x")
    await shop.chat_event(first)
    await shop.chat_event(second)
    copy = {"id": first["id"], "content": "This message was deleted", "message_type": 0}
    gone = {"messages": [copy | {"content_attributes": {"deleted": True}}]}
    newest = second | {"event": "message_updated", "conversation": second["conversation"] | gone}
    for _twice in range(2):
        await shop.chat_event(newest)
    context = await shop.look_up("chatwoot.contact@1:32")
    assert "hunter2" not in str(context)
    assert types_of(context).count("message.deleted") == 1
    assert "message.edited" not in types_of(context)
    assert "Is everyone well?" in texts_of(context)
