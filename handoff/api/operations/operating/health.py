"""Health, readiness, metrics, and the store's identity."""

from __future__ import annotations

from typing import TypedDict

from handoff.api.handlers import operations as handlers
from handoff.api.handlers.operations import StoreView
from handoff.api.operations.operation import NO_PERSONAL_DATA, Operation, ResponseSpec

TAG = "Operations"


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
