"""The customer and thread of a Twilio webhook that cannot be read as a call or message."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from handoff.adapter.contract import InboundRequest, Mentions
from handoff.domain.errors import HandoffError
from handoff.domain.identity import Assurance
from handoff.domain.text.cleaning import clean
from handoff_adapters.shared.fields import text
from handoff_adapters.shared.handles import of_customer

from . import messages, signature
from .numbers import identity_of
from .options import TwilioOptions

MAX_READ = 32 * 1024  # bytes of a form that is none of Twilio's
_INCOMING = ("From", "Caller")
_OUTGOING = ("To", "Called")


def mentions(request: InboundRequest, options: TwilioOptions, own: frozenset[tuple[str, str]]) -> Mentions:
    """The customer's end of a call or message, and its thread. One webhook is about one of them."""
    form = _form(request)
    account = text(form.get("AccountSid"))
    space = options.event_space(account or "")
    outgoing = _is_outgoing(form)
    names = _OUTGOING if outgoing else _INCOMING
    ends = [form[name] for name in (*names, "ExternalUserId") if form.get(name)]
    stated = [identity_of(it, Assurance.CLAIMED, space=space, region=options.default_region) for it in ends]
    threads: tuple[tuple[str, str], ...] = ()
    if account is not None:
        named = [text(form.get("CallSid")), text(form.get("ParentCallSid"))]
        if form.get("MessageSid") or form.get("SmsSid"):
            named.append(messages.thread(form, not outgoing))
        threads = tuple((space, it) for it in named if it)
    found = tuple(it.identity for it in of_customer(stated, own))
    return Mentions(identities=found, threads=threads)


def _form(request: InboundRequest) -> dict[str, str]:
    try:
        pairs = signature.form(request)
    except HandoffError:
        words = request.body[:MAX_READ].decode("utf-8", "replace")
        try:
            pairs = parse_qsl(words, max_num_fields=signature.MAX_FIELDS)
        except ValueError:
            return {}
    return {clean(name): clean(value) for name, value in reversed(pairs)}


def _is_outgoing(form: Mapping[str, str]) -> bool:
    """Whether the business called or wrote."""
    if form.get("MessageSid") or form.get("SmsSid"):
        return messages.status_of(form) is not None
    return form.get("Direction", "").lower().startswith("outbound")
