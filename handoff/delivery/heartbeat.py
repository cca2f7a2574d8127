"""A worker's heartbeat, and its check of the others: a dead worker's deliveries are retried within seconds.

A worker beats while it holds leases. When its beat stops changing, the others consider it dead and return
its deliveries to their queues. If it was only paused, its results are rejected once another worker has
claimed the deliveries.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog
from msgspec import Struct

from handoff.domain.errors import HandoffError
from handoff.store.errors import StoreError
from handoff.store.repositories.worker_heartbeats import exchange_beats
from handoff.store.store import Store

log = structlog.get_logger(__name__)


class HeartbeatTimes(Struct, frozen=True, kw_only=True):
    """Durations in seconds."""

    beat_s: float = 0.75
    dead_s: float = 3.5
    """Without a beat. It is noticed at the next check, so another worker sends within 6 s."""
    gap_s: float = 2.0
    """A longer gap between two checks is this worker's fault, or the store's, and proves nothing."""
    recent_s: float = 5.0
    """A worker keeps beating for a tenant this long after its last claim."""


class LastBeat(Struct, frozen=True):
    """A worker's newest beat, and when it last changed (monotonic seconds)."""

    beat: int
    since: float


class Heartbeat:
    """Run it in a task while the worker holds leases. `released` gets a tenant that has work again."""

    def __init__(
        self,
        store: Store,
        tenants: Collection[str],
        worker: str,
        running: Callable[[], Collection[str]],
        released: Callable[[str], None],
        times: HeartbeatTimes | None = None,
    ) -> None:
        self._times = times or HeartbeatTimes()
        self.beat = 1
        self._store = store
        self._tenants = tenants
        self._worker = worker
        self._running = running
        self._released = released
        self._held_at: dict[str, float] = {}
        self._seen: dict[tuple[str, str], LastBeat] = {}
        self._checked_at = 0.0

    def claimed(self, tenant: str) -> None:
        """The worker has claimed deliveries of the tenant, with its newest beat."""
        self._held_at[tenant] = time.monotonic()

    async def run(self) -> None:
        """Beat and check until cancelled."""
        while True:
            try:
                await self._check()
            except (HandoffError, StoreError) as error:
                log.info("heartbeat_failed", error=str(error))
            await asyncio.sleep(self._times.beat_s)

    async def _check(self) -> None:
        """Beat, and return the deliveries of workers that stopped beating."""
        self.beat += 1
        for tenant in self._running():
            self.claimed(tenant)
        recent = time.monotonic() - self._times.recent_s
        idle = {tenant for tenant, at in self._held_at.items() if at < recent}
        for tenant in idle:
            del self._held_at[tenant]
        found = await exchange_beats(
            self._store.connection,
            list(self._tenants),
            self._worker,
            self.beat,
            holding=set(self._held_at),
            idle=idle,
        )
        for tenant, worker, beat in self._silent(found):
            returned = await self._store.deliveries(tenant).release(worker, beat)
            if returned > 0:
                log.warning("webhook_worker_gone", tenant=tenant, messages=returned)
                self._released(tenant)

    def _silent(self, found: dict[str, dict[str, int]]) -> list[tuple[str, str, int]]:
        """Tenant, worker and last beat of workers considered dead."""
        now = time.monotonic()
        if now - self._checked_at > self._times.gap_s:
            self._seen.clear()
        self._checked_at = now
        seen = {}
        for tenant, beats in found.items():
            for worker, beat in beats.items():
                known = self._seen.get((tenant, worker))
                seen[tenant, worker] = known if known and known.beat == beat else LastBeat(beat, now)
        self._seen = seen
        return [
            (tenant, worker, it.beat)
            for (tenant, worker), it in seen.items()
            if worker != self._worker and now - it.since >= self._times.dead_s
        ]
