"""Sweeps: one worker at a time goes through all identities and deletes what is outdated.

The state of a sweep is kept after each step, under a lease. A step that was interrupted is done again, and
finds nothing to do where it was already done.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from msgspec import Struct, field

from handoff.domain.clock import HOUR, SECOND, Micros
from handoff.domain.errors import HandoffError
from handoff.store.repositories.retention.horizons import TenantHorizons, pack_horizons
from handoff.store.repositories.retention.lease import HeldSweep
from handoff.store.repositories.retention.scan import ScanPlace
from handoff.store.store import Store

from .control import delete_ended, delete_outdated
from .deleting import Deleted, Deleter
from .policy import RetentionPolicy

TOLERATED = HOUR  # between the clocks of the store and of the worker that sweeps

log = structlog.get_logger(__name__)


class SweepState(Struct, frozen=True, kw_only=True):
    """A sweep: since when, where it is, and what it deleted."""

    started_at: Micros
    place: ScanPlace | None = field(default_factory=ScanPlace)
    seen: int = 0
    deleted: Deleted = field(default_factory=Deleted)
    finished_at: Micros | None = None


class SweepSettings(Struct, frozen=True, kw_only=True):
    """A sweep begins every `every_s`. It works for a `share` of the time, and deletes at most `max_per_s`."""

    every_s: float = 3600.0
    share: float = 0.2
    max_per_s: int = 5000


class Sweeper:
    """Sweeps in turns of at most a second's share, as long as it has the lease."""

    def __init__(
        self,
        store: Store,
        policy: RetentionPolicy,
        owner: str,
        settings: SweepSettings | None = None,
        on_deleted: Callable[[Deleted], None] = lambda _deleted: None,
        before_end: Callable[[SweepState], Awaitable[None]] | None = None,
    ) -> None:
        """`before_end` is called before a sweep's end is kept. If it raises, the last step is repeated."""
        self._store = store
        self._policy = policy
        self._owner = owner
        self.settings = settings or SweepSettings()
        self._on_deleted = on_deleted
        self._before_end = before_end

    async def turn(self) -> SweepState | None:
        """Work for a turn; the sweep's state after it, None if another worker sweeps or nothing is due."""
        if not self._policy.rules:
            return None
        held = await self._store.sweeps.take(self._owner)
        if held is None:
            return None
        now = await self._now()
        state = read_state(held.kept)
        if state is None or state.finished_at is not None:
            if state is not None and now < state.started_at + int(self.settings.every_s * SECOND):
                return None
            state = await self._begin(now)
        return await self._work(held, state)

    async def sweep(self, *, dry_run: bool = False) -> SweepState:
        """A whole sweep without a pause and without the lease. With `dry_run` it only counts."""
        now = await self._now()
        if dry_run:
            await self._store.horizons.refresh()
        state = SweepState(started_at=now) if dry_run else await self._begin(now)
        while state.finished_at is None:
            state = await self._step(state, dry_run=dry_run)
        return state

    async def _begin(self, now: Micros) -> SweepState:
        """Raise all horizons before anything is deleted, so that nothing deleted comes back."""
        await self._store.horizons.refresh()
        for tenant, wanted in self._wanted(now).items():
            await self._store.horizons.raise_to(tenant, wanted)
        await self._store.horizons.refresh()
        log.info("retention_sweep_started")
        return SweepState(started_at=now)

    async def _work(self, held: HeldSweep, state: SweepState) -> SweepState | None:
        deadline = time.monotonic() + self.settings.share
        first = state.deleted.total
        while state.finished_at is None:
            before, state = state, await self._step(state)
            if state.finished_at is not None and self._before_end is not None:
                try:
                    await self._before_end(state)
                except HandoffError:
                    again = msgspec.structs.replace(before, deleted=state.deleted)
                    await self._store.sweeps.keep(held, msgspec.json.encode(again))
                    raise
            if not await self._store.sweeps.keep(held, msgspec.json.encode(state)):
                return None
            if time.monotonic() >= deadline or state.deleted.total - first >= self.settings.max_per_s:
                break
        return state

    async def _step(self, state: SweepState, *, dry_run: bool = False) -> SweepState:
        assert state.place is not None
        scanned = await self._store.identities.step(state.place)
        unused = {it: self._policy.longest(it, state.started_at) for it in self._policy.tenants}
        before = {tenant: at for tenant, at in unused.items() if at is not None}
        horizons = self._planned(state.started_at) if dry_run else self._reached()
        deleted = await Deleter(self._store, horizons, before, dry_run=dry_run).step(scanned)
        if scanned.next is None and not dry_run:
            for tenant in self._policy.tenants:
                ended_before = self._policy.ended_before(tenant, state.started_at)
                outdated = await delete_outdated(self._store, tenant)
                deleted.add(outdated.of_tenant(tenant))
                if ended_before is not None:
                    found = await delete_ended(self._store, tenant, ended_before)
                    deleted.add(found.of_tenant(tenant))
        self._on_deleted(deleted)
        deleted.add(state.deleted)
        return msgspec.structs.replace(
            state,
            place=scanned.next,
            seen=state.seen + len(scanned.records),
            deleted=deleted,
            finished_at=None if scanned.next else await self._now(),
        )

    def _reached(self) -> dict[str, TenantHorizons]:
        known = ((it, self._store.horizons.of(it)) for it in self._policy.tenants)
        return {tenant: horizons for tenant, horizons in known if horizons is not None}

    def _planned(self, now: Micros) -> dict[str, TenantHorizons]:
        """The horizons that a sweep now would use, without raising any."""
        return {tenant: TenantHorizons(pack_horizons(it)) for tenant, it in self._wanted(now).items()}

    def _wanted(self, now: Micros) -> dict[str, dict[tuple[str, str], Micros]]:
        """The horizons that the rules ask for, also of channels that had one when they were configured."""
        known = self._store.horizons
        wanted = {it: self._policy.horizons(it, now, known.at(it).by_channel) for it in self._policy.tenants}
        return {tenant: it for tenant, it in wanted.items() if it}

    async def _now(self) -> Micros:
        """The earlier time of two clocks, the store's and ours: one that runs ahead deletes nothing."""
        stored = await self._store.of(self._policy.tenants[0]).clock()
        own = time.time_ns() // 1000
        if abs(stored - own) > TOLERATED:
            log.error("retention_clocks_differ", by_s=round((stored - own) / SECOND, 1))
        return min(stored, own)


def read_state(kept: bytes) -> SweepState | None:
    """The state of the current or the last sweep; None before the first, or if it cannot be read."""
    if not kept:
        return None
    try:
        return msgspec.json.decode(kept, type=SweepState)
    except msgspec.DecodeError:
        log.warning("retention_state_unreadable")
        return None
