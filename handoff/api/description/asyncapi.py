"""The messages of webhooks as an AsyncAPI 3.0 document.

https://www.asyncapi.com/docs/reference/specification/v3.0.0. Made from the types of the messages; the table
here maps event types to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handoff import __version__
from handoff.domain.touchpoint import TYPES
from handoff.services.events.payloads import (
    CONTENT_TYPE,
    AnnouncementAlarm,
    ClockJumped,
    ContextChanged,
    CustomerErased,
    EventEnvelope,
    HandoffData,
    HandoffUndelivered,
    PromiseAlarm,
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
Messages for subscriptions from `POST /v1/webhooks` and from `[[webhooks]]` in the configuration.

A message is a `POST` of a structured CloudEvent 1.0 with the headers of Standard Webhooks 1.0. Any \
2xx response accepts it; a redirect is a failure. Delivery is at least once, in order per handoff. \
`webhook-id`, the event's `id`, is the same for all attempts and replays. Members and types may be added.
"""
_SIGNATURE = """\
Signatures of Standard Webhooks 1.0 over `{webhook-id}.{webhook-timestamp}.{body}` with the body's raw \
bytes, separated by spaces; one valid signature is enough. `v1,`: HMAC-SHA256 with the subscription's secret \
(`whsec_…`); `v1a,`: Ed25519, verified with its `public_key` (`whpk_…`). During a rotation the old key \
signs too.
"""


class EventKind(Struct, frozen=True):
    """An event type: its name, the types of its `data`, and its meaning."""

    name: str
    data: tuple[type, ...]
    text: str


_HANDOFFS = {
    "handoff.requested": "A party is asked to take over a conversation.",
    "handoff.offered": "The handoff is offered to an agent.",
    "handoff.accepted": "An agent accepted and owns the conversation.",
    "handoff.viewed": "The owner's screen showed the context.",
    "handoff.declined": "The party declined.",
    "handoff.expired": "The deadline passed without an answer.",
    "handoff.released": "The owner released the handoff.",
    "handoff.transferred": "Another agent accepted the conversation.",
    "handoff.completed": "The handoff is completed.",
    "handoff.withdrawn": "The requester withdrew the handoff.",
    "handoff.failed": "Every party declined or expired.",
}
_OTHERS = (
    EventKind(
        "handoff.undelivered",
        (HandoffUndelivered,),
        "A request or an offer ended before its subscriber accepted the message.",
    ),
    EventKind("handoff.unviewed", (Unviewed,), "The owner did not view the context in time."),
    EventKind("webhook.dead", (WebhookDead,), "A message became a dead letter."),
    EventKind(
        "webhook.failing", (WebhookFailing,), "All deliveries of a subscription have failed for a day."
    ),
    EventKind("webhook.disabled", (WebhookDisabled,), "A subscription was disabled."),
    EventKind("webhook.test", (WebhookTest,), "A requested test message."),
    EventKind("customer.erased", (CustomerErased,), "A customer was erased: delete what you keep of them."),
    EventKind("promise.due_soon", (PromiseAlarm,), "Four fifths of the time of a promise have passed."),
    EventKind(
        "announcement.unfulfilled",
        (AnnouncementAlarm,),
        "A transfer, a call back, or a mail was announced, and nothing followed in its time.",
    ),
    EventKind(
        "announcement.fulfilled",
        (AnnouncementAlarm,),
        "The announced transfer, call back, or mail followed late.",
    ),
    EventKind("operator.clock_jumped", (ClockJumped,), "The store's clock jumped."),
)


def _touchpoint(type_: str) -> EventKind:
    if type_ == "context.changed":
        text = "The context of an owned handoff changed; or a touchpoint of this type was stored."
        return EventKind(type_, (ContextChanged, TouchpointData), text)
    if type_ == "promise.broken":
        text = "A promise was due and nothing proves that it was kept; or such a touchpoint was stored."
        return EventKind(type_, (PromiseAlarm, TouchpointData), text)
    return EventKind(type_, (TouchpointData,), "A touchpoint of this type was stored.")


KINDS: tuple[EventKind, ...] = (
    *(EventKind(type_, (HandoffData,), text) for type_, text in _HANDOFFS.items()),
    *_OTHERS,
    *(_touchpoint(type_) for type_ in TYPES if not type_.startswith("handoff.")),
)
"""Every event type that a subscription can receive."""

_ATTRIBUTES: Mapping[str, Schema] = {
    "specversion": {"const": "1.0"},
    "id": {"description": "The same as `webhook-id`: use it to drop duplicates."},
    "source": {"description": "`urn:handoff:` and the tenant.", "format": "uri-reference"},
    "subject": {"description": "The handoff, touchpoint, or subscription."},
    "time": {"description": "When it happened.", "format": "date-time"},
    "recordedtime": {"description": "When it was recorded.", "format": "date-time"},
    "datacontenttype": {"const": "application/json"},
    "sequence": {
        "description": "The version of the handoff, or the time of recording. Its fixed width makes string "
        "and numeric order the same.",
        "pattern": "^[0-9]{20}$",
    },
    "partitionkey": {"description": "The scope of `sequence`."},
    "correlationid": {"description": "The first conversation of the chain, or another correlation id."},
    "supersedes": {"description": "Ids of older messages that this one replaces, separated by commas."},
}
"""Descriptions and formats that the envelope's type cannot express."""

_POSITION: Schema = {"type": "string", "description": "The position of the pinned context, its `as_of`."}

_HEADERS: Schema = {
    "type": "object",
    "description": "Headers of Standard Webhooks 1.0, besides the subscription's own `headers`.",
    "properties": {
        "webhook-id": {"type": "string", "description": "The event's `id`."},
        "webhook-timestamp": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "The time of this attempt, in seconds since 1970.",
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
            "title": "Conversation handoff: webhooks",
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
        "description": "The subscriber. http only with `allow_insecure`.",
        "variables": {"host": {"description": "Host and port of the subscription's URL."}},
    }


def _channel() -> dict[str, Any]:
    """One channel: a subscription selects types and has one URL."""
    return {
        "address": None,
        "title": "The subscription's URL",
        "description": "Each subscription has its own URL, so there is no address here.",
        "servers": [{"$ref": f"#/servers/{CHANNEL}"}],
        "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"} for kind in KINDS},
    }


def _operation() -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "summary": "Send a message to a subscriber",
        "description": "To every subscription whose `types`, `channels`, and `queues` match.",
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
