"""The `[privacy]` section of the configuration."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from handoff.services.customers.consents import ConsentPolicy, ConsentRules
from handoff.store.sealing.settings import SealingSettings


class PrivacySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits from the law and from customers.

    `require_consent` names the purpose that a handoff or an export needs consent for; `on_missing_consent` is
    what happens without it. `backup_days` is how long backups of the store are kept: an erasure's receipt
    states when the last one that has the customer is gone. 0: not stated. `sealing` protects the store.

    A retention sweep begins every `sweep_every_s`, works for `sweep_share` of the time, and deletes at most
    `sweep_max_per_s` touchpoints a second.
    """

    require_consent: ConsentRules = field(default_factory=ConsentRules)
    on_missing_consent: Literal["refuse", "mark"] = "refuse"
    backup_days: int = 0
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

    @property
    def consent_policy(self) -> ConsentPolicy:
        return ConsentPolicy(rules=self.require_consent, on_missing=self.on_missing_consent)
