"""The `[limits]` section of the configuration."""

from __future__ import annotations

from msgspec import Struct

MIB = 1024 * 1024


class LimitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one worker. Rates are per second and worker, with bursts of two seconds.

    Bytes in flight are those of requests that are not answered yet; requests without a valid credential get
    half of them at most. The quarantine limits apply to each source.
    """

    max_connections: int = 4096
    max_bytes_in_flight: int = 128 * MIB
    header_timeout_s: float = 10.0
    body_timeout_s: float = 10.0
    source_per_s: float = 20_000.0
    token_per_s: float = 20_000.0
    tenant_per_s: float = 40_000.0
    quarantine_items: int = 10_000
    quarantine_bytes: int = 64 * MIB
    quarantine_days: float = 30.0

    def __post_init__(self) -> None:
        if not 16 <= self.max_connections <= 1_000_000:
            raise ValueError("limits.max_connections must be between 16 and 1000000")
        if self.max_bytes_in_flight < 16 * MIB:
            raise ValueError("limits.max_bytes_in_flight must be at least 16 MiB")
        for name in ("header_timeout_s", "body_timeout_s"):
            if not 1 <= getattr(self, name) <= 600:
                raise ValueError(f"limits.{name} must be between 1 and 600 seconds")
        for name in ("source_per_s", "token_per_s", "tenant_per_s"):
            if not 0.1 <= getattr(self, name) <= 10_000_000:
                raise ValueError(f"limits.{name} must be between 0.1 and 10000000")
        if self.quarantine_items < 1 or self.quarantine_bytes < 1 or self.quarantine_days <= 0:
            raise ValueError("limits of the quarantine must be positive")
