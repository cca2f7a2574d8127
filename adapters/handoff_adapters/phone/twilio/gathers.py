"""Digits that a caller enters or speaks for a continuity code: a `<Gather>` with a mark in its action URL.

Other gathers are ignored: their digits may be a card number or a PIN.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from handoff.adapter.contract import InboundRequest
from handoff.domain.clock import Micros
from handoff.domain.identity import Handle
from handoff.domain.touchpoint import Direction, Touchpoint
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import first_text

from .calls import TwilioCall

ENTERED = ("Digits", "SpeechResult")
MARK = ("gather", "continuity")
"""The parameter of the action URL. Twilio signs the URL with it."""
MAX_ENTERED = 80
_XML = '<?xml version="1.0" encoding="UTF-8"?>'


def has_code(form: Mapping[str, str], request: InboundRequest) -> bool:
    """Whether this is the result of a gather for a continuity code."""
    return MARK in request.query and first_text(form, *ENTERED) is not None


def next_step(request: InboundRequest) -> bytes | None:
    """The TwiML that continues the call at the action URL's `next`; None without one."""
    following = dict(request.query).get("next")
    if MARK not in request.query or not following:
        return None
    return f"{_XML}<Response><Redirect>{escape(following)}</Redirect></Response>".encode(errors="replace")


def code_entered(
    form: Mapping[str, str], call: TwilioCall, far: Handle, source: str, space: str, at: Micros
) -> Touchpoint:
    """The touchpoint of the entered code, in the conversation of the call."""
    entered = (first_text(form, *ENTERED) or "")[:MAX_ENTERED]
    return Touchpoint(
        id_space=space,
        event_id=fields.event_id(f"{call.sid}/continuity/{entered}"),
        source=source,
        channel="phone",
        type="event.tracked",
        occurred_at=at,
        identities=(far,),
        direction=Direction.INBOUND,
        medium="voice",
        thread=call.sid,
        data={"name": "continuity_code", "continuity": entered},
    )
