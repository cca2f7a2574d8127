"""Deletions that only a nested copy of the message shows.

Chatwoot announces the deletion of an older message with an event about the newest one, or about the
conversation. Only the copy under `conversation.messages` states which message is gone (chatwoot#12613).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.domain.touchpoint import Direction, Visibility
from handoff_adapters.shared.fields import mapping, sequence, text

from .events import ChatFact
from .payload import Payload, message_type


def nested_deletions(payload: Payload) -> list[ChatFact]:
    """The deletion of each message whose nested copy is marked as deleted."""
    found: list[ChatFact] = []
    for stated in sequence(payload.conversation.get("messages")):
        copy = mapping(stated)
        attributes = copy.get("content_attributes")
        if not attributes or mapping(attributes).get("deleted") is not True:
            continue
        if number := text(copy.get("id")):
            found.append(_deletion(payload, f"message/{number}", copy))
    return found


def _deletion(payload: Payload, key: str, copy: Mapping[str, Any]) -> ChatFact:
    private = copy.get("private") is True
    incoming = message_type(copy.get("message_type")) == "incoming"
    return ChatFact(
        key=f"{key}/deleted",
        type="message.deleted",
        at=payload.at(copy.get("updated_at"), payload.body.get("updated_at"), payload.body.get("timestamp")),
        channel=payload.channel,
        direction=Direction.INTERNAL if private else Direction.INBOUND if incoming else Direction.OUTBOUND,
        visibility=Visibility.INTERNAL if private else Visibility.PUBLIC,
        amends=key,
    )
