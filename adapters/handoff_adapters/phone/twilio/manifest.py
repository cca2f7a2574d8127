"""The manifest of `phone.twilio`. Twilio names no events: a webhook is recognised by its fields."""

from __future__ import annotations

from collections.abc import Mapping

from handoff.adapter.manifest import Manifest, VendorEvent

from .options import TwilioOptions

IGNORED_FIELDS: Mapping[str, str] = {
    "TranscriptionSid": "transcription",
    "RecordingStatus": "recording",
    "ConferenceSid": "conference",
    "WorkspaceSid": "taskrouter",
    "ConversationSid": "conversations",
    "QueueSid": "queue",
    "Digits": "gather",
    "SpeechResult": "gather",
}
"""A field that identifies a kind of webhook → the name under which that kind is counted."""

OFFERED = "CallStatus queued, initiated, ringing"
UNREACHED = "CallStatus busy, no-answer, failed, canceled"

MANIFEST = Manifest(
    name="phone.twilio",
    channel="phone",
    title="Twilio: calls, callbacks, SMS and WhatsApp",
    options=TwilioOptions,
    events=(
        VendorEvent(OFFERED, "call.started", "inbound"),
        VendorEvent(OFFERED, "callback.attempted", "outbound"),
        VendorEvent("CallStatus in-progress", "call.started"),
        VendorEvent("CallStatus in-progress", "ignored: recording", "with a RecordingUrl: a <Record> ended"),
        VendorEvent("CallStatus completed", "call.ended", "inbound, or outbound with a duration of 0"),
        VendorEvent("CallStatus completed", "callback.completed", "outbound, answered by a person"),
        VendorEvent("CallStatus completed", "callback.missed", "outbound, answered by a machine or fax"),
        VendorEvent(UNREACHED, "call.ended", "inbound"),
        VendorEvent(UNREACHED, "callback.missed", "outbound"),
        VendorEvent("CallStatus with ParentCallSid", "event.tracked", "a call that is passed on"),
        VendorEvent("DialCallStatus, ReferTransferTarget", "event.tracked", "the result of a transfer"),
        VendorEvent("CallStatus, any other", "ignored: unknown status"),
        VendorEvent("CallStatus of an own number", "ignored: both ends are the business's"),
        VendorEvent("Digits with gather=continuity", "event.tracked", "a continuity code"),
        VendorEvent("Message", "message.received"),
        VendorEvent("MessageStatus sent", "message.sent"),
        VendorEvent("MessageStatus delivered", "message.delivered"),
        VendorEvent("MessageStatus read", "message.read"),
        VendorEvent("MessageStatus undelivered, failed", "message.failed"),
        VendorEvent("MessageStatus accepted, scheduled, queued, sending, canceled", "ignored: not sent yet"),
        VendorEvent("TranscriptionText", "text.derived", "of a recording"),
        VendorEvent("TranscriptionEvent transcription-content", "text.derived", "of a call that lasts"),
        *(VendorEvent(field, f"ignored: {kind}") for field, kind in IGNORED_FIELDS.items()),
        VendorEvent("Event Streams (JSON)", "ignored: use status callbacks"),
    ),
    on_outage="spool",
    maturity="stable",
    verified_against="collected webhooks, and the signature check of Twilio's Python library 9",
)
