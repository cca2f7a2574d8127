"""Automatic mail: bounces, receipts, complaints (RFC 3464, 8098, 5965) and auto-replies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from .addresses import mailboxes
from .characters import one_line
from .mime import Headers, Part, read_headers

MAX_RECIPIENTS = 100  # of one bounce that are read
MAX_STATUS_PARTS = 5  # a standard report has one
_MAX_BODY = 100_000  # characters of a bounce without a machine-readable part that are searched
_DIAGNOSTIC = 1_000  # characters of a diagnostic that are kept


_STATUS = ("message/delivery-status", "message/global-delivery-status")


class Recipient(Struct, frozen=True):
    """One recipient's result in a report. `address` is as written."""

    address: str
    action: str
    status: str = ""
    diagnostic: str = ""


class Report(Struct, frozen=True):
    """`kind` is `delivery`, `disposition` or `feedback`; `original` is the header of the reported mail."""

    kind: str
    recipients: tuple[Recipient, ...] = ()
    original: Headers = Headers()
    original_id: str = ""
    detail: str = ""


def read_report(root: Part, sender: str, null_sender: bool, text: str, subject: str) -> Report | None:
    """The report in the mail, or None. `sender` is the From address, `text` the mail's own text."""
    parts = {part.content_type: part for part in reversed(list(root.walk()))}
    original = _original(parts)
    if not ("multipart/report" in parts or is_machine(sender) or null_sender):
        return None  # a person may forward a report: that is an ordinary mail
    statuses = [part for part in root.walk() if part.content_type in _STATUS][:MAX_STATUS_PARTS]
    if statuses:
        recipients = _recipients([block for status in statuses for block in _blocks(status.decoded())])
        if recipients or root.content_type == "multipart/report":
            return Report(kind="delivery", recipients=_placed(recipients, root, original), original=original)
    if notice := parts.get("message/disposition-notification"):
        return _disposition(_blocks(notice.decoded()), original)
    if feedback := parts.get("message/feedback-report"):
        return _feedback(_blocks(feedback.decoded()), original)
    if is_machine(sender) or null_sender:
        return _plain_bounce(root, text, subject, original)
    return None


def _placed(recipients: tuple[Recipient, ...], root: Part, original: Headers) -> tuple[Recipient, ...]:
    """The recipients with an address; if a local delivery names none, the recipient of the original mail."""
    named = tuple(one for one in recipients if one.address)
    if named:
        return named
    stated = mailboxes(original.first("to")) or mailboxes(root.headers.first("x-failed-recipients"))
    first = recipients[0] if recipients else Recipient(address="", action="failed")
    return tuple(
        Recipient(box.address, first.action, first.status, first.diagnostic)
        for box in stated[:MAX_RECIPIENTS]
    )


def _blocks(data: bytes) -> list[Headers]:
    """The groups of fields in a report part, in order (RFC 3464 §2.1)."""
    pieces = re.split(rb"\n[ \t]*\r?\n", data.strip(b"\r\n"), maxsplit=MAX_RECIPIENTS)
    return [read_headers(piece.lstrip(b"\r\n")) for piece in pieces]


def _original(parts: dict[str, Part]) -> Headers:
    for type_ in ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"):
        if type_ in parts:
            return read_headers(parts[type_].decoded().lstrip(b"\r\n"))
    return Headers()


def _typed(value: str) -> str:
    """The address in `rfc822; anna@example.com`."""
    found = mailboxes(value.rpartition(";")[2])
    return found[0].address if found else ""


def _recipients(blocks: Sequence[Headers]) -> tuple[Recipient, ...]:
    found = []
    for block in blocks:
        if not (block.has("action") or block.has("status") or block.has("final-recipient")):
            continue
        status = re.search(r"\b[245]\.\d{1,3}\.\d{1,3}\b", block.first("status"))
        action = re.match(r"[a-z]+", block.first("action").lower())
        found.append(
            Recipient(
                # The address before aliases and forwarding, if the report states it.
                address=_typed(block.first("original-recipient")) or _typed(block.first("final-recipient")),
                action=action[0] if action else _action(status[0] if status else ""),
                status=status[0] if status else "",
                diagnostic=one_line(block.first("diagnostic-code").partition(";")[2])[:_DIAGNOSTIC],
            )
        )
    return tuple(found[:MAX_RECIPIENTS])


def _action(status: str) -> str:
    return {"2": "delivered", "4": "delayed"}.get(status[:1], "failed")


def _disposition(blocks: Sequence[Headers], original: Headers) -> Report:
    block = blocks[0] if blocks else Headers()
    reader = _typed(block.first("final-recipient")) or _typed(block.first("original-recipient"))
    outcome = block.first("disposition").rpartition(";")[2].strip().lower()
    match = re.match(r"[a-z]+", outcome)
    return Report(
        kind="disposition",
        recipients=(Recipient(address=reader, action=""),),
        original=original,
        original_id=block.first("original-message-id"),
        detail=match[0] if match else "",
    )


def _feedback(blocks: Sequence[Headers], original: Headers) -> Report:
    block = blocks[0] if blocks else Headers()
    stated = (block.first(name) for name in ("original-rcpt-to", "removal-recipient"))
    address = next((found for found in map(_typed, stated) if found), "")
    match = re.match(r"[a-z-]+", block.first("feedback-type").strip().lower())
    return Report(
        kind="feedback",
        recipients=(Recipient(address=address or _first_to(original), action=""),),
        original=original,
        detail=match[0] if match else "",
    )


def _first_to(original: Headers) -> str:
    found = mailboxes(original.first("to"))
    return found[0].address if found else ""


# Bounces that do not follow RFC 3464. The sender is already known to be a mail system; the text
# distinguishes a failure, a delay and other mail.
_MACHINE = re.compile(
    r"(?:mailer-?daemon|po+stmaster|mail-?delivery|bounces?|mdaemon)(?:[+.@-]|$)|^$", re.IGNORECASE
)
_FAILED = re.compile(
    r"undeliver|deliver(?:y|ed)?\b.{0,40}\b(?:fail|status)|fail(?:ed|ure)\b.{0,30}\b(?:deliver|notice)|"
    r"returned mail|returning message|could not be delivered|couldn't be delivered|not deliver|"
    r"unable to deliver|mail system error|permanent error|user unknown|delivery notification|"
    r"cannot send message|nondeliver|non-deliver|unzustellbar|не доставлено|配信",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"\bdelay|still being retried|will (?:be retried|keep trying)|\bwarning\b", re.IGNORECASE
)
_CODE = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")
_COPY = re.compile(
    r"^ {0,8}-{2,80}.{0,60}(?:copy|original message|headers|returned message|message follows).*$|"
    r"^Received: |^Return-Path: ",
    re.IGNORECASE | re.MULTILINE,
)
_ANGLE = re.compile(r"<([^\s<>@]{1,64}@[^\s<>@]{1,255})>")
_BARE = re.compile(r"[\w.+=~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")


def is_machine(sender: str) -> bool:
    """Whether the address belongs to a mail system. A missing address does."""
    return bool(_MACHINE.match(sender))


def _plain_bounce(root: Part, text: str, subject: str, original: Headers) -> Report | None:
    head = text[:_MAX_BODY]
    failed_header = root.headers.first("x-failed-recipients")
    copy = _COPY.search(head)
    notice = head[: copy.start()] if copy else head
    if not (failed_header or _FAILED.search(subject) or _FAILED.search(notice[:4_000])):
        return None
    copied = read_headers(head[copy.end() :].lstrip("\n").encode()) if copy else Headers()
    original = original if original.fields else _with_id(copied, head[copy.start() :] if copy else "")
    stated = mailboxes(failed_header) or mailboxes(original.first("to"))
    found = [box.address for box in stated] or _ANGLE.findall(notice) or _BARE.findall(notice)
    code = _CODE.search(notice)
    action = "delayed" if _DELAYED.search(f"{subject}\n{notice[:2_000]}") and not failed_header else "failed"
    recipients = tuple(
        Recipient(address=address, action=action, status=code[1] if code else "")
        for address in dict.fromkeys(found[:MAX_RECIPIENTS])
    )
    return Report(kind="delivery", recipients=recipients, original=original)


def _with_id(copied: Headers, tail: str) -> Headers:
    """The header of the copied mail, or at least its Message-ID if only parts are quoted."""
    if copied.has("message-id"):
        return copied
    match = re.search(r"^\s*Message-ID:[ \t]*(<[^<>\s]{1,500}>)", tail, re.IGNORECASE | re.MULTILINE)
    return Headers((*copied.fields, ("message-id", match[1]))) if match else copied


_AUTO_SUBJECT = re.compile(
    r"\s*(?:auto(?:matic)?[- ]?reply|auto(?:matische|matisch)?[- ]?(?:antwort|response)|"
    r"out of (?:the )?office|"
    r"automatische antwort|abwesenheits|réponse automatique|absence du bureau|respuesta automática|"
    r"risposta automatica|automatisch antwoord|autosvar|automaattinen vastaus|resposta automática|"
    r"automatiskt? svar|automatická odpověď|odpowiedź automatyczna|autoodpowied|automatikus válasz|"
    r"otomatik yanıt|răspuns automat|автоматический ответ|автоответ|"
    r"自動返信|自動応答|自动回复|自動回覆|자동 회신)",
    re.IGNORECASE,
)
_NO_REPLY = re.compile(
    r"(?:no|do-?not|ne-?pas|nicht)[-_.]?(?:reply|respond|repondre|antworten)\b", re.IGNORECASE
)
_AUTO_FIELDS = (
    *("x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from", "x-auto-reply"),
    *("x-mail-autoreply", "x-auto-response", "x-autogenerated", "x-fc-machinegenerated"),
)
LIST_FIELDS = ("list-id", "list-post")


def auto_reasons(headers: Headers, sender: str, null_sender: bool, subject: str) -> list[str]:
    """The signs that a program sent this mail, strongest first; empty for a person's mail (RFC 3834 §5).

    A person's mail through a list has Precedence and List-* fields, so they do not count there.
    """
    found = []
    submitted = headers.first("auto-submitted").partition(";")[0].split()
    if submitted and submitted[0].lower() != "no":
        found.append("auto-submitted")
    if any(headers.first(name) for name in _AUTO_FIELDS):
        found.append("x-autoreply")
    if headers.first("x-auto-response-suppress").strip().lower() not in ("", "none"):
        found.append("x-auto-response-suppress")
    stated = (headers.first(name) for name in ("precedence", "x-precedence", "preference"))
    precedence = next((it for it in stated if it), "").strip().lower().replace("-", "_")
    through_list = any(headers.has(name) for name in LIST_FIELDS)
    if precedence == "auto_reply" or (precedence in ("bulk", "junk", "list") and not through_list):
        found.append("precedence")
    if headers.has("list-unsubscribe") and not through_list:
        found.append("list-unsubscribe")
    if null_sender:
        found.append("null-sender")
    if sender and is_no_reply(sender):
        found.append("sender")
    if _AUTO_SUBJECT.match(subject):
        found.append("subject")
    return found


def is_no_reply(address: str) -> bool:
    """Whether the address is one that nobody reads."""
    return bool(_NO_REPLY.search(address.rpartition("@")[0])) or is_machine(address)
