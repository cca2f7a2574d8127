"""Conversations as vCons: valid, complete, and without internal content."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from tests.api.conftest import Api
from tests.api.vcon_schema import VCON
from tests.samples import EIGHT_DAYS_AGO, WEEK_AGO

VALIDATOR = Draft202012Validator(VCON, format_checker=Draft202012Validator.FORMAT_CHECKER)
AGENT = {"type": "agent", "id": "7", "name": "Maria"}


def at(minute: int) -> str:
    return f"{WEEK_AGO}T10:{minute:02}:00.000000Z"


async def conversation_of(api: Api, event: dict[str, Any]) -> str:
    """The id of a touchpoint's conversation."""
    found = await api.ok("GET", f"/v1/touchpoints/{event['ids'][0]}")
    return str(found["conversation_id"])


async def exported(api: Api, conversation: str, query: str = "") -> Any:
    """The vCon, checked against the draft; its references must resolve."""
    vcon = await api.ok("GET", f"/v1/conversations/{conversation}/vcon{query}")
    problems = [f"{it.json_path}: {it.message}" for it in VALIDATOR.iter_errors(vcon)]
    assert not problems
    for dialog in vcon["dialog"]:
        assert all(index < len(vcon["parties"]) for index in dialog["parties"])
    for attachment in vcon["attachments"]:
        assert attachment["dialog"] < len(vcon["dialog"])
        assert attachment["party"] < len(vcon["parties"])
    return vcon


async def chatted(api: Api) -> str:
    """The conversation of a chat with a response, an edit, a note, a page view, and a later message."""
    thread = {"thread": "chat-1"}
    first = await api.record("m1", text="Where is A-1042?", occurred_at=at(0), **thread)
    sent = {"type": "message.sent", "actor": AGENT, "occurred_at": at(1), **thread}
    await api.record("m2", text="I lok", **sent)
    edit = {"type": "message.edited", "amends": "m2", "text": "I look", "occurred_at": at(2), **thread}
    await api.record("m3", **edit)
    await api.record("n1", type="note.added", text="sounds nervous", actor=AGENT, occurred_at=at(3), **thread)
    await api.record("p1", type="page.viewed", channel="web", text="elsewhere", occurred_at=at(4))
    await api.record("m4", text="Thank you", occurred_at=at(5), **thread)
    return await conversation_of(api, first)


async def test_a_chat_has_its_messages_with_edits_applied(api: Api) -> None:
    vcon = await exported(api, await chatted(api))
    dialogs = [(it["start"], it["parties"][0], it["body"], it["application"]) for it in vcon["dialog"]]
    assert dialogs == [
        (at(0), 0, "Where is A-1042?", "chat"),
        (at(1), 1, "I look", "chat"),
        (at(5), 0, "Thank you", "chat"),
    ]
    assert vcon["parties"] == [
        {"validation": "verified", "type": "person"},
        {"name": "Maria", "validation": "none", "type": "person"},
    ]


async def test_notes_are_left_out_by_default(api: Api) -> None:
    conversation = await chatted(api)
    assert "nervous" not in str(await exported(api, conversation))
    bodies = [it["body"] for it in (await exported(api, conversation, "?internal=true"))["dialog"]]
    assert bodies == ["Where is A-1042?", "I look", "sounds nervous", "Thank you"]
    whisper = {"type": "message.sent", "visibility": "internal", "actor": AGENT, "thread": "chat-1"}
    await api.record("w1", text="a whisper", occurred_at=at(7), **whisper)
    assert "whisper" not in str(await exported(api, conversation))
    assert "whisper" in str(await exported(api, conversation, "?internal=true"))
    answer = await api.get(f"/v1/conversations/{conversation}/vcon?internal=maybe")
    assert (answer.status, answer.code) == (422, "invalid_parameter")


async def test_the_uuid_is_stable_when_messages_are_added(api: Api) -> None:
    conversation = await chatted(api)
    before = await exported(api, conversation)
    await api.record("m0", text="Hello?", occurred_at=f"{EIGHT_DAYS_AGO}T10:00:00Z", thread="chat-1")
    after = await exported(api, conversation)
    assert after["dialog"][0]["body"] == "Hello?"
    assert (after["uuid"], after["created_at"]) == (before["uuid"], before["created_at"])
    assert after["updated_at"] > before["updated_at"]


async def test_a_deleted_message_leaves_a_marked_place(api: Api) -> None:
    conversation = await chatted(api)
    gone = {"type": "message.deleted", "amends": "m1", "occurred_at": at(6), "thread": "chat-1"}
    await api.record("d1", **gone, text=None)
    vcon = await exported(api, conversation)
    assert vcon["redacted"] == {"type": "deleted"}
    assert "body" not in vcon["dialog"][0]
    assert "A-1042" not in str(vcon)


async def test_a_mail_has_all_its_parties_and_its_files_by_name(api: Api) -> None:
    recorded = await api.record(
        "mail1",
        channel="email",
        type="email.received",
        subject="Invoice",
        text="See the file.",
        thread="mail-1",
        identities=["email:anna@example.com"],
        participants=[{"type": "email", "value": "otto@example.com", "role": "cc"}],
        attachments=[
            {"name": "invoice.pdf", "content_type": "application/pdf", "sha256": "00", "size": 9},
            {"name": "photo", "content_type": "image", "url": "https://files.example/1"},
        ],
    )
    vcon = await exported(api, await conversation_of(api, recorded))
    assert vcon["subject"] == "Invoice"
    assert [it.get("mailto") for it in vcon["parties"]] == ["anna@example.com", "otto@example.com"]
    assert vcon["parties"][0]["validation"] == "claimed"
    assert vcon["dialog"][0]["parties"] == [0, 1]
    start = vcon["dialog"][0]["start"]
    assert vcon["attachments"] == [
        {
            "start": start,
            "party": 0,
            "dialog": 0,
            "mediatype": "application/pdf",
            "filename": "invoice.pdf",
        },
        {"start": start, "party": 0, "dialog": 0, "filename": "photo"},
    ]


async def test_the_steps_of_a_call_are_one_dialog_without_its_recording(api: Api) -> None:
    call = {"channel": "phone", "thread": "CA1", "text": None}
    first = await api.record("c1", type="call.started", occurred_at=at(0), **call)
    data = {"duration_s": 61, "recording_url": "https://calls.example/1.wav", "status": "completed"}
    await api.record("c2", type="call.ended", occurred_at=at(1), data=data, **call)
    vcon = await exported(api, await conversation_of(api, first))
    (dialog,) = vcon["dialog"]
    assert (dialog["type"], dialog["duration"], dialog["parties"]) == ("recording", 61, [0])
    assert "calls.example" not in str(vcon)


async def test_an_unanswered_call_has_its_reason(api: Api) -> None:
    call = {"channel": "phone", "thread": "CA2", "text": None}
    first = await api.record("c1", type="callback.attempted", occurred_at=at(0), **call)
    data = {"status": "busy"}
    await api.record("c2", type="callback.missed", occurred_at=at(1), data=data, **call)
    (dialog,) = (await exported(api, await conversation_of(api, first)))["dialog"]
    assert (dialog["type"], dialog["disposition"]) == ("incomplete", "busy")
    assert len(dialog["parties"]) == 2


async def test_an_export_needs_the_scope(api: Api) -> None:
    path = f"/v1/conversations/{await chatted(api)}/vcon"
    assert (await api.get(path, token="elsewhere")).status == 404
    assert (await api.get(path, token="nothing")).status == 403
    assert (await api.get(path, token=None)).status == 401
    assert (await api.get("/v1/conversations/cv_nonsense/vcon")).status == 404


async def test_a_customer_facing_token_gets_no_claimed_messages(api: Api) -> None:
    claimed = {"identities": [{"type": "email", "value": "anna@example.com"}], "thread": "mail-2"}
    recorded = await api.record("m1", channel="email", type="email.received", **claimed)
    path = f"/v1/conversations/{await conversation_of(api, recorded)}/vcon"
    assert len((await api.ok("GET", path))["dialog"]) == 1
    assert (await api.ok("GET", path, token="bot"))["dialog"] == []
