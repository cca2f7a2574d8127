"""The `[privacy]` section of the configuration."""

from __future__ import annotations

from msgspec import Struct


class PrivacySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`backup_days` is how long backups of the store are kept: an erasure's receipt states when the last one
    that has the customer is gone. 0: not stated. A retention sweep begins every `sweep_every_s`, works for
    `sweep_share` of the time, and deletes at most `sweep_max_per_s` touchpoints a second."""

    backup_days: int = 0
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
