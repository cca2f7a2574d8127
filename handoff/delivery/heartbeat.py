"""A worker's heartbeat, and its watch over the others: a dead one's messages go again within seconds.

A worker beats while it holds leases. When its number no longer changes, the others take it for dead and give
its messages back. If it was only paused, its results are refused once another worker has claimed them.
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

BEAT_S = 0.75
DEAD_S = 3.5  # without a beat; noticed at the next look, so that another worker sends within 6 s
GAP_S = 2.0  # between two looks: a longer one is the watcher's fault, or the store's, and proves nothing
RECENT_S = 5.0  # a worker goes on beating for a tenant this long after its last claim

log = structlog.get_logger(__name__)


class Seen(Struct, frozen=True):
    """A worker's newest beat, and since when it is that (monotonic seconds)."""

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
    ) -> None:
        self.beat = 1
        self._store = store
        self._tenants = tenants
        self._worker = worker
        self._running = running
        self._released = released
        self._held_at: dict[str, float] = {}
        self._seen: dict[tuple[str, str], Seen] = {}
        self._looked_at = 0.0

    def claimed(self, tenant: str) -> None:
        """The worker has claimed messages of the tenant, with its newest beat."""
        self._held_at[tenant] = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._look()
            except (HandoffError, StoreError) as error:
                log.info("heartbeat_failed", error=str(error))
            await asyncio.sleep(BEAT_S)

    async def _look(self) -> None:
        """Beat, and see who else does."""
        self.beat += 1
        for tenant in self._running():
            self.claimed(tenant)
        recent = time.monotonic() - RECENT_S
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
            given = await self._store.deliveries(tenant).release(worker, beat)
            if given > 0:
                log.warning("webhook_worker_gone", tenant=tenant, messages=given)
                self._released(tenant)

    def _silent(self, found: dict[str, dict[str, int]]) -> list[tuple[str, str, int]]:
        """Tenant, worker and last beat of those who are taken for dead."""
        now = time.monotonic()
        if now - self._looked_at > GAP_S:
            self._seen.clear()
        self._looked_at = now
        seen = {}
        for tenant, beats in found.items():
            for worker, beat in beats.items():
                known = self._seen.get((tenant, worker))
                seen[tenant, worker] = known if known and known.beat == beat else Seen(beat, now)
        self._seen = seen
        return [
            (tenant, worker, it.beat)
            for (tenant, worker), it in seen.items()
            if worker != self._worker and now - it.since >= DEAD_S
        ]
