"""What operators' resources take and answer: quarantine, health and this description itself."""

from __future__ import annotations

from typing import Any, TypedDict

from handoff.adapter.contract import Outcome
from handoff.api.description.operation import (
    CURSOR,
    LIMIT,
    NOT_MODIFIED,
    ORDER,
    Header,
    Operation,
    ResponseSpec,
    path_parameter,
)
from handoff.api.handlers.operations import QuarantineAnswer, StoreView

TAG = "Operations"
ITEM = path_parameter("id", "The item's id.")
ETAG = Header(name="ETag", text="Changes with the content; `If-None-Match` with it is answered 304.")
HTML = "text/html"


class Health(TypedDict):
    """The process runs."""

    status: str
    version: str


class Readiness(TypedDict):
    """Touchpoints can be acknowledged."""

    status: str


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/store",
        id="describeStore",
        tag=TAG,
        summary="Where this token's touchpoints go",
        text="A sender that keeps its own progress binds it to `id` and `tenant`: a store that was made "
        "anew, or another one at the same address, has another `id`.",
        scopes=("touchpoints:write",),
        replies=(ResponseSpec(200, "The store.", StoreView),),
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/v1/quarantine",
        id="listQuarantine",
        tag=TAG,
        summary="What could not be read",
        text="Never the content. `code` is what the source's adapter said.",
        scopes=("operate",),
        parameters=(LIMIT, CURSOR, ORDER),
        replies=(ResponseSpec(200, "A page.", QuarantineAnswer),),
    ),
    Operation(
        method="POST",
        path="/v1/quarantine/{id}/replay",
        id="replayQuarantined",
        tag=TAG,
        summary="Read an item again",
        text="422 `still_malformed` leaves it where it is.",
        scopes=("operate",),
        parameters=(ITEM,),
        replies=(ResponseSpec(200, "What became of it; it is out of quarantine.", Outcome),),
        problems=(422,),
    ),
    Operation(
        method="DELETE",
        path="/v1/quarantine/{id}",
        id="dismissQuarantined",
        tag=TAG,
        summary="Let an item go",
        scopes=("operate",),
        parameters=(ITEM,),
        replies=(ResponseSpec(204, "It is gone."),),
    ),
    Operation(
        method="GET",
        path="/healthz",
        id="health",
        tag=TAG,
        summary="Whether the process runs",
        public=True,
        text="Says nothing of the store: a restart would not mend that.",
        replies=(ResponseSpec(200, "It runs.", Health),),
    ),
    Operation(
        method="GET",
        path="/readyz",
        id="readiness",
        tag=TAG,
        summary="Whether touchpoints can be acknowledged now",
        text="From the outcome of a durable write a few seconds ago at most; 503 with the reason otherwise.",
        public=True,
        replies=(ResponseSpec(200, "They can.", Readiness),),
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="describe",
        tag=TAG,
        summary="This description",
        public=True,
        replies=(ResponseSpec(200, "OpenAPI 3.1.", dict[str, Any], (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/asyncapi.json",
        id="describeMessages",
        tag=TAG,
        summary="The messages that webhooks bring",
        text="Headers, envelope and the schema of each type of event.",
        public=True,
        replies=(ResponseSpec(200, "AsyncAPI 3.0.", dict[str, Any], (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/docs",
        id="docs",
        tag=TAG,
        summary="This description as a page",
        public=True,
        replies=(ResponseSpec(200, "The page.", {HTML: str}, (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/docs/{asset}",
        id="docsAsset",
        tag=TAG,
        summary="Scripts and styles of the page",
        public=True,
        parameters=(path_parameter("asset", "The file's name."),),
        replies=(
            ResponseSpec(200, "The file.", {"text/javascript": str, "text/css": str, "image/png": bytes}),
            NOT_MODIFIED,
        ),
    ),
    Operation(
        method="GET",
        path="/panel",
        id="panelEntry",
        tag=TAG,
        summary="To the agents' desktop",
        public=True,
        replies=(
            ResponseSpec(308, "It is at `/panel/`.", None, (Header(name="Location", text="The page."),)),
        ),
    ),
    Operation(
        method="GET",
        path="/panel/",
        id="panel",
        tag=TAG,
        summary="The agents' desktop",
        text="It asks for a session's token and holds no data by itself.",
        public=True,
        replies=(ResponseSpec(200, "The page.", {HTML: str}, (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/panel/{asset}",
        id="panelAsset",
        tag=TAG,
        summary="Scripts, styles and messages of the desktop",
        public=True,
        parameters=(path_parameter("asset", "The file's name."),),
        replies=(
            ResponseSpec(
                200, "The file.", {"text/javascript": str, "text/css": str, "application/json": str}
            ),
            NOT_MODIFIED,
        ),
    ),
)
