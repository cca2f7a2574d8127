"""What `/v1/touchpoints` takes and answers."""

from __future__ import annotations

from typing import Any, Required, TypedDict

from handoff.api.exchange import MAX_BODY
from handoff.api.operation import JSON, Operation, Reply, path_parameter
from handoff.api.touchpoints import MAX_LINE, LinesView, RecordedView
from handoff.domain.touchpoint import MAX_TOUCHPOINT_BYTES
from handoff.services.cloudevents import BATCHED, STRUCTURED
from handoff.services.native import TouchpointInput
from handoff.services.views import TouchpointView

TAG = "Touchpoints"
NDJSON = "application/x-ndjson"


class CloudEvent(TypedDict, total=False):
    """A CloudEvent 1.0. Members of `data` that are a touchpoint's fields are taken as such, all else is
    kept in the touchpoint's `data`. A `subject` such as `email:anna@example.com` is the identity where
    `data` names none; a `type` that is no touchpoint type becomes `event.tracked` with its name."""

    specversion: Required[str]
    id: Required[str]
    source: Required[str]
    type: Required[str]
    subject: str
    time: str
    datacontenttype: str
    data: Any


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/touchpoints",
        id="recordTouchpoints",
        tag=TAG,
        summary="Record touchpoints",
        text="One touchpoint, an array, NDJSON (one touchpoint a line, answered line by line while it is "
        "still being sent) or CloudEvents 1.0. Everything counted is durable. The same `id` again is a "
        "duplicate, whenever it comes and whatever its times say; with other content it is `id_reused`. "
        "A rejected item never takes its batch down.\n\n"
        f"A request has at most {MAX_BODY} bytes, NDJSON any number of lines of at most {MAX_LINE}; one "
        f"touchpoint has at most {MAX_TOUCHPOINT_BYTES} bytes as stored. Nothing is cut: what is above a "
        "limit is refused.\n\nTo say that a line of a brief is wrong, record `brief.line_wrong` with the "
        "line's `code` as `data.rule`, its `text` as `data.line`, and the agent as `actor`; metrics "
        "count it by rule. `Content-Encoding` is not taken. An `Idempotency-Key` does not apply to NDJSON.",
        scopes=("touchpoints:write",),
        body={
            JSON: TouchpointInput | list[TouchpointInput],
            NDJSON: TouchpointInput,
            STRUCTURED: CloudEvent,
            BATCHED: list[CloudEvent],
        },
        body_text="For NDJSON the schema is that of one line.",
        replies=(
            Reply(200, "All of them are stored.", {JSON: RecordedView, NDJSON: LinesView}),
            Reply(207, "Some of the batch were rejected, the others are stored.", RecordedView),
        ),
        creating=True,
    ),
    Operation(
        method="GET",
        path="/v1/touchpoints/{id}",
        id="readTouchpoint",
        tag=TAG,
        summary="Read one touchpoint",
        text="With its newest edit folded in.",
        scopes=("context:read",),
        parameters=(path_parameter("id", "The touchpoint's id, from `ids` or a timeline."),),
        replies=(Reply(200, "The touchpoint.", TouchpointView),),
    ),
)
