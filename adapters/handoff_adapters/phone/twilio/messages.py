"""SMS and WhatsApp webhooks. They share the endpoint of calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle
from handoff.domain.touchpoint import MAX_ATTACHMENTS
from handoff_adapters.shared.fields import first_text, text, whole
from handoff_adapters.shared.handles import of_customer

from .numbers import MEDIA, address, identity_of, is_short_code, sender_of
from .options import TwilioOptions

STATUS_TYPES: Mapping[str, str] = {
    "sent": "message.sent",
    "delivered": "message.delivered",
    "read": "message.read",
    "undelivered": "message.failed",
    "failed": "message.failed",
}
"""MessageStatus → type. Statuses before `sent` make no touchpoint."""

ENVELOPE = ("message_sid",)
"""Keys of `data` that identify a message. Its digest leaves them out."""

EARLIER_STATUSES = frozenset({"accepted", "scheduled", "queued", "sending", "canceled"})


def status_of(form: Mapping[str, str]) -> str | None:
    """The delivery status, or None for a message from the customer."""
    status = (first_text(form, "MessageStatus", "SmsStatus") or "").lower()
    return status if status not in ("", "received", "receiving") else None


def message_id(form: Mapping[str, str]) -> str:
    found = first_text(form, "MessageSid", "SmsMessageSid", "SmsSid")
    if found is None:
        raise Unprocessable("The message has no MessageSid", code="missing_id")
    return found


def medium(form: Mapping[str, str]) -> str:
    schemes = (address(form.get(name, "")).scheme for name in ("From", "To"))
    return next((MEDIA[scheme] for scheme in schemes if scheme in MEDIA), "sms")


def thread(form: Mapping[str, str], incoming: bool) -> str:
    """Our number and the customer's: Twilio messages have no conversation id."""
    ours, theirs = ("To", "From") if incoming else ("From", "To")
    return f"{form.get(ours, '').strip()}/{form.get(theirs, '').strip()}"


def people(
    form: Mapping[str, str],
    incoming: bool,
    options: TwilioOptions,
    space: str,
    own: frozenset[tuple[str, str]],
) -> tuple[Handle, ...]:
    """The customer's number, then the WhatsApp user id. Unprocessable `no_identity`.

    WhatsApp vouches for both in a signed webhook: it verified the number, and assigned the id.
    """
    number = form.get("From" if incoming else "To", "")
    by_whatsapp = address(number).scheme == "whatsapp" and options.is_signed
    assurance = Assurance.VERIFIED if by_whatsapp else Assurance.CLAIMED
    short = sender_of(number, space) if is_short_code(number) else None
    stated = [short or identity_of(number, assurance, space=space, region=options.default_region)]
    external = address(form.get("ExternalUserId", ""))
    if external.scheme == "whatsapp" and "." in external.value:
        stated.append(identity_of(form["ExternalUserId"], assurance, space=space))
    if not any(stated) and incoming:
        stated.append(sender_of(number, space))
    found = of_customer(stated, own)
    if not found:
        raise Unprocessable("The message names no customer", code="no_identity")
    return found


def attachments(form: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """[{"url", "content_type"?}] of `MediaUrl0`, `MediaUrl1`, …"""
    count = min(whole(form.get("NumMedia")) or 0, MAX_ATTACHMENTS)
    found = []
    for index in range(count):
        url = text(form.get(f"MediaUrl{index}"))
        kind = text(form.get(f"MediaContentType{index}"))
        if url:
            found.append({"url": url} | ({"content_type": kind} if kind else {}))
    return tuple(found)


_DATA = {
    "ErrorCode": "error_code",
    "ButtonText": "button",
    "ButtonPayload": "button_payload",
    "OriginalRepliedMessageSid": "in_reply_to",
    "Latitude": "latitude",
    "Longitude": "longitude",
    "Address": "address",
    "Label": "label",
    "MessagingServiceSid": "messaging_service",
    "From": "from",
    "To": "to",
}


def data(form: Mapping[str, str]) -> dict[str, Any]:
    return {ours: value for theirs, ours in _DATA.items() if (value := text(form.get(theirs)))}
