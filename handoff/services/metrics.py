"""Prometheus metrics of one server process; labels are bounded, never a sender's own words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from handoff.domain.brief.codes import CODES
from handoff.services.timeline.recording import Result

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BOUNDS = (*map(str, _LATENCY), "+Inf")


class Tally(Collector):
    """The metrics updated by every request, as plain numbers: one thread counts, and a scrape reads.

    Updating a locked counter and a histogram would take as long as parsing a touchpoint.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], list[float]] = {}
        self._touchpoints: dict[tuple[str, str], int] = {}
        self._lines: dict[str, int] = {}

    def request(self, route: str, hundreds: int, seconds: float) -> None:
        """Count a response of `route` with a status of this class (2 for 2xx), and its duration."""
        counted = self._requests.get((route, hundreds))
        if counted is None:  # the count per bucket, the last one for longer requests, and the sum of seconds
            counted = self._requests[route, hundreds] = [0.0] * (len(_LATENCY) + 2)
        counted[bisect_left(_LATENCY, seconds)] += 1
        counted[-1] += seconds

    def touchpoint(self, source: str, result: str) -> None:
        """Count a touchpoint of a source with its result."""
        self._touchpoints[source, result] = self._touchpoints.get((source, result), 0) + 1

    def lines(self, rules: Iterable[str]) -> None:
        """Lines of a brief were given."""
        for rule in rules:
            self._lines[rule] = self._lines.get(rule, 0) + 1

    def collect(self) -> Iterator[Metric]:
        touchpoints = CounterMetricFamily(
            "handoff_touchpoints", "Touchpoints by result", labels=("source", "result")
        )
        for labels, count in self._touchpoints.items():
            touchpoints.add_metric(labels, count)
        yield touchpoints
        requests = HistogramMetricFamily(
            "handoff_request_seconds", "HTTP requests by route and status class", labels=("route", "status")
        )
        for (route, hundreds), (*counts, seconds) in self._requests.items():
            buckets = list(zip(_BOUNDS, accumulate(counts), strict=True))
            requests.add_metric((route, f"{hundreds}xx"), buckets, seconds)
        yield requests
        lines = CounterMetricFamily(
            "handoff_brief_lines", "Lines of briefs that were given, by rule", labels=("rule",)
        )
        for rule, count in self._lines.items():
            lines.add_metric((rule,), count)
        yield lines


class Measures:
    """All metrics of the product, on their own registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._tally = Tally()
        registry.register(self._tally)
        self.took = self._tally.request
        self._touchpoint = self._tally.touchpoint
        self.lines = self._tally.lines
        self._lines_wrong = Counter(
            "handoff_brief_lines_wrong",
            "Lines that agents called wrong, by rule",
            ["rule"],
            registry=registry,
        )
        self.quarantined = Counter(
            "handoff_quarantined", "Items that could not be read", ["source"], registry=registry
        )
        self.refused = Counter(
            "handoff_refused", "Deliveries whose signature was refused", ["source"], registry=registry
        )
        self.ignored = Counter(
            "handoff_ignored", "Known events that are not touchpoints", ["source", "event"], registry=registry
        )
        self.handoffs = Counter("handoff_handoffs", "Handoff events", ["event"], registry=registry)
        self.unviewed = Gauge(
            "handoff_accepted_unviewed",
            "Accepted handoffs whose owner has not opened the context",
            registry=registry,
        )
        self.deliveries = Counter("handoff_deliveries", "Webhook attempts", ["outcome"], registry=registry)
        self.outbox_behind = Gauge(
            "handoff_outbox_behind_seconds",
            "Age of the oldest outbox entry not fanned out",
            registry=registry,
        )
        self.unknown = Counter(
            "handoff_unknown_values",
            "Stored values that only a newer release knows, shown or skipped",
            ["what"],
            registry=registry,
        )
        self.store_up = Gauge("handoff_store_up", "Whether the store took the last write", registry=registry)
        self._add_continuity()
        self._add_privacy()

    def _add_continuity(self) -> None:
        self.continuity = Counter(
            "handoff_continuity_codes",
            "Touchpoints that carried a continuity code, by its outcome",
            ["state", "source"],
            registry=self.registry,
        )
        self.continuity_limited = Counter(
            "handoff_continuity_limits",
            "Limits that wrong digits of continuity codes reached: somebody guesses",
            ["limit", "source"],
            registry=self.registry,
        )

    def _add_privacy(self) -> None:
        """Metrics of masking, sealing, retention, and the audit trail."""
        registry = self.registry
        self.unreadable = Counter(
            "handoff_sealed_unreadable",
            "Sealed values that their key does not open: changed, moved, or without a key",
            ["what"],
            registry=registry,
        )
        self.epoch_age = Gauge(
            "handoff_sealing_epoch_age_seconds",
            "Age of the oldest key epoch that is in use",
            registry=registry,
        )
        self.epochs_begun = Counter(
            "handoff_sealing_epochs_begun", "Key epochs that this worker began by schedule", registry=registry
        )
        self.keys_rewrapped = Counter(
            "handoff_sealing_keys_rewrapped",
            "Data keys that this worker wrapped in their tenant's current epoch",
            registry=registry,
        )
        self.retention_deleted = Counter(
            "handoff_retention_deleted",
            "Touchpoints that were deleted when their time was over",
            ["channel", "class"],
            registry=registry,
        )
        self.retention_oldest = Gauge(
            "handoff_retention_oldest_kept_seconds",
            "Age of the oldest touchpoint that the last sweep saw and kept",
            registry=registry,
        )
        self.audit_failures = Counter(
            "handoff_audit_failures", "Audit entries that were not written", ["kept"], registry=registry
        )
        self.redacted = Counter(
            "handoff_redacted",
            "Card numbers and the like that were masked, by kind and way in (channel, request, quarantine)",
            ["kind", "way"],
            registry=registry,
        )

    def line_wrong(self, rule: str | None, result: Result) -> None:
        """An agent called a line of this rule wrong, for the first time."""
        if rule is not None and result.status == "accepted":
            self._lines_wrong.labels(rule if rule in CODES else "other").inc()

    def count(self, source: str, results: Sequence[Result]) -> None:
        """Count a source's touchpoints by their results."""
        for result in results:
            self._touchpoint(source, result.status)

    def count_one(self, source: str, result: Result) -> None:
        """The same for one touchpoint."""
        self._touchpoint(source, result.status)
