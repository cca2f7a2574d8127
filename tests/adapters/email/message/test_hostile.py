"""Mails made to break the reader: each ends in a touchpoint or a refusal, soon."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handoff.adapter.contract import Parsed
from handoff.domain.errors import InvalidPayload
from handoff.domain.touchpoint import MAX_TOUCHPOINT_BYTES
from tests.adapters.contract import shared
from tests.adapters.email.mails import adapter, mail, request
from tests.examples import examples

SLOWEST = 4.0  # seconds on a busy machine; 0.2 s on an idle one, where the target is 0.5 s
MEGABYTE = 1 << 20


def survive(raw: bytes) -> Parsed | InvalidPayload:
    try:
        made = adapter().parse(request(raw))
    except InvalidPayload as refusal:
        if refusal.problem_code == "unreadable":  # the net below the limits: nothing should reach it
            raise
        return refusal
    for touchpoint in made.touchpoints:
        assert len(msgspec.msgpack.encode(touchpoint)) <= MAX_TOUCHPOINT_BYTES
    return made


def _nested(levels: int) -> bytes:
    opened = (
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(levels)
    )
    return b"From: anna@example.com\r\n" + b"".join(opened)


def _parts(one: bytes, times: int) -> bytes:
    return mail((b"--b\r\n" + one + b"\r\n") * times, content_type="multipart/mixed; boundary=b")


BOMBS: dict[str, tuple[bytes, str | None]] = {
    "20k encoded words": (mail(subject="=?utf-8?q?a?= " * 20_000), "headers_too_large"),
    "encoded words below the limit": (mail(subject="=?utf-8?q?a?= " * 14_000), None),
    "100k parts": (_parts(b"\r\nx", 100_000), "too_many_parts"),
    "500 parts of dense HTML": (_parts(b"Content-Type: text/html\r\n\r\n" + b"<p>a" * 500, 490), None),
    "parameters without end": (_parts(b"Content-Type: text/plain" + b';"' * 900 + b"\r\n\r\nx", 490), None),
    "50k addresses": (mail(to="a@b.c, " * 50_000), "headers_too_large"),
    "thousands of domains": (
        mail(
            to=", ".join(f"a{n}@ä{n}.example" for n in range(5_000)),
            cc=", ".join(f"b{n}@x{n}" for n in range(5_000)),
        ),
        None,
    ),
    "an address without end": (mail(to="a" * 60_000 + "@"), None),
    "nested comments": (mail(to="(" * 60_000), None),
    "nested quotes": (mail(to='"\\' * 30_000), None),
    "nested multiparts": (_nested(2000), "too_deep"),
    "20 levels of short lines": (_nested(19) + b"\r\n" + b"x\n" * 490_000, None),
    "20 levels of almost delimiters": (_nested(19) + b"\n--b1!" * 170_000, None),
    "nested mails": (b"From: anna@example.com\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 30_000, None),
    "half a message id": (mail(message_id="<"), None),
    "references": (mail(references="<a@b> " * 10_000), None),
    "brackets": (mail(references="<" * 60_000, in_reply_to="<a " * 3_000), None),
    "quadratic charset": (mail("a" * 1_000_000, content_type="text/plain; charset=idna"), None),
    "folds": (mail(subject="a" + "\r\n " * 60_000), None),
    "fields": (b"a:\n" * 300_000, "too_many_fields"),
    "short lines": (mail("\n" * 1_000_000), None),
    "quote marks": (mail(">\n" * 500_000), None),
    "attributions": (mail("2026 a@b 10:10 wrote:\n>x\ny\n" * 37_000), None),
    "HTML tags": (mail("<td><p>a<b>" * 90_000, content_type="text/html"), None),
    "HTML without ends": (mail("<svg>" * 200_000, content_type="text/html"), None),
    "HTML table": (
        mail("<table><tr><td>" + "x" * 100_000 + "<tr><td>a" * 3_000, content_type="text/html"),
        None,
    ),
    "HTML attributes": (mail("<a " + "x=1 " * 50_000 + ">", content_type="text/html"), None),
    "delivery reports": (
        _parts(b"Content-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n\r\n" * 100, 490),
        None,
    ),
    "an old bounce of dashes": (mail("--" * 500_000, **{"from": "mailer-daemon@x.example"}), None),
    "an old bounce of almost addresses": (
        mail("a.b-c@d-" * 125_000, subject="failure notice", **{"from": "mailer-daemon@x.example"}),
        None,
    ),
    "zeros": (bytes(MEGABYTE), "not_mail"),
    "nothing": (b"", "not_mail"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_fizzle(name: str) -> None:
    raw, code = BOMBS[name]
    started = time.process_time()
    made = survive(raw[:MEGABYTE])
    assert time.process_time() - started < SLOWEST
    assert (made.problem_code if isinstance(made, InvalidPayload) else None) == code


CORPORA = ["mail_cpython", "mail_ruby_mail", "bounce_sisimai", "reply_github", "reply_discourse"]


def _corpus(name: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(shared(name).rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()


@pytest.mark.parametrize("name", CORPORA)
def test_collected_mails_are_read(name: str) -> None:
    for file, raw in _corpus(name):
        started = time.process_time()
        survive(raw)
        survive(raw[: len(raw) // 2])
        assert time.process_time() - started < SLOWEST, file


def test_collected_bounces_are_distinguished_from_other_mail() -> None:
    made: dict[str, int] = {}
    for _, raw in _corpus("bounce_sisimai/bsd"):
        found = survive(raw)
        assert isinstance(found, Parsed)
        for touchpoint in found.touchpoints:
            made[touchpoint.type] = made.get(touchpoint.type, 0) + 1
    assert made["email.bounced"] >= 73  # of 84; the others are delays, complaints, auto-replies
    for _, raw in _corpus("bounce_sisimai/not"):
        found = survive(raw)
        assert isinstance(found, Parsed)
        assert [one.type for one in found.touchpoints] == ["email.received"]


FIELD_NAMES = ["From", "To", "Cc", "Date", "Subject", "Message-ID", "References", "In-Reply-To", "Reply-To"]
FIELD_NAMES += ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Received", "Return-Path"]
FIELD_NAMES += ["Authentication-Results", "Auto-Submitted", "Content-Language", "Sender", "List-Id"]
PIECES = [
    b"anna@example.com",
    b"support@shop.example",
    b"<",
    b">",
    b"(",
    b")",
    b'"',
    b"\\",
    b",",
    b";",
    b":",
    b"@",
]
PIECES += [
    b"=?utf-8?q?=FF?=",
    b"=?x?b?AA?=",
    b"multipart/mixed",
    b"multipart/report",
    b"text/html",
    b"boundary=b",
]
PIECES += [
    b"; charset=",
    b"utf-7",
    b"\xff\xfe",
    b"\x00",
    b"\r\n ",
    b" ",
    b"base64",
    b"filename*0*=",
    b"dmarc=pass",
]
PIECES += [
    b"message/delivery-status",
    b"Sat, 21 Nov 2026 20:00:00 +9999",
    b"99999999999999999999",
    b"mx.shop.example",
]
LINES = [
    b"--b\r\n",
    b"--b--\r\n",
    b"Content-Type: text/html\r\n",
    b"\r\n",
    b"<div>&#xD800;",
    b"> x\n",
    b"x wrote:\n",
]
LINES += [
    b"Action: failed\r\nFinal-Recipient: rfc822; a@b.c\r\n",
    b"Content-Type: message/delivery-status\r\n\r\n",
]
field = st.tuples(st.sampled_from(FIELD_NAMES), st.lists(st.sampled_from(PIECES), max_size=8)).map(
    lambda one: one[0].encode() + b": " + b"".join(one[1]) + b"\r\n"
)
mails = st.tuples(
    st.lists(field, max_size=12), st.lists(st.sampled_from(LINES) | st.binary(max_size=12), max_size=12)
).map(lambda one: b"".join(one[0]) + b"\r\n" + b"".join(one[1]))


@pytest.mark.no_cover
@settings(max_examples=examples(300), deadline=None)
@given(raw=st.binary(max_size=400) | mails)
@example(raw=b"From: a@b.c\r\n\r\n")
def test_any_bytes_end_in_a_touchpoint_or_a_refusal(raw: bytes) -> None:
    survive(raw)


@pytest.mark.no_cover
@settings(max_examples=examples(200), deadline=None)
@given(raw=mails)
def test_reading_is_pure_and_quarantined_mail_reads_the_same_again(raw: bytes) -> None:
    first = survive(raw)
    if isinstance(first, Parsed):
        assert adapter().parse(request(raw)) == first
        for bad in first.malformed:
            again = adapter().parse(request(bad.item))
            assert [one.code for one in again.malformed] == [bad.code]
