"""All scenarios, in the order in which they are played and appear in the table."""

from __future__ import annotations

from tests.faults.scenarios import failovers, kills, losses, replies, resources

SCENARIOS = (
    *kills.SCENARIOS,
    *failovers.SCENARIOS,
    *replies.SCENARIOS,
    *resources.SCENARIOS,
    *losses.SCENARIOS,
)
