"""The table of operations: every route of the server, one module per resource.

The application, its access checks, the fast path, and `/openapi.json` are built from this table. To add a
route, add its `Operation` to the module of its resource.
"""

from __future__ import annotations

from handoff.api.operations.operation import Operation

from . import (
    audit,
    callbacks,
    customers,
    handoffs,
    inbound,
    live,
    operating,
    pages,
    privacy,
    promises,
    sessions,
    tokens,
    touchpoints,
    webhooks,
)

OPERATIONS: tuple[Operation, ...] = (
    *touchpoints.OPERATIONS,
    *customers.OPERATIONS,
    *handoffs.OPERATIONS,
    *callbacks.OPERATIONS,
    *promises.OPERATIONS,
    *webhooks.OPERATIONS,
    *live.OPERATIONS,
    *sessions.OPERATIONS,
    *tokens.OPERATIONS,
    *privacy.OPERATIONS,
    *audit.OPERATIONS,
    *operating.OPERATIONS,
    *pages.OPERATIONS,
    *inbound.OPERATIONS,
)

DOCUMENTED = tuple(it for it in OPERATIONS if it.documented)
"""The operations that `/openapi.json` describes: all but vendors' webhooks and Prometheus' metrics."""
