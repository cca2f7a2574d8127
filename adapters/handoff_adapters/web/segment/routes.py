"""The call of a request, from its path alone: SDKs send JSON under any content type."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from handoff.adapter.contract import InboundRequest
from handoff.domain.clock import Micros
from handoff.domain.errors import InvalidPayload, NotFound, PayloadTooLarge
from handoff.domain.text.cleaning import clean
from handoff_adapters.shared.fields import decode_json, json_object, mapping, moment

from .sizes import PIECE, TOO_LARGE, encoded_context, large_batch

MAX_ITEMS = 2_500  # events per batch, Segment's documented limit
BATCH, MERGE = "batch", "merge"

CALLS: Mapping[str, str] = {
    "batch": BATCH,
    "b": BATCH,
    "import": BATCH,
    "track": "track",
    "t": "track",
    "identify": "identify",
    "i": "identify",
    "page": "page",
    "p": "page",
    "screen": "screen",
    "s": "screen",
    "alias": "alias",
    "a": "alias",
    "group": "group",
    "g": "group",
    "merge": MERGE,
}
"""Last segment of the path → call. Browser SDKs use the one-letter names."""

_PREFIXES = frozenset(
    {(), ("v1",), ("beacon",), ("beacon", "v1"), ("pixel",), ("v1", "pixel"), ("pixel", "v1")}
)


class Route(Struct, frozen=True):
    """`call` is a value of `CALLS`. A `pixel` carries its event in the query and expects an image."""

    call: str
    pixel: bool


class EventBatch(Struct, frozen=True):
    """The events of one request. `sent_at` and `context` apply to all of them.

    `sent` is the parsed `sent_at`, `context_json` the context as JSON. `size` is the size of the body in
    bytes, if the events came in the body.
    """

    route: Route
    items: list[Any]
    sent_at: Any = None
    sent: Micros | None = None
    context: Mapping[str, Any] = {}
    context_json: msgspec.Raw = msgspec.Raw()
    size: int | None = None


def route(path: str) -> Route:
    """The call of `path` (the part after `/in/{source}`). NotFound for an unknown one."""
    parts = tuple(part for part in path.split("/") if part)
    call = CALLS.get(parts[-1]) if parts else None
    if call is None or parts[:-1] not in _PREFIXES:
        raise NotFound("The tracking API has no such call")
    pixel = "pixel" in parts
    if pixel and call in (BATCH, MERGE):
        raise NotFound("A pixel carries one event")
    return Route(call, pixel)


def delivery(request: InboundRequest) -> EventBatch:
    """The events of `request`. NotFound, InvalidPayload, PayloadTooLarge."""
    where = route(request.path)
    if where.pixel:
        return EventBatch(where, [pixel_event(request)])
    size = len(request.body)
    if size > PIECE and where.call != BATCH:
        raise InvalidPayload(TOO_LARGE, code="too_large")
    body = json_object(request.body) if size <= PIECE else large_batch(request.body, MAX_ITEMS)
    if where.call != BATCH:
        return EventBatch(where, [body], size=len(request.body))
    items = body.get("batch")
    if not isinstance(items, list) or not items:
        raise InvalidPayload("A batch has at least one event under `batch`")
    if len(items) > MAX_ITEMS:
        raise PayloadTooLarge(f"A batch has at most {MAX_ITEMS} events")
    sent_at = body.get("sentAt")
    context = mapping(body.get("context"))
    raw = encoded_context(context, len(items))
    return EventBatch(where, items, sent_at, moment(sent_at), context, raw, len(request.body))


def is_in_query(request: InboundRequest) -> bool:
    """Whether the event of a request is in its query, not in its body. NotFound."""
    if not route(request.path).pixel:
        return False
    return not request.body or any(name == "data" for name, _ in request.query)


def pixel_event(request: InboundRequest) -> dict[str, Any]:
    """The event of a pixel: base64 JSON in `data`, else the body, else the query parameters.

    A replayed pixel has its event in the body. InvalidPayload when there is no event.
    """
    query = dict(request.query)
    encoded = query.pop("data", None)
    if encoded is not None:
        return _from_base64(encoded)
    if request.body:
        return json_object(request.body)
    if not query:
        raise InvalidPayload("The pixel carries no event")
    return _nested(query.items())


def _from_base64(encoded: str) -> dict[str, Any]:
    # A query decodes "+" to a space, and trackers omit the padding or use the URL alphabet.
    plain = encoded.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        body = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPayload("The pixel's data is not base64") from error
    event = decode_json(body)
    if not isinstance(event, dict):
        raise InvalidPayload("The pixel's data is not a JSON object")
    return event


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`context.page.url=…` as an object: dots separate levels, as in RudderStack's pixel."""
    event: dict[str, Any] = {}
    for name, value in pairs:
        *levels, last = clean(name).split(".")[:16] if name.strip(".") else [name]
        place = event
        for level in levels:
            inner = place.setdefault(level, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[last] = clean(value)
    return event
