"""Opens the audit trail of a server process, and ships it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import structlog

from handoff.delivery.audit_shipping import shipping_to
from handoff.domain.continuity.watch import CodeWatch
from handoff.domain.errors import HandoffError
from handoff.services.audit.entry import AuditEntry
from handoff.services.audit.shipping import Send, ship
from handoff.services.audit.trail import AuditTrail
from handoff.services.metrics import Measures

from .background.tasks import in_background
from .settings import Settings

SHIP_S = 5.0
SHIP_AGAIN_S = 300.0  # the longest pause while the receiver is away

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


def watch_codes(watch: CodeWatch, measures: Measures, trail: AuditTrail, sources: Collection[str]) -> None:
    """Count what becomes of continuity codes. Reaching a limit of wrong digits makes an audit entry.

    Native touchpoints state their source themselves: those that are not configured count as `api`.
    """

    def label(source: str) -> str:
        return source if source in sources else "api"

    def count(state: str, source: str) -> None:
        measures.continuity.labels(state, label(source)).inc()

    async def alarm(tenant: str, source: str, limit: str) -> None:
        measures.continuity_limited.labels(limit, label(source)).inc()
        entry = AuditEntry(
            tenant=tenant,
            action="guessContinuityCode",
            outcome="limited",
            token="server",  # noqa: S106 - the name of who noticed it
            resource=f"source:{label(source)}",
            reason=f"too many wrong digits: limit of the {limit}",
        )
        try:
            await trail.record(entry)
        except HandoffError as error:  # the touchpoint is recorded all the same
            log.warning("audit_write_failed", error=error.problem_code)

    watch.counted, watch.alarmed = count, alarm


def _is_embedded(settings: Settings) -> bool:
    """Whether the store is the embedded one, run by this process or, for workers, by their parent."""
    socket = Path(settings.store.data_dir).resolve() / "valkey" / "valkey.sock"
    return settings.store.url in (None, f"unix://{quote(str(socket))}")


@asynccontextmanager
async def keeping(trail: AuditTrail) -> AsyncIterator[None]:
    """Ship the machine's trails while the server runs, and close this process's trail at the end."""
    try:
        async with _shipping(trail):
            yield
    finally:
        await trail.close()


@asynccontextmanager
async def _shipping(trail: AuditTrail) -> AsyncIterator[None]:
    """Ship if it is configured. A receiver that is away is tried again, less often."""
    if not trail.settings.ships or trail.root is None:
        yield
        return
    async with (
        shipping_to(trail.settings) as send,
        in_background("audit_shipping", _keep_shipping(trail.root, send)),
    ):
        yield


async def _keep_shipping(root: Path, send: Send) -> None:
    pause_s = SHIP_S
    while True:
        try:
            await ship(root, send)
            pause_s = SHIP_S
        except (ConnectionError, OSError) as error:
            log.warning("audit_not_shipped", error=str(error))
            pause_s = min(pause_s * 2, SHIP_AGAIN_S)
        await asyncio.sleep(pause_s)
