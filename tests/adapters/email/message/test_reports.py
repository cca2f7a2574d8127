"""Bounces, receipts and complaints."""

from __future__ import annotations

import pytest

from handoff.domain.touchpoint import Touchpoint
from tests.adapters.email.mails import home, mail, multipart, only, others, parse

ORIGINAL = (
    "Content-Type: message/rfc822\r\n\r\nFrom: support@shop.example\r\nTo: anna@example.com\r\n"
    "Message-ID: <sent@shop.example>\r\nReferences: <root@example.com> <mid@x>\r\nSubject: Re\r\n\r\nHi"
)
DAEMON = {"from": "Mail Delivery System <MAILER-DAEMON@mx.example>", "to": "support@shop.example"}


def status(*blocks: str) -> str:
    return (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        + "\r\n\r\n".join(blocks)
    )


def failed(address: str, action: str = "failed", code: str = "5.1.1") -> str:
    return (
        f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {code}\r\n"
        "Diagnostic-Code: smtp; 550 No such\r\n user"
    )


def report(*parts: str, kind: str = "delivery-status", **fields: str | None) -> Touchpoint:
    type_, body = multipart("multipart/report", "\r\nCould not be delivered.", *parts)
    return only(
        mail(body, **({**DAEMON, "content_type": f"{type_}; report-type={kind}"} | fields)), sender="<>"
    )


def test_a_bounce_is_filed_under_the_recipient_in_the_thread_of_the_original() -> None:
    made = report(status(failed("Anna@Example.com")), ORIGINAL)
    assert (made.type, made.direction, home(made)) == (
        "email.bounced",
        "outbound",
        "email:anna@example.com claimed",
    )
    assert made.thread == "root@example.com"
    assert made.event_id == "m1@example.com"
    assert made.amends is None
    assert {key: made.data[key] for key in ("status", "action", "diagnostic", "original_message_id")} == {
        "status": "5.1.1",
        "action": "failed",
        "diagnostic": "550 No such user",
        "original_message_id": "sent@shop.example",
    }
    assert made.text == "Could not be delivered."


def test_only_the_header_of_the_original_is_enough() -> None:
    headers = (
        "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <sent@shop.example>\r\nTo: anna@example.com\r\n"
    )
    made = report(status(failed("anna@example.com")), headers)
    assert (made.thread, made.data["original_message_id"]) == ("sent@shop.example", "sent@shop.example")


def test_the_address_that_was_written_to_wins_over_the_one_it_went_to() -> None:
    block = "Original-Recipient: rfc822;anna@example.com\r\n" + failed("real@internal.example")
    assert home(report(status(block))) == "email:anna@example.com claimed"


def test_several_recipients_make_one_touchpoint_under_the_failed_one() -> None:
    made = report(status(failed("bo@x.example", "delivered", "2.0.0"), failed("anna@example.com")))
    assert (made.type, home(made)) == ("email.bounced", "email:anna@example.com claimed")
    assert "recipient bo@x.example" in others(made)


@pytest.mark.parametrize(
    ("action", "code", "type_", "name"),
    [
        ("delayed", "4.4.1", "event.tracked", "email.delayed"),
        ("", "4.4.1", "event.tracked", "email.delayed"),
        ("delivered", "2.0.0", "message.delivered", None),
        ("relayed", "2.0.0", "message.delivered", None),
    ],
)
def test_what_did_not_fail_is_no_bounce(action: str, code: str, type_: str, name: str | None) -> None:
    made = report(status(failed("anna@example.com", action, code)))
    assert (made.type, made.data.get("name"), made.direction) == (type_, name, "outbound")


def test_a_read_receipt() -> None:
    notice = (
        "Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; anna@example.com\r\n"
        "Original-Message-ID: <sent@shop.example>\r\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\r\n"
    )
    made = report(notice, kind="disposition-notification", **{"from": "Anna <anna@example.com>"})
    assert (made.type, home(made), made.thread) == (
        "message.read",
        "email:anna@example.com claimed",
        "sent@shop.example",
    )
    deleted = report(notice.replace("displayed", "deleted"), kind="disposition-notification")
    assert (deleted.type, deleted.data["disposition"]) == ("event.tracked", "deleted")


def test_a_complaint() -> None:
    feedback = (
        "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\n"
        "Original-Rcpt-To: <anna@example.com>\r\n"
    )
    made = report(feedback, ORIGINAL, kind="feedback-report")
    assert (made.type, made.data["name"], made.data["feedback_type"], home(made)) == (
        "event.tracked",
        "email.feedback_report",
        "abuse",
        "email:anna@example.com claimed",
    )


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"x_failed_recipients": "anna@example.com"}, "It failed."),
        (
            {"subject": "failure notice"},
            "Hi. This is the qmail-send program.\r\n\r\n<anna@example.com>:\r\nno mailbox\r\n",
        ),
        (
            {"subject": "Returned mail"},
            "   ----- Transcript of session follows -----\r\n550 User unknown\r\n\r\n"
            "   ----- Unsent message follows -----\r\nMessage-Id: <sent@shop.example>\r\n"
            "To: anna@example.com\r\n\r\nHi",
        ),
        ({}, "Your message to anna@example.com could not be delivered."),
    ],
)
def test_bounces_from_before_the_standard(fields: dict[str, str], body: str) -> None:
    made = only(mail(body, **{**DAEMON, **fields}), sender="<>")
    assert (made.type, home(made)) == ("email.bounced", "email:anna@example.com claimed")
    if "Unsent" in body:
        assert made.data["original_message_id"] == made.thread == "sent@shop.example"


def test_a_person_who_writes_about_a_failure_is_no_bounce() -> None:
    made = only(mail("My parcel could not be delivered.", subject="Delivery failed"))
    assert (made.type, home(made)) == ("email.received", "email:anna@example.com claimed")


@pytest.mark.parametrize(
    "passed_on",
    [
        status(failed("support@shop.example")),
        "Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; bo@x.example\r\n"
        "Disposition: automatic-action/MDN-sent-automatically; displayed\r\n",
        "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n",
    ],
)
def test_a_person_who_passes_on_a_report_writes_a_mail(passed_on: str) -> None:
    type_, body = multipart("multipart/mixed", "\r\nThis came back from you.", passed_on)
    made = only(mail(body, content_type=type_))
    assert (made.type, home(made)) == ("email.received", "email:anna@example.com claimed")
    assert made.text == "This came back from you."


def test_a_bounce_that_names_only_us_is_quarantined() -> None:
    type_, body = multipart("multipart/report", status(failed("support@shop.example")))
    made = parse(mail(body, **DAEMON, content_type=type_), sender="<>")
    assert [bad.code for bad in made.malformed] == ["no_identity"]
