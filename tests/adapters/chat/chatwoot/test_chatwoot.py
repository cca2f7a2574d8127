"""`chat.chatwoot`: both generations of signatures, the events of all versions, the contact's identity."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given

from handoff.adapter.contract import InboundRequest, Outcome, Parsed
from handoff.codec.body import digest
from handoff.domain.clock import SECOND, format_time
from handoff.domain.errors import InvalidPayload, SignatureRefused
from handoff_adapters.chat.chatwoot import ChatwootAdapter, ChatwootOptions
from handoff_adapters.chat.chatwoot.content import plain_text
from tests.adapters import contract
from tests.adapters.contract import RECEIVED_AT, SignedContract, mutated, request, shared, survive

FOLDER = Path(__file__).parent / "fixtures"
NOW_S = RECEIVED_AT // SECOND


def build(*, secrets: tuple[str, ...] = ("s3cret",), **options: Any) -> ChatwootAdapter:
    made = msgspec.convert(
        {"name": "desk-chat", "adapter": "chat.chatwoot", "secrets": secrets, **options}, ChatwootOptions
    )
    return ChatwootAdapter(made)


def posted(body: Any, path: str = "", **more: Any) -> InboundRequest:
    return request(path, body=json.dumps(body).encode(), **more)


def signed(one: InboundRequest, secret: str, at_s: int = NOW_S) -> InboundRequest:
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + one.raw, hashlib.sha256).hexdigest()
    headers = {"x-chatwoot-timestamp": str(at_s), "x-chatwoot-signature": f"sha256={digest}"}
    return msgspec.structs.replace(one, headers={**one.headers, **headers})


def fixture(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())["request"]["json"]
    return body


class TestContract(SignedContract):
    folder = FOLDER
    tolerance_s = 300

    def build(self, **more: Any) -> ChatwootAdapter:
        return build(**more)

    def good(self) -> InboundRequest:
        return posted(fixture("message-received"))

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        return signed(one, secret)


@pytest.mark.parametrize("late", [-301, 301])
def test_an_old_signature_is_refused(late: int) -> None:
    one = posted(fixture("message-received"))
    with pytest.raises(SignatureRefused):
        build().verify(signed(one, "s3cret", NOW_S + late))
    build().verify(signed(one, "s3cret", NOW_S + late - late // abs(late)))


def test_common_wrong_guesses_of_the_signature_are_refused() -> None:
    one = posted(fixture("message-received"))
    body_only = hmac.new(b"s3cret", one.raw, hashlib.sha256).hexdigest()
    for headers in (
        {"x-chatwoot-signature": f"sha256={body_only}", "x-chatwoot-timestamp": str(NOW_S)},
        {"x-chatwoot-signature": f"sha256={body_only}"},
        {"x-chatwoot-timestamp": str(NOW_S)},
        {"x-chatwoot-signature": "", "x-chatwoot-timestamp": "٣"},
        {"x-chatwoot-signature": "\ud800", "x-chatwoot-timestamp": str(NOW_S)},
    ):
        with pytest.raises(SignatureRefused):
            build().verify(msgspec.structs.replace(one, headers=headers))


def test_an_older_server_proves_itself_by_the_urls_token_where_that_is_allowed() -> None:
    body = fixture("message-received")
    for one in (posted(body, "/s3cret"), posted(body, query=[("token", "s3cret")])):
        build(url_token=True).verify(one)
        assert len(build(url_token=True).parse(one).touchpoints) == 1
        with pytest.raises(SignatureRefused):
            build().verify(one)
        with pytest.raises(SignatureRefused):
            build(url_token=True, secrets=("other",)).verify(one)


def test_a_token_does_not_mend_a_wrong_signature() -> None:
    with pytest.raises(SignatureRefused):
        build(url_token=True).verify(signed(posted(fixture("message-received"), "/s3cret"), "wrong"))


def test_an_api_inbox_sends_everything_twice() -> None:
    """Account webhook and inbox webhook differ in delivery id and in what happened in between."""
    body = fixture("message-received")
    later = json.loads(json.dumps(body))
    later["conversation"].update(unread_count=9, status="resolved", timestamp=1795299999)
    one, two = (
        build().parse(posted(b, headers={"X-Chatwoot-Delivery": d})) for b, d in ((body, "a"), (later, "b"))
    )
    assert one == two


def test_an_edit_and_its_repeat_are_one_and_another_edit_is_another() -> None:
    body = fixture("message-edited")
    texts = ["Hei taas", "Hei taas", "Hei vielä"]
    keys = [build().parse(posted({**body, "content": t})).touchpoints[0].event_id for t in texts]
    assert keys[0] == keys[1] != keys[2]


def test_a_marked_edit_of_a_delivered_message_is_an_edit() -> None:
    body = fixture("message-delivered")
    body["changed_attributes"] = [{"content": {"previous_value": "a", "current_value": "b"}}]
    assert build().parse(posted(body)).touchpoints[0].type == "message.edited"
    body["changed_attributes"] = [{"priority": {"previous_value": 1, "current_value": 2}}]
    body["conversation"]["messages"] = []
    assert dict(build().parse(posted(body)).ignored) == {"message_updated.nothing_said": 1}


def test_old_and_new_names_of_a_resolution_are_one_touchpoint() -> None:
    body = {**fixture("resolved"), "changed_attributes": None}
    old = build().parse(posted({**body, "event": "conversation_resolved", "status": "open"})).touchpoints[0]
    new = build().parse(posted(body)).touchpoints[0]
    assert (old.event_id, old.type, old.data) == (new.event_id, new.type, new.data)


def test_a_bots_webhook_and_the_accounts_make_one_resolution() -> None:
    """The bot's names no previous status."""
    body = fixture("resolved")
    assert body["changed_attributes"]
    bots = {**body, "event": "conversation_resolved", "changed_attributes": None}
    one, two = (build().parse(posted(updated)).touchpoints[0] for updated in (body, bots))
    assert (one.event_id, digest(one)) == (two.event_id, digest(two))


def test_a_bots_webhook_without_a_handoff_has_its_own_id() -> None:
    body = fixture("bot-hands-over")
    bots = {**body, "event": "conversation_opened", "changed_attributes": None}
    one, two = (build().parse(posted(updated)).touchpoints[0] for updated in (body, bots))
    assert (one.type, two.type) == ("handoff.requested", "conversation.reopened")
    assert one.event_id != two.event_id


def test_a_status_is_found_whether_ids_are_numbers_or_strings() -> None:
    body = fixture("message-delivered")
    body["id"] = str(body["id"])
    assert build().parse(posted(body)).touchpoints[0].type == "message.delivered"


@pytest.mark.parametrize(
    "stated", [1795295340, "1795295340", 1795295340.5, "2026-11-21T21:09:00Z", "2026-11-21 21:09:00 UTC"]
)
def test_times_come_in_every_spelling(stated: object) -> None:
    (made,) = build().parse(posted({**fixture("message-received"), "created_at": stated})).touchpoints
    assert format_time(made.occurred_at)[11:19] == "21:09:00"


def test_the_agent_is_never_taken_for_the_customer() -> None:
    body = fixture("message-sent-by-agent")
    del body["conversation"]["meta"]
    (made,) = build().parse(posted(body)).touchpoints
    assert [str(h.identity) for h in made.identities] == ["chatwoot.contact@1:12"]
    assert made.traits == {}


def test_contacts_of_two_installations_are_kept_apart_by_the_id_space() -> None:
    (made,) = build(id_space="shop-eu").parse(posted(fixture("message-received"))).touchpoints
    assert (made.id_space, made.home.identity.space) == ("shop-eu/1", "shop-eu/1")


def test_addresses_that_are_none_are_dropped() -> None:
    body = fixture("message-received")
    body["conversation"]["meta"]["sender"].update(email="@", phone_number="n/a", identifier="")
    (made,) = build().parse(posted(body)).touchpoints
    assert len(made.identities) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"event": 1.5', b'{"event": ""}', b"\xff\xfe", b'"event"']
)
def test_what_is_no_chatwoot_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        build().parse(request(body=body))


def test_the_answer_is_empty() -> None:
    reply = build().reply(posted({}), Parsed(), Outcome())
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<p>one</p><p>two &amp; three</p>", "one\n\ntwo & three"),
        ("<br/>", None),
        ("<div>" * 5_000 + "deep", "deep"),
        ("<!-- --><p></p>", None),
    ],
)
def test_html_becomes_text(content: str, expected: str | None) -> None:
    assert plain_text(content) == expected


def test_vendor_captures() -> None:
    adapter = build(account="1")
    expected = {
        "conversation_resolved.json": ("conversation.resolved", "webwidget"),
        "conversation_status_changed.json": ("conversation.reopened", "webwidget"),
        "conversation_status_changed-2023-redacted.json": ("conversation.reopened", "whatsapp"),
        "message_created-2023-redacted.json": ("message.received", "whatsapp"),
    }
    for name, (type_, medium) in expected.items():
        made = adapter.parse(request(body=shared("chatwoot", name).read_bytes()))
        assert [(t.type, t.medium) for t in made.touchpoints] == [(type_, medium)], name
        (touchpoint,) = made.touchpoints
        assert touchpoint.id_space == "chatwoot/1"
        assert touchpoint.home.identity.type == "chatwoot.contact"
        assert touchpoint.occurred_at < RECEIVED_AT


TEMPLATE = {
    "event": "message_created", "id": 1, "account": {"id": 1}, "content": "<p>x",
    "content_type": "incoming_email",
    "content_attributes": {"deleted": True, "submitted_values": {"csat_survey_response": {"rating": 1}},
                           "email": {"subject": "s"}, "data": {"status": "x"}},
    "message_type": "incoming", "private": True, "created_at": 1, "updated_at": 1.5,
    "timestamp": 1, "status": "open",
    "sender": {"id": 1, "type": "user", "name": "n"}, "attachments": [{"data_url": "u", "file_size": 1}],
    "changed_attributes": [{"status": {"previous_value": "pending", "current_value": "open"}}],
    "performed_by": {"type": "user", "id": 1},
    "event_info": {"referer": "r", "initiated_at": {"timestamp": "t"}},
    "conversation": {"id": 1, "channel": "Channel::Email",
                     "messages": [{"id": 1, "status": "read", "account_id": 1}],
                     "contact_inbox": {"contact_id": 1, "hmac_verified": True},
                     "additional_attributes": {"browser_language": "fi"},
                     "meta": {"sender": {"id": 1, "email": "a@b.fi", "identifier": "x"},
                              "assignee": {"id": 1}}},
}  # fmt: skip
EVENTS = [
    "message_created", "message_updated", "conversation_created", "conversation_status_changed",
    "conversation_updated", "webwidget_triggered", "contact_created", "contact_updated",
]  # fmt: skip


@contract.SLOW
@given(body=mutated(TEMPLATE))
def test_whatever_json_a_sender_makes_up(body: Any) -> None:
    for event in EVENTS if isinstance(body, dict) else [""]:
        one = {**body, "event": event} if isinstance(body, dict) else body
        if event.startswith("conversation_"):
            nested = one.get("conversation")
            one = {**(nested if isinstance(nested, dict) else {}), **one}
        survive(build(account="1"), posted(one))


@pytest.mark.parametrize(
    ("sender", "attributes", "kind"),
    [
        (None, {"external_created_at": 1795000000, "external_sender_name": "WhatsApp"}, "agent"),
        (None, {"external_echo": True}, "agent"),
        (None, {}, "platform"),
        (None, {"automation_rule_id": 7}, "bot"),
        ({"id": 5, "name": "Mia", "type": "user"}, {"automation_rule_id": 7}, "bot"),
        ({"id": 5, "name": "Mia", "type": "user"}, {}, "agent"),
        ({"id": 9, "name": "Bridge", "type": "agent_bot"}, {"external_echo": True}, "agent"),
        ({"id": 9, "name": "Bridge", "type": "agent_bot"}, {"external_sender_name": "Mia"}, "agent"),
        ({"id": 9, "name": "Bridge", "type": "agent_bot"}, {"external_error": "x"}, "bot"),
        ({"id": 9, "name": "Bridge", "type": "agent_bot"}, {"external_echo": False}, "bot"),
        (None, {"external_echo": True, "automation_rule_id": 7}, "bot"),
    ],
)
def test_who_wrote_what_was_sent(sender: Any, attributes: dict[str, Any], kind: str) -> None:
    body = fixture("message-sent-by-agent") | {"sender": sender, "content_attributes": attributes}
    (touchpoint,) = build().parse(posted(body)).touchpoints
    assert touchpoint.actor is not None
    assert touchpoint.actor["type"] == kind


def nested(
    *copies: dict[str, Any], event: str = "message_updated", **more: Any
) -> list[tuple[str, str | None]]:
    """(type, amended message) of the touchpoints of an event with these copies of messages."""
    body = fixture("message-received") | {"event": event, **more}
    conversation = body["conversation"] | {"messages": list(copies)}
    body = body | ({} if event.startswith("message") else conversation) | {"conversation": conversation}
    return [(it.type, it.amends) for it in build().parse(posted(body)).touchpoints]


GONE = {"content": "This message was deleted", "content_attributes": {"deleted": True}, "message_type": 0}


def test_a_nested_deletion_of_another_message_deletes_only_that_one() -> None:
    made = nested(GONE | {"id": 77}, event="message_created")
    assert made == [("message.received", None), ("message.deleted", "message/77")]
    updated = nested(GONE | {"id": 77}, {"id": 78, "content": "x"}, event="conversation_updated")
    assert updated == [("message.deleted", "message/77")]


def test_an_ignored_event_may_contain_a_deletion() -> None:
    assert nested(GONE | {"id": 77}, event="conversation_read") == [("message.deleted", "message/77")]


def test_a_message_whose_own_copy_is_deleted_is_not_edited() -> None:
    own = fixture("message-received")["id"]
    assert nested(GONE | {"id": own}) == [("message.deleted", f"message/{own}")]


def test_a_nested_deletion_is_the_same_fact_as_a_direct_one() -> None:
    direct = fixture("message-deleted")
    (one,) = build().parse(posted(direct)).touchpoints
    copy = GONE | {"id": direct["id"]}
    body = direct | {"content_attributes": {}, "event": "conversation_updated", "messages": [copy]}
    body |= direct["conversation"] | {"messages": [copy]}
    (two,) = build().parse(posted(body)).touchpoints
    assert (one.event_id, one.home, digest(one)) == (two.event_id, two.home, digest(two))


@pytest.mark.parametrize("copy", [{}, {"id": 5}, {"content_attributes": {"deleted": True}}, "x", None, 7])
def test_other_copies_delete_nothing(copy: Any) -> None:
    assert [type_ for type_, _amends in nested(copy)] == ["message.edited"]


def inbox_of(medium: str, source_id: str, **contact: Any) -> list[str]:
    body = fixture("message-received")
    conversation = body["conversation"] | {"channel": f"Channel::{medium}"}
    conversation["contact_inbox"] = conversation["contact_inbox"] | {"source_id": source_id}
    person = conversation["meta"]["sender"] | contact
    conversation["meta"] = conversation["meta"] | {"sender": person}
    (made,) = build().parse(posted(body | {"conversation": conversation, "sender": person})).touchpoints
    return [f"{one.identity} {one.assurance}" for one in made.identities]


def test_the_inbox_vouches_for_its_address() -> None:
    address = "0a1f6c1e-6b1d-4b5e-9d1c-2f6d2c1b7a55"
    assert f"chatwoot.inbox_address@1:1/{address} verified" in inbox_of("WebWidget", address)
    assert not [it for it in inbox_of("WebWidget", "x") if it.startswith("chatwoot.inbox")]


@pytest.mark.parametrize(
    ("medium", "source_id", "number"),
    [
        ("Whatsapp", "5215512345678", "+525512345678"),
        ("TwilioSms", "whatsapp:+5215512345678", "+525512345678"),
        ("TwilioSms", "+5215512345678", "+5215512345678"),
        ("WebWidget", "5215512345678", "+5215512345678"),
        ("Whatsapp", "5215599999999", "+5215512345678"),
    ],
)
def test_whatsapps_number_of_a_contact_is_written_as_today(medium: str, source_id: str, number: str) -> None:
    found = inbox_of(medium, source_id, phone_number="+5215512345678")
    assert f"phone:{number} claimed" in found


def test_a_whatsapp_user_id_is_the_address_of_a_whatsapp_inbox() -> None:
    assert "whatsapp.user:MX.1234567890 verified" in inbox_of("Whatsapp", "MX.1234567890")
