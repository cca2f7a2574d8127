"""The `[privacy]` section of the configuration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError
from handoff.services.customers.consents import ConsentPolicy, ConsentRules
from handoff.store.sealing.settings import SealingSettings


class MaskingRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant whose readers get personal numbers masked, and which kinds."""

    tenant: str = "default"
    kinds: list[Literal["iban", "national_id"]] = field(default_factory=lambda: ["iban", "national_id"])

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError(f"privacy.masking: tenant {self.tenant!r} has no kinds")


def check_masking(rules: Sequence[MaskingRule], tenants: Collection[str]) -> None:
    """ConfigurationError for a tenant that is unknown: its name is misspelt, and its numbers are shown."""
    for rule in rules:
        if rule.tenant not in tenants:
            raise ConfigurationError(f"privacy.masking names an unknown tenant {rule.tenant!r}")


class PrivacySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits from the law and from customers.

    `require_consent` names the purpose that a handoff or an export needs consent for; `on_missing_consent` is
    what happens without it. `backup_days` is how long backups of the store are kept: an erasure's receipt
    states when the last one that has the customer is gone. 0: not stated. `sealing` protects the store.

    `masking` names the tenants whose readers get bank account and national numbers masked.

    A retention sweep begins every `sweep_every_s`, works for `sweep_share` of the time, and deletes at most
    `sweep_max_per_s` touchpoints a second.
    """

    require_consent: ConsentRules = field(default_factory=ConsentRules)
    on_missing_consent: Literal["refuse", "mark"] = "refuse"
    backup_days: int = 0
    masking: list[MaskingRule] = field(default_factory=list)
    sealing: SealingSettings = field(default_factory=SealingSettings)
    sweep_every_s: int = 3600
    sweep_share: float = 0.2
    sweep_max_per_s: int = 5000

    def __post_init__(self) -> None:
        if not 1 <= self.sweep_every_s <= 86_400:
            raise ValueError("privacy.sweep_every_s must be between 1 and 86400")
        if not 0.01 <= self.sweep_share <= 1:
            raise ValueError("privacy.sweep_share must be between 0.01 and 1")
        if not 1 <= self.sweep_max_per_s <= 1_000_000:
            raise ValueError("privacy.sweep_max_per_s must be between 1 and 1000000")
        if not 0 <= self.backup_days <= 36_500:
            raise ValueError("privacy.backup_days must be between 0 and 36500")
        tenants = [it.tenant for it in self.masking]
        if len(set(tenants)) < len(tenants):
            raise ValueError("privacy.masking: a tenant has two entries")

    @property
    def consent_policy(self) -> ConsentPolicy:
        return ConsentPolicy(rules=self.require_consent, on_missing=self.on_missing_consent)
