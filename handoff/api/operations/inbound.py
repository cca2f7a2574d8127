"""`/in/{source}`: webhooks of vendors, in each vendor's own format."""

from __future__ import annotations

from handoff.api.handlers import inbound as handlers
from handoff.api.operations.operation import ADDS_ONLY, Operation

_TEXT = "The source's adapter verifies the vendor's signature."

OPERATIONS = (
    Operation(
        method="*",
        path="/in/{source}",
        handler=handlers.deliver,
        id="deliver",
        audit=ADDS_ONLY,
        tag="Sources",
        summary="Receive a vendor's webhook",
        text=_TEXT,
        fast_routes=handlers.fast_routes,
        public=True,
        documented=False,
    ),
    Operation(
        method="*",
        path="/in/{source}/{rest}",
        pattern="/in/{source}/{rest:.*}",
        handler=handlers.deliver,
        id="deliverBelow",
        audit=ADDS_ONLY,
        tag="Sources",
        summary="Receive a vendor's webhook on a path below the source",
        text=_TEXT,
        fast_routes=handlers.fast_routes_below,
        public=True,
        documented=False,
    ),
)
