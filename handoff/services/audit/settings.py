"""The `[audit]` section of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

Sync = Literal["always", "everysec", "never"]
OnFailure = Literal["refuse", "journal"]


class AuditSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The audit trail. Without `enabled`, it is on where the server has a directory for it: with the embedded
    store, or with `dir`.

    `also_read` are directories of other machines' files, which searches read as well. `ship_url` and
    `ship_command` receive every entry at least once.
    """

    enabled: bool | None = None
    dir: str | None = None
    fsync: Sync = "everysec"
    on_failure: OnFailure = "refuse"
    journal_dir: str | None = None
    max_file_mb: int = 16
    keep_days: int = 400
    also_read: tuple[str, ...] = ()
    ship_url: str | None = None
    ship_token: str | None = None
    ship_command: tuple[str, ...] = ()
    ship_allow_insecure: bool = False
    ship_allow_networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.max_file_mb <= 1024:
            raise ValueError("audit.max_file_mb must be between 1 and 1024")
        if not 1 <= self.keep_days <= 36_500:
            raise ValueError("audit.keep_days must be between 1 and 36500")
        if (self.on_failure == "journal") != (self.journal_dir is not None):
            raise ValueError('audit.journal_dir goes with audit.on_failure = "journal": set both or neither')
        if self.ship_url is not None and self.ship_command:
            raise ValueError("set audit.ship_url or audit.ship_command, not both")

    @property
    def ships(self) -> bool:
        return self.ship_url is not None or bool(self.ship_command)

    def folder(self, data_dir: str, *, embedded: bool) -> Path | None:
        """The directory of the trail; None if there is no trail."""
        chosen = embedded or self.dir is not None
        if self.enabled is False or (self.enabled is None and not chosen):
            return None
        return Path(self.dir) if self.dir is not None else Path(data_dir) / "audit"
