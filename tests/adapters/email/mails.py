"""Mails written by hand, and the adapter that reads them."""

from __future__ import annotations

from typing import Any

from handoff.adapter.contract import InboundRequest, Parsed
from handoff.domain.clock import Micros, parse_time
from handoff.domain.touchpoint import Touchpoint
from handoff_adapters.email.smtp import SmtpAdapter, SmtpOptions

RECEIVED_AT = parse_time("2026-11-21T21:10:00Z")
DATED = "Sat, 21 Nov 2026 20:00:00 +0200"
AT = parse_time("2026-11-21T18:00:00Z")
STANDARD = {
    "From": "Anna Virtanen <Anna@Example.com>",
    "To": "Support <support@shop.example>",
    "Subject": "Where is my parcel?",
    "Date": DATED,
    "Message-ID": "<m1@example.com>",
}


def adapter(**options: Any) -> SmtpAdapter:
    stated: dict[str, Any] = {
        "name": "mail",
        "adapter": "email.smtp",
        "recipients": ("support@shop.example",),
        "own": ("agent@shop.example", "@desk.shop.example", "+358 9 1234", "agent:7"),
        "trusted_authserv_ids": ("mx.shop.example",),
    }
    return SmtpAdapter(SmtpOptions(**(stated | options)))


def mail(body: str | bytes = "Hello", /, *above: str, **fields: str | None) -> bytes:
    """A mail with the standard fields, changed by `fields` (None leaves one out); `above` comes first."""
    given = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    standard = {name: value for name, value in STANDARD.items() if name.lower() not in given}
    lines = [
        *above,
        *(f"{name}: {value}" for name, value in {**standard, **given}.items() if value is not None),
    ]
    content = body.encode() if isinstance(body, str) else body
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def multipart(kind: str, *parts: str, boundary: str = "b1") -> tuple[str, str]:
    """(Content-Type, body) of a multipart; each part is its fields, a blank line and its content."""
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    return f'{kind}; boundary="{boundary}"', body


def request(
    raw: bytes,
    *,
    sender: str | None = "anna@example.com",
    to: str = "support@shop.example",
    received_at: Micros = RECEIVED_AT,
) -> InboundRequest:
    headers = {"rcpt-to": to, "peer": "127.0.0.1"} | ({"mail-from": sender} if sender is not None else {})
    return InboundRequest(
        method="SMTP",
        path="",
        url="smtp://127.0.0.1:2525/",
        query=(),
        headers=headers,
        raw=raw,
        body=raw,
        received_at=received_at,
    )


def parse(raw: bytes, *, options: dict[str, Any] | None = None, **envelope: Any) -> Parsed:
    return adapter(**(options or {})).parse(request(raw, **envelope))


def only(raw: bytes, *, options: dict[str, Any] | None = None, **envelope: Any) -> Touchpoint:
    """The one touchpoint of `raw`."""
    made = parse(raw, options=options, **envelope)
    assert not made.malformed
    (touchpoint,) = made.touchpoints
    return touchpoint


def home(touchpoint: Touchpoint) -> str:
    return f"{touchpoint.home.identity} {touchpoint.assurance}"


def others(touchpoint: Touchpoint) -> list[str]:
    return [f"{one.role} {one.identity.value}" for one in touchpoint.participants]
