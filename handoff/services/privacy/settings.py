"""The `[privacy]` section of the configuration."""

from __future__ import annotations

from msgspec import Struct


class PrivacySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`backup_days` is how long backups of the store are kept: an erasure's receipt states when the last one
    that has the customer is gone. 0: not stated."""

    backup_days: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.backup_days <= 36_500:
            raise ValueError("privacy.backup_days must be between 0 and 36500")
