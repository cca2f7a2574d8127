"""The people that an unreadable delivery names, as each adapter reads them."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from handoff.adapter.contract import Mentions
from handoff_adapters.shared.partial_json import MAX_LEVELS, readable_part
from tests.adapters.chat.chatwoot.test_chatwoot import build as chatwoot
from tests.adapters.chat.chatwoot.test_chatwoot import fixture
from tests.adapters.contract import request
from tests.adapters.email import mails
from tests.adapters.phone.twilio.test_twilio import build as twilio
from tests.adapters.phone.twilio.test_twilio import posted as form
from tests.adapters.web.segment.test_segment import build as segment

FORM = {"content-type": "application/x-www-form-urlencoded"}


def people(named: Mentions) -> set[str]:
    return {str(it) for it in named.identities}


def contact(**changes: Any) -> dict[str, Any]:
    body = fixture("message-received")
    body["sender"] |= {"email": "Anna@Example.com", "phone_number": "+358401234567"}
    body["conversation"].pop("meta", None)
    return {**body, **changes}


def test_chatwoot_names_contact_and_conversation_without_a_known_event() -> None:
    body = contact()
    del body["event"]
    named = chatwoot().mentions(request(body=json.dumps(body).encode()))
    account, conversation = body["account"]["id"], body["conversation"]["id"]
    assert {
        f"chatwoot.contact@{account}:{body['sender']['id']}",
        "email:anna@example.com",
        "phone:+358401234567",
    } <= people(named)
    assert named.threads == ((f"chatwoot/{account}", str(conversation)),)
    assert named.complete


def test_chatwoot_names_neither_agents_nor_the_business() -> None:
    agent = {"id": 1, "email": "agent@example.com", "type": "user"}
    body = contact(message_type="outgoing", sender=agent)
    named = chatwoot().mentions(request(body=json.dumps(body).encode()))
    assert people(named) == {"chatwoot.contact@1:12"}  # of the conversation's contact_inbox
    own = chatwoot(own=("anna@example.com",)).mentions(request(body=json.dumps(contact()).encode()))
    assert "email:anna@example.com" not in people(own)


def test_json_that_is_cut_off_names_a_part_of_the_same_people() -> None:
    """At any byte: never somebody else, such as the owner of a shorter number."""
    raw = json.dumps(contact(), separators=(",", ":")).encode()
    whole = chatwoot().mentions(request(body=raw))
    for end in range(len(raw)):
        named = chatwoot().mentions(request(body=raw[:end]))
        assert set(named.identities) <= set(whole.identities), end
        assert set(named.threads) <= set(whole.threads), end
    assert set(named.identities) == set(whole.identities)


def test_segment_names_the_people_and_sessions_of_a_batch() -> None:
    events = [
        {"type": "track", "userId": "anna", "context": {"sessionId": 17}},
        {"type": "nonsense", "anonymousId": "v-1", "traits": {"email": "bert@example.com"}},
        "no event",
    ]
    body = json.dumps({"batch": events}).encode()
    named = segment().mentions(request("/v1/batch", body=body))
    assert people(named) == {"user:anna", "anonymous@segment:v-1", "email:bert@example.com"}
    assert named.threads == (("segment", "17"),)
    assert named.complete
    cut = segment().mentions(request("/v1/batch", body=body[:70]))
    assert people(cut) == {"user:anna"}
    assert not cut.complete  # others may follow


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'"x"', b'{"batch": [1, null]}'])
def test_segment_names_no_one_in_bytes_without_an_event(body: bytes) -> None:
    assert people(segment().mentions(request("/v1/batch", body=body))) == set()


def test_twilio_names_the_customers_end_and_the_call() -> None:
    fields = [("AccountSid", "AC1"), ("CallSid", "CA1"), ("From", "+358401234567"), ("To", "+358201234567")]
    named = twilio().mentions(form(fields))
    assert people(named) == {"phone:+358401234567"}
    assert named.threads == (("twilio/AC1", "CA1"),)
    outbound = twilio().mentions(form([*fields, ("Direction", "outbound-api")]))
    assert people(outbound) == {"phone:+358201234567"}
    message = twilio().mentions(form([("AccountSid", "AC1"), ("MessageSid", "SM1"), *fields[2:]]))
    assert message.threads == (("twilio/AC1", "+358201234567/+358401234567"),)
    broken = twilio().mentions(request(body=b"From=%2B358401234567&x=\xff", headers=FORM))
    assert people(broken) == {"phone:+358401234567"}


def test_a_mail_names_its_author_its_readers_and_its_thread() -> None:
    fields = {"references": "<root@x> <b@x>", "in_reply_to": "<b@x>"}
    raw = mails.mail("hi", "Cc: Bert <bert@example.com>, agent@shop.example", **fields)
    named = mails.adapter().mentions(mails.request(raw))
    assert people(named) == {"email:anna@example.com", "email:bert@example.com"}
    assert named.threads == (("rfc5322", "root@x"), ("rfc5322", "b@x"))


def test_a_mail_of_unreadable_parts_is_named_by_its_header() -> None:
    many = b"".join(b"--b\r\n\r\nx\r\n" for _ in range(600))
    raw = b'From: anna@example.net\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + many
    assert "email:anna@example.net" in people(mails.adapter().mentions(mails.request(raw)))


def test_a_mail_without_a_header_is_named_by_its_envelope() -> None:
    one = mails.request(b"no header at all")
    named = mails.adapter().mentions(
        msgspec.structs.replace(one, headers={**one.headers, "mail-from": "anna@example.net"})
    )
    assert people(named) == {"email:anna@example.net"}


def test_damaged_json_is_read_up_to_the_damage() -> None:
    part = readable_part(b'{"a": {"b": [1, "x", NaN, tru], "c": null,}, "d": "\\u00e4", "e": 12')
    assert part.value == {"a": {"b": [1, "x", None, None], "c": None}, "d": "ä"}
    assert not part.whole
    deep = readable_part(b"[" * 100_000)
    assert str(deep.value).count("[") == MAX_LEVELS
    assert readable_part(b"nonsense").value is None


def test_a_large_context_is_not_copied_for_each_event() -> None:
    """Copying it would take minutes."""
    context = b",".join(b'"k%d":0' % n for n in range(10_000))
    body = (
        b'{"context":{'
        + context
        + b',"sessionId":17},"batch":[{"userId":"anna"}'
        + b',{"a":0}' * 12_000
        + b"]}"
    )
    costs = []
    for _ in range(3):
        began = time.thread_time()
        named = segment().mentions(request("/v1/batch", body=body))
        costs.append(time.thread_time() - began)
    assert people(named) == {"user:anna"}
    assert named.threads == (("segment", "17"),)
    assert not named.complete
    assert min(costs) < 0.1


def test_the_tolerant_parser_reads_no_large_bodies() -> None:
    odd = b'{"a":"\\ud800","b":['
    assert readable_part(odd + b"0," * 1_000 + b"0]}").whole
    assert not readable_part(odd + b"0," * 100_000 + b"0]}").whole
    assert readable_part(b'{"b":[' + b"0," * 100_000 + b"0]}").whole


def test_no_more_than_a_part_of_damaged_json_is_read() -> None:
    """The reader works beside all other requests."""
    part = readable_part(b'{"batch":[' + b"0," * 200_000 + b"0]}")
    assert not part.whole
    assert 0 < len(part.value["batch"]) <= 1_000
