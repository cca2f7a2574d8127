"""The people of a mail: its author, participants, and programs that write mail."""

from __future__ import annotations

import pytest

from tests.adapters.email.mails import home, mail, only, others, parse

RECEIVED = "Received: from a by mx.shop.example; Sat, 21 Nov 2026 20:00:00 +0000"

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
        # The sender's own header below our host's verdict.
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
def test_half_of_a_quoted_address_identifies_no_one(written: str) -> None:
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
def test_a_mail_of_a_program_is_an_automatic_reply(fields: dict[str, str]) -> None:
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
