"""The `[announcements]` section of the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct, field

from handoff.domain.brief.rules import FOLLOW_RULES, FollowRule
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError
from handoff.domain.policies import PolicyTarget
from handoff.domain.said.announcing import KINDS, AnnouncedKind
from handoff.domain.said.candidate import SpokenBy

LONGEST_S = 24 * 3600
WHO_SPEAKS: tuple[SpokenBy, ...] = ("person", "bot", "unknown")


class AnnouncementRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule for announcements of one kind in a tenant.

    `within_s` is how soon it must follow. `events` are names of events (`event.tracked`) that count as
    following, in addition to the built-in ones. With `on_unfulfilled = "handoff"`, a handoff to `whom` is
    requested, if one of `speakers` announced it; with `event`, subscribers and the owner of the customer are
    notified; with `nothing`, only the brief shows it.
    """

    kind: AnnouncedKind
    tenant: str = "default"
    within_s: float | None = None
    events: list[str] = field(default_factory=list)
    on_unfulfilled: Literal["event", "handoff", "nothing"] = "event"
    whom: PolicyTarget | None = None
    speakers: list[SpokenBy] = field(default_factory=lambda: list(WHO_SPEAKS))

    def __post_init__(self) -> None:
        name, whom = f"announcements.rules: {self.kind!r}", self.whom
        if self.within_s is not None and not 10 <= self.within_s <= LONGEST_S:
            raise ValueError(f"{name}: within_s must be between 10 and {LONGEST_S}")
        if self.on_unfulfilled == "handoff" and not (whom and (whom.queue or whom.agent or whom.channel)):
            raise ValueError(
                "announcements.rules: for on_unfulfilled = handoff, "
                "whom must name a queue, an agent or a channel"
            )
        if self.on_unfulfilled != "handoff" and whom is not None:
            raise ValueError(f'{name}: whom needs on_unfulfilled = "handoff"')
        if not self.speakers:
            raise ValueError(f"{name}: speakers must not be empty")


class AnnouncementSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Announcements of transfers, call backs, and mails, and what happens if they are not followed."""

    rules: list[AnnouncementRule] = field(default_factory=list)

    def __post_init__(self) -> None:
        named = [(it.tenant, it.kind) for it in self.rules]
        for tenant, kind in named:
            if named.count((tenant, kind)) > 1:
                raise ValueError(f"announcements.rules: two rules for {kind!r} of tenant {tenant!r}")


class AnnouncementPolicies(Struct, kw_only=True):
    """The rules of announcements, by tenant and kind. A reload changes it in place."""

    rules: Mapping[tuple[str, AnnouncedKind], AnnouncementRule] = field(default_factory=dict)

    def of(self, tenant: str, kind: AnnouncedKind) -> AnnouncementRule:
        return self.rules.get((tenant, kind)) or AnnouncementRule(kind=kind, tenant=tenant)

    def replace(self, other: AnnouncementPolicies) -> None:
        """Use other rules from now on."""
        self.rules = other.rules


def announcement_policies(settings: AnnouncementSettings) -> AnnouncementPolicies:
    """The policies of all tenants."""
    return AnnouncementPolicies(rules={(it.tenant, it.kind): it for it in settings.rules})


def follow_rules(settings: AnnouncementSettings) -> dict[str, dict[AnnouncedKind, FollowRule]]:
    """By tenant: what follows announcements, where the configuration changes it."""
    found: dict[str, dict[AnnouncedKind, FollowRule]] = {}
    for tenant in {it.tenant for it in settings.rules}:
        stated = {it.kind: it for it in settings.rules if it.tenant == tenant}
        found[tenant] = {kind: _follow_rule(kind, stated.get(kind)) for kind in KINDS}
    return found


def _follow_rule(kind: AnnouncedKind, stated: AnnouncementRule | None) -> FollowRule:
    known = FOLLOW_RULES[kind]
    if stated is None:
        return known
    return FollowRule(
        within=round(stated.within_s * SECOND) if stated.within_s is not None else known.within,
        late=known.late,
        before=known.before,
        types=known.types,
        events=known.events | {it.casefold() for it in stated.events},
    )


def check_announcements(settings: AnnouncementSettings, tenants: Collection[str]) -> None:
    """ConfigurationError for an unknown tenant: its name is misspelt, and its rules have no effect."""
    for rule in settings.rules:
        if rule.tenant not in tenants:
            raise ConfigurationError(f"announcements names an unknown tenant {rule.tenant!r}")
