"""One mail as a touchpoint: its id, thread, time, subject and language."""

from __future__ import annotations

import pytest

from handoff.domain.clock import HOUR, parse_time
from handoff_adapters.email.message.message import ENVELOPE
from tests.adapters.email.mails import AT, RECEIVED_AT, home, mail, only


def test_a_plain_mail() -> None:
    made = only(mail("Hello,\r\nwhere is it?\r\n"))
    assert (made.type, made.channel, made.direction, made.source) == (
        "email.received",
        "email",
        "inbound",
        "mail",
    )
    assert (made.id_space, made.event_id, made.thread, made.thread_space) == (
        "rfc5322",
        "m1@example.com",
        "m1@example.com",
        "rfc5322",
    )
    assert home(made) == "email:anna@example.com claimed"
    assert made.occurred_at == AT
    assert made.subject == "Where is my parcel?"
    assert made.text == "Hello,\nwhere is it?"
    assert made.actor == {"type": "customer", "name": "Anna Virtanen"}
    assert made.traits == {"name": "Anna Virtanen"}
    assert made.data == {
        "message_id": "m1@example.com",
        "mailbox": "support@shop.example",
        "envelope_from": "anna@example.com",
    }
    assert made.participants == ()


@pytest.mark.parametrize(
    ("field", "id"),
    [
        ("<AbC@x.example>", "AbC@x.example"),
        ("  <a@b>  ", "a@b"),
        ("\r\n <folded@b>", "folded@b"),
        ("bare@b", "bare@b"),
        ("<half@b", "half@b"),
        ("<a@b> (a comment)", "a@b"),
    ],
)
def test_the_message_id_names_the_mail(field: str, id: str) -> None:
    assert only(mail(message_id=field)).event_id == id


@pytest.mark.parametrize("field", [None, "", "<", "<>", "  "])
def test_without_a_message_id_the_content_names_the_mail(field: str | None) -> None:
    first = only(mail("Hello\r\n", "Received: by a; Sat, 21 Nov 2026 18:00:00 +0000", message_id=field))
    again = only(mail("Hello\n\n", "Delivered-To: x@y", "Received: by b; x", message_id=field))
    other = only(mail("Hallo", message_id=field))
    assert first.event_id.startswith("sha256:")
    assert first.event_id == again.event_id != other.event_id
    assert first.thread == first.event_id


@pytest.mark.parametrize("above", [b"\r\n", b"\n\n", b"\xef\xbb\xbf"])
def test_what_stands_above_the_header_of_a_file_is_passed_over(above: bytes) -> None:
    made = only(above + mail("Hello"))
    assert (made.event_id, made.text) == ("m1@example.com", "Hello")
    unnamed = mail("Hello", message_id=None)
    assert only(above + unnamed).event_id == only(unnamed).event_id


def test_a_message_id_that_is_too_long_is_hashed() -> None:
    made = only(mail(message_id=f"<{'a' * 900}@x>"))
    assert len(made.event_id) < 100
    assert made.event_id == only(mail("x", message_id=f"<{'a' * 900}@x>")).event_id != "a" * 900


def test_two_copies_of_a_mail_have_one_id_and_one_content() -> None:
    one = only(mail("Hi", "Received: by a; Sat, 21 Nov 2026 19:00:00 +0000"), to="support@shop.example")
    two = only(
        mail("Hi", "Authentication-Results: mx.shop.example; dmarc=pass", "Delivered-To: x@y"),
        to="support+2@shop.example",
        sender="bounce-7@list.example",
        received_at=RECEIVED_AT + HOUR,
    )
    assert (one.id_space, one.event_id) == (two.id_space, two.event_id)
    assert one.data["mailbox"] != two.data["mailbox"]
    assert set(two.data) <= set(two.envelope) == set(ENVELOPE)
    assert [one.type, one.subject, one.text, one.attachments, one.home.identity] == [
        two.type,
        two.subject,
        two.text,
        two.attachments,
        two.home.identity,
    ]


def test_several_mailboxes_of_one_delivery_are_listed() -> None:
    made = only(mail(), to="support@shop.example, support+x@shop.example")
    assert made.data["mailbox"] == "support@shop.example"
    assert made.data["mailboxes"] == ["support@shop.example", "support+x@shop.example"]


def test_the_id_space_can_be_set() -> None:
    made = only(mail(), options={"id_space": "archive"})
    assert (made.id_space, made.thread_space) == ("archive", "archive")


@pytest.mark.parametrize(
    ("fields", "thread"),
    [
        ({"references": "<root@x> <mid@x>", "in_reply_to": "<mid@x>"}, "root@x"),
        ({"references": "<root@x>\r\n <mid@x>"}, "root@x"),
        ({"in_reply_to": "<parent@x>"}, "parent@x"),
        ({"in_reply_to": "Your mail of Monday <parent@x>"}, "parent@x"),
        ({"in_reply_to": "<m1@example.com> <parent@x>"}, "parent@x"),
        ({"in_reply_to": "<m1@example.com>"}, "m1@example.com"),
        ({"in_reply_to": "", "references": "nonsense"}, "m1@example.com"),
        ({"in_reply_to": "parent@x"}, "parent@x"),
        ({"references": "root@x, mid@x", "in_reply_to": "mid@x"}, "root@x"),
        ({"in_reply_to": "anna@example.com's mail of Monday"}, "m1@example.com"),
    ],
)
def test_a_reply_shares_the_thread_of_the_first_mail(fields: dict[str, str], thread: str) -> None:
    assert only(mail(**fields)).thread == thread


RECEIVED = "Received: from a by mx.shop.example; Sat, 21 Nov 2026 20:00:00 +0000"
OLDER = "Received: from b by a; Sat, 21 Nov 2026 03:00:00 +0000"


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "yesterday",
        "Fri, 32 Foo 99999",
        "Mon, 01 Jan 3000 00:00:00 +0000",
        "Thu, 01 Jan 1970 00:00:00 +0000",
    ],
)
def test_a_date_that_cannot_be_gives_way_to_the_topmost_received(date: str | None) -> None:
    made = only(mail("x", RECEIVED, OLDER, date=date))
    assert made.occurred_at == parse_time("2026-11-21T20:00:00Z")
    assert made.data.get("date_header") == (date or None)
    assert only(mail(date=date)).occurred_at == RECEIVED_AT


def test_a_date_in_the_past_or_a_little_ahead_stands() -> None:
    assert only(mail(date="Tue, 3 Mar 2015 10:00:00 -0500")).occurred_at == parse_time("2015-03-03T15:00:00Z")
    assert only(mail(date="Sat, 21 Nov 2026 21:40:00 +0000")).occurred_at == RECEIVED_AT + HOUR // 2
    assert "date_header" not in only(mail()).data


def test_an_offset_behind_a_zone_counts() -> None:
    assert only(mail(date="Sat Nov 21 2026 20:00:00 GMT+0200 (EET)")).occurred_at == AT


def test_a_date_without_a_zone_is_utc() -> None:
    assert only(mail(date="Sat, 21 Nov 2026 18:00:00")).occurred_at == AT


@pytest.mark.parametrize(
    ("stated", "encoding", "subject"),
    [
        ("koi8-r", "koi8-r", "Где посылка?"),
        ("gb2312", "gbk", "包裹在哪里"),
        ("iso-2022-jp", "iso-2022-jp", "荷物はどこ"),
        ("utf-8", "utf-8", "Missä?"),
        ("utf-8", "cp1252", "Missä?"),
        ("us-ascii", "iso-2022-jp", "荷物はどこ"),
        ("koi8-r", "utf-8", "Missä?"),
    ],
)
def test_unencoded_fields_are_in_the_bodys_charset(stated: str, encoding: str, subject: str) -> None:
    raw = mail("x", subject="SUBJECT", content_type=f'text/plain; charset="{stated}"')
    assert only(raw.replace(b"SUBJECT", subject.encode(encoding))).subject == subject


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?iso-8859-1?q?p=E4iv=E4?=", "päivä"),
        ("=?utf-8?b?8J+OiQ==?= party", "🎉 party"),
        ("=?utf-8?b?8J+O?= =?utf-8?b?iQ==?=", "🎉"),  # cut within a character
        ("=?x-unknown?q?caf=E9?=", "café"),
        ("=?utf-8?b?cGFyY2Vs?", "=?utf-8?b?cGFyY2Vs?"),
        ("=?utf-8?b?cGFyY2V?=", "parce"),  # padding is missing
        ("=?utf-8*en?q?a?=", "a"),
        ("a\tb\r\n  c  d", "a b c d"),
        ("=?utf-8?q?a=00=0A=1Bb?=", "a b"),
        ("=?utf-8?q?=E2=80=8F=D7=A9?=", "\u200fש"),
    ],
)
def test_subjects_are_decoded_and_on_one_line(written: str, read: str) -> None:
    assert only(mail(subject=written)).subject == read


def test_a_subject_of_raw_bytes_is_read() -> None:
    assert only(mail().replace(b"Where is", b"Wo ist f\xfcr")).subject == "Wo ist für my parcel?"


def test_a_subject_that_is_too_long_is_marked() -> None:
    made = only(mail(subject="x" * 3000))
    assert made.subject is not None
    assert len(made.subject) == made.data["subject_truncated_at"] == 2000


def test_the_language_is_taken_from_its_field() -> None:
    assert only(mail(content_language="fi, en")).language == "fi"
    assert only(mail(content_language="<script>")).language is None
