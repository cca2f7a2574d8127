"""`chat.chatwoot`: the webhooks of a Chatwoot account, inbox or agent bot."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.adapter.base import BaseAdapter
from handoff.adapter.contract import InboundRequest, Mentions, Parsed
from handoff.domain.errors import SignatureRefused, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import text
from handoff_adapters.shared.handles import own_identities

from . import people, signature
from .deletions import nested_deletions
from .events import READERS, ChatFact
from .manifest import IGNORED_EVENTS, MANIFEST
from .options import ChatwootOptions
from .payload import Payload

ENVELOPE = ("previous_status",)
"""Keys of `data` that one webhook of a change has and another lacks."""


class ChatwootAdapter(BaseAdapter):
    """One source of Chatwoot events."""

    manifest = MANIFEST
    settings: ChatwootOptions

    def __init__(self, options: ChatwootOptions) -> None:
        super().__init__(options)
        self.identity_spaces = _spaces(options)
        self._secrets = tuple(secret.encode("utf-8") for secret in options.secrets)
        self._own = own_identities(options.own, options.default_region)
        self._handles = people.identities_of(options, self._own)

    def verify(self, request: InboundRequest) -> None:
        """Checks the signature, or the URL token of a server that does not sign. SignatureRefused.

        A request with a bad signature is refused even if its token is right.
        """
        if signature.is_signed(request):
            if self._secrets:
                signature.check(request, self._secrets)
            return
        if self.settings.allow_unsigned:
            return
        if not self.settings.url_token or not signature.has_token(request, self._secrets):
            raise SignatureRefused("The webhook is not signed")

    def check_head(self, request: InboundRequest) -> None:
        """SignatureRefused without signature and token, or where the signature's time is wrong."""
        if signature.is_signed(request):
            if self._secrets:
                signature.check_time(request)
        else:
            self.verify(request)

    def parse(self, request: InboundRequest) -> Parsed:
        payload = Payload(request.body, request.received_at)
        reader = READERS.get(payload.event)
        try:
            deletions = nested_deletions(payload)
            fact = reader(payload) if reader else _name_of_ignored(payload)
            facts: tuple[ChatFact, ...] = () if isinstance(fact, str) else (fact,)
            if deletions:
                facts = _without_undone((*facts, *deletions))
            made = {it.key: self._touchpoint(payload, it) for it in facts}
        except Unprocessable as error:
            if reader is None:
                return Parsed(ignored={_name_of_ignored(payload): 1})
            return Parsed(malformed=(fields.malformed(error, request.body),))
        return Parsed(touchpoints=tuple(made.values()), ignored={fact: 1} if isinstance(fact, str) else {})

    def mentions(self, request: InboundRequest) -> Mentions:
        return people.mentions(request, self.settings, self._own)

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


def _name_of_ignored(payload: Payload) -> str:
    return payload.event if payload.event in IGNORED_EVENTS else "unknown_event"


def _without_undone(facts: Sequence[ChatFact]) -> tuple[ChatFact, ...]:
    """The facts without an edit of a message that is deleted: its new text is only Chatwoot's notice."""
    gone = {it.amends for it in facts if it.type == "message.deleted"}
    return tuple([it for it in facts if it.type != "message.edited" or it.amends not in gone])


def _spaces(options: ChatwootOptions) -> Sequence[tuple[str, str]]:
    user = ("user", options.user_space)
    if options.account is None:  # events state it
        return (user,)
    space = options.contact_space(options.account)
    return (user, (people.CONTACT, space), (people.INBOX_ADDRESS, space))
