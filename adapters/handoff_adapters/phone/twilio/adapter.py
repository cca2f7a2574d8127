"""`phone.twilio`: calls and callbacks over Twilio, and the text messages that share its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from handoff.adapter.base import BaseAdapter, ReadOnce
from handoff.adapter.contract import CallLeg, InboundRequest, Mentions, Outcome, Parsed, Reply
from handoff.domain.errors import InvalidPayload, SignatureRefused, Unprocessable
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.text.cleaning import clean
from handoff.domain.touchpoint import Direction, Touchpoint
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import first_text, text
from handoff_adapters.shared.handles import own_identities

from . import calls, gathers, legs, messages, signature
from .manifest import IGNORED_FIELDS, MANIFEST
from .mentions import mentions
from .numbers import own_ends
from .options import TwilioOptions
from .transcriptions import is_transcription, read_transcription

EMPTY_TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'

CALL, MESSAGE, TRANSFER, TRANSCRIPTION = "call", "message", "transfer", "transcription"


class TwilioAdapter(BaseAdapter):
    """One source of Twilio webhooks: one account, any number of numbers."""

    manifest = MANIFEST
    identity_spaces = (("sip", ""), ("whatsapp.user", ""))
    settings: TwilioOptions

    def __init__(self, options: TwilioOptions) -> None:
        super().__init__(options)
        self._own = own_identities(options.own, options.default_region) | own_ends(options.own)
        self._form = ReadOnce(signature.form).of

    def verify(self, request: InboundRequest) -> None:
        """`X-Twilio-Signature`, see `signature`. SignatureRefused."""
        if self.settings.is_signed:
            signature.check(request, self.settings.secrets, self.settings.shared_keys, self._form)

    def check_head(self, request: InboundRequest) -> None:
        """SignatureRefused without a signature, PayloadTooLarge for a form longer than any of Twilio's."""
        if self.settings.is_signed and not signature.is_signed(request):
            raise SignatureRefused("The request is not signed")
        length = request.headers.get("content-length", "")
        if signature.is_form(request) and length.isascii() and length.isdigit():
            signature.check_size(int(length[:12]))

    def parse(self, request: InboundRequest) -> Parsed:
        if request.method != "GET" and not signature.is_form(request):
            fields.decode_json(request.body)  # Event Streams and other signed JSON: recognized, not read
            return Parsed(ignored={"json_event": 1})
        pairs = self._form(request)
        form = _first_values(pairs)
        asks = (gathers.next_step(request) or EMPTY_TWIML) if _asks(form) else None
        try:
            made = self._read(form, request, pairs)
        except Unprocessable as error:
            return Parsed(malformed=(fields.malformed(error, _encoded(pairs)),), context=asks)
        if isinstance(made, str):
            return Parsed(ignored={made: 1}, context=asks)
        if isinstance(made, CallLeg):
            return Parsed(legs=(made,), context=asks)
        return Parsed(touchpoints=(made,), context=asks)

    def _read(
        self, form: Mapping[str, str], request: InboundRequest, pairs: signature.Pairs
    ) -> Touchpoint | CallLeg | str:
        """The content of a webhook, or the name under which it is counted as ignored."""
        if gathers.has_code(form, request):
            return self._code(form, request)
        kind = _kind(form)
        if kind == CALL:
            return self._call(form, request)
        if kind == MESSAGE:
            return self._message(form, request)
        if kind == TRANSCRIPTION and is_transcription(form):
            return self._transcription(form, request, pairs)
        return self._transfer(form, request) if kind == TRANSFER else kind

    def mentions(self, request: InboundRequest) -> Mentions:
        return mentions(request, self.settings, self._own)

    def reply(self, request: InboundRequest, parsed: Parsed | None, outcome: Outcome) -> Reply:
        """204 for a status callback, empty TwiML for a request for instructions."""
        if parsed is None:
            return super().reply(request, parsed, outcome)
        if parsed.context:
            return Reply(status=200, body=parsed.context, content_type="text/xml")
        return Reply(status=204)

    def _call(self, form: Mapping[str, str], request: InboundRequest) -> Touchpoint | CallLeg | str:
        """The touchpoint of a call's status, or the name under which it is counted as ignored."""
        # Only the signed URL carries our callback id: a form field of that name is ignored.
        callback = text(dict(reversed(request.query)).get("callback"))
        call = calls.read_call(form, callback)
        parent = legs.parent_of(call)
        if parent is None or calls.type_of(call) is None:
            return self._single(call, request)
        space = self.settings.event_space(_account(form))
        customer = legs.customer_of_leg(call, parent, self.settings, space, self._own)
        unknown = Handle(Identity("anonymous", space, parent), Assurance.VERIFIED)
        event = legs.leg_event(call, parent, request.received_at)
        entry = fields.checked(legs.passed_on(event, customer or unknown, self.settings, space))
        return entry if customer else CallLeg(passed_on=entry, alone=self._single(call, request))

    def _transfer(self, form: Mapping[str, str], request: InboundRequest) -> Touchpoint | str:
        call = calls.read_call(form, None)
        space = self.settings.event_space(_account(form))
        far = calls.customer(call, self.settings, space, self._own)
        if isinstance(far, str):
            return far
        event = legs.transfer_event(call, request.received_at)
        return fields.checked(legs.passed_on(event, far, self.settings, space))

    def _code(self, form: Mapping[str, str], request: InboundRequest) -> Touchpoint | str:
        """The digits of a continuity code that the caller entered or spoke."""
        call = calls.read_call(form, None)
        space = self.settings.event_space(_account(form))
        far = calls.customer(call, self.settings, space, self._own)
        if isinstance(far, str):
            return far
        return fields.checked(
            gathers.code_entered(form, call, far, self.settings.name, space, request.received_at)
        )

    def _transcription(
        self, form: Mapping[str, str], request: InboundRequest, pairs: signature.Pairs
    ) -> Touchpoint | CallLeg | str:
        space = self.settings.event_space(_account(form))
        return read_transcription(form, request.received_at, self.settings, space, self._own, _encoded(pairs))

    def _single(self, call: calls.TwilioCall, request: InboundRequest) -> Touchpoint | str:
        form = call.form
        type_ = calls.type_of(call)
        if type_ is None:
            return "call.unknown_status"
        space = self.settings.event_space(_account(form))
        far = calls.customer(call, self.settings, space, self._own)
        if isinstance(far, str):
            return far
        name = text(form.get("CallerName")) if not call.outbound else None
        return fields.checked(
            Touchpoint(
                id_space=space,
                event_id=fields.event_id(calls.event_id(call)),
                source=self.settings.name,
                channel="phone",
                type=type_,
                occurred_at=calls.occurred_at(call, request.received_at),
                identities=(far,),
                direction=calls.direction(call),
                medium="voice",
                seq=calls.sequence(call),
                thread=call.sid,
                traits={"name": name} if name else {},
                data=calls.data(call),
            )
        )

    def _message(self, form: Mapping[str, str], request: InboundRequest) -> Touchpoint | str:
        status = messages.status_of(form)
        incoming = status is None
        type_ = messages.STATUS_TYPES.get(status) if status else "message.received"
        if type_ is None:
            return "message.status" if status in messages.EARLIER_STATUSES else "message.unknown_status"
        sid = messages.message_id(form)
        space = self.settings.event_space(_account(form))
        named = {"message_sid": sid} if incoming else {"message": sid, "status": status}
        name = text(form.get("ProfileName")) if incoming else None
        return fields.checked(
            Touchpoint(
                id_space=space,
                event_id=fields.event_id(sid if incoming else f"{sid}/{status}"),
                source=self.settings.name,
                channel="chat",
                type=type_,
                occurred_at=request.received_at,  # the form has no time
                identities=messages.people(form, incoming, self.settings, space, self._own),
                direction=Direction.INBOUND if incoming else Direction.OUTBOUND,
                medium=messages.medium(form),
                text=text(form.get("Body")) if incoming else None,
                attachments=messages.attachments(form) if incoming else (),
                thread=messages.thread(form, incoming),
                traits={"name": name} if name else {},
                data=messages.data(form) | named,
                envelope=messages.ENVELOPE,
            )
        )


def _first_values(pairs: signature.Pairs) -> dict[str, str]:
    """The first value of each name, as UTF-8."""
    return {clean(name): clean(value) for name, value in reversed(pairs)}


def _encoded(pairs: signature.Pairs) -> bytes:
    return urlencode(pairs, errors="replace").encode("ascii")


def _kind(form: Mapping[str, str]) -> str:
    """`call`, `message`, or the name of an ignored kind of webhook. InvalidPayload for anything else."""
    if legs.is_transfer(form):
        return TRANSFER
    for name, kind in IGNORED_FIELDS.items():
        if form.get(name):
            return kind
    if form.get("RecordingUrl") and form.get("CallStatus", "").lower() not in calls.FINAL:
        return "recording"  # the end of a <Record>: the call continues
    if form.get("CallSid") and form.get("CallStatus"):
        return CALL
    if first_text(form, "MessageSid", "SmsMessageSid", "SmsSid"):
        return MESSAGE
    if form.get("AccountSid"):
        return "unknown_event"
    raise InvalidPayload("The request is not a Twilio webhook")


def _asks(form: Mapping[str, str]) -> bool:
    """Whether this is a request for instructions rather than a status callback."""
    if form.get("MessageSid") or form.get("SmsSid"):
        return messages.status_of(form) is None
    status = form.get("CallStatus", "").lower()
    is_status = form.get("CallbackSource") or form.get("SequenceNumber") or status in calls.FINAL
    return bool(status) and not is_status


def _account(form: Mapping[str, str]) -> str:
    account = text(form.get("AccountSid"))
    if account is None:
        raise Unprocessable("The webhook has no AccountSid", code="no_account")
    return account
