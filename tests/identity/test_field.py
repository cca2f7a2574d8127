"""Problems from the field, with other products or unusual senders, one test each."""

from __future__ import annotations

import pytest

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.services.timeline.participation import refer

from .conftest import Shop, identities, message, texts_of

VERIFIED = {"assurance": "verified"}


def verified(type_: str, value: str) -> dict[str, str]:
    return {"type": type_, "value": value, **VERIFIED}


async def record_one(shop: Shop, event: str, *who: str | dict[str, str], **more: object) -> str:
    """Store a message; its id."""
    answer = await shop.ok("POST", "/v1/touchpoints", message(event, identities=list(who), **more))
    return str(answer["ids"][0])


# --- Merging ---------------------------------------------------------------------------------------


async def test_merge_with_itself(shop: Shop) -> None:
    await record_one(shop, "hello", "user:anna", verified("email", "anna@example.com"))
    before = await shop.look_up("user:anna")
    for other in ("user:anna", "email:anna@example.com"):
        view = await shop.link("user:anna", other)
        assert view["id"] is None
        assert view["before"] == view["after"]
    after = await shop.look_up("user:anna")
    assert after["timeline"] == before["timeline"]
    assert after["customer"] == before["customer"]
    assert len(await shop.links("user:anna")) == 1


async def test_overlapping_ids(shop: Shop) -> None:
    """The same value is another identity under another type or space, and another person's."""
    handles = ("user@b2c:42", "chatwoot.contact@1:42", "user@b2b:42", "anonymous@app:42", "crm@app:42")
    for event, who in enumerate(handles):
        await record_one(shop, f"e{event}", who)
    for event, who in enumerate(handles):
        context = await shop.look_up(who)
        assert context["match"] == "one"
        assert identities(context) == {who}
        assert texts_of(context) == [f"text of e{event}"]


async def test_merge_during_an_open_handoff(shop: Shop) -> None:
    """Both keep their owner; the handoff can still be read and completed."""
    await record_one(shop, "a", "user:anna")
    await record_one(shop, "b", "email:anna@example.com")

    async def request(identity: str, agent: str) -> dict[str, object]:
        asked = {"identity": identity, "from": {"channel": "chat"}, "to": {"channel": "chat", "queue": "q"}}
        made = await shop.ok("POST", "/v1/handoffs", {**asked, "reason": f"for {agent}"})
        body = {"version": made["version"], "agent": agent}
        accepted: dict[str, object] = await shop.ok("POST", f"/v1/handoffs/{made['id']}/accept", body)
        return accepted

    annas, hers = await request("user:anna", "lisa"), await request("email:anna@example.com", "matti")
    await shop.link("user:anna", "email:anna@example.com")
    context = await shop.look_up("user:anna")
    assert {it["owner"] for it in context["conversations"] if it["owner"]} == {"lisa", "matti"}
    for handoff, agent in ((annas, "lisa"), (hers, "matti")):
        read = await shop.ok("GET", f"/v1/handoffs/{handoff['id']}")
        assert (read["state"], read["owner"]) == ("accepted", agent)
        assert read["customer_id"] == context["customer"]["id"]
        current = await shop.ok("GET", f"/v1/handoffs/{handoff['id']}/context")
        assert {"text of a", "text of b"} <= set(texts_of(current))
        body = {"version": read["version"], "agent": agent}
        done = await shop.ok("POST", f"/v1/handoffs/{handoff['id']}/complete", body)
        assert done["state"] == "completed"


async def test_alias_with_previous_id_equal_to_user_id(shop: Shop) -> None:
    """A well-known SDK mistake that elsewhere made a loop: nothing happens, and nobody is lost."""
    await shop.web("track", userId="anna", anonymousId="a1", event="Before")
    await shop.web("alias", userId="anna", previousId="anna")
    await shop.web("alias", userId="anna", previousId="a1")
    await shop.web("alias", anonymousId="a1", userId="anna", previousId="a1")
    context = await shop.look_up("user:anna")
    assert context["match"] == "one"
    assert {"user:anna", "anonymous@segment:a1"} <= identities(context)
    assert context["customer"]["conflicts"] == []
    assert (await shop.look_up("anonymous:a1"))["customer"]["id"] == context["customer"]["id"]


# --- Two people ------------------------------------------------------------------------------------


async def test_two_people_one_browser(shop: Shop) -> None:
    """A page read at the very moment of both logins is in neither's timeline; who uses it now is asked."""
    await shop.web("page", anonymousId="shared-pc", name="Prices")
    await shop.web("track", userId="anna", anonymousId="shared-pc", event="Anna ordered")
    assert len(texts_of(await shop.look_up("user:anna"))) == 2
    await shop.web("track", userId="bert", anonymousId="shared-pc", event="Bert ordered")
    for user, name in (("user:anna", "Anna ordered"), ("user:bert", "Bert ordered")):
        context = await shop.look_up(user)
        assert identities(context) == {user}
        (only,) = context["timeline"]["touchpoints"]
        assert only["data"]["name"] == name
        assert {it["reason"] for it in context["customer"]["conflicts"]} == {"shared"}
    found = await shop.look_up("anonymous:shared-pc")
    assert (found["match"], found["customer"]) == ("several", None)
    assert [it["identity"] for it in found["candidates"]] == ["user:bert", "user:anna"], "newest first"
    assert found["question"]
    assert texts_of(found) == ["page.viewed"], "what happened on the device itself can be read"
    narrowed = await shop.look_up("anonymous:shared-pc", "user:anna")
    assert narrowed["match"] == "one"
    assert identities(narrowed) == {"user:anna"}


async def test_two_people_one_email(shop: Shop) -> None:
    await shop.web("identify", userId="anna", traits={"email": "family@example.com"})
    assert identities(await shop.look_up("user:anna")) == {"user:anna", "email:family@example.com"}
    await shop.web("identify", userId="bert", traits={"email": "family@example.com"})
    for user in ("user:anna", "user:bert"):
        assert identities(await shop.look_up(user)) == {user}
    found = await shop.look_up("email:family@example.com")
    assert found["match"] == "several"
    assert {it["identity"] for it in found["candidates"]} == {"user:anna", "user:bert"}


async def test_phone_shared_by_three(shop: Shop) -> None:
    phone = {"phone": "+358401234567"}
    for user in ("anna", "bert", "cecilia"):
        await shop.web("identify", userId=user, traits=phone)
    found = await shop.look_up("phone:+358401234567")
    assert found["match"] == "several"
    assert [it["identity"] for it in found["candidates"]] == ["user:cecilia", "user:bert", "user:anna"]
    await shop.call_in("+358401234567", StirVerstat="TN-Validation-Passed-A")
    for user in ("user:anna", "user:bert", "user:cecilia"):
        assert len(texts_of(await shop.look_up(user))) == 1, "the call is unassigned until linked"


async def test_mail_with_cc_to_another_customer(shop: Shop) -> None:
    """Bert sees that he was copied; it makes them no couple, and Anna's words are none of his."""
    await record_one(shop, "known", verified("email", "bert@example.com"))
    await shop.mail(
        "anna@example.com", "I want my money back", Cc="Bert <bert@example.com>, stranger@x.example"
    )
    (mail,) = (await shop.look_up("email:anna@example.com"))["timeline"]["touchpoints"]
    store = shop.server.store
    home, id_ = store.hashes(shop.tenant).private(TOUCHPOINT, mail["id"], 2)
    await refer(store, shop.tenant, home, id_)
    assert await refer(store, shop.tenant, home, id_) == 0, "repeating it adds nothing"

    bert = await shop.look_up("email:bert@example.com")
    assert identities(bert) == {"email:bert@example.com"}
    assert bert["customer"]["candidates"] == bert["customer"]["conflicts"] == []
    copied, own = bert["timeline"]["touchpoints"]
    assert own["text"] == "text of known"
    assert own["participant_of"] is None
    assert copied["id"] == mail["id"]
    assert (copied["participant_of"]["value"], copied["participant_of"]["role"]) == ("bert@example.com", "cc")
    assert "money" not in str(bert["brief"])
    assert bert["timeline"]["total"] == 2
    anna = await shop.look_up("email:anna@example.com")
    assert [it["participant_of"] for it in anna["timeline"]["touchpoints"]] == [None]
    assert (await shop.look_up("email:stranger@x.example"))["match"] == "none", (
        "a name in a Cc does not create a customer"
    )
    # Once linked they are one customer, and the mail is listed once, as hers.
    await shop.link("email:anna@example.com", "email:bert@example.com")
    both = await shop.look_up("email:anna@example.com")
    mails = [it for it in both["timeline"]["touchpoints"] if it["type"] == "email.received"]
    assert [it["participant_of"] for it in mails] == [None]


# --- Spaces ----------------------------------------------------------------------------------------


async def test_contact_7_of_two_chatwoots(shop: Shop) -> None:
    await shop.chat(7, "from the shop", account=1)
    await shop.chat(7, "from the other account", account=2)
    await shop.chat(7, "from the other server", "chat-b2b", account=1)
    for who, text in (
        ("chatwoot.contact@1:7", "from the shop"),
        ("chatwoot.contact@2:7", "from the other account"),
        ("chatwoot.contact@b2b/1:7", "from the other server"),
    ):
        context = await shop.look_up(who)
        assert identities(context) == {who}
        assert texts_of(context) == [text]


async def test_user_42_of_two_shops_with_their_own_spaces(shop: Shop) -> None:
    await shop.web("track", "web-fi", userId="42", event="Finnish")
    await shop.web("track", "web-se", userId="42", event="Swedish")
    for space, name in (("fi", "Finnish"), ("se", "Swedish")):
        context = await shop.look_up(f"user@{space}:42")
        assert identities(context) == {f"user@{space}:42"}
        assert [it["data"]["name"] for it in context["timeline"]["touchpoints"]] == [name]
    unspaced = await shop.look_up("user:42")
    assert unspaced["match"] == "several", "the shop is not stated"
    assert {it["identity"] for it in unspaced["candidates"]} == {"user@fi:42", "user@se:42"}


async def test_an_identity_without_a_space_is_found_by_an_empty_space(shop: Shop) -> None:
    await shop.web("track", "web-fi", userId="42", event="Finnish")
    await shop.web("track", "web", userId="42", event="Of no shop")
    handle = {"type": "user", "value": "42"}
    for unspaced in ("user:42", handle):
        found = await shop.look_up(unspaced)
        assert {it["identity"] for it in found["candidates"]} == {"user@fi:42", "user:42"}
    assert identities(await shop.look_up({**handle, "space": ""})) == {"user:42"}
    assert identities(await shop.look_up({**handle, "space": "fi"})) == {"user@fi:42"}
    assert (await shop.look_up({**handle, "space": "se"}))["match"] == "none"
    wrong = await shop.post("/v1/context", {"identities": [{**handle, "space": "a b"}]})
    assert (wrong.status, wrong.code) == (422, "invalid_identity")


# --- What is stated and what is sure ---------------------------------------------------------------


async def test_spoofed_from(shop: Shop) -> None:
    """Anybody can write Anna's address above a mail: it is a claim, marked, and feeds no facts."""
    await shop.web("identify", userId="anna", traits={"email": "anna@example.com"})
    await shop.mail("anna@example.com", "Please send everything to my new address")
    forged = "Authentication-Results: mx.evil.example; dmarc=pass header.from=example.com"
    await shop.mail("anna@example.com", "It is really me", forged)
    context = await shop.look_up("user:anna")
    mails = {it["text"]: it["assurance"] for it in context["timeline"]["touchpoints"] if it["text"]}
    assert set(mails.values()) == {"claimed"}
    assert len(mails) == 2
    kept = await shop.look_up("user:anna", min_assurance="verified")
    assert not any(it["channel"] == "email" for it in kept["timeline"]["touchpoints"])
    assert kept["left_out"]["below_min_assurance"] == 2
    assert "new address" not in str(kept["brief"])

    passed = "Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com"
    await shop.mail("anna@example.com", "Hello from Anna", passed)
    (mail,) = [
        it
        for it in (await shop.look_up("user:anna", min_assurance="verified"))["timeline"]["touchpoints"]
        if it["channel"] == "email"
    ]
    assert mail["assurance"] == "verified"


async def test_a_spoofed_unverified_address_stays_separate(shop: Shop) -> None:
    await shop.mail("boss@example.com", "Pay this bill")
    assert (await shop.look_up("email:boss@example.com"))["match_assurance"] == "claimed"
    assert (await shop.look_up("email:boss@example.com", min_assurance="verified"))["match"] == "none"
    assert (await shop.look_up("email:boss@example.com", token="bot"))["match"] == "none"


async def test_caller_id_without_attestation(shop: Shop) -> None:
    await shop.call_in("+358401234567")
    await shop.call_in("+358401234568", StirVerstat="TN-Validation-Passed-B")
    await shop.call_in("+358401234569", StirVerstat="TN-Validation-Passed-A")
    sure = [
        (await shop.look_up(f"phone:+35840123456{last}"))["timeline"]["touchpoints"][0]["assurance"]
        for last in (7, 8, 9)
    ]
    assert sure == ["claimed", "claimed", "verified"]


@pytest.mark.parametrize(
    "written",
    ["040/123 45 67", " 040-1234567 ", "00358 40 1234567", "+358 (40) 123/4567", "tel:+358-40-1234567"],
)
async def test_number_with_slashes_spaces_and_00(shop: Shop, written: str) -> None:
    await shop.web("identify", "forms", userId="anna", traits={"phone": written})
    await shop.call_in("+358401234567")
    context = await shop.look_up("phone:+358401234567")
    assert len(texts_of(context)) == 1
    (candidate,) = context["customer"]["candidates"]
    assert candidate["identity"] == "user:anna"
    for spelled in ("phone:00358401234567", "phone:+358 40/123 45 67"):
        assert (await shop.look_up(spelled))["customer"]["id"] == context["customer"]["id"]


# --- Undo that stays undone ------------------------------------------------------------------------


async def test_unlink_followed_by_the_same_identify(shop: Shop) -> None:
    """The browser was sold: Anna's history is hers again, and the next identify does not take it back."""
    await shop.web("page", anonymousId="a1", name="Before")
    await shop.web("identify", userId="anna", anonymousId="a1")
    (link,) = await shop.links("user:anna")
    assert link["effective"]
    await shop.withdraw("user:anna", link["id"])
    assert identities(await shop.look_up("user:anna")) == {"user:anna"}
    assert identities(await shop.look_up("anonymous:a1")) == {"anonymous@segment:a1"}
    await shop.web("identify", userId="anna", anonymousId="a1")
    await shop.web("identify", "forms", userId="anna", anonymousId="a1")
    await shop.web("alias", userId="anna", previousId="a1")
    assert identities(await shop.look_up("user:anna")) == {"user:anna"}
    # Touchpoints recorded while they were joined stay with their own identity.
    assert texts_of(await shop.look_up("anonymous:a1")) == ["page.viewed"]
    assert texts_of(await shop.look_up("user:anna")) == ["identified"] * 4
    links = await shop.links("user:anna")
    against = next(it for it in links if it["statement"] == "not_same")
    assert next(it for it in links if it["id"] == link["id"])["withdrawn"]["who"] == "agent:desk"
    await shop.withdraw("user:anna", against["id"])
    assert "anonymous@segment:a1" in identities(await shop.look_up("user:anna"))


async def test_a_claim_refused_stays_refused_when_it_is_repeated(shop: Shop) -> None:
    await shop.web("identify", userId="anna", traits={"email": "anna@example.com"})
    await shop.chat(7, "Hi, I am Anna", email="anna@example.com")
    chat = "chatwoot.contact@1:7"
    (candidate,) = (await shop.look_up(chat))["customer"]["candidates"]
    assert candidate["identity"] == "email:anna@example.com"
    assert candidate["customer_id"] == await shop.customer("user:anna")
    assert candidate["touchpoints"] == 1
    (mirrored,) = (await shop.look_up("user:anna"))["customer"]["candidates"]
    assert mirrored["identity"] == chat
    (claim,) = [it for it in await shop.links(chat) if it["assurance"] == "claimed"]
    await shop.withdraw(chat, claim["id"])
    await shop.chat(7, "I am Anna, as I wrote before", email="anna@example.com")
    await record_one(shop, "at the till", chat, "email:anna@example.com", source="till")
    for who in (chat, "user:anna"):
        assert (await shop.look_up(who))["customer"]["candidates"] == []
    assert identities(await shop.look_up(chat)) == {chat}
