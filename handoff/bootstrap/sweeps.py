"""Deletion in a running server: erasures, and the sweeps of retention."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

from handoff.api.http.app_keys import AppContext
from handoff.domain.errors import ConfigurationError, HandoffError
from handoff.services.audit.entry import AuditEntry
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import repeat_all
from handoff.services.privacy.noticing import ErasureWatch
from handoff.services.privacy.settings import PrivacySettings
from handoff.services.retention.deleting import Deleted
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.retention.sweep import Sweeper, SweepSettings, SweepState

TURN_S = 1.0
NOTICE_S = 2.0  # so often a worker looks for erasures that another one was asked for
ERASE_S = 5.0  # so often it looks for jobs that another one left
LOOK_S = 5.0  # so often a worker reads the horizons, and looks whether it can sweep while it does not

log = structlog.get_logger(__name__)


class Erasures:
    """A worker's part in erasures."""

    def __init__(self, site: AppContext, tenants: Sequence[str]) -> None:
        self._site = site
        self._watch = ErasureWatch(site.store, tenants)
        self._eraser = Eraser(site.store, site.handoffs, tenants, trail=site.audit)
        self._repeated = False

    async def repeat(self) -> None:
        """Take out of sight again what a restored backup brought back, before anybody can read it."""
        try:
            repeated = await repeat_all(self._site.store, self._site.journal)
        except ConfigurationError:
            raise
        except HandoffError as error:  # a full store, say: `run` tries again
            log.error("erasures_not_repeated", code=error.problem_code)
            return
        self._repeated = True
        if repeated:
            log.warning("erasures_repeated", count=repeated)

    def ready(self) -> str | None:
        """Why this worker should get no requests, or None."""
        return None if self._repeated else "erasures"

    async def notice(self) -> None:
        """Forget what was read of customers who were erased since, and end their streams."""
        homes = await self._watch.look()
        if homes is not None:
            self._site.store.forget_reads()
            self._site.recent.clear()
            self._site.hub.break_off_homes(homes)

    async def run(self) -> None:
        """Do the jobs, at once those that this worker was asked for."""
        while True:
            try:
                if self._site.journal.unsettled:
                    await self.repeat()
                await self.notice()
                await self._eraser.run_open()
                await self._site.store.compaction.run_due()
            except HandoffError as error:
                log.warning("background_failed", work="erasures", code=error.problem_code)
            except Exception:  # whatever it is must not stop erasing
                log.exception("erasing_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(ERASE_S):
                    await self._site.erased.wait()
            self._site.erased.clear()


class Retention:
    """A worker's part in retention, turn by turn."""

    def __init__(self, site: AppContext, policy: RetentionPolicy, settings: PrivacySettings) -> None:
        self._site = site
        pace = SweepSettings(
            every_s=settings.sweep_every_s,
            share=settings.sweep_share * TURN_S / max(1.0 - settings.sweep_share, 0.01),
            max_per_s=settings.sweep_max_per_s,
        )
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


def audit_entries(state: SweepState, by: str) -> list[AuditEntry]:
    """The audit entries of a sweep."""
    return [
        AuditEntry(tenant=tenant, action="sweepRetention", outcome="ok", token=by, reason=f"{count} deleted")
        for tenant, count in state.deleted.by_tenant.items()
    ]
