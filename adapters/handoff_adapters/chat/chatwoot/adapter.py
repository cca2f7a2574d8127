"""`chat.chatwoot`: the webhooks of a Chatwoot account, inbox or agent bot."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import ClassVar

from handoff.adapter.contract import InboundRequest, Outcome, Parsed, Reply, SourceOptions
from handoff.adapter.signatures import any_equal
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError, SignatureRefused, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import text
from handoff_adapters.shared.handles import own_identities

from . import people
from .events import IGNORED_EVENTS, READERS, ChatFact
from .options import ChatwootOptions
from .payload import Payload

ENVELOPE = ("previous_status",)
"""Keys of `data` that one webhook tells of a change and another does not."""
TOLERANCE_S = 300  # how far a signature's time may lie from ours; what Chatwoot advises


class ChatwootAdapter:
    """One source of Chatwoot events."""

    name: ClassVar[str] = "chat.chatwoot"
    channel: ClassVar[str] = "chat"
    options: ClassVar[type[SourceOptions]] = ChatwootOptions

    def __init__(self, options: ChatwootOptions) -> None:
        if not options.secrets and not options.allow_unsigned:
            raise ConfigurationError(f"source {options.name}: the webhook's secret is needed under `secrets`")
        self.settings = options
        self.identity_spaces: Sequence[tuple[str, str]] = _spaces(options)
        self._secrets = tuple(secret.encode("utf-8") for secret in options.secrets)
        own = own_identities(options.own, options.default_region)
        self._handles = people.identities_of(options, own)

    def preflight(self, request: InboundRequest) -> Reply | None:
        return None

    def headers(self, request: InboundRequest) -> tuple[tuple[str, str], ...]:
        return ()

    def verify(self, request: InboundRequest) -> None:
        """The signature of a server since February 2026, or the URL's token of an older one.

        SignatureRefused. Whoever signs must sign right: a token does not mend a bad signature.
        """
        signature = request.headers.get("x-chatwoot-signature")
        stamp = request.headers.get("x-chatwoot-timestamp")
        if signature is not None or stamp is not None:
            if self._secrets:
                self._verify_signature(request, signature or "", stamp or "")
            return
        if self.settings.allow_unsigned:
            return
        if not self.settings.url_token or not any(any_equal(t, self._secrets) for t in _tokens(request)):
            raise SignatureRefused("the webhook is not signed")

    def _verify_signature(self, request: InboundRequest, signature: str, stamp: str) -> None:
        """HMAC-SHA256 over "<timestamp>.<raw body>" (chatwoot lib/webhooks/trigger.rb)."""
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            raise SignatureRefused("the signature's time is missing")
        if abs(int(stamp) * SECOND - request.received_at) > TOLERANCE_S * SECOND:
            raise SignatureRefused("the signature's time is not now")
        signed = stamp.encode("ascii") + b"." + request.raw
        expected = [
            b"sha256=" + hmac.digest(key, signed, "sha256").hex().encode("ascii") for key in self._secrets
        ]
        if not any_equal(signature.strip().encode("utf-8", "replace"), expected):
            raise SignatureRefused("the signature is wrong")

    def parse(self, request: InboundRequest) -> Parsed:
        payload = Payload(request.body, request.received_at)
        reader = READERS.get(payload.event)
        if reader is None:
            known = payload.event in IGNORED_EVENTS
            return Parsed(ignored={payload.event if known else "unknown_event": 1})
        try:
            fact = reader(payload)
            if isinstance(fact, str):
                return Parsed(ignored={fact: 1})
            return Parsed(touchpoints=(self._touchpoint(payload, fact),))
        except Unprocessable as error:
            return Parsed(malformed=(fields.malformed(error, request.body),))

    def answer(self, request: InboundRequest, outcome: Outcome) -> Reply:
        return Reply(status=200)

    def _touchpoint(self, payload: Payload, fact: ChatFact) -> Touchpoint:
        account = payload.account(self.settings.account)
        return fields.checked(
            Touchpoint(
                id_space=self.settings.event_space(account),
                event_id=fields.event_id(fact.key),
                source=self.settings.name,
                channel=fact.channel,
                type=fact.type,
                occurred_at=fact.at,
                identities=people.identities(payload, account, self._handles),
                direction=fact.direction,
                visibility=fact.visibility,
                medium=payload.medium or ("webwidget" if fact.channel == "web" else None),
                subject=fields.subject(fact.subject),
                text=fact.text,
                language=fields.language(payload.extra.get("browser_language")),
                attachments=fact.attachments,
                thread=text(payload.conversation.get("id")) if fact.channel != "web" else None,
                amends=fact.amends and fields.event_id(fact.amends),
                actor=fact.actor,
                traits=people.traits(payload),
                data=fact.data,
                envelope=ENVELOPE,
            ),
            payload.size,
        )


def _spaces(options: ChatwootOptions) -> Sequence[tuple[str, str]]:
    user = ("user", options.user_space)
    if options.account is None:  # the events tell it
        return (user,)
    return (user, (people.CONTACT, options.contact_space(options.account)))


def _tokens(request: InboundRequest) -> list[bytes]:
    """What may be the unguessable part of the URL."""
    stated = [value for name, value in request.query if name == "token"]
    stated.append(request.path.strip("/"))
    return [token.encode("utf-8", "replace") for token in stated if token]
