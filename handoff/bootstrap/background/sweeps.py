"""The sweeps of retention in a running server."""

from __future__ import annotations

import secrets
import time

import structlog

from handoff.api.http.app_keys import AppContext
from handoff.services.audit.entry import AuditEntry
from handoff.services.privacy.settings import PrivacySettings
from handoff.services.retention.deleting import Deleted
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.retention.sweep import Sweeper, SweepSettings, SweepState

TURN_S = 1.0
LOOK_S = 5.0  # so often a worker reads the horizons, and looks whether it can sweep while it does not

log = structlog.get_logger(__name__)


class Retention:
    """A worker's part in retention, turn by turn."""

    def __init__(self, site: AppContext, policy: RetentionPolicy) -> None:
        self._site = site
        pace = _pace(site.privacy)
        self._sweeper = Sweeper(
            site.store, policy, secrets.token_hex(8), pace, self._count, before_end=self._record
        )
        self._look_at = 0.0

    async def turn(self) -> None:
        """Learn new horizons, and sweep if this worker has the lease."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        if await self._site.store.horizons.refresh():
            self._site.store.forget_reads()
            self._site.recent.clear()
        self._sweeper.settings = _pace(self._site.privacy)  # a reload may have changed it
        state = await self._sweeper.turn()
        if state is None:
            return
        if state.finished_at is None:
            self._look_at = 0.0
        else:
            self._report(state)

    def _count(self, deleted: Deleted) -> None:
        for name, count in deleted.touchpoints.items():
            channel, _, class_ = name.partition("/")
            self._site.measures.retention_deleted.labels(channel or "unknown", class_).inc(count)

    async def _record(self, state: SweepState) -> None:
        """An audit entry for each tenant of which the sweep deleted anything."""
        for entry in audit_entries(state, "retention"):
            await self._site.audit.record(entry)

    def _report(self, state: SweepState) -> None:
        """The one record of a sweep."""
        assert state.finished_at is not None
        if state.deleted.oldest_kept is not None:
            age = (state.finished_at - state.deleted.oldest_kept) / 1e6
            self._site.measures.retention_oldest.set(age)
        log.info(
            "retention_swept",
            identities=state.seen,
            deleted=state.deleted.touchpoints,
            control_deleted=state.deleted.records,
            identities_deleted=state.deleted.identities,
            took_s=round((state.finished_at - state.started_at) / 1e6, 1),
        )


def _pace(settings: PrivacySettings) -> SweepSettings:
    return SweepSettings(
        every_s=settings.sweep_every_s,
        share=settings.sweep_share * TURN_S / max(1.0 - settings.sweep_share, 0.01),
        max_per_s=settings.sweep_max_per_s,
    )


def audit_entries(state: SweepState, by: str) -> list[AuditEntry]:
    """The audit entries of a sweep."""
    return [
        AuditEntry(tenant=tenant, action="sweepRetention", outcome="ok", token=by, reason=f"{count} deleted")
        for tenant, count in state.deleted.by_tenant.items()
    ]
