"""The event types that webhooks can carry."""

from __future__ import annotations

from handoff.domain.touchpoint import TYPES

EVENT_TYPES = frozenset(
    {
        *TYPES,
        "handoff.undelivered",
        "handoff.unviewed",
        "webhook.dead",
        "webhook.failing",
        "webhook.disabled",
        "webhook.test",
        "customer.erased",
        "operator.clock_jumped",
    }
)
"""Every touchpoint type is one, and what the server itself reports. `/asyncapi.json` describes each."""
