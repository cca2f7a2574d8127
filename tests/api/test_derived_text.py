"""Derived text over the API: shown with its original, replaced, deleted with it, hidden from customers."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.codec.member import read_member
from handoff.domain.identity import parse_identity
from handoff.services.sources.settling import settle
from tests.adapters.phone.twilio.test_transcriptions import LIVE
from tests.adapters.phone.twilio.test_twilio import build, posted
from tests.api.conftest import Api

VOICE: dict[str, Any] = {
    "text": None,
    "attachments": [
        {"name": "voice.ogg", "content_type": "audio/ogg", "url": "https://files.example/voice.ogg"}
    ],
}
WORDS = "My zebra invoice is wrong"


async def derive(api: Api, event: str, of: str, text: str = WORDS, **more: Any) -> Any:
    stated = {
        name: more.pop(name) for name in ("channel", "identities", "thread", "language") if name in more
    }
    data = {"of": of, "kind": "transcript", "by": "whisper", "confidence": 0.82} | more
    return await api.record(
        event,
        type="text.derived",
        text=text,
        data=data,
        occurred_at="2026-11-21T10:05:00Z",
        **stated,
    )


async def stored_texts(api: Api) -> list[str | None]:
    """The texts in the store's timeline, as its bytes have them."""
    store = api.server.store
    home = store.hashes(api.tenant).identity(parse_identity("user:anna"))
    raws = await store.connection.call(b"ZRANGE", store.keys.timeline(home), 0, -1)
    return [read_member(raw, home).body().text for raw in raws]


async def touchpoint(api: Api, id_: str) -> Any:
    return await api.ok("GET", f"/v1/touchpoints/{id_}")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"data": {}}, "derived_of_missing"),
        ({"data": {"of": "m1", "kind": "transcript", "by": "x", "confidence": 2}}, "confidence_out_of_range"),
        ({"data": {"of": "m1", "kind": "dream", "by": "x"}}, "derived_kind_unknown"),
        ({"text": None}, "derived_without_text"),
        ({"visibility": "public"}, "invalid"),
        ({"direction": "inbound"}, "invalid"),
        ({"amends": "m1"}, "derived_amends"),
    ],
)
async def test_a_wrong_one_is_refused(api: Api, change: dict[str, Any], code: str) -> None:
    body = {
        "id": "d1",
        "channel": "chat",
        "type": "text.derived",
        "occurred_at": "2026-11-21T10:05:00Z",
        "identities": ["user:anna"],
        "text": WORDS,
        "data": {"of": "m1", "kind": "transcript", "by": "whisper"},
        **change,
    }
    answer = await api.post("/v1/touchpoints", body)
    assert (answer.status, answer.code) == (422, code)


@pytest.mark.parametrize("first", ["original", "derived"])
@pytest.mark.parametrize("named", ["the sender's id", "our id"])
async def test_it_is_shown_with_its_original(api: Api, first: str, named: str) -> None:
    """Whichever arrives first, and whichever id it names its original by."""
    original = None
    if first == "original" or named == "our id":
        (original,) = (await api.record("m1", **VOICE))["ids"]
    of = original if original and named == "our id" else "m1"
    (derived,) = (await derive(api, "d1", of, language="en"))["ids"]
    (original,) = (await api.record("m1", **VOICE))["ids"]
    shown = await touchpoint(api, original)
    assert shown["derived"] == [
        {
            "id": derived,
            "kind": "transcript",
            "by": "whisper",
            "text": WORDS,
            "confidence": 0.82,
            "language": "en",
            "occurred_at": "2026-11-21T10:05:00.000000Z",
            "superseded": False,
        }
    ]
    own = await touchpoint(api, derived)
    assert own["data"]["of"] == original
    assert own["amends"] is None
    context = await api.context()
    by_id = {it["id"]: it for it in context["timeline"]["touchpoints"]}
    assert by_id[original]["derived"] == shown["derived"]
    (line,) = [it for it in context["brief"]["wants"] if it["code"] == "said"]
    assert line["text"].startswith("(as transcribed by whisper, 82 % sure)")
    assert line["touchpoints"] == [derived]


async def test_a_late_surer_transcript_changes_the_next_context(api: Api) -> None:
    (original,) = (await api.record("m1", **VOICE))["ids"]
    await derive(api, "d1", "m1", "My zebra in voice", confidence=0.4)
    path = "/v1/context?identity=user:anna"
    before = await api.ok("GET", path)
    assert before == await api.ok("GET", path)  # cached
    await derive(api, "d2", "m1", confidence=0.9)
    after = await api.ok("GET", path)
    wants = [it["params"]["words"] for it in after["brief"]["wants"] if it["code"] == "said"]
    assert wants == [WORDS]
    shown = (await touchpoint(api, original))["derived"]
    assert [(it["text"], it["superseded"]) for it in shown] == [(WORDS, False), ("My zebra in voice", True)]


async def test_it_opens_nothing_and_is_no_contact(api: Api) -> None:
    await api.record(
        "m1", channel="phone", type="call.ended", text=None, thread="c1", data={"duration_s": 60}
    )
    await api.record("m2", channel="phone", type="conversation.resolved", text=None, thread="c1")
    before = await api.context()
    await derive(api, "d1", "c1", "Thank you, all is well", channel="phone", thread="c1", speaker="customer")
    await derive(api, "d2", "c2", "Nobody knows this call", channel="phone", thread="c2", speaker="customer")
    after = await api.context()
    assert after["conversations"] == before["conversations"]
    assert after["brief"]["effort"]["contacts"] == before["brief"]["effort"]["contacts"]


@pytest.mark.parametrize("first", ["derived", "deletion"])
async def test_what_was_derived_goes_with_its_original(api: Api, first: str) -> None:
    (original,) = (await api.record("m1", **VOICE))["ids"]
    if first == "deletion":
        await api.record("x1", type="message.deleted", amends="m1", text=None)
    (derived,) = (await derive(api, "d1", "m1"))["ids"]
    if first == "derived":
        assert WORDS in await stored_texts(api)
        await api.record("x1", type="message.deleted", amends="m1", text=None)
    shown = await touchpoint(api, derived)
    assert (shown["deleted"], shown["text"]) == (True, None)
    assert "derived" not in await touchpoint(api, original)
    assert set(await stored_texts(api)) == {None}


async def test_customers_do_not_read_it(api: Api) -> None:
    (original,) = (await api.record("m1", **VOICE))["ids"]
    (derived,) = (await derive(api, "d1", "m1"))["ids"]
    context = await api.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="bot")
    assert "zebra" not in str(context)
    assert "derived" not in str(context["timeline"])
    assert "derived" not in await api.ok("GET", f"/v1/touchpoints/{original}", token="bot")
    assert (await api.get(f"/v1/touchpoints/{derived}", token="bot")).status == 404


async def test_customers_do_not_read_it_in_a_pinned_context(api: Api) -> None:
    await api.record("m1", **VOICE)
    await api.record("m2", text="Please answer me", occurred_at="2026-11-21T10:10:00Z")
    await derive(api, "d1", "m1")
    wanted = {"from": {"channel": "chat"}, "to": {"channel": "chat", "queue": "desk"}, "reason": "help"}
    handoff = await api.ok("POST", "/v1/handoffs", {"identity": "user:anna", **wanted})
    path = f"/v1/handoffs/{handoff['id']}/snapshot"
    whole = await api.ok("GET", path)
    assert WORDS in str(whole["brief"])
    shown = await api.ok("GET", path, token="bot")
    assert "zebra" not in str(shown)
    assert "derived" not in str(shown["timeline"])
    assert "Please answer me" in str(shown["timeline"])


async def test_a_sentence_of_an_unknown_call_waits_in_quarantine(api: Api) -> None:
    parsed = build().parse(posted(list(LIVE.items())))
    settled = await settle(api.server.store, api.tenant, parsed)
    assert settled.touchpoints == ()
    assert [it.code for it in settled.malformed] == ["unknown_call"]


async def test_a_card_number_between_two_sentences_is_masked(api: Api) -> None:
    common: dict[str, Any] = {"channel": "phone", "thread": "c1", "part_of": "t1"}
    await derive(api, "d1", "c1", "The card is 4111 1111", speaker="customer", part=1, **common)
    await derive(api, "d2", "c1", "Thanks, next please, 12", speaker="agent", part=2, **common)
    (last,) = (await derive(api, "d3", "c1", "1111 1111 that is it", speaker="customer", part=3, **common))[
        "ids"
    ]
    shown = await touchpoint(api, last)
    assert shown["redacted"] == {"card_number": 1}
    assert "1111 1111" not in shown["text"]
    assert "1111" not in shown["text"]


async def test_a_whole_call_is_named_by_its_thread(api: Api) -> None:
    call = {"channel": "phone", "thread": "CA9"}
    for part, text in enumerate(("My zebra invoice is wrong", "It has the wrong address"), start=1):
        at = f"2026-11-21T10:0{part}:00Z"
        more: dict[str, Any] = {"speaker": "customer", "part_of": "t1", "part": part, "at": at}
        await derive(api, f"d{part}", "CA9", text, **more, **call)
    (started,) = (await api.record("c1", type="call.started", text=None, **call))["ids"]
    shown = await touchpoint(api, started)
    assert [it["part"] for it in shown["derived"]] == [1, 2]
    ended = {"type": "call.ended", "text": None, "data": {"duration_s": 200}}
    (end,) = (await api.record("c2", occurred_at="2026-11-21T10:06:00Z", **ended, **call))["ids"]
    timeline = (await api.context())["timeline"]["touchpoints"]
    by_id = {it["id"]: it for it in timeline}
    assert "derived" not in by_id[started]
    assert [it["text"] for it in by_id[end]["derived"]] == [WORDS, "It has the wrong address"]
    assert (
        by_id[end]["conversation_id"]
        == next(it for it in timeline if it["type"] == "text.derived")["data"]["of"]
    )
