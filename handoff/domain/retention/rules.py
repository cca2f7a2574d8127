"""How long touchpoints are kept: rules by tenant, channel, and class of type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError
from handoff.domain.touchpoint import TYPES

MAX_DAYS = 36_500
_CLASS_OF_FAMILY = {
    "page": "web",
    "article": "web",
    "search": "web",
    "form": "web",
    "event": "web",
    "identified": "web",
    "message": "messages",
    "email": "messages",
    "callback": "callbacks",
    "call": "calls",
    "conversation": "system",
    "handoff": "system",
    "context": "system",
    "identity": "system",
    "brief": "system",
    "note": "notes",
    "survey": "surveys",
    "promise": "promises",
    "complaint": "complaints",
    "announcement": "promises",
    "consent": "consents",
    "text": "messages",
}
"""By the part of a type before the dot."""
CLASSES = tuple(dict.fromkeys(_CLASS_OF_FAMILY.values()))


def class_of(type_: str) -> str:
    """The class of a touchpoint type."""
    return _CLASS_OF_FAMILY[type_.partition(".")[0]]


TYPE_CLASSES = tuple(map(class_of, TYPES))
"""The class of each type, in the order of the stored codes."""


class RetentionRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keeps touchpoints for `days`, then deletes them. The first rule that matches a touchpoint applies.

    `tenant`, `channels`, and `types` (names of classes) limit the rule; without them it matches everything.
    `control_days` does the same for ended handoffs and callbacks.
    """

    days: int | None = None
    control_days: int | None = None
    tenant: str | None = None
    channels: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.days is None and self.control_days is None:
            raise ValueError("retention: a rule needs days or control_days")
        for name, days in (("days", self.days), ("control_days", self.control_days)):
            if days is not None and not 1 <= days <= MAX_DAYS:
                raise ValueError(f"retention: {name} must be between 1 and {MAX_DAYS}")
        if self.days is None and (self.channels or self.types):
            raise ValueError("retention: control_days applies to a tenant, not to channels or types")
        unknown = sorted(set(self.types) - set(CLASSES))
        if unknown:
            raise ValueError(
                f"retention: unknown types {', '.join(unknown)}; "
                f"the classes of types are {', '.join(CLASSES)}"
            )

    def matches(self, tenant: str, channel: str, class_: str) -> bool:
        """Whether the rule decides how long a touchpoint is kept."""
        return (
            self.days is not None
            and self.tenant in (None, tenant)
            and (not self.channels or channel in self.channels)
            and (not self.types or class_ in self.types)
        )


def days_of(rules: Iterable[RetentionRule], tenant: str, channel: str, class_: str) -> int | None:
    """How many days a touchpoint is kept; None forever."""
    return next((it.days for it in rules if it.matches(tenant, channel, class_)), None)


def control_days_of(rules: Iterable[RetentionRule], tenant: str) -> int | None:
    """How many days the tenant's control records are kept after they ended; None forever."""
    found = (it.control_days for it in rules if it.tenant in (None, tenant))
    return next((days for days in found if days is not None), None)


def longest_days(rules: Iterable[RetentionRule], tenant: str) -> int | None:
    """The longest period of a tenant's rules; None without rules."""
    return max((it.days for it in rules if it.days is not None and it.tenant in (None, tenant)), default=None)


def check_rules(rules: Sequence[RetentionRule], tenants: Collection[str], channels: Collection[str]) -> None:
    """ConfigurationError for a rule that names an unknown tenant or channel, or that can never apply."""
    for number, rule in enumerate(rules, 1):
        if rule.tenant is not None and rule.tenant not in tenants:
            raise ConfigurationError(f"retention: rule {number} names an unknown tenant {rule.tenant!r}")
        unknown = sorted(set(rule.channels) - set(channels))
        if unknown:
            raise ConfigurationError(f"retention: rule {number} names unknown channels {', '.join(unknown)}")
        if rule.days is None:
            continue
        earlier = rules[: number - 1]
        reached = any(
            not any(it.matches(tenant, channel, class_) for it in earlier)
            for tenant in ([rule.tenant] if rule.tenant else tenants)
            for channel in rule.channels or channels
            for class_ in rule.types or CLASSES
        )
        if not reached:
            raise ConfigurationError(
                f"retention: rule {number} never applies, since earlier rules match everything it matches"
            )
