"""The trace of a mail: message ids, dates, and the sender check of a trusted host."""

from __future__ import annotations

import re

from handoff.domain.clock import HOUR, Micros, parse_mail_date, parse_time
from handoff.domain.errors import InvalidIdentity
from handoff.domain.identity import normal_email
from handoff_adapters.shared.fields import event_id

from .mime import Headers

_MESSAGE_ID = re.compile(r"<\s*([^<>\s]{1,2000})\s*>")
_BARE_ID = re.compile(r"[^<>\s\"():;@]{1,1000}@[^<>\s\"():;@]{1,1000}")
_EARLIEST_MAIL: Micros = parse_time("1990-01-01T00:00:00Z")
"""An earlier Date comes from an unset clock."""
_MAX_DATE = 200  # characters; the longest real Date fields, with a zone comment, have 60
_FAR_AHEAD = HOUR
_OFFSET = re.compile(r" (?:GMT|UTC|UT)([+-]\d{4})")
"""`GMT+0200`, as JavaScript writes it: the name before the sign is not the zone."""


def message_ids(value: str) -> list[str]:
    """The message ids in `value`, without angle brackets, in order (RFC 5322 §3.6.4).

    Old programs write phrases beside the ids in In-Reply-To; they are skipped. Ids without brackets
    are read only if there are no others.
    """
    found = _MESSAGE_ID.findall(value)
    if not found and "@" in value:
        bare = value.replace(",", " ").split()
        found = bare if all(map(_BARE_ID.fullmatch, bare)) else []
    return [event_id(one) for one in found]


def message_id(headers: Headers, field: str = "message-id") -> str | None:
    """The id in `field`, with or without brackets. Case is kept."""
    value = headers.first(field).strip()
    found = message_ids(value)
    if found:
        return found[0]
    bare = "".join(value.split()).strip("<>")
    return event_id(bare) if bare else None


def thread_root(headers: Headers, own_id: str | None) -> str | None:
    """The id of the first mail of the thread: first of References, else of In-Reply-To.

    A reference to the mail itself, which some programs write, is ignored.
    """
    for field in ("references", "in-reply-to"):
        for found in message_ids(headers.first(field)):
            if found != own_id:
                return found
    return None


def mail_date(value: str) -> Micros | None:
    """The time that a Date field or the end of a Received field states, or None."""
    try:
        return parse_mail_date(_OFFSET.sub(r" \1", value.strip()[:_MAX_DATE]))
    except ValueError:
        return None


def occurred_at(headers: Headers, received_at: Micros) -> tuple[Micros, bool]:
    """The time of the mail, and whether it is the time in its Date field.

    A Date that is missing, unreadable, from before 1990 or more than an hour ahead is replaced
    by the topmost Received (from the host nearest to us), and that by `received_at`.
    """
    topmost = headers.first("received").rpartition(";")[2]
    for place, value in enumerate((headers.first("date"), topmost)):
        at = mail_date(value)
        if at is not None and _EARLIEST_MAIL <= at <= received_at + _FAR_AHEAD:
            return at, place == 0
    return received_at, False


_RESULT = re.compile(r"^\s*dmarc\s*(?:/\s*\d+\s*)?=\s*([a-z]+)", re.IGNORECASE)
_FROM_DOMAIN = re.compile(r"\bheader\.from\s*=\s*([^\s;]+)", re.IGNORECASE)


def dmarc_result(headers: Headers, trusted: frozenset[str], domain: str) -> str | None:
    """A trusted host's DMARC result for `domain`: `pass`, `fail`, …, or None.

    Only the topmost Authentication-Results of a trusted host counts (RFC 8601 §5), because a sender
    can forge further ones below. All fields of trusted hosts above the first Received were added
    after receipt, so they count together; the first DMARC result decides.
    """
    found_one = seen_received = False
    for field, value in headers.fields:
        seen_received = seen_received or field == "received"
        if field != "authentication-results" or (found_one and seen_received):
            continue
        host, _, results = _without_comments(value).partition(";")
        name = host.replace('"', "").split()
        if not name or name[0].lower() not in trusted:
            continue
        found_one = True
        for result in results.split(";"):
            match = _RESULT.match(result)
            if match:
                return _for_domain(match[1].lower(), result, domain)
    return None


def _for_domain(verdict: str, result: str, domain: str) -> str:
    """`verdict`, or `mismatch` if it is for another From domain."""
    stated = _FROM_DOMAIN.search(result)
    if stated and _normal_domain(stated[1].strip("\"'")) != domain:
        return "mismatch"
    return verdict


def _normal_domain(stated: str) -> str:
    """The domain in its normalised form. Hosts with SMTPUTF8 write international domains in Unicode."""
    try:
        return normal_email(f"any@{stated.rpartition('@')[2]}").partition("@")[2]
    except InvalidIdentity:
        return ""


def _without_comments(value: str) -> str:
    """`value` without comments, and without syntax characters in quoted strings."""
    out: list[str] = []
    depth = 0
    quoted = escaped = False
    for char in value:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth and not quoted:
            depth -= 1
        elif not depth and not (quoted and char in ";="):
            out.append(char)
    return "".join(out)
