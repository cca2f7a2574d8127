"""`/v1/sources`, `/v1/status`, and `/v1/configuration`."""

from __future__ import annotations

from handoff.api.handlers.operating import sources, status
from handoff.api.handlers.operating.sources import SourceDetail, SourcesView
from handoff.api.handlers.operating.status import ConfigurationView, ServerStatus
from handoff.api.operations.operation import (
    NO_PERSONAL_DATA,
    Audited,
    Operation,
    ResponseSpec,
    path_parameter,
)

from .health import TAG

SCOPES = ("operate",)

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/sources",
        handler=sources.list_sources,
        id="listSources",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="List sources with what they deliver",
        text="Counts of the last hour, of all workers, and the last refusal with its reason.",
        scopes=SCOPES,
        replies=(ResponseSpec(200, "All sources of the tenant.", SourcesView),),
    ),
    Operation(
        method="GET",
        path="/v1/sources/{name}",
        handler=sources.read_source,
        id="readSource",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Read a source with its last refusals",
        text="A refused signature shows the URL that it was checked for, if the vendor signs URLs.",
        scopes=SCOPES,
        parameters=(path_parameter("name", "The source's name.", "shop-phone"),),
        replies=(ResponseSpec(200, "The source.", SourceDetail),),
    ),
    Operation(
        method="GET",
        path="/v1/status",
        handler=status.read_status,
        id="readStatus",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Read the state of the server",
        text="The store, the lag of the fan-out, the living workers, the leases on outboxes, and the "
        "tenant's webhooks together. `store` and `lag` are those of the worker that answers.",
        scopes=SCOPES,
        replies=(ResponseSpec(200, "The state.", ServerStatus),),
    ),
    Operation(
        method="GET",
        path="/v1/configuration",
        handler=status.read_configuration,
        id="readConfiguration",
        audit=Audited("configuration"),
        tag=TAG,
        summary="Read the configuration as loaded, without secrets",
        text="Only values that are known to be no secret are shown, and URLs without path and query.",
        scopes=SCOPES,
        replies=(ResponseSpec(200, "The configuration.", ConfigurationView),),
    ),
)
