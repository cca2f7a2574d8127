"""What webhooks bring, as an AsyncAPI 3.0 document.

https://www.asyncapi.com/docs/reference/specification/v3.0.0. Made from the types that the messages are
made of; the table here says which event has which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handoff import __version__
from handoff.domain.touchpoint import TYPES
from handoff.services.events.payloads import (
    CONTENT_TYPE,
    ClockJumped,
    ContextChanged,
    EventEnvelope,
    HandoffData,
    HandoffUndelivered,
    TouchpointData,
    Unviewed,
    WebhookDead,
    WebhookDisabled,
    WebhookFailing,
    WebhookTest,
)

from .schemas import SCHEMAS, Schema, component_schemas

CHANNEL = "subscriber"
_ABOUT = """\
What subscribers of `POST /v1/webhooks` and of `[[webhooks]]` in the configuration are sent.

A message is a `POST` of a structured CloudEvent 1.0 with the headers of Standard Webhooks 1.0. Any \
2xx takes it; a redirect is a failure. It comes at least once, in order per hand-off; `webhook-id`, the \
event's `id`, is the same over all attempts and replays. New members and types may be added.
"""
_SIGNATURE = """\
Signatures of Standard Webhooks 1.0 over `{webhook-id}.{webhook-timestamp}.{body}` with the body's raw \
bytes, separated by spaces; one that verifies is enough. `v1,`: HMAC-SHA256 with the subscription's secret \
(`whsec_…`); `v1a,`: Ed25519, verified with its `public_key` (`whpk_…`). During a rotation the old key \
signs as well.
"""


class EventKind(Struct, frozen=True):
    """A type of event by its name: the types of its `data`, and what it says in words."""

    name: str
    data: tuple[type, ...]
    text: str


_HANDOFFS = {
    "handoff.requested": "Somebody is asked to take a conversation.",
    "handoff.offered": "It is offered to an agent.",
    "handoff.accepted": "An agent took it and owns the conversation.",
    "handoff.viewed": "The owner's screen has shown the context.",
    "handoff.declined": "Whoever was asked said no.",
    "handoff.expired": "Nobody answered in time.",
    "handoff.released": "Its owner gave it back.",
    "handoff.transferred": "It went on to somebody else.",
    "handoff.completed": "It is done.",
    "handoff.withdrawn": "Whoever asked took it back.",
    "handoff.failed": "Nobody is left to be asked.",
}
_OTHERS = (
    EventKind(
        "handoff.undelivered",
        (HandoffUndelivered,),
        "A request or an offer died before its subscriber took the message.",
    ),
    EventKind("handoff.unviewed", (Unviewed,), "The owner has not looked at the context in time."),
    EventKind("webhook.dead", (WebhookDead,), "A message became a dead letter."),
    EventKind("webhook.failing", (WebhookFailing,), "A subscription has only failed for a day."),
    EventKind("webhook.disabled", (WebhookDisabled,), "A subscription was disabled."),
    EventKind("webhook.test", (WebhookTest,), "A test that somebody asked for."),
    EventKind("operator.clock_jumped", (ClockJumped,), "The store's clock jumped."),
)


def _touchpoint(type_: str) -> EventKind:
    if type_ == "context.changed":
        text = "Something is new about the customer of an owned hand-off; or a touchpoint of this type."
        return EventKind(type_, (ContextChanged, TouchpointData), text)
    return EventKind(type_, (TouchpointData,), "A touchpoint of this type was stored.")


KINDS: tuple[EventKind, ...] = (
    *(EventKind(type_, (HandoffData,), text) for type_, text in _HANDOFFS.items()),
    *_OTHERS,
    *(_touchpoint(type_) for type_ in TYPES if not type_.startswith("handoff.")),
)
"""Every type of event that anybody can be told of."""

_ATTRIBUTES: Mapping[str, Schema] = {
    "specversion": {"const": "1.0"},
    "id": {"description": "The same as `webhook-id`: the key to forget repetitions by."},
    "source": {"description": "`urn:handoff:` and the tenant.", "format": "uri-reference"},
    "subject": {"description": "The hand-off, touchpoint or subscription."},
    "time": {"description": "When it happened.", "format": "date-time"},
    "recordedtime": {"description": "When it was recorded.", "format": "date-time"},
    "datacontenttype": {"const": "application/json"},
    "sequence": {
        "description": "The version of the hand-off, or when it was recorded; of fixed width, so that texts "
        "compare as numbers do.",
        "pattern": "^[0-9]{20}$",
    },
    "partitionkey": {"description": "What `sequence` orders the events of."},
    "correlationid": {"description": "The first conversation of the chain, or what else it belongs to."},
    "supersedes": {"description": "Ids of older messages that this one stands for, separated by commas."},
}
"""What the type of the envelope cannot say of its members."""

_POSITION: Schema = {"type": "string", "description": "The position of the pinned context, its `as_of`."}

_HEADERS: Schema = {
    "type": "object",
    "description": "Of Standard Webhooks 1.0; the subscription's own `headers` come with them.",
    "properties": {
        "webhook-id": {"type": "string", "description": "The event's `id`."},
        "webhook-timestamp": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "When this attempt was made, in seconds since 1970.",
        },
        "webhook-signature": {
            "type": "string",
            "pattern": "^v1a?,[A-Za-z0-9+/=]+( v1a?,[A-Za-z0-9+/=]+)*$",
            "description": _SIGNATURE,
        },
        "content-type": {"type": "string", "const": CONTENT_TYPE},
    },
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type"],
}


def document() -> dict[str, Any]:
    """The whole document."""
    data_types = list(dict.fromkeys(type_ for kind in KINDS for type_ in kind.data))
    schemas, components = component_schemas([], [EventEnvelope, *data_types])
    envelope = components["CloudEvent"]["properties"]
    for name, note in _ATTRIBUTES.items():
        envelope[name] |= note
    components["WebhookFailing"]["properties"]["failing_since"] |= {"format": "date-time"}
    components["ContextChanged"]["properties"]["since"] = _POSITION
    components["WebhookHeaders"] = _HEADERS
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Conversation hand-off: webhooks",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {CHANNEL: _server()},
        "channels": {CHANNEL: _channel()},
        "operations": {"deliver": _operation()},
        "components": {
            "schemas": components,
            "messages": {kind.name: _message(kind, schemas) for kind in KINDS},
            "securitySchemes": {
                "signature": {
                    "type": "httpApiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": _SIGNATURE,
                }
            },
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "https",
        "description": "Whoever subscribed; http only with `allow_insecure`.",
        "variables": {"host": {"description": "Host and port of the subscription's URL."}},
    }


def _channel() -> dict[str, Any]:
    """One for all: a subscription names the types that it wants, not a place for each."""
    return {
        "address": None,
        "title": "The subscription's URL",
        "description": "Known to the subscription only, therefore without an address here.",
        "servers": [{"$ref": f"#/servers/{CHANNEL}"}],
        "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"} for kind in KINDS},
    }


def _operation() -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "summary": "Tell a subscriber",
        "description": "To every subscription whose `types`, `channels` and `queues` fit.",
        "security": [{"$ref": "#/components/securitySchemes/signature"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
    }


def _message(kind: EventKind, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    data = [schemas[type_] for type_ in kind.data]
    own = {"type": {"const": kind.name}, "data": data[0] if len(data) == 1 else {"anyOf": data}}
    return {
        "name": kind.name,
        "title": kind.name,
        "summary": kind.text,
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": SCHEMAS + "WebhookHeaders"},
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": {"allOf": [schemas[EventEnvelope], {"type": "object", "properties": own}]},
    }
