"""What `/v1/touchpoints` takes and answers."""

from __future__ import annotations

from typing import Any, Required, TypedDict

from handoff.api.description.operation import JSON, Operation, Parameter, ResponseSpec, path_parameter
from handoff.api.handlers.touchpoints import LinesView, RecordedView
from handoff.api.http.exchange import MAX_BODY
from handoff.api.http.ndjson import MAX_LINE
from handoff.domain.touchpoint import MAX_TOUCHPOINT_BYTES
from handoff.services.sources.cloudevents import BATCHED, STRUCTURED
from handoff.services.sources.native import TouchpointInput
from handoff.services.timeline.views import TouchpointView

TAG = "Touchpoints"
ANNOUNCE = Parameter(
    name="announce",
    text="`false` records history quietly: timelines, contexts, links and counts have it like everything "
    "else, but no webhook, connector, policy or owner hears of it. It needs the scope `operate` as well.",
    schema={"type": "boolean", "default": True},
)
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
        "limit is refused. Long NDJSON is taken more slowly while webhooks fall behind. "
        "`Content-Encoding` is not taken. An `Idempotency-Key` does not apply to NDJSON.",
        scopes=("touchpoints:write",),
        parameters=(ANNOUNCE,),
        body={
            JSON: TouchpointInput | list[TouchpointInput],
            NDJSON: TouchpointInput,
            STRUCTURED: CloudEvent,
            BATCHED: list[CloudEvent],
        },
        body_text="For NDJSON the schema is that of one line.",
        replies=(
            ResponseSpec(200, "All of them are stored.", {JSON: RecordedView, NDJSON: LinesView}),
            ResponseSpec(207, "Some of the batch were rejected, the others are stored.", RecordedView),
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
        replies=(ResponseSpec(200, "The touchpoint.", TouchpointView),),
    ),
)
