"""The members of a Chatwoot webhook that are read: the others, most of its bytes, are left undecoded.

Whoever reads a further member of a body, its conversation or the conversation's messages names it here.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from adapters.fields import decode_json


class Message(TypedDict, total=False):
    """A conversation's copy of a message."""

    id: Any
    account_id: Any
    status: Any
    sender_type: Any
    created_at: Any
    updated_at: Any


class Conversation(TypedDict, total=False):
    """What is nested in the events of messages, and is the body of conversations' own."""

    id: Any
    additional_attributes: Any
    channel: Any
    contact_inbox: Any
    messages: list[Message]
    meta: Any


class Body(Conversation, total=False):
    """The body of any event. `sender` waits until somebody asks for it: mostly it repeats the contact."""

    event: Any
    account: Any
    attachments: Any
    changed_attributes: Any
    contact: Any
    content: Any
    content_attributes: Any
    content_type: Any
    conversation: Conversation
    created_at: Any
    current_conversation: Any
    custom_attributes: Any
    email: Any
    event_info: Any
    identifier: Any
    inbox: Any
    last_activity_at: Any
    message_type: Any
    name: Any
    performed_by: Any
    phone_number: Any
    private: Any
    sender: msgspec.Raw
    source_id: Any
    status: Any
    timestamp: Any
    updated_at: Any


_DECODE = msgspec.json.Decoder(Body).decode


def decode(body: bytes) -> Any:
    """The JSON value of `body`, without what nobody reads. InvalidPayload when it is none.

    A body whose parts are of other types than they should be is decoded whole, and so is one with a
    conversation that seems empty: whether it holds anything decides where the conversation is looked for.
    """
    try:
        body.decode("utf-8")  # which the decoder does not look at in what it skips
        value = _DECODE(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_json(body)
    return value if value.get("conversation") != {} else decode_json(body)
