"""One mail as one touchpoint."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.identity import Assurance, Handle
from handoff.domain.touchpoint import (
    MAX_ATTACHMENTS,
    MAX_PARTICIPANTS,
    MAX_SUBJECT,
    MAX_TEXT,
    MAX_TOUCHPOINT_BYTES,
    Direction,
    Participant,
    Touchpoint,
    default_direction,
)
from handoff_adapters.shared.fields import language

from .body import MessageBody, read_body
from .characters import decode_words, one_line
from .mailboxes import Mailboxes
from .mime import Headers, Part, body_bytes, read_mail
from .people import Author, Correspondents, author, correspondents, participants, person
from .quotes import is_forward, split_quote
from .reports import Recipient, Report, auto_reasons, is_machine, is_no_reply, read_report
from .trace import message_id, message_ids, occurred_at, thread_root

ENVELOPE = (
    *("mailbox", "mailboxes", "tagged", "envelope_from", "date_header", "dmarc", "auto"),
    "message_id",
)
"""Keys of `data` that may differ between two copies of one mail: its route, not its content. Its Message-ID
is its identity."""
_CONTENT_ID = "sha256:"
_RESERVED = 24 * 1024  # bytes of a touchpoint besides its text and its lists
_MAX_MAILBOXES = 20
_CONTENT_FIELDS = (
    *("from", "sender", "reply-to", "to", "cc", "date", "subject", "in-reply-to", "references"),
    "content-type",
)
"""Fields that are equal in every copy of a mail. With the body they identify a mail without Message-ID."""


class Account(Struct, frozen=True, kw_only=True):
    """The settings of a source that parsing depends on."""

    source: str
    id_space: str
    ours: Mailboxes
    trusted_hosts: frozenset[str]


class Envelope(Struct, frozen=True, kw_only=True):
    """The SMTP envelope (RFC 5321 §2.3.1). `sender` is None when it is unknown."""

    sender: str | None
    recipients: tuple[str, ...]
    received_at: Micros


class ParsedMail(Struct, frozen=True, kw_only=True):
    """The parts of a mail that the touchpoint is made from."""

    headers: Headers
    body: MessageBody
    subject: str
    named: Correspondents
    event_id: str
    envelope: Envelope
    auto: tuple[str, ...]


def touchpoint_of(raw: bytes, envelope: Envelope, account: Account) -> Touchpoint | None:
    """The touchpoint of the mail `raw`, or None when it names no customer.

    InvalidPayload as in `read_mail`; Unprocessable when the touchpoint exceeds a published limit.
    """
    root = read_mail(raw)
    mail, report = _parse(root, raw, envelope)
    if report is not None:
        return _of_report(mail, report, account)
    return _of_message(mail, account)


def _parse(root: Part, raw: bytes, envelope: Envelope) -> tuple[ParsedMail, Report | None]:
    headers = root.headers
    body = read_body(root)
    subject = one_line(decode_words(headers.first("subject")))
    named = correspondents(headers)
    senders = named.people["from"]
    address = senders[0].address if senders else ""
    null_sender = _is_null(envelope.sender, headers)
    mail = ParsedMail(
        headers=headers,
        body=body,
        subject=subject,
        named=named,
        event_id=message_id(headers) or _content_id(headers, raw),
        envelope=envelope,
        auto=tuple(auto_reasons(headers, address, null_sender, subject)),
    )
    return mail, read_report(root, address, null_sender, body.text, subject)


def _is_null(sender: str | None, headers: Headers) -> bool:
    """Whether the mail came from `<>`, which expects no answer or bounce (RFC 5321 §4.5.5)."""
    if sender is not None:
        return sender.strip("<> ") == ""
    return headers.first("return-path").replace(" ", "") == "<>"


def _content_id(headers: Headers, raw: bytes) -> str:
    """The event id of a mail without Message-ID: a hash over the parts that every copy shares."""
    digest = hashlib.sha256()
    for name in _CONTENT_FIELDS:
        for value in headers.all(name):
            digest.update(f"{name}:{' '.join(value.split())}\n".encode("utf-8", "replace"))
    digest.update(b"\n" + body_bytes(raw))
    return f"{_CONTENT_ID}{digest.hexdigest()}"


def _of_message(mail: ParsedMail, account: Account) -> Touchpoint | None:
    """The touchpoint of a mail from a person or a program to the business, or from an agent to a customer."""
    who = author(mail.headers, mail.named, account.ours, account.trusted_hosts)
    if who is None or _is_daemon(who.handle.identity.value, mail.auto):
        return None
    senders = mail.named.people["from"]
    auto = [
        reason
        for reason in mail.auto
        # A form's no-reply address does not make its author a program.
        if reason != "sender" or (senders and senders[0].identity == who.handle.identity)
    ]
    received = "email.auto_replied" if auto else "email.received"
    data: dict[str, Any] = {}
    if not mail.event_id.startswith(_CONTENT_ID):
        data["message_id"] = mail.event_id
    if list_id := one_line(mail.headers.first("list-id"))[:200]:
        data["list_id"] = list_id
    if auto:
        data["auto"] = auto
    if who.dmarc:
        data["dmarc"] = who.dmarc
    actor: dict[str, Any] = {"type": "agent" if who.outbound else "customer"}
    writer = senders[0].name if who.outbound else who.name
    if writer:
        actor["name"] = writer
    type_ = "email.sent" if who.outbound else received
    return _touchpoint(mail, account, who, type_=type_, data=data, actor=actor)


def _is_daemon(address: str, auto: tuple[str, ...]) -> bool:
    """Whether a mail system wrote the mail. A human postmaster's mail has no other sign of a program."""
    return is_machine(address) and (address.startswith("mailer") or set(auto) != {"sender"})


def _of_report(mail: ParsedMail, report: Report, account: Account) -> Touchpoint | None:
    """A bounce, receipt or complaint, filed under the recipient of the original mail."""
    type_, data, first = _meaning(report)
    stated = sorted(report.recipients, key=lambda one: one is not first)
    found = [one for one in (person(stated_.address) for stated_ in stated) if one]
    if report.kind == "disposition":  # From is the reader; the report's own recipient is the fallback
        found = [one for one in mail.named.people["from"] if not is_no_reply(one.address)] + found
    customers = [one for one in found if not account.ours.holds(one.address)]
    if not customers:
        return None
    home = customers[0].identity
    others = dict.fromkeys(one.identity for one in customers[1:] if one.identity != home)
    original_id = message_ids(report.original_id) or [message_id(report.original) or ""]
    if original_id[0]:
        data["original_message_id"] = original_id[0]
    return _touchpoint(
        mail,
        account,
        Author(Handle(home, Assurance.CLAIMED), None),
        type_=type_,
        data=data,
        actor={"type": "system"},
        direction=Direction.OUTBOUND if report.kind == "delivery" else default_direction(type_),
        others=tuple(Participant(other, "recipient") for other in others),
        thread=thread_root(report.original, None) or original_id[0] or None,
    )


def _meaning(report: Report) -> tuple[str, dict[str, Any], Recipient | None]:
    """Type and data of a report, and its main recipient."""
    if report.kind == "feedback":
        return "event.tracked", {"name": "email.feedback_report", "feedback_type": report.detail}, None
    if report.kind == "disposition":
        if report.detail in ("displayed", ""):
            return "message.read", {}, None
        return "event.tracked", {"name": "email.disposition", "disposition": report.detail}, None
    order = ("failed", "delayed")
    ranked = sorted(
        report.recipients, key=lambda one: order.index(one.action) if one.action in order else len(order)
    )
    first = ranked[0] if ranked else Recipient(address="", action="failed")
    stated = {"status": first.status, "action": first.action, "diagnostic": first.diagnostic}
    data: dict[str, Any] = {name: value for name, value in stated.items() if value}
    if first.action == "delayed":
        return "event.tracked", {"name": "email.delayed", **data}, first
    return "message.delivered" if first.action in _DELIVERED else "email.bounced", data, first


_DELIVERED = frozenset({"delivered", "relayed", "expanded"})


def _touchpoint(
    mail: ParsedMail,
    account: Account,
    who: Author,
    *,
    type_: str,
    data: dict[str, Any],
    actor: dict[str, Any],
    direction: Direction | None = None,
    others: tuple[Participant, ...] = (),
    thread: str | None = None,
) -> Touchpoint:
    headers = mail.headers
    home = who.handle.identity
    in_mail, left_out = participants(mail.named, account.ours, home)
    in_mail = tuple({one.identity: one for one in (*others, *in_mail)}.values())
    left_out += max(0, len(in_mail) - MAX_PARTICIPANTS)
    in_mail = in_mail[:MAX_PARTICIPANTS]
    attachments = mail.body.attachments[:MAX_ATTACHMENTS]
    at, as_dated = occurred_at(headers, mail.envelope.received_at)
    data = data | _about(mail, left_out, as_dated) | _tagged(mail, account.ours)
    room = MAX_TOUCHPOINT_BYTES - _RESERVED - len(msgspec.json.encode((in_mail, attachments)))
    text, about_text = _words(mail, room)
    return Touchpoint(
        id_space=account.id_space,
        event_id=mail.event_id,
        source=account.source,
        channel="email",
        type=type_,
        occurred_at=at,
        identities=(who.handle,),
        direction=direction or (Direction.OUTBOUND if who.outbound else default_direction(type_)),
        participants=in_mail,
        subject=mail.subject[:MAX_SUBJECT] or None,
        text=text,
        language=language(headers.first("content-language").partition(",")[0]),
        attachments=attachments,
        thread=thread or thread_root(headers, mail.event_id) or mail.event_id,
        thread_space=account.id_space,
        actor=actor,
        traits={"name": who.name} if who.name else {},
        data=data | about_text,
        envelope=ENVELOPE,
    )


def _about(mail: ParsedMail, participants_left_out: int, as_dated: bool) -> dict[str, Any]:
    """Details of a mail besides its text, without absent ones."""
    headers, boxes = mail.headers, mail.envelope.recipients
    replied_to = [found for found in message_ids(headers.first("in-reply-to")) if found != mail.event_id]
    found: dict[str, Any] = {
        "mailbox": boxes[0] if boxes else None,
        "mailboxes": list(boxes[:_MAX_MAILBOXES]) if len(boxes) > 1 else None,
        "envelope_from": (mail.envelope.sender or "")[:512] or None,
        "date_header": None if as_dated else one_line(headers.first("date"))[:200] or None,
        "in_reply_to": replied_to[0] if replied_to else None,
        "encrypted": mail.body.encrypted or None,
        "participants_left_out": participants_left_out or None,
        "attachments_left_out": max(0, len(mail.body.attachments) - MAX_ATTACHMENTS) or None,
    }
    if len(mail.subject) > MAX_SUBJECT or "subject" in headers.cut:
        found["subject_truncated_at"] = min(len(mail.subject), MAX_SUBJECT)
    return {name: value for name, value in found.items() if value is not None}


def _tagged(mail: ParsedMail, ours: Mailboxes) -> dict[str, Any]:
    """Our addresses in To and Cc with a `+tag` that the envelope lacks. It may be a continuity code."""
    known = {it.lower() for it in mail.envelope.recipients}
    named = (one.address for field in ("to", "cc") for one in mail.named.people[field])
    found = [it for it in named if "+" in it and it not in known and ours.holds(it)]
    return {"tagged": found[:_MAX_MAILBOXES]} if found else {}


def _words(mail: ParsedMail, room: int) -> tuple[str | None, dict[str, Any]]:
    """The sender's own text, and data with the quoted text below it. Joined, they are the whole text.

    A text above `room` bytes of UTF-8 is truncated; data states where, and how much is missing.
    """
    whole = mail.body.text
    if not whole:
        return None, {}
    kept = whole[:MAX_TEXT].encode("utf-8")[: max(room, 0)].decode("utf-8", "ignore")
    at = split_quote(kept, forwarded=is_forward(mail.subject))
    found: dict[str, Any] = {"text_from": "html"} if mail.body.markup else {}
    if at < len(whole):
        found["full_text_length"] = len(whole)
    if at < len(kept):
        found["quoted_at"] = at
        found["quoted"] = kept[at:]
    if len(kept) < len(whole):
        found["text_truncated_at"] = len(kept)
        found["text_left_out"] = len(whole) - len(kept)
    return kept[:at], found
