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
        "promise.due_soon",
        "announcement.unfulfilled",
        "announcement.fulfilled",
    }
)
"""Every touchpoint type is one, and what the server itself reports. `/asyncapi.json` describes each."""
ALARMS = frozenset(
    {"promise.due_soon", "promise.broken", "announcement.unfulfilled", "announcement.fulfilled"}
)
"""Alarms of promises and announcements, for the owner of the customer."""
FAMILIES = tuple(sorted({f"{it.partition('.')[0]}.*" for it in EVENT_TYPES if "." in it}))
"""The patterns that match all types with the same first word."""
