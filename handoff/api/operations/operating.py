"""Operations for operators: the store's identity, quarantine, health, and metrics."""

from __future__ import annotations

from typing import TypedDict

from handoff.adapter.contract import Outcome
from handoff.api.handlers import operations as handlers
from handoff.api.handlers.operations import QuarantineAnswer, StoreView
from handoff.api.operations.operation import (
    CURSOR,
    LIMIT,
    NO_PERSONAL_DATA,
    ORDER,
    Audited,
    Operation,
    ResponseSpec,
    path_parameter,
)

TAG = "Operations"
ITEM = path_parameter("id", "The item's id.")


class Health(TypedDict):
    """The process is running."""

    status: str
    version: str


class Readiness(TypedDict):
    """The server can acknowledge touchpoints."""

    status: str


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/store",
        handler=handlers.describe_store,
        id="describeStore",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Identify the store behind this token",
        text="A sender that tracks its own progress ties it to `id` and `tenant`: a recreated store, or "
        "another store at the same address, has a different `id`.",
        queues=True,
        customers=True,
        scopes=("touchpoints:write",),
        replies=(ResponseSpec(200, "The store.", StoreView),),
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/v1/quarantine",
        handler=handlers.list_quarantine,
        id="listQuarantine",
        audit=Audited("quarantine"),
        tag=TAG,
        summary="List quarantined deliveries",
        text="Without their content. `code` is the error of the source's adapter.",
        scopes=("operate",),
        parameters=(LIMIT, CURSOR, ORDER),
        replies=(ResponseSpec(200, "A page.", QuarantineAnswer),),
    ),
    Operation(
        method="POST",
        path="/v1/quarantine/{id}/replay",
        handler=handlers.replay,
        id="replayQuarantined",
        audit=Audited("quarantine"),
        tag=TAG,
        summary="Process a quarantined delivery again",
        text="422 `still_malformed` keeps the delivery in quarantine.",
        scopes=("operate",),
        parameters=(ITEM,),
        replies=(ResponseSpec(200, "The outcome; the delivery has left quarantine.", Outcome),),
        problems=(422,),
    ),
    Operation(
        method="DELETE",
        path="/v1/quarantine/{id}",
        handler=handlers.dismiss,
        id="dismissQuarantined",
        audit=Audited("quarantine"),
        tag=TAG,
        summary="Delete a quarantined delivery",
        scopes=("operate",),
        parameters=(ITEM,),
        replies=(ResponseSpec(204, "Deleted."),),
    ),
    Operation(
        method="GET",
        path="/healthz",
        handler=handlers.healthz,
        id="health",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Check that the process is running",
        public=True,
        text="Does not check the store: restarting the process would not repair it.",
        replies=(ResponseSpec(200, "The process is running.", Health),),
    ),
    Operation(
        method="GET",
        path="/readyz",
        handler=handlers.readyz,
        id="readiness",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Check that the server can acknowledge touchpoints",
        text="Based on a durable write at most a few seconds ago. Otherwise 503 with the reason.",
        public=True,
        replies=(ResponseSpec(200, "The server is ready.", Readiness),),
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/metrics",
        handler=handlers.metrics,
        id="metrics",
        audit=NO_PERSONAL_DATA,
        tag=TAG,
        summary="Metrics in the Prometheus text format",
        public=True,
        documented=False,
    ),
)
