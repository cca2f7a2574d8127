"""The body of a Chatwoot webhook: the parts that all events share, in every server version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.domain.clock import Micros
from handoff.domain.errors import InvalidPayload, Unprocessable
from handoff_adapters.shared.fields import decode_json, mapping, moment, plausible, sequence, text

MESSAGE_TYPES = ("incoming", "outgoing", "activity", "template")
"""Message types by number. The top level has the name, `conversation.messages` the number."""

CHANNELS: Mapping[str, str] = {"email": "email", "voice": "phone"}
"""Inbox type → our channel, if not chat."""


class Payload:
    """One webhook body, received at `received_at`."""

    def __init__(self, body: bytes, received_at: Micros) -> None:
        """InvalidPayload when the bytes are not a Chatwoot event."""
        value = decode_json(body)
        event = text(value.get("event")) if isinstance(value, dict) else None
        if event is None:
            raise InvalidPayload("A Chatwoot webhook is a JSON object with an `event`")
        self._read(value, event, received_at, len(body))

    @classmethod
    def of_part(cls, value: Mapping[str, Any], received_at: Micros) -> Payload:
        """A webhook of which only a part could be read; it may lack its event."""
        payload = cls.__new__(cls)
        payload._read(value, text(value.get("event")) or "", received_at, 0)
        return payload

    def _read(self, value: Mapping[str, Any], event: str, received_at: Micros, size: int) -> None:
        self.body = value
        self.event = event.removeprefix("automation_event.")  # the form that automation rules send
        self.received_at = received_at
        self.size = size
        self.message_type = message_type(value.get("message_type"))
        """One of MESSAGE_TYPES, or None."""
        self.conversation = self._conversation()
        """The conversation: nested in message events, the body itself in conversation events."""
        self.contact_inbox = mapping(self.conversation.get("contact_inbox"))
        self.meta = mapping(self.conversation.get("meta"))
        self.contact = self._contact()
        """The customer, if the event has one; never the agent who sent a message."""
        self.contact_id = text(self.contact.get("id")) or text(self.contact_inbox.get("contact_id"))
        self.nested_message = self._nested_message()
        """The conversation's copy of this message: only it has the delivery status."""
        self.attributes = mapping(value.get("content_attributes"))
        """Further attributes of a message: answers, items, the mail it came in."""
        self.extra = mapping(self.conversation.get("additional_attributes"))
        """Further attributes of the conversation: page, browser, subject of the mail."""
        channel = text(self.conversation.get("channel")) or ""
        self.medium = channel.rpartition("::")[2].lower()[:64] or None
        """The type of the inbox: `webwidget`, `whatsapp`, `api`, …"""
        self.channel = CHANNELS.get(self.medium or "", "chat")

    def _conversation(self) -> Mapping[str, Any]:
        if self.event.startswith("conversation_"):
            return self.body
        return mapping(self.body.get("conversation")) or mapping(self.body.get("current_conversation"))

    def _contact(self) -> Mapping[str, Any]:
        if self.event.startswith("contact_"):
            return self.body
        stated = mapping(self.meta.get("sender")) or mapping(self.body.get("contact"))
        if not stated and self.message_type == "incoming":
            stated = self.sender
        return stated

    def _nested_message(self) -> Mapping[str, Any]:
        number = text(self.body.get("id"))
        for message in sequence(self.conversation.get("messages")):
            stated = mapping(message)
            if text(stated.get("id")) == number:
                return stated
        return {}

    @property
    def inbox_address(self) -> str | None:
        """Where the inbox reaches the contact, as `inbox/source id`: an id is unique in its inbox."""
        source = text(self.contact_inbox.get("source_id"))
        if (
            source is None
            or (text(self.contact_inbox.get("contact_id")) or self.contact_id) != self.contact_id
        ):
            return None
        inbox = text(self.contact_inbox.get("inbox_id")) or text(self.conversation.get("inbox_id"))
        return f"{inbox or ''}/{source}"

    @property
    def sender(self) -> Mapping[str, Any]:
        """The author of a message: the contact, an agent or a bot."""
        return mapping(self.body.get("sender"))

    @property
    def hmac_verified(self) -> bool:
        """Whether the site proved the contact's identifier to Chatwoot (identity validation)."""
        return self.contact_inbox.get("hmac_verified") is True or self.meta.get("hmac_verified") is True

    def account(self, fallback: str | None) -> str:
        """The account id. Unprocessable `no_account` when neither the event nor the source has one."""
        for one in (self.body, self.contact):
            if found := text(mapping(one.get("account")).get("id")):
                return found
        messages = sequence(self.conversation.get("messages"))
        found = next((i for m in messages if (i := text(mapping(m).get("account_id")))), fallback)
        if found is None:
            raise Unprocessable("The event names no account: set `account` in its source", code="no_account")
        return found

    def at(self, *candidates: object) -> Micros:
        """The first of `candidates` that is a time, else the time of receipt."""
        for one in candidates:
            if at := moment(one):
                return plausible(at, self.received_at)
        return self.received_at

    def changed(self) -> dict[str, tuple[Any, Any]] | None:
        """Attribute → (previous, current) of `changed_attributes`; None when the event has none.

        It is an array of one-key objects. Servers of 2021 omit it, those of 2023 may send null.
        """
        stated = self.body.get("changed_attributes")
        if isinstance(stated, dict):
            stated = [stated]
        if not isinstance(stated, list):
            return None
        found: dict[str, tuple[Any, Any]] = {}
        for entry in stated:
            for name, change in mapping(entry).items():
                values = mapping(change)
                found[name] = (values.get("previous_value"), values.get("current_value"))
        return found


def message_type(stated: object) -> str | None:
    """One of MESSAGE_TYPES, from its name or its number."""
    if isinstance(stated, int) and not isinstance(stated, bool) and 0 <= stated < len(MESSAGE_TYPES):
        return MESSAGE_TYPES[stated]
    return stated if isinstance(stated, str) and stated in MESSAGE_TYPES else None
