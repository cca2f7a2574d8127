"""Prometheus metrics of one server process; labels are bounded, never a sender's own words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .recording import Result

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Measures:
    """Every metric the product has, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.touchpoints = Counter(
            "handoff_touchpoints",
            "Touchpoints by what became of them",
            ["source", "result"],
            registry=registry,
        )
        self.quarantined = Counter(
            "handoff_quarantined", "Items that could not be read", ["source"], registry=registry
        )
        self.refused = Counter(
            "handoff_refused", "Deliveries whose signature was refused", ["source"], registry=registry
        )
        self.ignored = Counter(
            "handoff_ignored", "Known events that are no touchpoint", ["source", "event"], registry=registry
        )
        self.requests = Histogram(
            "handoff_request_seconds",
            "HTTP requests by route and status class",
            ["route", "status"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.handoffs = Counter("handoff_handoffs", "Hand-off events", ["event"], registry=registry)
        self.unviewed = Gauge(
            "handoff_accepted_unviewed", "Hand-offs accepted whose owner has not looked", registry=registry
        )
        self.deliveries = Counter("handoff_deliveries", "Webhook attempts", ["outcome"], registry=registry)
        self.outbox_behind = Gauge(
            "handoff_outbox_behind_seconds",
            "Age of the oldest outbox entry not fanned out",
            registry=registry,
        )
        self.store_up = Gauge("handoff_store_up", "Whether the store answered last", registry=registry)

        # Finding a metric by its labels takes longer than adding to it.
        self._request = cache(lambda route, hundreds: self.requests.labels(route, f"{hundreds}xx"))
        self._touchpoint = cache(self.touchpoints.labels)

    def took(self, route: str, hundreds: int, seconds: float) -> None:
        """A request of `route` was answered, with a status of so many hundreds."""
        self._request(route, hundreds).observe(seconds)

    def count(self, source: str, results: Sequence[Result]) -> None:
        for result in results:
            self._touchpoint(source, result.status).inc()
