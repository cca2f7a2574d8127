"""A mail from a person, a program or one of us, as a touchpoint."""

from __future__ import annotations

import pytest

from handoff.domain.clock import HOUR, parse_time
from handoff.domain.errors import ConfigurationError, SignatureRefused
from handoff_adapters.email.message.message import ENVELOPE
from tests.adapters.email.smtp.mails import AT, RECEIVED_AT, adapter, home, mail, only, others, parse, request


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
    assert made.data == {"mailbox": "support@shop.example", "envelope_from": "anna@example.com"}
    assert made.participants == ()


# --- the envelope ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to", ["support@shop.example", "Support+t4@SHOP.example", "support@shop.example, support@shop.example"]
)
def test_the_recipients_of_the_source_are_accepted(to: str) -> None:
    adapter().verify(request(b"", to=to))


def test_a_whole_domain_is_accepted() -> None:
    adapter(recipients=("@shop.example",)).verify(request(b"", to="anyone@shop.example"))


@pytest.mark.parametrize(
    "to", ["", "boss@shop.example", "support@shop.example, boss@shop.example", "support@shop.example.evil"]
)
def test_other_recipients_are_refused(to: str) -> None:
    with pytest.raises(SignatureRefused):
        adapter().verify(request(b"", to=to))


def test_what_comes_by_http_is_refused() -> None:
    one = request(b"")
    posted = type(one)(**{name: getattr(one, name) for name in one.__struct_fields__} | {"method": "POST"})
    with pytest.raises(SignatureRefused):
        adapter().verify(posted)


@pytest.mark.parametrize(
    "options",
    [
        {"recipients": ("nobody",)},
        {"recipients": ("@",)},
        {"listen": "2525"},
        {"listen": "h:x"},
        {"tls_cert": "c.pem"},
    ],
)
def test_what_cannot_be_configured_is_said(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        adapter(**options)


# --- what names the event -------------------------------------------------------------------------


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


# --- the thread -----------------------------------------------------------------------------------


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


# --- when it happened -----------------------------------------------------------------------------

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


# --- who wrote ------------------------------------------------------------------------------------

PASS = (
    "Authentication-Results: mx.shop.example 1; spf=pass smtp.mailfrom=example.com;\r\n"
    " dmarc=pass (p=none) header.from=example.com"
)


@pytest.mark.parametrize(
    "above",
    [
        (PASS,),
        (RECEIVED, PASS),
        (PASS.replace("mx.shop", "MX.Shop").replace("dmarc=pass", "DMARC = pass"), RECEIVED),
        ("Authentication-Results: mx.shop.example; spf=pass", PASS, RECEIVED),
        ("Authentication-Results: inner.shop.example; dmarc=fail", RECEIVED, PASS),
    ],
)
def test_a_dmarc_pass_of_a_trusted_host_verifies_from(above: tuple[str, ...]) -> None:
    assert home(only(mail("x", *above))) == "email:anna@example.com verified"


@pytest.mark.parametrize(
    "above",
    [
        (),
        (PASS.replace("mx.shop", "mx.evil"),),
        (PASS.replace("dmarc=pass", "dmarc=fail"),),
        (PASS.replace("dmarc=pass", "dmarc=none (dmarc=pass)"),),
        (PASS.replace("dmarc=pass", 'spf=fail reason="; dmarc=pass"'),),
        (PASS.replace("dmarc=pass", "x-dmarc=pass"),),
        (PASS.replace("header.from=example.com", "header.from=evil.example"),),
        # What the sender wrote below what our host found out.
        ("Authentication-Results: mx.shop.example; dmarc=fail", PASS),
        ("Authentication-Results: mx.shop.example; spf=pass", RECEIVED, PASS),
        (RECEIVED, "Authentication-Results: mx.shop.example; none", PASS),
    ],
)
def test_anything_else_leaves_from_a_claim(above: tuple[str, ...]) -> None:
    assert home(only(mail("x", *above))) == "email:anna@example.com claimed"


@pytest.mark.parametrize("stated", ["exämple.com", "xn--exmple-cua.com", "p@EXÄMPLE.com"])
def test_an_international_domain_is_the_same_in_both_spellings(stated: str) -> None:
    found = PASS.replace("header.from=example.com", f"header.from={stated}")
    made = only(mail("x", found, **{"from": "Päivi <p@exämple.com>"}))
    assert home(made) == "email:p@xn--exmple-cua.com verified"


def test_without_trusted_hosts_nothing_is_verified() -> None:
    made = only(mail("x", PASS), options={"trusted_authserv_ids": ()})
    assert home(made) == "email:anna@example.com claimed"


@pytest.mark.parametrize(
    "above",
    [("From: boss@example.com",), ()],
)
def test_two_authors_are_never_verified(above: tuple[str, ...]) -> None:
    given = {} if above else {"from": "anna@example.com, eve@example.com"}
    assert only(mail("x", PASS, *above, **given)).assurance == "claimed"


@pytest.mark.parametrize(
    ("written", "address", "name"),
    [
        ("anna@example.com", "anna@example.com", None),
        ('"Virtanen, Anna" <anna@example.com>', "anna@example.com", "Virtanen, Anna"),
        ("anna@example.com (Anna V)", "anna@example.com", "Anna V"),
        ("=?utf-8?q?P=C3=A4ivi?= <p@example.com>", "p@example.com", "Päivi"),
        ("=?utf-8?B?UMOkaQ==?=\r\n =?utf-8?B?dmk=?= <p@example.com>", "p@example.com", "Päivi"),
        ("=?utf-8?q?Doe,_John?= <j@example.com>", "j@example.com", "Doe, John"),
        ("Päivi <päivi@exämple.com>", "päivi@xn--exmple-cua.com", "Päivi"),
        ('"boss@shop.example" <eve@example.com>', "eve@example.com", None),
        ("boss＠shop.example <eve@example.com>", "eve@example.com", None),
        ("Anna <@relay.example:anna@example.com>", "anna@example.com", "Anna"),
        ("Anna <anna@example.com", "anna@example.com", "Anna"),
        ("Team: Anna <anna@example.com>;", "anna@example.com", "Anna"),
        ("Anna <anna @ example . com>", "anna@example.com", "Anna"),
        ("\u202eannA <anna@example.com>", "anna@example.com", "annA"),
        ('"anna..v."@docomo.example', "anna..v.@docomo.example", None),
        ('Anna <"anna..v."@docomo.example>', "anna..v.@docomo.example", "Anna"),
        ('"boss@shop.example"@example.com', '"boss@shop.example"@example.com', None),
        ('"Anna"@Work <anna@example.com>', "anna@example.com", None),
    ],
)
def test_addresses_and_names_as_senders_write_them(written: str, address: str, name: str | None) -> None:
    made = only(mail(**{"from": written}))
    assert made.home.identity.value == address
    assert made.traits.get("name") == name


def test_a_from_field_is_no_separator_of_a_mailbox_file() -> None:
    """RFC 5322 §4.5.3: there were blanks before colons."""
    raw = mail("Hello", **{"from": None})
    assert home(only(b"From  : Anna <anna@example.com>\r\n" + raw)).startswith("email:anna@example.com")
    separated = b"From anna@example.org Sat Nov 21 20:00:00 2026\r\n" + mail("Hello")
    assert home(only(separated)).startswith("email:anna@example.com")


def test_other_people_are_participants_and_we_are_not() -> None:
    made = only(
        mail(
            to="support+7@shop.example, Bo <bo@example.com>, x@desk.shop.example",
            cc="cy@example.com, anna@example.com, agent@shop.example",
            reply_to="anna.home@example.org",
            sender="office@example.com",
        )
    )
    assert home(made) == "email:anna@example.com claimed"
    assert others(made) == [
        "reply_to anna.home@example.org",
        "sender office@example.com",
        "to bo@example.com",
        "cc cy@example.com",
    ]


def test_participants_are_bounded_and_the_rest_is_counted() -> None:
    made = only(mail(cc=", ".join(f"p{n}@example.com" for n in range(250)) + ", not an address"))
    assert len(made.participants) == 200
    assert made.data["participants_left_out"] == 50


@pytest.mark.parametrize(
    "fields",
    [
        {"from": "'Anna' via Support <support@shop.example>", "x_original_from": "Anna <anna@example.com>"},
        {"from": "Support <support@shop.example>", "x_original_sender": "anna@example.com"},
        {"from": "'Anna' via Support <support@shop.example>", "reply_to": "anna@example.com"},
        {
            "from": "=?utf-8?q?=C3=84nni_via_Support?= <support@shop.example>",
            "reply_to": "anna@example.com",
            "to": "support@shop.example, bo@example.org",
        },
        {"from": "Form <support@shop.example>", "reply_to": "anna@example.com"},
        {"from": "noreply@forms.example", "reply_to": "anna@example.com"},
        {"from": "'Anna' via List <list@lists.example>", "x_original_from": "anna@example.com"},
        {"from": None, "sender": "anna@example.com"},
        {
            "from": "Anna via List <list@lists.example>",
            "reply_to": "Anna <anna@example.com>",
            "list_id": "<list.lists.example>",
        },
    ],
)
def test_a_rewritten_from_gives_way_to_who_wrote(fields: dict[str, str | None]) -> None:
    made = only(mail("x", PASS, **fields))
    assert (made.type, home(made)) == ("email.received", "email:anna@example.com claimed")


@pytest.mark.parametrize(
    "written", ['"anna boss"@shop.example.org', '"x <boss@example.org>"@example.com', '<"a b"@example.com>']
)
def test_half_of_a_quoted_address_is_nobodys(written: str) -> None:
    assert [bad.code for bad in parse(mail(**{"from": written})).malformed] == ["no_identity"]


def test_a_reply_to_never_takes_the_place_of_a_persons_from() -> None:
    made = only(mail("x", PASS, reply_to="victim@example.org"))
    assert home(made) == "email:anna@example.com verified"


def test_a_mail_of_ours_is_filed_under_the_customer() -> None:
    made = only(
        mail(
            **{
                "from": "Kim <agent@shop.example>",
                "to": "support@shop.example, Anna <anna@example.com>",
                "cc": "bo@x.example",
            }
        )
    )
    assert (made.type, made.direction, home(made)) == (
        "email.sent",
        "outbound",
        "email:anna@example.com claimed",
    )
    assert made.actor == {"type": "agent", "name": "Kim"}
    assert others(made) == ["cc bo@x.example"]


@pytest.mark.parametrize(
    "fields",
    [
        {"from": "agent@shop.example"},
        {"from": None},
        {"from": "not an address"},
        {"from": "MAILER-DAEMON@mx.example", "subject": "Something else"},
    ],
)
def test_a_mail_without_a_customer_is_quarantined_whole(fields: dict[str, str | None]) -> None:
    raw = mail(**fields)
    made = parse(raw)
    assert [(bad.code, bad.item) for bad in made.malformed] == [("no_identity", raw)]
    assert made.touchpoints == ()
    assert parse(raw, sender=None, to="").malformed == made.malformed


# --- what a program wrote -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"auto_submitted": "auto-replied"},
        {"auto_submitted": "auto-generated; x=y"},
        {"x_autoreply": "yes"},
        {"x_autogenerated": "Reply"},
        {"x_fc_machinegenerated": "true"},
        {"x_precedence": "auto_reply"},
        {"preference": "auto_reply"},
        {"x_auto_response_suppress": "All"},
        {"precedence": "auto_reply"},
        {"precedence": "bulk"},
        {"list_unsubscribe": "<https://news.example/u>"},
        {"from": "no-reply@news.example"},
        {"subject": "Automatic reply: Where is my parcel?"},
        {"subject": "=?utf-8?q?R=C3=A9ponse_automatique?="},
        {"subject": "Automatiskt svar: Var är mitt paket?"},
        {"subject": "Automatická odpověď: Kde je balík?"},
        {"return_path": "<>"},
    ],
)
def test_a_mail_of_a_program_says_so(fields: dict[str, str]) -> None:
    made = only(mail(**fields), sender=None)
    assert made.type == "email.auto_replied"
    assert made.direction == "inbound"
    assert made.data["auto"]


def test_a_null_sender_is_a_program() -> None:
    assert only(mail(), sender="<>").type == "email.auto_replied"


@pytest.mark.parametrize(
    "fields",
    [
        {"auto_submitted": "no"},
        {"precedence": "list", "list_id": "<talk.lists.example>"},
        {"precedence": "bulk", "list_id": "<talk.lists.example>", "list_unsubscribe": "<mailto:x@y>"},
        {"precedence": "normal"},
        {"subject": "Re: automatic reply does not work"},
    ],
)
def test_a_person_through_a_list_is_a_person(fields: dict[str, str]) -> None:
    assert only(mail(**fields)).type == "email.received"


# --- subject and language -------------------------------------------------------------------------


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
def test_fields_that_nobody_encoded_are_in_the_bodys_charset(
    stated: str, encoding: str, subject: str
) -> None:
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


def test_a_subject_that_is_too_long_says_so() -> None:
    made = only(mail(subject="x" * 3000))
    assert made.subject is not None
    assert len(made.subject) == made.data["subject_truncated_at"] == 2000


def test_the_language_is_taken_from_its_field() -> None:
    assert only(mail(content_language="fi, en")).language == "fi"
    assert only(mail(content_language="<script>")).language is None
