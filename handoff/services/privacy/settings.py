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
    """

    require_consent: ConsentRules = field(default_factory=ConsentRules)
    on_missing_consent: Literal["refuse", "mark"] = "refuse"
    backup_days: int = 0
    sealing: SealingSettings = field(default_factory=SealingSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.backup_days <= 36_500:
            raise ValueError("privacy.backup_days must be between 0 and 36500")

    @property
    def consent_policy(self) -> ConsentPolicy:
        return ConsentPolicy(rules=self.require_consent, on_missing=self.on_missing_consent)
