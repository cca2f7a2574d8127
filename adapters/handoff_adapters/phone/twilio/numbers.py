"""Who is at the far end of a call or message: numbers, WhatsApp and SIP addresses, withheld numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from handoff.domain.identity import Assurance, Handle
from handoff_adapters.shared.handles import handle

WITHHELD = frozenset(
    {
        "anonymous",
        "restricted",
        "unavailable",
        "unknown",
        "private",
        "blocked",
        "withheld",
        # The same words typed on a phone's keys, which is how Twilio writes them as numbers.
        "+266696687",
        "+7378742833",
        "+86282452253",
        "+8656696",
        "+2562533",
    }
)
"""What stands in `From` when the caller's number is hidden."""

MEDIA: Mapping[str, str] = {"whatsapp": "whatsapp", "messenger": "messenger", "rcs": "rcs"}
"""Address prefix -> medium of a message; without a prefix it is `sms`."""

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,128}", re.ASCII)


class FarEnd(Struct, frozen=True):
    """One end: its `scheme` (empty for a number) and what stands behind it."""

    scheme: str
    value: str


def address(stated: str) -> FarEnd:
    """`whatsapp:+358…`, `client:anna`, `sip:anna@…` or a number, taken apart."""
    text = stated.strip()
    scheme, colon, value = text.partition(":")
    known = scheme.lower() in ("whatsapp", "messenger", "rcs", "client", "sip", "sips", "tel")
    return FarEnd(scheme.lower(), value.strip()) if colon and known else FarEnd("", text)


def identity_of(stated: str, assurance: Assurance, *, space: str, region: str | None = None) -> Handle | None:
    """The handle behind an address, or None where it is withheld or cannot be one.

    A number without its `+` is read as international where the region does not explain it: older
    senders leave the sign out.
    """
    end = address(stated)
    if not end.value or end.value.lower() in WITHHELD:
        return None
    match end.scheme:
        case "client":
            return handle("twilio.client", end.value, assurance, space=space)
        case "sip" | "sips":
            return _sip(end.value.partition(";")[0].lower(), assurance, region)
        case "messenger":
            return handle("twilio.messenger", end.value, assurance, space=space)
        case "whatsapp" if _BSUID.fullmatch(end.value):
            return handle("whatsapp.user", end.value, assurance)
    return _number(end.value, assurance, region)


def own_ends(entries: Iterable[str]) -> frozenset[tuple[str, str]]:
    """(type, value) of the `own` entries that are written as Twilio writes an end: `client:anna`, `sip:…`."""
    read = [identity_of(entry, Assurance.VERIFIED, space="") for entry in entries if address(entry).scheme]
    return frozenset((it.identity.type, it.identity.value) for it in read if it)


def _sip(value: str, assurance: Assurance, region: str | None) -> Handle | None:
    """Who a SIP address is: a number at a carrier's host is that number (RFC 3261 §19.1.6)."""
    user = value.partition("@")[0]
    if user in WITHHELD:
        return None
    number = handle("phone", user, assurance, region=region) if _E164.fullmatch(user) else None
    return number or handle("sip", value, assurance)


def _number(value: str, assurance: Assurance, region: str | None) -> Handle | None:
    found = handle("phone", value, assurance, region=region)
    if found is None and value.isdigit():
        found = handle("phone", f"+{value}", assurance)
    return found
