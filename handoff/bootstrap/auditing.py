"""Opens the audit trail of a server process."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import structlog

from handoff.services.audit.trail import AuditTrail
from handoff.services.metrics import Measures

from .settings import Settings

log = structlog.get_logger(__name__)


def open_trail(settings: Settings, measures: Measures) -> AuditTrail:
    """The configured trail. ConfigurationError if its files cannot be opened.

    Without `[audit]`, an embedded store brings its directory; with another store there is no trail, since the
    process may have nowhere to write.
    """
    folder = settings.audit.folder(settings.store.data_dir, embedded=_is_embedded(settings))
    trail = AuditTrail(settings.audit, folder)
    trail.failed = lambda where: measures.audit_failures.labels(where).inc()
    if folder is None and settings.audit.enabled is None:
        log.info("audit_off", why="set audit.dir or audit.enabled")
    return trail


def _is_embedded(settings: Settings) -> bool:
    """Whether the store is the embedded one, run by this process or, for workers, by their parent."""
    socket = Path(settings.store.data_dir).resolve() / "valkey" / "valkey.sock"
    return settings.store.url in (None, f"unix://{quote(str(socket))}")
