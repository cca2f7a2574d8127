"""The customer and the agents of a Chatwoot event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from handoff.adapter.contract import InboundRequest, Mentions
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle, identity
from handoff.domain.numbering import current_spelling
from handoff.domain.text.memo import cached_if_short
from handoff_adapters.shared.fields import data, first_text, mapping, text
from handoff_adapters.shared.handles import HandleReader, StatedText, handle, of_customer
from handoff_adapters.shared.partial_json import readable_part

from .options import ChatwootOptions
from .payload import Payload

VERIFIED, CLAIMED = Assurance.VERIFIED, Assurance.CLAIMED
CONTACT = "chatwoot.contact"
INBOX_ADDRESS = "chatwoot.inbox_address"
"""Where an inbox reaches a contact (its `source_id`). A merge moves it to the contact that stays."""
_SHORTEST_ADDRESS = (
    8  # characters: what inboxes use as addresses is longer, what tests and imports use is not
)
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,128}", re.ASCII)
ACTORS: Mapping[str, str] = {
    "user": "agent",
    "agent_bot": "bot",
    "agentbot": "bot",
    "captain_assistant": "bot",
    "captain::assistant": "bot",
}
"""Chatwoot's sender type in lower case → ours."""
_WHATSAPP = "whatsapp:"
_TRAITS = ("name", "email", "phone_number", "identifier", "custom_attributes", "additional_attributes")
_MADE_BY_RULE = ("automation_rule_id", "campaign_id", "macro_id")
"""Content attributes of messages that nobody typed."""
_ABSENT: tuple[Any, ...] = (None, "", {})


def identities(payload: Payload, account: str, read: HandleReader) -> tuple[Handle, ...]:
    """The contact's handles, the home first. Unprocessable `no_identity` without a contact."""
    stated = payload.contact
    found = read(
        account,
        payload.contact_id,
        text(stated.get("identifier")),
        "proved" if payload.hmac_verified else None,
        text(stated.get("email")),
        text(stated.get("phone_number")),
        text(payload.attributes.get("submitted_email")),
        payload.inbox_address,
        payload.medium,
    )
    if not found:
        raise Unprocessable("The event names no contact", code="no_identity")
    return found


def identities_of(options: ChatwootOptions, own: frozenset[tuple[str, str]]) -> HandleReader:
    """The function that reads a contact's handles for one source. It returns none without a contact.

    The home is the contact, which every event of a conversation names. If the site proved the user to
    Chatwoot, every event states that, and the user is the home. Details typed into a chat are claims.
    """

    @cached_if_short  # one contact sends several messages
    def read(
        account: str,
        id: StatedText,
        identifier: StatedText,
        proved: StatedText,
        email: StatedText,
        phone: StatedText,
        typed: StatedText,
        inbox_address: StatedText,
        medium: StatedText,
    ) -> tuple[Handle, ...]:
        contact = handle(CONTACT, id, VERIFIED, space=options.contact_space(account))
        user = handle("user", identifier, VERIFIED if proved else CLAIMED, space=options.user_space)
        strong = (user, contact) if proved and user else (contact, user)
        claimed = (
            handle("email", email, CLAIMED),
            _phone(phone, inbox_address, medium, options),
            handle("email", typed, CLAIMED),
        )
        proven = _proven_by_inbox(inbox_address, medium, options.contact_space(account))
        return of_customer(strong + claimed + proven, own) if contact else ()

    return read


def mentions(request: InboundRequest, options: ChatwootOptions, own: frozenset[tuple[str, str]]) -> Mentions:
    """The contact and the conversation. One webhook is about one contact, so these are all."""
    part = readable_part(request.body)
    payload = Payload.of_part(mapping(part.value), request.received_at)
    contact = payload.contact
    stated = [
        handle("user", contact.get("identifier"), CLAIMED, space=options.user_space),
        handle("email", contact.get("email"), CLAIMED),
        handle("phone", contact.get("phone_number"), CLAIMED, region=options.default_region),
        handle("email", payload.attributes.get("submitted_email"), CLAIMED),
    ]
    threads: tuple[tuple[str, str], ...] = ()
    try:
        account = payload.account(options.account)
    except Unprocessable:
        account = None
    if account is not None:
        space = options.contact_space(account)
        stated.append(handle(CONTACT, payload.contact_id, VERIFIED, space=space))
        if conversation := text(payload.conversation.get("id")):
            threads = ((options.event_space(account), conversation),)
    found = tuple(it.identity for it in of_customer(stated, own))
    return Mentions(identities=found, threads=threads)


def _phone(
    phone: StatedText, inbox_address: StatedText, medium: StatedText, options: ChatwootOptions
) -> Handle | None:
    """The contact's number. WhatsApp's own is written as its country's plan has it today."""
    found = handle("phone", phone, CLAIMED, region=options.default_region)
    reached = _source(inbox_address)
    if found is None or not _is_whatsapp(reached, medium):
        return found
    if _digits_of(reached) != _digits_of(found.identity.value):
        return found
    return Handle(identity("phone", current_spelling(found.identity.value)), CLAIMED)


def _proven_by_inbox(inbox_address: StatedText, medium: StatedText, space: str) -> tuple[Handle | None, ...]:
    """The handles that the channel of the inbox proves: the address itself, or a WhatsApp user id."""
    reached = _source(inbox_address)
    user = reached.removeprefix(_WHATSAPP)
    if _is_whatsapp(reached, medium) and _BSUID.fullmatch(user):
        return (handle("whatsapp.user", user, VERIFIED),)
    if len(reached) < _SHORTEST_ADDRESS:
        return ()
    return (handle(INBOX_ADDRESS, inbox_address, VERIFIED, space=space),)


def _source(inbox_address: StatedText) -> str:
    return (inbox_address or "").partition("/")[2]


def _is_whatsapp(source: str, medium: StatedText) -> bool:
    return medium == "whatsapp" or source.startswith(_WHATSAPP)


def _digits_of(value: str) -> str:
    return "".join(filter(str.isdigit, value))


def traits(payload: Payload) -> dict[str, Any]:
    """The contact's attributes in Chatwoot, without absent and empty values."""
    stated = payload.contact
    return data({key: value for key in _TRAITS if (value := stated.get(key)) or value not in _ABSENT})


def actor(payload: Payload) -> dict[str, Any] | None:
    """The author of an outgoing message: {"type": "agent" | "bot" | "platform", "id"?, "name"?}."""
    if payload.message_type == "template":
        return {"type": "bot"}  # Chatwoot's automatic greetings and forms
    sender = payload.sender
    attributes = payload.attributes
    if any(attributes.get(name) for name in _MADE_BY_RULE):
        return {"type": "bot"}
    if _is_echo(attributes) or (not sender and any(name.startswith("external_") for name in attributes)):
        # Written on a phone that is paired with the inbox: Chatwoot only hears of it, often through a bot.
        by_account = ACTORS.get((text(sender.get("type")) or "").lower()) == "agent"
        return {"type": "agent"} | (party(sender) if by_account else {})
    kind = text(sender.get("type")) or text(payload.nested_message.get("sender_type"))
    if kind is None:
        kind = "user" if sender else ""  # servers before 2023 omit the type for agents
    found: dict[str, Any] = {"type": ACTORS.get(kind.lower(), "platform")}
    return found | party(sender)


def _is_echo(attributes: Mapping[str, Any]) -> bool:
    """Whether a bridge repeats what a person wrote in the vendor's own app."""
    return attributes.get("external_echo") is True or bool(text(attributes.get("external_sender_name")))


def party(stated: Mapping[str, Any]) -> dict[str, Any]:
    """{"id"?, "name"?} of an agent, bot or team."""
    values = {"id": text(stated.get("id")), "name": first_text(stated, "name", "available_name")}
    return {key: value for key, value in values.items() if value is not None}
