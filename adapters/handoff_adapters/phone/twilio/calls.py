"""Voice status callbacks: the touchpoint type, time and customer of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.touchpoint import Direction
from handoff_adapters.shared.fields import moment, plausible, text, whole

from .numbers import address, identity_of
from .options import TwilioOptions

INBOUND_TYPES: Mapping[str, str] = {
    "queued": "call.started",
    "initiated": "call.started",
    "ringing": "call.started",
    "in-progress": "call.started",
    "completed": "call.ended",
    "busy": "call.ended",
    "no-answer": "call.ended",
    "failed": "call.ended",
    "canceled": "call.ended",
}
"""CallStatus of a call from the customer → type."""

OUTBOUND_TYPES: Mapping[str, str] = {
    "queued": "callback.attempted",
    "initiated": "callback.attempted",
    "ringing": "callback.attempted",
    "in-progress": "call.started",
    "completed": "callback.completed",
    "busy": "callback.missed",
    "no-answer": "callback.missed",
    "failed": "callback.missed",
    "canceled": "callback.missed",
}
"""CallStatus of a call to the customer → type, before `outbound_type` considers who answered."""

FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
STIR_PASSED = "TN-Validation-Passed-A"  # the caller's own provider vouches for the number (ATIS-1000074)

# RFC 5322 §3.3 as Twilio writes it; compatible vendors write the zone's name. Anything looser, such
# as "Thurs, 20 July", is not reliable.
_TIMESTAMP = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d(?: (?:[+-]\d{4}|GMT|UTC))?"
)


class TwilioCall(Struct, frozen=True, kw_only=True):
    """One status of one call. `callback` is our callback id from the signed status URL."""

    sid: str
    status: str
    outbound: bool
    form: Mapping[str, str]
    callback: str | None

    @property
    def customer_end(self) -> str:
        """The customer's end."""
        names = ("To", "Called") if self.outbound else ("From", "Caller")
        return next((value for name in names if (value := text(self.form.get(name)))), "")


def read_call(form: Mapping[str, str], callback: str | None) -> TwilioCall:
    """Unprocessable when the call has no id."""
    sid = text(form.get("CallSid"))
    if sid is None:
        raise Unprocessable("The call has no CallSid", code="missing_id")
    direction = (text(form.get("Direction")) or "inbound").lower()
    return TwilioCall(
        sid=sid,
        status=(text(form.get("CallStatus")) or "").lower(),
        outbound=direction.startswith("outbound"),
        form=form,
        callback=callback,
    )


def type_of(call: TwilioCall) -> str | None:
    """The touchpoint type of this status, or None for an unknown one."""
    return outbound_type(call) if call.outbound else INBOUND_TYPES.get(call.status)


def outbound_type(call: TwilioCall) -> str | None:
    """A completed call reached the customer unless a machine answered or its duration is 0."""
    type_ = OUTBOUND_TYPES.get(call.status)
    if type_ != "callback.completed":
        return type_
    if (answered_by(call) or "").startswith(("machine", "fax")):
        return "callback.missed"
    return "call.ended" if duration(call) == 0 else type_


def answered_by(call: TwilioCall) -> str | None:
    return (text(call.form.get("AnsweredBy")) or "").lower() or None


def duration(call: TwilioCall) -> int | None:
    """Seconds. Twilio's `Duration` is in billed minutes."""
    return whole(call.form.get("CallDuration"))


def sequence(call: TwilioCall) -> int | None:
    return whole(call.form.get("SequenceNumber"))


def event_id(call: TwilioCall) -> str:
    """The id of a status: the call and the status's sequence number, else its name."""
    number = sequence(call)
    return f"{call.sid}/{call.status if number is None else number}"


def occurred_at(call: TwilioCall, received_at: Micros) -> Micros:
    """The webhook's `Timestamp`, or `received_at` when it is missing or malformed."""
    stated = (text(call.form.get("Timestamp")) or "").replace("Etc/UTC", "+0000")
    return plausible(moment(stated) if _TIMESTAMP.fullmatch(stated) else None, received_at)


def direction(call: TwilioCall) -> Direction:
    return Direction.OUTBOUND if call.outbound else Direction.INBOUND


def data(call: TwilioCall) -> dict[str, object]:
    """The fields of the status under our names, without absent ones."""
    form = call.form
    answerer = answered_by(call)
    missed_by_machine = call.outbound and (answerer or "").startswith(("machine", "fax"))
    found: dict[str, object] = {
        "status": call.status,
        "from": text(form.get("From")) or text(form.get("Caller")),
        "to": text(form.get("To")) or text(form.get("Called")),
        "duration_s": duration(call),
        "answered_by": answerer,
        "reason": "voicemail" if missed_by_machine and call.status == "completed" else None,
        "callback": call.callback,
        "parent_call": text(form.get("ParentCallSid")),
        "forwarded_from": text(form.get("ForwardedFrom")),
        "recording_url": text(form.get("RecordingUrl")),
        "sip_code": text(form.get("SipResponseCode")),
        "error_code": text(form.get("ErrorCode")),
        "leg": text(form.get("Direction")),
    }
    return {key: value for key, value in found.items() if value is not None}


def customer(
    call: TwilioCall, options: TwilioOptions, space: str, own: frozenset[tuple[str, str]]
) -> Handle | str:
    """The customer's handle, or the name under which an internal call is counted.

    A caller with a withheld number is identified by the call, so that an agent can link it later. A
    caller id is a claim; only STIR's full attestation verifies it.
    """
    verified = not call.outbound and text(call.form.get("StirVerstat")) == STIR_PASSED
    assurance = Assurance.VERIFIED if verified else Assurance.CLAIMED
    stated = call.customer_end
    found = identity_of(stated, assurance, space=space, region=options.default_region)
    if found is None:
        if call.outbound and address(stated).value:
            raise Unprocessable("The dialled number is malformed", code="no_identity")
        return Handle(Identity("anonymous", space, call.sid), Assurance.VERIFIED)
    if (found.identity.type, found.identity.value) in own:
        return "call.own_number"
    return found
