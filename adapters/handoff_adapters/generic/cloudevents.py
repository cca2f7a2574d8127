"""`generic.cloudevents`: CloudEvents 1.0 over HTTP in all three modes, with the handshake of webhooks."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.adapter.cloudevents import as_structured, checked_event, has_json, is_binary, with_content
from handoff.adapter.contract import InboundRequest, Reply
from handoff.adapter.manifest import CHANNEL_OF_SOURCE, Manifest
from handoff.domain.clock import Micros
from handoff.domain.touchpoint import Touchpoint
from handoff_adapters.shared import fields
from handoff_adapters.shared.partial_json import readable_part

from .mapping import FieldMapping
from .options import CloudEventsOptions
from .webhook import ALONE, EVENTS, GenericAdapter

_ATTRIBUTES = {"id": "id", "type": "type", "time": "time"}
"""Where CloudEvents keep them; a mapping need not state that."""
_ALONE = f'{{"{ALONE}":'.encode()
_ANY_RATE = "*"  # requests per minute; the server's own limits answer 429


class CloudEventsAdapter(GenericAdapter):
    """One source of CloudEvents. Expressions read the whole event: `data.text`, `subject`."""

    settings: CloudEventsOptions
    manifest = Manifest(
        name="generic.cloudevents",
        channel=CHANNEL_OF_SOURCE,
        title="CloudEvents of any platform, by a mapping in the configuration",
        options=CloudEventsOptions,
        events=EVENTS,
        kept_headers=("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-subject"),
        verified_against="the CloudEvents SDK for Python",
    )

    def __init__(self, options: CloudEventsOptions) -> None:
        super().__init__(msgspec.structs.replace(options, mapping=_completed(options.mapping)))

    def handshake(self, request: InboundRequest) -> Reply | None:
        """The validation request of CloudEvents webhooks (HTTP 1.1 Web Hooks §4)."""
        if request.method != "OPTIONS":
            return None
        origin = request.headers.get("webhook-request-origin", "")
        allowed = self.settings.allowed_origins
        if not origin or ("*" not in allowed and origin not in allowed):
            return Reply(status=403)
        headers = (
            ("WebHook-Allowed-Origin", origin),
            ("WebHook-Allowed-Rate", _ANY_RATE),
            ("Allow", "POST"),
        )
        return Reply(status=200, headers=headers)

    def events(self, request: InboundRequest) -> list[Any]:
        if _is_alone(request):
            return [fields.json_object(request.body)[ALONE]]
        content_type = request.headers.get("content-type")
        if is_binary(request.headers):
            return [fields.decode_json(as_structured(request.headers, content_type, request.body))]
        body = fields.decode_json(request.body)
        return body if isinstance(body, list) else [body]

    def readable_items(self, request: InboundRequest) -> tuple[list[Any], bool]:
        if _is_alone(request) or not is_binary(request.headers):
            items, whole = super().readable_items(request)
            return [with_content(it) if isinstance(it, dict) else it for it in items], whole
        content_type = request.headers.get("content-type")
        event = fields.decode_json(as_structured(request.headers, content_type, b""))
        if not request.body or not has_json(content_type):
            return [event], True
        part = readable_part(request.body)
        return [event | {"data": part.value}], part.whole

    def read(self, item: Any, received_at: Micros) -> Touchpoint | str:
        return super().read(checked_event(item), received_at)

    def space_of(self, item: Any) -> str:
        """An event of the same source with the same id is the same event, through whichever webhook."""
        return self.settings.id_space or f"cloudevents/{item.get('source', '')}"


def _is_alone(request: InboundRequest) -> bool:
    """Whether the body is a quarantined event, which has all attributes. It may have come in binary mode."""
    return request.body.startswith(_ALONE)


def _completed(mapping: FieldMapping) -> FieldMapping:
    """With the attributes of CloudEvents; a delivery's events are never those of an expression."""
    stated = {name: it for name, it in _ATTRIBUTES.items() if not getattr(mapping, name)}
    return msgspec.structs.replace(mapping, items="", **stated)
