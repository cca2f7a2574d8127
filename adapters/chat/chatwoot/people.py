"""The customer and the agents of a Chatwoot event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.chat.chatwoot.options import ChatwootOptions
from adapters.chat.chatwoot.payload import Payload
from adapters.fields import data, first_text, text
from adapters.handles import handle, of_customer
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle

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
_ABSENT: tuple[Any, ...] = (None, "", {})


def identities(
    payload: Payload, account: str, options: ChatwootOptions, own: frozenset[tuple[str, str]]
) -> tuple[Handle, ...]:
    """The contact's handles, the home first. Unprocessable `no_identity` without a contact.

    Home is the contact, whom every event of a dialogue names; the user instead where the site proved
    it to Chatwoot, which then says so in every event. What was typed into a chat is a claim.
    """
    stated, proved = payload.contact, payload.hmac_verified
    contact = handle(CONTACT, payload.contact_id, VERIFIED, space=options.contact_space(account))
    assurance = VERIFIED if proved else CLAIMED
    user = handle("user", stated.get("identifier"), assurance, space=options.user_space)
    typed = (
        handle("email", stated.get("email"), CLAIMED),
        handle("phone", stated.get("phone_number"), CLAIMED, region=options.default_region),
        handle("email", payload.attributes.get("submitted_email"), CLAIMED),
    )
    strong = (user, contact) if proved and user else (contact, user)
    found = of_customer(strong + typed, own)
    if contact is None or not found:
        raise Unprocessable("the event names no contact", code="no_identity")
    return found


def traits(payload: Payload) -> dict[str, Any]:
    """What Chatwoot knows about the contact; absent and empty values are left out."""
    stated = payload.contact
    return data({key: value for key in _TRAITS if (value := stated.get(key)) or value not in _ABSENT})


def actor(payload: Payload) -> dict[str, Any] | None:
    """Who wrote an outgoing message: {"type": "agent" | "bot" | "platform", "id"?, "name"?}."""
    if payload.message_type == "template":
        return {"type": "bot"}  # greetings and forms that Chatwoot sends by itself
    sender = payload.sender
    kind = text(sender.get("type")) or text(payload.nested_message.get("sender_type"))
    if kind is None:
        kind = "user" if sender else ""  # servers before 2023 leave the type out for agents
    found: dict[str, Any] = {"type": ACTORS.get(kind.lower(), "platform")}
    return found | party(sender)


def party(stated: Mapping[str, Any]) -> dict[str, Any]:
    """{"id"?, "name"?} of an agent, bot or team."""
    values = {"id": text(stated.get("id")), "name": first_text(stated, "name", "available_name")}
    return {key: value for key, value in values.items() if value is not None}
