"""Metrics of deliveries. The number of subscriptions bounds the `subscription` label."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from handoff.store.repositories.deliveries import QueueState

from .schedule import SKIPPED

OUTCOMES = {"ok": "delivered", "retry": "retried", "dead": "dead"}


class DeliveryMeasures:
    """Counters of this process, and gauges of the shared queues."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "handoff_webhook_messages",
            "Webhook attempts by what followed",
            ["subscription", "outcome"],
            registry=registry,
        )
        self.pending = Gauge(
            "handoff_webhook_pending", "Messages not settled", ["subscription"], registry=registry
        )
        self.oldest = Gauge(
            "handoff_webhook_oldest_pending_seconds",
            "Age of the oldest message not settled",
            ["subscription"],
            registry=registry,
        )
        self.skipped = Counter(
            "handoff_outbox_skipped", "Outbox entries given up after several tries", registry=registry
        )
        self._shown: set[str] = set()

    def settled(self, subscription: str, verdict: str, why: str = "") -> None:
        if verdict in OUTCOMES:
            outcome = "skipped" if why.startswith(SKIPPED) else OUTCOMES[verdict]
            self.messages.labels(subscription, outcome).inc()

    def show(self, states: Mapping[str, QueueState], now_ms: int) -> None:
        """Set the gauges and remove those of deleted subscriptions."""
        for name in self._shown - states.keys():
            self.pending.remove(name)
            self.oldest.remove(name)
        self._shown = set(states)
        for name, state in states.items():
            age_s = max(now_ms - state.oldest_pending, 0) / 1000 if state.oldest_pending else 0.0
            self.pending.labels(name).set(state.pending)
            self.oldest.labels(name).set(age_s)
