"""The periods of a configuration as horizons in time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from handoff.domain.clock import DAY, Micros
from handoff.domain.retention.rules import CLASSES, RetentionRule, control_days_of, days_of, longest_days


class RetentionPolicy:
    """The rules of a configuration with the tenants and channels that they apply to."""

    def __init__(
        self, rules: Sequence[RetentionRule], tenants: Collection[str], channels: Collection[str]
    ) -> None:
        self.replace(rules, tenants, channels)

    def replace(
        self, rules: Sequence[RetentionRule], tenants: Collection[str], channels: Collection[str]
    ) -> None:
        """Apply another configuration."""
        self.rules = tuple(rules)
        self.tenants = tuple(tenants)
        self.channels = tuple(sorted(channels))

    def horizons(
        self, tenant: str, now: Micros, former: Collection[str] = ()
    ) -> dict[tuple[str, str], Micros]:
        """Before which time touchpoints of each channel and class are deleted.

        `former` are channels that the configuration may no longer have: their touchpoints are still stored.
        """
        found: dict[tuple[str, str], Micros] = {}
        for channel in sorted({*self.channels, *former}):
            for class_ in CLASSES:
                days = days_of(self.rules, tenant, channel, class_)
                if days is not None:
                    found[channel, class_] = now - days * DAY
        return found

    def longest(self, tenant: str, now: Micros) -> Micros | None:
        """The horizon of what the tenant's rules keep longest; None without rules."""
        days = longest_days(self.rules, tenant)
        return None if days is None else now - days * DAY

    def ended_before(self, tenant: str, now: Micros) -> Micros | None:
        """Before which time ended control records are deleted; None for never."""
        days = control_days_of(self.rules, tenant)
        return None if days is None else now - days * DAY
