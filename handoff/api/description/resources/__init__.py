"""The table behind `/openapi.json`: what every route takes, needs and answers, a module per resource.

A new route gets its `Operation` in the module of its resource; `tests/api/test_openapi.py` names what
is missing or stale. Types come from the handlers, so that the document cannot tell other shapes.
"""

from __future__ import annotations

from handoff.api.description.operation import Operation

from . import callbacks, customers, handoffs, live, operating, sessions, touchpoints, webhooks

OPERATIONS: tuple[Operation, ...] = (
    *touchpoints.OPERATIONS,
    *customers.OPERATIONS,
    *handoffs.OPERATIONS,
    *callbacks.OPERATIONS,
    *webhooks.OPERATIONS,
    *live.OPERATIONS,
    *sessions.OPERATIONS,
    *operating.OPERATIONS,
)
