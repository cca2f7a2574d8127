"""The customer and the agents of a Chatwoot event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.chat.chatwoot.options import ChatwootOptions
from adapters.chat.chatwoot.payload import Payload
from adapters.fields import data, first_text, text
from adapters.handles import Reading, Words, handle, of_customer
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle
from handoff.domain.remembering import remembered

VERIFIED, CLAIMED = Assurance.VERIFIED, Assurance.CLAIMED
CONTACT = "chatwoot.contact"
ACTORS: Mapping[str, str] = {
    "user": "agent",
    "agent_bot": "bot",
    "agentbot": "bot",
    "captain_assistant": "bot",
    "captain::assistant": "bot",
}
"""Chatwoot's kind of sender, lower case -> ours."""
_TRAITS = ("name", "email", "phone_number", "identifier", "custom_attributes", "additional_attributes")
_MADE_BY_RULE = ("automation_rule_id", "campaign_id", "macro_id")
"""Content attributes of messages that nobody typed."""
_ABSENT: tuple[Any, ...] = (None, "", {})


def identities(payload: Payload, account: str, read: Reading) -> tuple[Handle, ...]:
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
    )
    if not found:
        raise Unprocessable("the event names no contact", code="no_identity")
    return found


def identities_of(options: ChatwootOptions, own: frozenset[tuple[str, str]]) -> Reading:
    """How a source reads what is stated of a contact; none where that names no contact.

    Home is the contact, whom every event of a dialogue names; the user instead where the site proved
    it to Chatwoot, which then says so in every event. What was typed into a chat is a claim.
    """

    @remembered  # somebody who writes, writes several times
    def read(
        account: str, id: Words, identifier: Words, proved: Words, email: Words, phone: Words, typed: Words
    ) -> tuple[Handle, ...]:
        contact = handle(CONTACT, id, VERIFIED, space=options.contact_space(account))
        user = handle("user", identifier, VERIFIED if proved else CLAIMED, space=options.user_space)
        strong = (user, contact) if proved and user else (contact, user)
        claimed = (
            handle("email", email, CLAIMED),
            handle("phone", phone, CLAIMED, region=options.default_region),
            handle("email", typed, CLAIMED),
        )
        return of_customer(strong + claimed, own) if contact else ()

    return read


def traits(payload: Payload) -> dict[str, Any]:
    """What Chatwoot knows about the contact; absent and empty values are left out."""
    stated = payload.contact
    return data({key: value for key in _TRAITS if (value := stated.get(key)) or value not in _ABSENT})


def actor(payload: Payload) -> dict[str, Any] | None:
    """Who wrote an outgoing message: {"type": "agent" | "bot" | "platform", "id"?, "name"?}."""
    if payload.message_type == "template":
        return {"type": "bot"}  # greetings and forms that Chatwoot sends by itself
    sender = payload.sender
    attributes = payload.attributes
    if any(attributes.get(name) for name in _MADE_BY_RULE):
        return {"type": "bot"}
    if not sender and any(name.startswith("external_") for name in attributes):
        # Written on a phone that is paired with the inbox: Chatwoot only hears of it.
        return {"type": "agent"}
    kind = text(sender.get("type")) or text(payload.nested_message.get("sender_type"))
    if kind is None:
        kind = "user" if sender else ""  # servers before 2023 leave the type out for agents
    found: dict[str, Any] = {"type": ACTORS.get(kind.lower(), "platform")}
    return found | party(sender)


def party(stated: Mapping[str, Any]) -> dict[str, Any]:
    """{"id"?, "name"?} of an agent, bot or team."""
    values = {"id": text(stated.get("id")), "name": first_text(stated, "name", "available_name")}
    return {key: value for key, value in values.items() if value is not None}
