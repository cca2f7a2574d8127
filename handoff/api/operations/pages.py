"""The API's descriptions, the reference page, and the agents' panel."""

from __future__ import annotations

from typing import Any

from handoff.api.operations.operation import (
    NO_PERSONAL_DATA,
    NOT_MODIFIED,
    Header,
    Operation,
    ResponseSpec,
    path_parameter,
)
from handoff.api.pages import docs, entry, panel

from .operating import TAG

ETAG = Header(
    name="ETag", text="Changes with the content. A request with a matching `If-None-Match` gets 304."
)
HTML = "text/html"
JSON = "application/json"
FILE = path_parameter("asset", "The file's name.")

OPERATIONS = (
    Operation(
        method="GET",
        path="/",
        handler=entry.page,
        id="entry",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Entry page",
        text="Links to the reference, the panel, and the descriptions: a page for browsers, else JSON.",
        public=True,
        replies=(ResponseSpec(200, "Links, relative to this address.", {HTML: str, JSON: dict[str, str]}),),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        handler=docs.describe,
        id="describe",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="This description",
        public=True,
        replies=(ResponseSpec(200, "OpenAPI 3.1.", dict[str, Any], (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/asyncapi.json",
        handler=docs.describe_messages,
        id="describeMessages",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="The messages that webhooks carry",
        text="Headers, envelope, and the schema of each event type.",
        public=True,
        replies=(ResponseSpec(200, "AsyncAPI 3.0.", dict[str, Any], (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/docs",
        handler=docs.page,
        id="docs",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="This description as a page",
        public=True,
        replies=(ResponseSpec(200, "The page.", {HTML: str}, (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/docs/{asset}",
        handler=docs.asset,
        id="docsAsset",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Scripts and styles of the page",
        public=True,
        parameters=(FILE,),
        replies=(
            ResponseSpec(200, "The file.", {"text/javascript": str, "text/css": str, "image/png": bytes}),
            NOT_MODIFIED,
        ),
    ),
    Operation(
        method="GET",
        path="/panel",
        handler=panel.redirect,
        id="panelEntry",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Redirect to the agents' panel",
        public=True,
        replies=(
            ResponseSpec(308, "Moved to `/panel/`.", None, (Header(name="Location", text="The page."),)),
        ),
    ),
    Operation(
        method="GET",
        path="/panel/",
        handler=panel.page,
        id="panel",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="The agents' panel",
        text="The page asks for a session token and contains no data itself.",
        public=True,
        replies=(ResponseSpec(200, "The page.", {HTML: str}, (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/panel/ops/",
        handler=panel.ops_page,
        id="operatorsPanel",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="The operators' page",
        text="The page asks for a token with the scope `operate` and contains no data itself.",
        public=True,
        replies=(ResponseSpec(200, "The page.", {HTML: str}, (ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/panel/{asset}",
        pattern="/panel/{asset:.+}",
        handler=panel.asset,
        id="panelAsset",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Scripts, styles, and messages of the panel",
        public=True,
        parameters=(FILE,),
        replies=(
            ResponseSpec(
                200, "The file.", {"text/javascript": str, "text/css": str, "application/json": str}
            ),
            NOT_MODIFIED,
            ResponseSpec(
                308,
                "`ops` has moved to `ops/`.",
                None,
                (Header(name="Location", text="The page."),),
            ),
        ),
    ),
)
