"""Calls that are passed on: legs that another call starts, the result of a `<Dial>`, and SIP transfers.

A leg belongs to the customer of the first call. The number it dials is a colleague's: a participant, and no
customer. Only where the first call is an agent's own, who dials a customer from a softphone, is the dialled
number the customer's; the store decides that (`CallLeg`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.touchpoint import Direction, Participant, Touchpoint, Visibility
from handoff_adapters.shared.fields import event_id, text, whole

from . import calls
from .numbers import address, identity_of
from .options import TwilioOptions

NAME = "call.passed_on"
_OFFERED = frozenset({"queued", "initiated", "ringing"})
_WORDS: Mapping[str, str] = {
    "in-progress": "answered",
    "answered": "answered",
    "completed": "ended",
    "busy": "busy",
    "no-answer": "no answer",
    "failed": "failed",
    "canceled": "given up",
}
"""Status of a leg → its words in the subject."""


class LegEvent(Struct, frozen=True, kw_only=True):
    """One fact about a call that is passed on. `key` identifies it; `parent` is the first call."""

    key: str
    parent: str
    to: str
    status: str | None
    at: Micros
    details: dict[str, Any]


def parent_of(call: calls.TwilioCall) -> str | None:
    """The call that started this one. A leg of a callback of ours is the callback's call."""
    return None if call.callback else text(call.form.get("ParentCallSid"))


def leg_event(call: calls.TwilioCall, parent: str, received_at: Micros) -> LegEvent:
    """The statuses before an answer are one fact: the call was passed on."""
    offered = call.status in _OFFERED
    details = {"duration_s": calls.duration(call), "answered_by": calls.answered_by(call)}
    return LegEvent(
        key=f"{call.sid}/offered" if offered else calls.event_id(call),
        parent=parent,
        to=text(call.form.get("To")) or text(call.form.get("Called")) or "",
        status=None if offered else call.status,
        at=calls.occurred_at(call, received_at),
        details={"call": call.sid} | ({} if offered else details),
    )


def is_transfer(form: Mapping[str, str]) -> bool:
    """Whether the webhook reports the end of a `<Dial>` or a SIP REFER of a call."""
    if not form.get("CallSid") or form.get("TranscriptionSid") or form.get("RecordingStatus"):
        return False
    return bool(form.get("DialCallStatus") or form.get("ReferTransferTarget"))


def transfer_event(call: calls.TwilioCall, received_at: Micros) -> LegEvent:
    form = call.form
    target = text(form.get("ReferTransferTarget"))
    status = (text(form.get("DialCallStatus")) or "").lower() or None
    leg = text(form.get("DialCallSid"))
    return LegEvent(
        key=f"{call.sid}/referred/{target}" if target else f"{call.sid}/dialled/{leg or status}",
        parent=call.sid,
        to=target or "",
        status=status,
        at=calls.occurred_at(call, received_at),
        details={"call": leg, "duration_s": whole(form.get("DialCallDuration"))},
    )


def customer_of_leg(
    call: calls.TwilioCall, parent: str, options: TwilioOptions, space: str, own: frozenset[tuple[str, str]]
) -> Handle | None:
    """The customer, as the caller id of the leg shows them; None if it shows a number of ours.

    A withheld caller is identified by the first call.
    """
    stated = text(call.form.get("From")) or text(call.form.get("Caller")) or ""
    found = identity_of(stated, Assurance.CLAIMED, space=space, region=options.default_region)
    if found is None:
        return Handle(Identity("anonymous", space, parent), Assurance.VERIFIED)
    return None if (found.identity.type, found.identity.value) in own else found


def passed_on(event: LegEvent, customer: Handle, options: TwilioOptions, space: str) -> Touchpoint:
    """The entry on the customer's timeline."""
    colleague = identity_of(event.to, Assurance.CLAIMED, space=space, region=options.default_region)
    whom = address(event.to).value
    outcome = _WORDS.get(event.status or "", event.status)
    details = {"name": NAME, "to": event.to or None, "status": event.status, "parent_call": event.parent}
    return Touchpoint(
        id_space=space,
        event_id=event_id(event.key),
        source=options.name,
        channel="phone",
        type="event.tracked",
        occurred_at=event.at,
        identities=(customer,),
        participants=(Participant(colleague.identity, "agent"),) if colleague else (),
        direction=Direction.INTERNAL,
        visibility=Visibility.INTERNAL,
        medium="voice",
        thread=event.parent,
        subject="Call passed on" + (f" to {whom}" if whom else "") + (f": {outcome}" if outcome else ""),
        data={key: value for key, value in (details | event.details).items() if value is not None},
    )
