"""`/v1/touchpoints`."""

from __future__ import annotations

from typing import Any, Required, TypedDict

from handoff.adapter.cloudevents import BATCHED, STRUCTURED
from handoff.api.handlers.touchpoints import requests as handlers
from handoff.api.handlers.touchpoints.answers import LinesView, RecordedView
from handoff.api.handlers.touchpoints.fast_path import PATH, fast_routes
from handoff.api.handlers.touchpoints.ndjson import MAX_LINE
from handoff.api.http.exchange import MAX_BODY
from handoff.api.operations.operation import (
    ADDS_ONLY,
    JSON,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    path_parameter,
)
from handoff.domain.touchpoint import MAX_TOUCHPOINT_BYTES
from handoff.services.sources.native import TouchpointInput
from handoff.services.timeline.views import TouchpointView

TAG = "Touchpoints"
ANNOUNCE = Parameter(
    name="announce",
    text="`false` records history quietly: timelines, contexts, links, and counts include it, but webhooks, "
    "connectors, policies, and owners are not notified. Also needs the scope `operate`.",
    schema={"type": "boolean", "default": True},
)
NDJSON = "application/x-ndjson"


class CloudEvent(TypedDict, total=False):
    """A CloudEvent 1.0. Members of `data` that are fields of a touchpoint are read as such; the others are
    kept in the touchpoint's `data`. A `subject` such as `email:anna@example.com` is the identity if `data`
    has none. A `type` that is not a touchpoint type becomes `event.tracked` with its name."""

    specversion: Required[str]
    id: Required[str]
    source: Required[str]
    type: Required[str]
    subject: str
    time: str
    datacontenttype: str
    data: Any


_MESSAGE = {
    "id": "chat-4711",
    "channel": "chat",
    "type": "message.received",
    "occurred_at": "2026-01-15T09:30:00Z",
    "identities": ["user:anna", {"type": "email", "value": "anna@example.com", "assurance": "verified"}],
    "thread": "chat-42",
    "text": "Where is my refund for order 1001?",
    "data": {"order_number": "1001"},
}
_EVENT = {
    "specversion": "1.0",
    "id": "shipment-1",
    "source": "/shop",
    "type": "com.example.order.shipped",
    "subject": "email:anna@example.com",
    "time": "2026-01-14T12:00:00Z",
    "data": {"order_number": "1001"},
}
_NDJSON_LINES = (
    '{"id": "page-1", "channel": "web", "type": "page.viewed", "occurred_at": "2026-01-15T09:20:00Z", '
    '"identities": ["user:anna"], "data": {"url": "https://shop.example/refunds"}}\n'
    '{"id": "page-2", "channel": "web", "type": "article.viewed", "occurred_at": "2026-01-15T09:21:00Z", '
    '"identities": ["user:anna"], "data": {"title": "How refunds work"}}\n'
)

OPERATIONS = (
    Operation(
        method="POST",
        path=PATH,
        handler=handlers.create,
        fast_routes=fast_routes,
        id="recordTouchpoints",
        audit=ADDS_ONLY,
        tag=TAG,
        summary="Record touchpoints",
        text="One touchpoint, an array, NDJSON (one touchpoint a line, answered line by line while the "
        "request "
        "is still being sent), or CloudEvents 1.0, also in binary mode (attributes in `ce-` headers). "
        "Every touchpoint in the counts is durable. Sending the "
        "same `id` again gives a duplicate, whenever that happens and whatever its times are; with other "
        "content it is rejected as `id_reused`. A rejected item does not affect the rest of its batch.\n\n"
        f"A request has at most {MAX_BODY} bytes; NDJSON has any number of lines of at most {MAX_LINE} "
        "bytes. "
        f"One touchpoint has at most {MAX_TOUCHPOINT_BYTES} bytes as stored. Nothing is truncated: anything "
        "above a limit is rejected. The server reads long NDJSON more slowly while webhooks are behind. "
        "`Content-Encoding` is not supported.\n\n"
        "To report a wrong line of a brief, record `brief.line_wrong` with the line's `code` as `data.rule`, "
        "its `text` as `data.line`, and the agent as `actor`; metrics count these reports by rule. "
        "A caller limited to queues records only for customers that it may read and for new ones (422 "
        "`foreign_identity`). `Idempotency-Key` does not apply to NDJSON.",
        queues=True,
        customers=True,
        scopes=("touchpoints:write",),
        parameters=(ANNOUNCE,),
        body={
            JSON: TouchpointInput | list[TouchpointInput],
            NDJSON: TouchpointInput,
            STRUCTURED: CloudEvent,
            BATCHED: list[CloudEvent],
        },
        body_text="For NDJSON the schema describes one line.",
        example={JSON: _MESSAGE, NDJSON: _NDJSON_LINES, STRUCTURED: _EVENT, BATCHED: [_EVENT]},
        replies=(
            ResponseSpec(200, "All touchpoints are stored.", {JSON: RecordedView, NDJSON: LinesView}),
            ResponseSpec(207, "Some of the batch were rejected, the others are stored.", RecordedView),
        ),
        creating=True,
    ),
    Operation(
        method="GET",
        path="/v1/touchpoints/{id}",
        handler=handlers.read,
        id="readTouchpoint",
        audit=Audited("touchpoint"),
        tag=TAG,
        summary="Read a touchpoint",
        text="Includes its newest edit.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(path_parameter("id", "The touchpoint's id, from `ids` or a timeline."),),
        replies=(ResponseSpec(200, "The touchpoint.", TouchpointView),),
    ),
)
