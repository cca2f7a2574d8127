"""Every adapter carries a code: the next touchpoint continues the conversation, whatever its sender is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from handoff.domain.continuity.forms import TOKEN, has_token
from tests.privacy.conftest import everything

from .conftest import ANNAS, Shop, begin, issue, mark_of, native, texts_of

Send = Callable[[Shop, Any], Awaitable[None]]


async def by_chat(shop: Shop, code: Any) -> None:
    await shop.chat(77, f"Hello, here is my code: {code['forms']['text'].lower()}. It still leaks")


async def by_subject(shop: Shop, code: Any) -> None:
    await shop.mail(
        "new@example.com", "It still leaks", Subject=f"Re: {code['forms']['subject_tag'].lower()} Hello"
    )


async def by_address(shop: Shop, code: Any) -> None:
    await shop.mail("new@example.com", "It still leaks", to=code["forms"]["plus_addresses"][0])


async def by_header(shop: Shop, code: Any) -> None:
    """A mail system that drops the tag from the envelope."""
    await shop.mail("new@example.com", "It still leaks", To=code["forms"]["plus_addresses"][0])


async def by_quote(shop: Shop, code: Any) -> None:
    ours = f"On Sat, 21 Nov 2026 at 11:00, Shop wrote:\r\n> Mail us: {code['forms']['text']}"
    await shop.mail("new@example.com", f"It still leaks\r\n\r\n{ours}")


async def by_keypad(shop: Shop, code: Any) -> None:
    await shop.call_in("+358409990000", CallSid="CA1")
    await shop.gather("+358409990000", "CA1", code["digits"])


async def by_whatsapp(shop: Shop, code: Any) -> None:
    await shop.message_in("whatsapp:+358409990000", code["forms"]["whatsapp_text"])


async def by_page(shop: Shop, code: Any) -> None:
    url = f"https://shop.example/continue?a=1&{code['forms']['link_parameter']}"
    page = {"anonymousId": "b1", "context": {"page": {"url": url}}, "properties": {"title": "Continue"}}
    await shop.web("page", "browser", **page)


async def by_field(shop: Shop, code: Any) -> None:
    data = {"continuity": code["digits_grouped"]}
    await native(
        shop, "spoken", "anonymous@ivr:c9", channel="phone", type="call.started", text=None, data=data
    )


WAYS: dict[str, tuple[Send, str, str]] = {
    "chat": (by_chat, "chatwoot.contact@1:77", "text"),
    "subject": (by_subject, "email:new@example.com", "subject"),
    "address": (by_address, "email:new@example.com", "address"),
    "header": (by_header, "email:new@example.com", "address"),
    "quote": (by_quote, "email:new@example.com", "quote"),
    "keypad": (by_keypad, "phone:+358409990000", "field"),
    "whatsapp": (by_whatsapp, "phone:+358409990000", "text"),
    "page": (by_page, "anonymous@segment:b1", "link"),
    "field": (by_field, "anonymous@ivr:c9", "field"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_touchpoint_with_a_code_continues_the_conversation(shop: Shop, way: str) -> None:
    send, identity, kind = WAYS[way]
    anna = await begin(shop)
    code = await issue(shop, anna)
    await send(shop, code)
    mark = await mark_of(shop, identity)
    assert (mark["state"], mark["way"], mark["channel"]) == ("joined", kind, "chat")
    assert mark["since"] == "2026-11-21T10:42:00.000000Z"
    theirs = await shop.look_up(identity)
    assert ANNAS not in texts_of(theirs), "a code joins no identities by itself"
    assert "continues" in [it["code"] for it in theirs["brief"]["why_now"]]
    assert [it["identity"] for it in theirs["customer"]["candidates"]] == ["user:anna"]
    hers = await shop.look_up("user:anna")
    joined = [it for it in hers["timeline"]["touchpoints"] if "continuity" in it["data"]]
    assert [it["assigned"]["by"] for it in joined] == ["agent:desk"]
    assert "continuity code" in joined[0]["assigned"]["why"]
    (other,) = [it for it in hers["conversations"] if it["id"] == joined[0]["conversation_id"]]
    assert other["root"] == other["previous"] == code["conversation_id"]
    listed = await shop.ok("GET", f"/v1/customers/{anna}/continuity")
    assert [(it["state"], it["used_by"][0]["conversation_id"]) for it in listed["codes"]] == [
        ("used", other["id"])
    ]


async def test_a_code_is_stored_nowhere(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna, uses=3)
    for send in (by_chat, by_page, by_keypad, by_address):
        await send(shop, code)
    own = {"direction": "outbound", "type": "message.sent"}
    await native(shop, "sent", "user:anna", text=f"Use {code['forms']['text']}", **own)
    stored = b"\n".join(await everything(shop)).lower()
    for who in ("user:anna", *(WAYS[way][1] for way in ("chat", "page", "keypad", "address"))):
        export = await shop.get(f"/v1/customers/{await shop.customer(who)}/export")
        assert b"continuity" in export.raw
        stored += export.raw.lower()
    assert code["token"].lower().encode() not in stored
    assert code["digits"].encode() not in stored
    assert "Use #H-…" in texts_of(await shop.look_up("user:anna"))


async def test_our_own_messages_notes_edits_and_history_use_no_code(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    text = f"Use {code['forms']['text']}"
    await native(shop, "sent", "user:ben", text=text, direction="outbound", type="message.sent")
    await native(shop, "note", "user:ben", text=text, visibility="internal", type="note.added")
    await native(shop, "edit", "user:ben", text=text, amends="sent", type="message.edited")
    await native(shop, "other", "user:ben", text="Hello #H-7M3KAAAAAAAAAAAAAAAAAAAA, order 4829931047")
    old = {
        "id": "old",
        "channel": "chat",
        "type": "message.received",
        "text": text,
        "identities": ["user:ben"],
    }
    body = {**old, "occurred_at": "2026-11-21T09:00:00Z"}
    await shop.ok("POST", "/v1/touchpoints?announce=false", body)
    context = await shop.look_up("user:ben")
    assert not [it for it in context["timeline"]["touchpoints"] if "continuity" in it["data"]]
    assert code["token"] not in str(context)
    assert "Hello #H-7M3KAAAAAAAAAAAAAAAAAAAA, order 4829931047" in texts_of(context)
    (listed,) = (await shop.ok("GET", f"/v1/customers/{anna}/continuity"))["codes"]
    assert listed["state"] == "valid"


async def test_digits_of_other_gathers_are_ignored(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    await shop.gather("+358409990000", "CA1", code["digits"], query="")
    assert (await shop.look_up("phone:+358409990000"))["match"] == "none"


def test_the_quick_look_for_tokens_finds_what_the_pattern_finds() -> None:
    random = Random(11)
    pieces = [
        "#h-",
        "#H-",
        "+h-",
        "+H-",
        "handoff=",
        "HandOff=",
        "xhandoff=",
        "?",
        " ",
        "İ",
        "ſ",
        "ß",
        "K",
        "-",
    ]
    found = 0
    for _ in range(4_000):
        token = "".join(
            random.choices("0123456789abcdefghjkmnpqrstvwxyzU", k=random.choice((23, 24, 24, 25)))
        )
        text = (
            "".join(random.choices(pieces, k=random.randrange(4)))
            + token
            + random.choice(("", "a", "é", "."))
        )
        expected = TOKEN.search(text) is not None
        assert has_token(text) is expected, text
        found += expected
    assert 200 < found < 3_800
