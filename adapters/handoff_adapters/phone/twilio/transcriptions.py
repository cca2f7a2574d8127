"""Transcriptions of calls: of a `<Record>`, once, and of a call while it lasts, sentence by sentence.

They are derived texts of the whole call, which its `CallSid` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from handoff.adapter.contract import CallLeg, Malformed
from handoff.domain.clock import Micros, format_time, parse_time
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.text.derived import DERIVED, stated_confidence
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff_adapters.shared.fields import checked, event_id, plausible, text, whole

from . import calls
from .options import TwilioOptions

BY = "twilio"
_SPEAKERS: Mapping[str, str] = {"inbound_track": "customer", "outbound_track": "business"}
"""Twilio's track of a call: what it receives from the far end, and what it plays to it."""


def is_transcription(form: Mapping[str, str]) -> bool:
    return bool(form.get("TranscriptionSid") and form.get("CallSid"))


def read_transcription(
    form: Mapping[str, str],
    received_at: Micros,
    options: TwilioOptions,
    space: str,
    own: frozenset[tuple[str, str]],
    raw: bytes,
) -> Touchpoint | CallLeg | str:
    """The derived text of a webhook, or the name under which it is counted as ignored.

    A sentence of a call that lasts has no numbers in it, so that the store finds the customer of the call.
    """
    event = form.get("TranscriptionEvent")
    if event is None:
        return _recorded(form, received_at, options, space, own)
    if event != "transcription-content":
        return f"transcription.{event.removeprefix('transcription-')[:20]}"
    if form.get("Final", "true").lower() != "true":
        return "transcription.partial"
    return _live(form, received_at, options, space, raw)


def _recorded(
    form: Mapping[str, str],
    received_at: Micros,
    options: TwilioOptions,
    space: str,
    own: frozenset[tuple[str, str]],
) -> Touchpoint | str:
    words = text(form.get("TranscriptionText"))
    if (text(form.get("TranscriptionStatus")) or "completed").lower() != "completed":
        return "transcription.failed"
    if words is None:
        return "transcription.empty"
    call = calls.read_call(form, None)
    far = calls.customer(call, options, space, own)
    if isinstance(far, str):
        return far
    # `<Record>` records the far end only: the caller, who leaves a message, or who answers our call.
    data = {
        "speaker": "customer",
        "recording": text(form.get("RecordingSid")),
        "recording_url": text(form.get("RecordingUrl")),
    }
    return checked(_touchpoint(form, form["TranscriptionSid"], words, received_at, far, options, space, data))


def _live(
    form: Mapping[str, str], received_at: Micros, options: TwilioOptions, space: str, raw: bytes
) -> CallLeg | str:
    stated = _content(form.get("TranscriptionData"))
    words = text(stated.get("transcript"))
    if words is None:
        return "transcription.empty"
    at, part = _time(form.get("Timestamp"), received_at), whole(form.get("SequenceId"))
    data = {
        "speaker": _SPEAKERS.get(form.get("Track", "")),
        "confidence": stated_confidence(stated.get("confidence")),
        "at": format_time(at),
        "part_of": form["TranscriptionSid"],
        "part": part,
    }
    key = f"{form['TranscriptionSid']}/{format_time(at) if part is None else part}"
    unknown = Handle(Identity("anonymous", space, form["CallSid"]), Assurance.VERIFIED)
    made = checked(_touchpoint(form, key, words, at, unknown, options, space, data))
    problem = "The transcription is of a call that is not known"
    return CallLeg(
        passed_on=made,
        alone="transcription.unknown_call",
        unfiled=Malformed(item=raw, code="unknown_call", detail=problem),
    )


def _touchpoint(
    form: Mapping[str, str],
    key: str,
    words: str,
    at: Micros,
    far: Handle,
    options: TwilioOptions,
    space: str,
    data: Mapping[str, Any],
) -> Touchpoint:
    call = form["CallSid"]
    stated = {"of": call, "kind": "transcript", "by": BY, **data}
    return Touchpoint(
        id_space=space,
        event_id=event_id(key),
        source=options.name,
        channel="phone",
        type=DERIVED,
        occurred_at=at,
        identities=(far,),
        direction=Direction.INTERNAL,
        visibility=Visibility.INTERNAL,
        medium="voice",
        thread=call,
        amends=call,
        text=words,
        language=text(form.get("LanguageCode")),
        data={name: value for name, value in stated.items() if value is not None},
    )


def _content(stated: str | None) -> dict[str, Any]:
    """The JSON of `TranscriptionData`. Unprocessable if it is none."""
    try:
        found = msgspec.json.decode(stated or "")
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unprocessable("TranscriptionData is not JSON", code="invalid_transcription") from error
    if not isinstance(found, dict):
        raise Unprocessable("TranscriptionData is not an object", code="invalid_transcription")
    return found


def _time(stated: str | None, received_at: Micros) -> Micros:
    try:
        at = parse_time(stated) if stated else None
    except ValueError:
        at = None
    return plausible(at, received_at)
