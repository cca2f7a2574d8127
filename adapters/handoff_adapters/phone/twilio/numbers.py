"""The customer's end of a call or message: numbers, WhatsApp and SIP addresses, withheld numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.numbering import current_spelling
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
        # The same words typed on a phone's keys: Twilio writes them as numbers.
        "+266696687",
        "+7378742833",
        "+86282452253",
        "+8656696",
        "+2562533",
    }
)
"""Values of `From` for a withheld number."""

MEDIA: Mapping[str, str] = {"whatsapp": "whatsapp", "messenger": "messenger", "rcs": "rcs"}
"""Address prefix → medium of a message; `sms` without a prefix."""

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_SENDER = re.compile(r"\+?\d{3,15}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", re.ASCII)  # GSM 03.40 §9.1.2.5
_SHORT_CODE = re.compile(r"\d{3,6}", re.ASCII)
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,128}", re.ASCII)


class PhoneAddress(Struct, frozen=True):
    """One end of a call or message: its `scheme` (empty for a number) and the rest of the address."""

    scheme: str
    value: str


def address(stated: str) -> PhoneAddress:
    """`whatsapp:+358…`, `client:anna`, `sip:anna@…` or a number, split."""
    text = stated.strip()
    scheme, colon, value = text.partition(":")
    known = scheme.lower() in ("whatsapp", "messenger", "rcs", "client", "sip", "sips", "tel")
    return PhoneAddress(scheme.lower(), value.strip()) if colon and known else PhoneAddress("", text)


def identity_of(stated: str, assurance: Assurance, *, space: str, region: str | None = None) -> Handle | None:
    """The handle of an address, or None when it is withheld or invalid.

    A number without `+` that is invalid in the region is read as international: older senders omit
    the sign.
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
        case "whatsapp":
            return _as_written_today(_number(end.value, assurance, region))
    return _number(end.value, assurance, region)


def is_short_code(stated: str) -> bool:
    """Whether a message names a short code: digits without a plus sign, too few for a number."""
    return _SHORT_CODE.fullmatch(stated.strip()) is not None


def sender_of(stated: str, space: str) -> Handle | None:
    """The handle of a sender that is not a telephone number: a short code, a name, an unassigned code."""
    value = address(stated).value
    if value.lower() in WITHHELD or not _SENDER.fullmatch(value):
        return None
    return handle("twilio.sender", value, Assurance.CLAIMED, space=space)


def own_ends(entries: Iterable[str]) -> frozenset[tuple[str, str]]:
    """(type, value) of the `own` entries in Twilio's notation: `client:anna`, `sip:…`."""
    read = [identity_of(entry, Assurance.VERIFIED, space="") for entry in entries if address(entry).scheme]
    return frozenset((it.identity.type, it.identity.value) for it in read if it)


def _sip(value: str, assurance: Assurance, region: str | None) -> Handle | None:
    """The handle of a SIP address. A number at a carrier's host is that number (RFC 3261 §19.1.6)."""
    user = value.partition("@")[0]
    if user in WITHHELD:
        return None
    number = handle("phone", user, assurance, region=region) if _E164.fullmatch(user) else None
    return number or handle("sip", value, assurance)


def _as_written_today(found: Handle | None) -> Handle | None:
    """The handle in its country's current plan. WhatsApp vouches for a line but keeps its old spelling."""
    if found is None or found.identity.type != "phone":
        return found
    current = current_spelling(found.identity.value)
    return Handle(Identity("phone", "", current), found.assurance)


def _number(value: str, assurance: Assurance, region: str | None) -> Handle | None:
    found = handle("phone", value, assurance, region=region)
    if found is None and value.isdigit():
        found = handle("phone", f"+{value}", assurance)
    return found
